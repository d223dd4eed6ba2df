"""Differences between conditions, with intervals that know what belongs together.

Events of one run are more alike than those of another seed, and runs of one seed are pairs. So
runs are drawn again first, the same seeds for both conditions, and then the events within
each: a bootstrap in two stages (Saravanan, Berman and Sober 2020, Neurons Behav Data Anal Theory
3(5), for why one stage is not enough). Events are not paired: those of a brain that has been
stimulated are not those of one that has not.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

DRAWS = 2000
LEVEL = 0.95
SEED = 20130530

Values = Sequence[NDArray[np.float64]]
"""Of a quantity: one array a run, one number an event."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Of two means, with its interval.

    Attributes
    ----------
    mean, low, high : float
        In the unit of the quantity.
    """

    mean: float
    low: float
    high: float

    @property
    def holds_zero(self) -> bool:
        return self.low <= 0.0 <= self.high

    def to_dict(self) -> dict[str, float]:
        return {"mean": self.mean, "low": self.low, "high": self.high}


def difference(one: Values, other: Values) -> Difference:
    """Mean over all events of `one` less that of `other`, with its 95 % interval.

    Parameters
    ----------
    one, other : sequence of ndarray
        As many runs in both, of the same seeds in the same order. Neither is empty as a whole.
    """
    rng = np.random.default_rng(SEED)
    runs = rng.integers(0, len(one), (DRAWS, len(one)))
    with np.errstate(invalid="ignore"):  # of a draw with no event in it
        made = _redrawn(one, runs, rng) - _redrawn(other, runs, rng)
    tail = 50.0 * (1.0 - LEVEL)
    low, high = np.percentile(made[np.isfinite(made)], [tail, 100.0 - tail])
    mean = float(np.concatenate(one).mean() - np.concatenate(other).mean())
    return Difference(mean, float(low), float(high))


def _redrawn(
    values: Values, runs: NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.float64]:
    """Mean of each draw, (DRAWS,): of events drawn from each of its runs."""
    total, n = np.zeros(len(runs)), np.zeros(len(runs))
    for run, events in enumerate(values):
        if not len(events):
            continue
        for column in runs.T:
            draws = np.flatnonzero(column == run)
            which = rng.integers(0, len(events), (len(draws), len(events)))
            total[draws] += events[which].sum(axis=1)
            n[draws] += len(events)
    return total / n
