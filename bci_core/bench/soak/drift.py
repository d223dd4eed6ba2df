"""How fast something changes over a session, and how sure that is."""

from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student

from bci_core.bench.floor import Floats

SPANS = 12
"""Equal parts of the time, each summed up by one value."""

CONFIDENCE = 0.95
HOUR_S = 3600.0


@dataclass(frozen=True, slots=True)
class Drift:
    """Change per hour, from one part of the time to the next.

    Attributes
    ----------
    per_hour, low_per_hour, high_per_hour : float
        Mean over the steps between parts, and its confidence interval (`CONFIDENCE`).
    first, last, largest : float
        Of the values that sum up a part each.
    span_s : float
        From the middle of the first part to the middle of the last.
    n : int
        Readings.
    """

    per_hour: float
    low_per_hour: float
    high_per_hour: float
    first: float
    last: float
    largest: float
    span_s: float
    n: int


def drift(times_s: Floats, values: Floats, quantile: float = 0.5) -> Drift | None:
    """Follow a quantile of the values over `SPANS` equal parts of the time.

    The steps from part to part are taken as independent, as those of a random walk with a
    drift are. Memory is one: an allocator grows in steps, of which a least-squares line
    would be far too sure. Readings that scatter around a level only widen the interval.

    Parameters
    ----------
    times_s, values : ndarray, (n,)
        In order of time.
    quantile : float

    Returns
    -------
    Drift or None
        None where a part has no reading: the session was too short.
    """
    if len(times_s) < SPANS:
        return None
    edges_s = np.linspace(times_s[0], times_s[-1], SPANS + 1)
    part = np.clip(np.searchsorted(edges_s, times_s, side="right") - 1, 0, SPANS - 1)
    grouped = [values[part == i] for i in range(SPANS)]
    if not all(len(group) for group in grouped):
        return None
    level = np.array([np.quantile(group, quantile) for group in grouped])
    steps = np.diff(level) * HOUR_S / float(edges_s[1] - edges_s[0])
    error = float(np.std(steps, ddof=1)) / np.sqrt(len(steps))
    reach = float(student.ppf(0.5 + CONFIDENCE / 2.0, len(steps) - 1)) * error
    mean = float(np.mean(steps))
    return Drift(
        per_hour=mean,
        low_per_hour=mean - reach,
        high_per_hour=mean + reach,
        first=float(level[0]),
        last=float(level[-1]),
        largest=float(level.max()),
        span_s=float(edges_s[-2] - edges_s[0]),
        n=len(values),
    )
