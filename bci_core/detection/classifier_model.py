"""A logistic model on causal Morlet power: what `bci_core.detection.classifier` evaluates.

`bci_core.detection.classifier_fit` makes one. It is kept as JSON, with what it was
fitted on and how good it was.
"""

import json
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from bci_core.detection.spectral_features import LEAST_SD, SpectralFeatures
from bci_core.errors import ConfigError, Problem

_FROZEN = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class FitFigures(BaseModel):
    """How good a model is, by events it was not fitted on.

    Attributes
    ----------
    n_trained, n_held_out : int
        Events.
    base_rate : float
        Share of positive events among those it was fitted on.
    auc : float
        Area under the ROC curve, held out; 0.5 is chance.
    brier : float
        Mean squared error of the probability, held out; less is better.
    brier_of_base_rate : float
        The same of an answer that is always `base_rate`: what has to be beaten.
    auc_cross_validated : float
        Over the folds of the part it was fitted on.
    penalty_c : float
        Chosen among `PENALTIES_C`.
    """

    model_config = _FROZEN

    n_trained: int
    n_held_out: int
    base_rate: float
    auc: float
    brier: float
    brier_of_base_rate: float
    auc_cross_validated: float
    penalty_c: float


class ClassifierModel(BaseModel):
    """Everything the detector needs, and where it came from.

    Attributes
    ----------
    features : SpectralFeatures
    mean, sd : tuple of float
        Of each feature, over the events fitted on.
    weights : tuple of float
        Of each z-scored feature, calibration included.
    intercept : float
    positive : str
        What the probability is the probability of.
    figures : FitFigures
    provenance : dict of str
        The recordings, and the versions of what fitted it.
    """

    model_config = _FROZEN

    features: SpectralFeatures
    mean: tuple[float, ...]
    sd: tuple[float, ...]
    weights: tuple[float, ...]
    intercept: float
    positive: str
    figures: FitFigures
    provenance: dict[str, str]

    @model_validator(mode="after")
    def _sizes_agree(self) -> "ClassifierModel":
        n = len(self.features)
        sizes = {"mean": len(self.mean), "sd": len(self.sd), "weights": len(self.weights)}
        wrong = [f"{name} has {size}" for name, size in sizes.items() if size != n]
        if wrong:
            raise ValueError(f"{', '.join(wrong)} values for {n} features")
        if min(self.sd) < LEAST_SD:
            raise ValueError(f"sd has {min(self.sd):g}; the least is {LEAST_SD:g} decades")
        return self

    def probability(self, features: ArrayLike) -> NDArray[np.float64]:
        """Of `positive`, for rows of features, (n,)."""
        z = (np.asarray(features, dtype=np.float64) - np.array(self.mean)) / np.array(self.sd)
        score: NDArray[np.float64] = z @ np.array(self.weights) + self.intercept
        return 1.0 / (1.0 + np.exp(-score))

    def save(self, path: str | Path) -> None:
        """Write the model as JSON."""
        Path(path).write_text(json.dumps(self.model_dump(), indent=1) + "\n", encoding="utf-8")


def load_model(path: str | Path) -> ClassifierModel:
    """Read a model that `ClassifierModel.save` wrote.

    Raises
    ------
    ConfigError
        The file is not there, or is no model; every mistake in it is named.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(str(path), [Problem("model", f"cannot be read: {error}")]) from error
    try:
        return ClassifierModel.model_validate_json(text)
    except ValidationError as error:
        problems = [
            Problem(".".join(["model", *map(str, e["loc"])]), f"{e['msg']}; fit the model anew")
            for e in error.errors()
        ]
        raise ConfigError(str(path), problems) from error
