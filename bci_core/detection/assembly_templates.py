"""Patterns of co-activity: what they are, how they are compared with a bin, their file.

The activity of each unit is z-scored with the mean and spread it had when the
patterns were learnt. Of a pattern with weights w (of unit length) the strength in a
bin is that of Lopes-dos-Santos, Ribeiro and Tort (2013, J Neurosci Methods 220:149)::

    R = (sum_i w_i z_i)² - sum_i (w_i z_i)²

so that one unit alone makes none. Before that, what a unit shares with all others is
taken out of it: its regression, fitted when the patterns were learnt, on the mean of
the others' z in the same bin. A burst of everybody is then no pattern. Nor are patterns
that hold most of the units between them: those cannot be told from a rate that all
share, and are learnt without this control.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from bci_core.detection.assembly_features import AssemblyFeatures
from bci_core.errors import InputError

FORMAT = "bci assembly templates 1"
_ARRAYS = ("weights", "thresholds", "mean", "sd", "shared", "own_sd")


@dataclass(frozen=True, slots=True)
class AssemblyTemplates:
    """Patterns, ready to be recognised.

    Attributes
    ----------
    weights : ndarray, (n_templates, n_units)
        Each of unit length.
    thresholds : ndarray, (n_templates,)
        Strength from which a bin counts as an activation.
    mean, sd : ndarray, (n_units,)
        Of each unit's bins, in what the features count. `sd` is infinite for a unit that
        was silent: it takes no part.
    shared : ndarray, (n_units,)
        Regression of a unit's z on the mean z of the others; zeros for no control.
    own_sd : ndarray, (n_units,)
        Of what is left.
    units : tuple of str
        Labels, in the order of the columns.
    features : AssemblyFeatures
        How bins were made.
    provenance : mapping
        What they were learnt from and how; can be written as JSON.
    """

    weights: NDArray[np.float64]
    thresholds: NDArray[np.float64]
    mean: NDArray[np.float64]
    sd: NDArray[np.float64]
    shared: NDArray[np.float64]
    own_sd: NDArray[np.float64]
    units: tuple[str, ...]
    features: AssemblyFeatures
    provenance: Mapping[str, Any]

    def __len__(self) -> int:
        return len(self.weights)

    def members(self, template: int) -> tuple[str, ...]:
        """Units whose weight is above that of equal shares, the heaviest first."""
        sizes = np.abs(self.weights[template])
        heavy = np.argsort(-sizes, kind="stable")
        return tuple(self.units[u] for u in heavy if sizes[u] > 1.0 / np.sqrt(len(sizes)))

    def strengths(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Strength of each template in each bin.

        Parameters
        ----------
        values : ndarray, (n_bins, n_units)
            In what the features count.

        Returns
        -------
        ndarray, (n_bins, n_templates)
        """
        own = own_activity(values, self.mean, self.sd, self.shared) / self.own_sd
        return strengths(self.weights, own)


def own_activity(
    values: NDArray[np.float64],
    mean: NDArray[np.float64],
    sd: NDArray[np.float64],
    shared: NDArray[np.float64],
) -> NDArray[np.float64]:
    """z-scored, less what each unit shares with the others, (n_bins, n_units)."""
    z = (values - mean) / sd
    return np.asarray(z - shared * of_the_others(z))


def of_the_others(z: NDArray[np.float64]) -> NDArray[np.float64]:
    """For each unit the mean of all others in the bin, (n_bins, n_units)."""
    return np.asarray((z.sum(axis=1, keepdims=True) - z) / max(z.shape[1] - 1, 1))


def strengths(weights: NDArray[np.float64], z: NDArray[np.float64]) -> NDArray[np.float64]:
    """R of each template in each bin, (n_bins, n_templates)."""
    return np.asarray((z @ weights.T) ** 2 - z**2 @ (weights**2).T)


def save(templates: AssemblyTemplates, path: str | Path) -> None:
    """Write a templates file: a plain ``.npz`` of numbers and text.

    Raises
    ------
    InputError
        The file cannot be written.
    """
    arrays = {name: getattr(templates, name) for name in _ARRAYS}
    try:
        with Path(path).open("wb") as file:
            np.savez(
                file,
                format=np.array(FORMAT),
                units=np.array(templates.units),
                features=np.array(templates.features.model_dump_json()),
                provenance=np.array(json.dumps(dict(templates.provenance), sort_keys=True)),
                **arrays,
            )
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror or error})") from error


def load(path: str | Path) -> AssemblyTemplates:
    """Read a templates file. Nothing in it is ever executed.

    Raises
    ------
    InputError
        It is not there, not such a file, or its parts do not fit together.
    """
    try:
        with Path(path).open("rb") as file, np.load(file, allow_pickle=False) as held:
            parts = {name: held[name] for name in held.files}
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error
    except Exception as error:  # zip, zlib and numpy each have their own for damage
        raise InputError(f"{path}: is no file of templates, or damaged ({error})") from error
    try:
        if str(parts["format"]) != FORMAT:
            raise InputError(f"{path}: is in format {parts['format']}; this reads {FORMAT!r}")
        templates = AssemblyTemplates(
            **{name: np.asarray(parts[name], dtype=np.float64) for name in _ARRAYS},
            units=tuple(str(unit) for unit in parts["units"]),
            features=AssemblyFeatures.model_validate_json(str(parts["features"])),
            provenance=json.loads(str(parts["provenance"])),
        )
    except KeyError as error:
        raise InputError(f"{path}: is no file of templates: it has no {error}") from error
    except (ValidationError, ValueError, TypeError) as error:
        raise InputError(f"{path}: is a damaged file of templates ({error})") from error
    _check(templates, path)
    return templates


def _check(templates: AssemblyTemplates, path: str | Path) -> None:
    n_units = len(templates.units)
    shapes = {
        "weights": (len(templates.weights), n_units),
        "thresholds": (len(templates.weights),),
        **dict.fromkeys(("mean", "sd", "shared", "own_sd"), (n_units,)),
    }
    for name, shape in shapes.items():
        values = getattr(templates, name)
        if values.shape != shape:
            raise InputError(f"{path}: {name} is {values.shape}, and should be {shape}")
        if np.isnan(values).any() or (name != "sd" and np.isinf(values).any()):
            raise InputError(f"{path}: {name} holds a value that is not finite")
    for name in ("thresholds", "sd", "own_sd"):
        if (getattr(templates, name) <= 0.0).any():
            raise InputError(f"{path}: {name} holds a value that is not above 0")
    if len(templates.weights) == 0:
        raise InputError(f"{path}: holds no template")
