"""The phase an oscillation really had, found afterwards with the whole recording at hand.

Two references. Where one sine explains nearly all there is in the band, its fit
is the truth, exact to a fraction of a degree. Otherwise it is the phase of the
analytic signal after a zero-phase band-pass, as in offline studies of
phase-locked stimulation; that is a convention, and poor where the oscillation is
weak.

Phase is that of a cosine: 0° at the peak, 90° falling, 180° at the trough, 270° rising.

`scipy.signal` takes most of a second to import, and every session's end imports this.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

FITTED_SINE = "fitted sine"
ZERO_PHASE = "zero-phase"

SINE_EXPLAINS = 0.95
"""Least share of the variance in the band for one sine to be taken as the truth. No brain
rhythm comes near it over more than a few cycles."""

_FIT_STEPS = 30  # a sine needs about five; what is none need not converge
_CYCLES_OF_FILTER = 3.0  # length of the band-pass, in cycles of its lower edge
_SAMPLES_PER_CYCLE = 20.0  # of the upper edge, kept when a fast recording is thinned
_SAME_S = 1e-6  # times and count of samples that differ by less are one
_GAP_PERIODS = 1.5  # a longer step between samples is a gap


@dataclass(frozen=True, slots=True)
class TruePhase:
    """Phase over time.

    Attributes
    ----------
    reference : str
        ``"fitted sine"`` or ``"zero-phase"``: what it rests on.
    times_s : ndarray, (n,)
        In increasing order.
    phase_rad : ndarray, (n,)
        Unwrapped. NaN where it cannot be known: near the ends and gaps of the
        recording, as far as the filter reaches.
    explained : float
        Share of the variance in the band that one sine explains.
    amplitude : ndarray, (n,)
        Of the oscillation, in the unit of the values; peak, not root mean square.
    """

    reference: str
    times_s: Floats
    phase_rad: Floats
    explained: float
    amplitude: Floats

    def at_deg(self, when_s: Floats) -> Floats:
        """Phase at some times, from 0 to 360; NaN where it is not known."""
        phase = np.interp(when_s, self.times_s, self.phase_rad, left=np.nan, right=np.nan)
        return np.asarray(np.degrees(phase) % 360.0, dtype=np.float64)

    def times_of(self, target_deg: float) -> Floats:
        """Every time it passes forwards through a phase, where that is known."""
        turns = self.phase_rad / (2.0 * np.pi) - target_deg / 360.0
        passed = np.floor(turns)
        with np.errstate(invalid="ignore"):  # NaN is where nothing is known
            last = np.flatnonzero(np.diff(passed) >= 1.0)
        # A step over a gap may hold several.
        n = (passed[last + 1] - passed[last]).astype(np.int64)
        before = np.repeat(last, n)
        whole = passed[before] + 1.0 + np.arange(n.sum()) - np.repeat(np.cumsum(n) - n, n)
        part = (whole - turns[before]) / (turns[before + 1] - turns[before])
        step_s = self.times_s[before + 1] - self.times_s[before]
        return np.asarray(self.times_s[before] + part * step_s)


@dataclass(frozen=True, slots=True)
class CircularMean:
    """Mean of angles, and how much they agree."""

    mean_deg: float
    resultant_length: float
    n: int


def circular_mean(angles_deg: Floats) -> CircularMean:
    """Mean direction, from -180 to 180 degrees, and resultant length, of the finite angles.

    Fisher, Statistical Analysis of Circular Data (1993), section 2.3.
    """
    finite = angles_deg[np.isfinite(angles_deg)]
    if not len(finite):
        return CircularMean(float("nan"), float("nan"), 0)
    resultant = np.mean(np.exp(1j * np.radians(finite)))
    return CircularMean(float(np.degrees(np.angle(resultant))), float(abs(resultant)), len(finite))


def true_phase(
    times_s: Floats, values: NDArray[np.floating], rate_hz: float, band_hz: tuple[float, float]
) -> TruePhase | None:
    """Phase of the oscillation in a band.

    Parameters
    ----------
    times_s : ndarray, (n_samples,)
        Times of the samples. May have gaps and jitter.
    values : ndarray, (n_samples,)
        One channel; samples that are not finite are left out.
    rate_hz : float
        Nominal sampling rate.
    band_hz : (float, float)
        Lower and upper edge.

    Returns
    -------
    TruePhase or None
        None when the recording is too short to tell, or too slow for the band.
    """
    if not 0.0 < band_hz[0] < band_hz[1] < rate_hz / 2.0:
        return None
    finite = np.flatnonzero(np.isfinite(values) & np.isfinite(times_s))
    finite = finite[np.argsort(times_s[finite], kind="stable")]
    times_s = times_s[finite]
    factor = max(1, int(rate_hz / (_SAMPLES_PER_CYCLE * band_hz[1])))
    axes = [_block_means(each, factor) for each in (times_s, _sample_count(times_s, rate_hz))]
    times_s, x = axes[0], _block_means(np.asarray(values, dtype=np.float64)[finite], factor)
    rate_hz /= factor
    n_taps = int(_CYCLES_OF_FILTER * rate_hz / band_hz[0]) | 1
    if len(x) < 3 * n_taps or not np.any(x != x[0]):
        return None
    grid = _Grid(times_s, rate_hz, band_hz, n_taps)
    if not grid.known.any():
        return None
    if np.ptp(axes[0] - axes[1]) < _SAME_S:
        axes = axes[:1]
    fits = [_fit_sine(axis, times_s, x, grid) for axis in axes]
    best = max(fits, key=lambda fit: fit.explained)
    if best.explained >= SINE_EXPLAINS:
        return best
    analytic = _analytic_signal(grid.band_passed(x))
    phase_rad = np.where(grid.known, np.unwrap(np.angle(analytic)), np.nan)
    return TruePhase(ZERO_PHASE, grid.times_s, phase_rad, best.explained, np.abs(analytic))


def _analytic_signal(x: Floats) -> NDArray[np.complex128]:
    """The signal and its Hilbert transform, padded to a length that transforms fast."""
    from scipy.fft import next_fast_len
    from scipy.signal import hilbert

    return np.asarray(hilbert(x, next_fast_len(len(x)))[: len(x)])


class _Grid:
    """Even steps over a recording, and a zero-phase band-pass on them."""

    def __init__(
        self, times_s: Floats, rate_hz: float, band_hz: tuple[float, float], n_taps: int
    ) -> None:
        from scipy.signal import firwin, oaconvolve

        self._sample_times_s = times_s
        self.rate_hz = rate_hz
        self.band_hz = band_hz
        self.times_s = np.arange(times_s[0], times_s[-1], 1.0 / rate_hz)
        self._taps = firwin(n_taps, band_hz, fs=rate_hz, pass_zero=False)
        right = np.clip(np.searchsorted(times_s, self.times_s), 1, len(times_s) - 1)
        in_gap = times_s[right] - times_s[right - 1] > _GAP_PERIODS / rate_hz
        reach = n_taps // 2
        spread = oaconvolve(in_gap.astype(np.float64), np.ones(2 * reach + 1), mode="same")
        self.known = spread < 0.5
        self.known[:reach] = self.known[-reach:] = False

    def resampled(self, x: Floats) -> Floats:
        return np.interp(self.times_s, self._sample_times_s, x)

    def band_passed(self, x: Floats) -> Floats:
        from scipy.signal import oaconvolve

        even = self.resampled(x)
        return np.asarray(oaconvolve(even - even.mean(), self._taps, mode="same"))


def _fit_sine(axis: Floats, times_s: Floats, x: Floats, grid: _Grid) -> TruePhase:
    """Least-squares fit of a cos + b sin + c, frequency included.

    `axis` is what the sine is even in: seconds, or the count of samples for a source
    that computes it sample by sample while its clock wanders.
    """
    from scipy.optimize import least_squares

    span = axis[-1] - axis[0]
    t = axis - axis[0] - span / 2.0  # from the middle, so that phase and frequency part
    seed_hz = _peak_hz(grid, x) * (times_s[-1] - times_s[0]) / span

    def terms(hz: float) -> tuple[Floats, Floats]:
        angle = 2.0 * np.pi * hz * t
        return np.cos(angle), np.sin(angle)

    def residual(p: Floats) -> Floats:
        cos, sin = terms(p[3])
        return np.asarray(p[0] * cos + p[1] * sin + p[2] - x)

    def jacobian(p: Floats) -> Floats:
        cos, sin = terms(p[3])
        slope = 2.0 * np.pi * t * (p[1] * cos - p[0] * sin)
        return np.column_stack([cos, sin, np.ones_like(t), slope])

    seed = np.linalg.lstsq(np.column_stack([*terms(seed_hz), np.ones_like(t)]), x, rcond=None)[0]
    size = float(np.std(x))
    fit = least_squares(
        residual,
        [*seed, seed_hz],
        jac=jacobian,
        x_scale=[size, size, size, 1.0 / span],
        max_nfev=_FIT_STEPS,
    ).x
    left = np.var(grid.band_passed(residual(fit))[grid.known])
    there = np.var(grid.band_passed(x)[grid.known])
    explained = 1.0 - float(left / there) if there > 0.0 else 0.0
    phase_rad = 2.0 * np.pi * fit[3] * t - np.arctan2(fit[1], fit[0])
    amplitude = np.full(len(t), np.hypot(fit[0], fit[1]))
    return TruePhase(FITTED_SINE, times_s, phase_rad, explained, amplitude)


def _peak_hz(grid: _Grid, x: Floats) -> float:
    """Strongest frequency in the band, finer than the resolution of the recording."""
    from scipy.fft import next_fast_len, rfft, rfftfreq

    even = grid.resampled(x)
    size = next_fast_len(8 * len(even), real=True)
    power = np.abs(rfft((even - even.mean()) * np.hanning(len(even)), size))
    hz = rfftfreq(size, 1.0 / grid.rate_hz)
    inside = (hz >= grid.band_hz[0]) & (hz <= grid.band_hz[1])
    if not inside.any():
        return sum(grid.band_hz) / 2.0
    return float(hz[inside][np.argmax(power[inside])])


def _sample_count(times_s: Floats, rate_hz: float) -> Floats:
    """Samples since the first, lost ones included, in nominal seconds."""
    if not len(times_s):
        return times_s
    steps = np.maximum(np.rint(np.diff(times_s) * rate_hz), 1.0)
    return np.concatenate([[0.0], np.cumsum(steps)]) / rate_hz


def _block_means(x: Floats, factor: int) -> Floats:
    """Thin out a recording that is much faster than the band needs."""
    n = len(x) // factor * factor
    return np.asarray(x[:n].reshape(-1, factor).mean(axis=1))
