"""Parts of the acausal references: even steps, zero-phase filters, spans above a bound."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bci_core.detection.monitor_flags import FLAG_BLANK, FLAG_NOT_FINITE, FLAG_RAILED
from bci_core.record.marks import Mark
from bci_core.scoring.stretch import Stretch

UNUSABLE = FLAG_NOT_FINITE | FLAG_RAILED | FLAG_BLANK
"""Flags of samples whose value says nothing about the brain."""

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Complexes = NDArray[np.complex128]

CYCLES_OF_FILTER = 3.0
"""Length of a band-pass, in cycles of its lower edge."""

MOST_UNKNOWN = 0.25
"""Share of what a filter reaches that may be unknown."""

_LONGEST_FILLED_S = 5.0  # more of a gap is left out: nothing there is known anyway
_SAMPLES_PER_CYCLE = 10.0  # of the highest frequency asked for, kept when samples are thinned


@dataclass(frozen=True, slots=True)
class Even:
    """Channels on even steps.

    Attributes
    ----------
    values : ndarray, (n, n_channels), float64
        Finite; interpolated where samples are lost, not finite, railed or blanked.
    times_s : ndarray, (n,)
    known : ndarray, (n,), bool
        False where a sample was lost, or the monitor flagged it.
    rate_hz : float
    """

    values: Floats
    times_s: Floats
    known: Bools
    rate_hz: float

    def known_within(self, reach_s: float) -> Bools:
        """Where a filter that reaches so far to either side has enough to go by.

        At most a quarter of what is within reach may be unknown; before the first and
        after the last sample all is. So the blanks of short stimuli do no harm.
        """
        reach = max(1, round(reach_s * self.rate_hz))
        unknown = np.concatenate([np.ones(reach), ~self.known, np.ones(reach)])
        total = np.concatenate([[0.0], np.cumsum(unknown)])
        width = 2 * reach + 1
        return np.asarray(total[width:] - total[:-width] <= MOST_UNKNOWN * width)


def even(
    stretch: Stretch, columns: Sequence[int], flags: NDArray[np.uint8], highest_hz: float
) -> Even:
    """Samples of some channels on even steps, fewer where the band allows.

    Parameters
    ----------
    stretch : Stretch
    columns : sequence of int
    flags : ndarray, (n_samples,), uint8
        Of the monitor.
    highest_hz : float
        Nothing above this is of interest.
    """
    rate_hz = stretch.info.rate_hz
    samples = np.asarray(stretch.samples[:, list(columns)], dtype=np.float64)
    finite = np.isfinite(samples)
    good = (flags == 0) & finite.all(axis=1)
    usable = finite & (flags & UNUSABLE == 0)[:, np.newaxis]
    steps = np.clip(np.rint(np.diff(stretch.times_s) * rate_hz), 1.0, _LONGEST_FILLED_S * rate_hz)
    places = np.concatenate([[0.0], np.cumsum(steps)]).astype(np.int64)
    grid = np.arange(places[-1] + 1)
    known = np.zeros(len(grid), dtype=bool)
    known[places[good]] = True
    times_s = np.interp(grid, places, stretch.times_s)
    if len(grid) == len(places) and usable.all():
        return _thinned(Even(samples, times_s, known, rate_hz), highest_hz)
    values = np.zeros((len(grid), samples.shape[1]))
    for c in range(samples.shape[1]):
        if usable[:, c].any():
            values[:, c] = np.interp(grid, places[usable[:, c]], samples[usable[:, c], c])
    return _thinned(Even(values, times_s, known, rate_hz), highest_hz)


def _thinned(full: Even, highest_hz: float) -> Even:
    factor = int(full.rate_hz / (_SAMPLES_PER_CYCLE * highest_hz))
    factor = max(1, min(factor, len(full.times_s)))
    if factor == 1:
        return full
    n = len(full.times_s) // factor
    whole = slice(0, n * factor)
    return Even(
        full.values[whole].reshape(n, factor, -1).mean(axis=1),
        full.times_s[whole].reshape(n, factor).mean(axis=1),
        np.all(full.known[whole].reshape(n, factor), axis=1),
        full.rate_hz / factor,
    )


def filter_reach_s(low_hz: float) -> float:
    """How far to either side `band_passed` looks."""
    return CYCLES_OF_FILTER / low_hz / 2.0


def band_passed(x: Floats, band_hz: tuple[float, float], rate_hz: float) -> Floats:
    """Zero-phase FIR band-pass (Hamming window) of each column."""
    from scipy.signal import firwin, oaconvolve

    taps = firwin(
        int(CYCLES_OF_FILTER * rate_hz / band_hz[0]) | 1, band_hz, fs=rate_hz, pass_zero=False
    )
    centred = x - np.median(x, axis=0)
    return np.asarray(oaconvolve(centred, taps[:, np.newaxis], mode="same", axes=0))


def analytic_band(x: Floats, band_hz: tuple[float, float], rate_hz: float) -> Complexes:
    """What one trace holds in a band, and its quadrature, with zero phase.

    A low-pass FIR (Hamming window) moved to the middle of the band: band-pass and Hilbert
    transform in one.
    """
    from scipy.signal import firwin, oaconvolve

    n = int(CYCLES_OF_FILTER * rate_hz / band_hz[0]) | 1
    low_pass = firwin(n, (band_hz[1] - band_hz[0]) / 2.0, fs=rate_hz)
    turns = (band_hz[0] + band_hz[1]) / 2.0 / rate_hz * (np.arange(n) - n // 2)
    taps = (2.0 * low_pass * np.exp(2j * np.pi * turns)).astype(np.complex64)
    # Single precision is far finer than any amplifier, and twice as fast.
    centred = (x - np.median(x)).astype(np.float32)
    return np.asarray(oaconvolve(centred, taps, mode="same"), dtype=np.complex128)


def envelopes(x: Floats, band_hz: tuple[float, float], rate_hz: float) -> Floats:
    """Peak amplitude in a band, of each column."""
    return np.column_stack([np.abs(analytic_band(column, band_hz, rate_hz)) for column in x.T])


def smoothed(x: Floats, sd_s: float, rate_hz: float) -> Floats:
    """Gaussian smoothing of one trace."""
    from scipy.ndimage import gaussian_filter1d

    return np.asarray(gaussian_filter1d(x, sd_s * rate_hz, mode="nearest"))


def moving_mean(x: Floats, window_s: float, rate_hz: float) -> Floats:
    """Mean of one trace over a window centred on each sample."""
    from scipy.ndimage import uniform_filter1d

    return np.asarray(uniform_filter1d(x, max(1, round(window_s * rate_hz)), mode="nearest"))


def deviations(x: Floats, known: Bools) -> Floats:
    """`x` in standard deviations above its mean, both over what is known."""
    if not known.any():
        return np.zeros_like(x)
    spread = float(np.std(x[known]))
    return (x - float(np.mean(x[known]))) / (spread if spread > 0.0 else np.inf)


def spans(above: Bools) -> list[tuple[int, int]]:
    """First and one past the last sample of each run that is True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], above, [False]]).astype(np.int8)))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]


def spans_around(core: Bools, extent: Bools, least: int) -> list[tuple[int, int]]:
    """Spans of `extent` that hold a span of `core` of at least so many samples."""
    long_enough = [a for a, b in spans(core) if b - a >= least]
    around = spans(extent | core)
    begins = np.array([a for a, _ in around])
    chosen = sorted({int(np.searchsorted(begins, a, "right")) - 1 for a in long_enough})
    return [around[i] for i in chosen]


def split_by_known(
    found: Sequence[tuple[int, int]], on: Even, known: Bools, kind: str
) -> tuple[tuple[Mark, ...], tuple[Mark, ...]]:
    """Spans as marks: those whose onset is known, and those that cannot be judged.

    What comes after the onset may be blanked, since a detector's success ends in a pulse.
    """
    judged: list[Mark] = []
    unjudged: list[Mark] = []
    for a, b in found:
        onset_s = float(on.times_s[a])
        mark = Mark(onset_s, float(on.times_s[b - 1]) - onset_s + 1.0 / on.rate_hz, kind)
        (judged if known[a] else unjudged).append(mark)
    return tuple(judged), tuple(unjudged)
