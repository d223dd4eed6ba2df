"""Learns patterns of co-activity from a recording, and their thresholds from shuffles of it.

As many patterns as there are eigenvalues of the correlations above what independent
units would give (Marchenko and Pastur 1967), turned apart by independent component
analysis (Lopes-dos-Santos, Ribeiro and Tort 2013, J Neurosci Methods 220:149; van de
Ven et al. 2016, Neuron 92:968). Where spikes are counted, each eigenvalue must also be
above those of its rank when spikes change owners (parallel analysis: Horn 1965,
Psychometrika 30:179), since a rate that all units share makes eigenvalues too.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from bci_core.detection.assembly_features import AssemblyFeatures
from bci_core.detection.assembly_shuffles import onsets, relabelled, shifted
from bci_core.detection.assembly_templates import (
    AssemblyTemplates,
    of_the_others,
    own_activity,
    strengths,
)
from bci_core.errors import InputError

FEWEST_ABOVE = 10
"""Bins of the shuffles that must lie above a threshold for it to mean anything."""


class LearningSettings(BaseModel):
    """How patterns are learnt.

    Attributes
    ----------
    shuffle_per_min : float
        Bins a minute that may lie above a template's threshold by chance, in either
        kind of shuffle.
    min_ratio : float
        A pattern whose activations, in what it was learnt from, are not this many times
        as frequent is no pattern worth a name, and is left out.
    n_shuffles : int
        Of each kind.
    control_shared_rate : bool
        Take out of each unit what it shares with all others. To be turned off where the
        patterns hold most of the units between them.
    seed : int
        Of the shuffles, and of where the component analysis begins.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    shuffle_per_min: float = Field(default=1.0, gt=0.0, le=600.0)
    min_ratio: float = Field(default=2.0, ge=0.0, le=1000.0)
    n_shuffles: int = Field(default=20, ge=1, le=10_000)
    control_shared_rate: bool = True
    seed: int = Field(default=0, ge=0)


def learn_templates(
    values: NDArray[np.float64],
    units: tuple[str, ...],
    features: AssemblyFeatures,
    settings: LearningSettings | None = None,
    provenance: dict[str, Any] | None = None,
) -> AssemblyTemplates:
    """Learn patterns and thresholds.

    A threshold is the larger of two: what `shuffle_per_min` bins reach when each unit
    is shifted in time on its own (`shifted`: nothing in common is left), and, where the
    values are counts, when spikes change owners (`relabelled`: everything that the
    population does together is left).

    Parameters
    ----------
    values : ndarray, (n_bins, n_units)
        Good bins, as `bci_core.detection.assembly_features.binned` makes them.
    units : tuple of str
        Labels of the columns.
    features : AssemblyFeatures
        How they were made.
    settings : LearningSettings, optional
    provenance : dict, optional
        What to write into the file beside the settings: the recording's sha256, its name.

    Raises
    ------
    InputError
        Too few units or bins, values that are not finite, or no pattern there.
    """
    settings = settings or LearningSettings()
    values = np.asarray(values, dtype=np.float64)
    _check(values, units, features, settings)
    mean, sd = values.mean(axis=0), values.std(axis=0)
    sd[sd <= 1e-9 * np.abs(mean)] = math.inf
    z = (values - mean) / sd
    shared, own_sd = np.zeros(len(units)), np.ones(len(units))
    if settings.control_shared_rate:
        others = of_the_others(z)
        shared = (z * others).sum(axis=0) / np.maximum((others**2).sum(axis=0), 1e-300)
        own_sd = (z - shared * others).std(axis=0)
        own_sd[np.isinf(sd)] = 1.0

    def own(bins: NDArray[np.float64]) -> NDArray[np.float64]:
        return own_activity(bins, mean, sd, shared) / own_sd

    kinds = (shifted, relabelled) if _are_counts(values) else (shifted,)
    rng = np.random.default_rng(settings.seed)
    by_chance = np.zeros(len(units))
    if relabelled in kinds:
        for _ in range(settings.n_shuffles):
            by_chance = np.maximum(by_chance, _eigenvalues(own(relabelled(values, rng))))
    patterns = co_active_patterns(own(values), settings.seed, by_chance)
    quantile = 1.0 - settings.shuffle_per_min * features.bin_s / 60.0
    thresholds = np.full(len(patterns), -math.inf)
    for kind in kinds:
        chance = [strengths(patterns, own(kind(values, rng))) for _ in range(settings.n_shuffles)]
        thresholds = np.maximum(thresholds, np.quantile(np.concatenate(chance), quantile, axis=0))
    minutes = len(values) * features.bin_s / 60.0
    per_min = onsets(strengths(patterns, own(values)), thresholds) / minutes
    keep = (thresholds > 0.0) & (per_min >= settings.min_ratio * settings.shuffle_per_min)
    if not keep.any():
        raise InputError(
            f"none of {len(patterns)} patterns came {settings.min_ratio:g} times as often as in "
            f"the shuffles ({settings.shuffle_per_min:g}/min); learn from a longer recording, or "
            "from other units"
        )
    return AssemblyTemplates(
        patterns[keep],
        thresholds[keep],
        mean,
        sd,
        shared,
        own_sd,
        units,
        features,
        {
            **(provenance or {}),
            "learning": settings.model_dump(),
            "n_bins": len(values),
            "learnt_per_min": per_min[keep].round(3).tolist(),
            "left_out": int((~keep).sum()),
        },
    )


def co_active_patterns(
    z: NDArray[np.float64], seed: int, by_chance: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """Patterns of unit length, by PCA above Marchenko–Pastur and ICA, (n_patterns, n_units).

    Parameters
    ----------
    z : ndarray, (n_bins, n_units)
        Of zero mean and unit variance, or all zeros for a unit that takes no part.
    seed : int
    by_chance : ndarray, (n_units,), optional
        Eigenvalues, the largest first, that those of z must be above, rank by rank,
        beside being above what independent units would give.

    Raises
    ------
    InputError
        No eigenvalue is above what independent units would give, or no pattern has two
        units in it.
    """
    n_bins = len(z)
    takes_part = z.any(axis=0)
    largest_by_chance = (1.0 + math.sqrt(takes_part.sum() / n_bins)) ** 2
    eigenvalues, axes = np.linalg.eigh(z.T @ z / n_bins)
    eigenvalues, axes = eigenvalues[::-1], axes[:, ::-1]
    least = np.maximum(largest_by_chance, 0.0 if by_chance is None else by_chance)
    above = np.logical_and.accumulate(eigenvalues > least)
    if not above.any():
        raise InputError(
            f"the units are not co-active: the largest eigenvalue of their correlations is "
            f"{eigenvalues[0]:.3f}, and chance reaches {np.max(least):.3f}"
        )
    axes = axes[:, above]
    whitened = z @ axes / np.sqrt(eigenvalues[above])
    patterns = independent_directions(whitened, seed) @ axes.T
    patterns /= np.linalg.norm(patterns, axis=1, keepdims=True)
    largest = np.abs(patterns).argmax(axis=1)
    patterns *= np.sign(patterns[np.arange(len(patterns)), largest])[:, np.newaxis]
    members = (np.abs(patterns) > 1.0 / math.sqrt(takes_part.sum())).sum(axis=1)
    patterns = patterns[members >= 2]
    if len(patterns) == 0:
        raise InputError("no pattern has two units or more in it")
    variances = ((z @ patterns.T) ** 2).mean(axis=0)
    return np.asarray(patterns[np.argsort(-variances, kind="stable")])


def _eigenvalues(z: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of the correlations, the largest first."""
    return np.asarray(np.linalg.eigvalsh(z.T @ z / len(z))[::-1])


def independent_directions(
    whitened: NDArray[np.float64], seed: int, n_rounds: int = 500, tolerance: float = 1e-6
) -> NDArray[np.float64]:
    """Rotation to components as independent as can be, (n_components, n_components).

    Symmetric FastICA with the contrast log cosh (Hyvärinen 1999, IEEE Trans Neural
    Networks 10:626). It stops after `n_rounds` at the latest.

    Parameters
    ----------
    whitened : ndarray, (n_bins, n_components)
        Uncorrelated, of unit variance.
    seed : int
    """
    n_bins, n = whitened.shape
    rotation = _orthogonal(np.random.default_rng(seed).normal(size=(n, n)))
    for _ in range(n_rounds):
        slopes = np.tanh(whitened @ rotation.T)
        bent = (1.0 - slopes**2).mean(axis=0)[:, np.newaxis]
        turned = _orthogonal(slopes.T @ whitened / n_bins - bent * rotation)
        change = np.abs(np.abs((turned * rotation).sum(axis=1)) - 1.0).max()
        rotation = turned
        if change < tolerance:
            break
    return rotation


def _orthogonal(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """The rotation nearest to a matrix."""
    left, _, right = np.linalg.svd(matrix)
    return np.asarray(left @ right)


def _are_counts(values: NDArray[np.float64]) -> bool:
    return bool((values >= 0.0).all() and (values == np.rint(values)).all())


def _check(
    values: NDArray[np.float64],
    units: tuple[str, ...],
    features: AssemblyFeatures,
    settings: LearningSettings,
) -> None:
    if values.ndim != 2 or values.shape[1] != len(units):
        raise InputError(f"values are {values.shape} for {len(units)} units; want (n_bins, units)")
    if len(set(units)) != len(units):
        raise InputError("two units have one name; each needs its own")
    if len(units) < 3:
        raise InputError(f"{len(units)} units; co-activity needs 3 or more")
    if not np.isfinite(values).all():
        raise InputError("values hold some that are not finite; leave those bins out")
    chance_min = len(values) * features.bin_s / 60.0 * settings.n_shuffles
    if chance_min * settings.shuffle_per_min < FEWEST_ABOVE or len(values) < 10 * len(units):
        raise InputError(
            f"{len(values)} bins of {features.bin_s:g} s are too few for {len(units)} units and "
            f"{settings.shuffle_per_min:g} chance activations/min in {settings.n_shuffles} "
            f"shuffles; at least {FEWEST_ABOVE} such bins, and 10 bins a unit, are needed: learn "
            "from a longer recording, or raise shuffle_per_min or n_shuffles"
        )
