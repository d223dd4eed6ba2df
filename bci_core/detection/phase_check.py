"""Checks each phase against the truth, which comes late.

A zero-phase band-pass needs as much of the signal after a moment as before it.
Half its length later it can be computed, and tells how far off the prediction for
that moment was. From this are learnt

- the bias: the mean direction of the errors, which is taken out of later phases;
- the spread: of an estimate with complex Gaussian noise of standard deviation s in
  each part, the error of the phase depends on s over the amplitude alone. One
  number, s, is moved after each check, up if the error was beyond the spread it
  gives, down if within, so that in the long run `COVERAGE` of the errors lie within
  the spread, whatever the signal is (adaptive conformal inference, Gibbs & Candès
  2021, NeurIPS 34).

Both are against what an acausal filter shows, as every published figure is; noise within
the band, which that shows along with the oscillation, is in neither.

The truth is a windowed-sinc (Hamming) band-pass three cycles of the lower edge
long, made analytic by shifting a low-pass up to the band.
"""

import math

import numpy as np
from numpy.typing import NDArray

from bci_core.jit import compiled

COVERAGE = 0.6827
"""Of a Gaussian within one standard deviation."""

WIDEST = math.pi * COVERAGE
"""The spread of a phase that is not known at all, in radians."""

CYCLES = 3.0
CHECKS_A_CYCLE = 4.0
HEAD_START = 200.0
"""Checks without a bias that the bias starts from."""

# design; the taps follow, real and imaginary, the first for the newest sample
_HALF, _LATE, _HOP, _MEMORY, _STEP, _TAPS = range(6)
# record; rings follow: cleaned samples, predictions (real, imaginary)
_AT, _PREDICTED_AT, _TO_HOP, _UNBROKEN, BIAS_RE, BIAS_IM, _CHECKED, _NOISE, _SAMPLES = range(9)


def check_design(
    band_hz: tuple[float, float], rate_hz: float, lead_s: float, memory_s: float
) -> NDArray[np.float64]:
    """The zero-phase band-pass, and how often it is computed.

    Parameters
    ----------
    band_hz : (float, float)
    rate_hz : float
    lead_s : float
        How far ahead the checked phases were predicted.
    memory_s : float
        Time constant of bias and spread.

    Returns
    -------
    ndarray
    """
    low_hz, high_hz = band_hz
    half = max(int(CYCLES * rate_hz / low_hz) // 2, 2)
    away = np.arange(-half, half + 1)
    width = (high_hz - low_hz) / rate_hz
    window = np.hamming(2 * half + 1)
    taps = window * 2.0 * width * np.sinc(width * away)
    # The newest sample is `half` after the moment in question.
    taps = taps * np.exp(1j * math.pi * (low_hz + high_hz) / rate_hz * away)
    # A constant is to give exactly nothing.
    taps -= window * taps.sum() / window.sum()
    hop = max(round(rate_hz / (CHECKS_A_CYCLE * high_hz)), 1)
    checks = memory_s * rate_hz / hop
    head = np.zeros(_TAPS)
    head[_HALF], head[_LATE], head[_HOP] = half, half + round(lead_s * rate_hz), hop
    head[_MEMORY], head[_STEP] = 1.0 / checks, 10.0 / checks
    return np.concatenate([head, np.stack([taps.real, taps.imag], axis=-1).ravel()])


def check_record(design: NDArray[np.float64]) -> NDArray[np.float64]:
    """State to begin with: no bias, and nothing known of the spread."""
    n_samples = 2 * int(design[_HALF]) + 1
    record = np.zeros(_SAMPLES + n_samples + 2 * (int(design[_LATE]) + 1))
    record[BIAS_RE] = 1.0
    return record


@compiled("float64(float64[::1], float64)")
def spread(record: NDArray[np.float64], amplitude: float) -> float:
    """One standard deviation of the phase of an estimate of that amplitude, in radians."""
    if record[_CHECKED] == 0.0 or amplitude <= 0.0:
        return WIDEST
    # The quantile of the phase of a complex Gaussian, to within a tenth.
    ratio = record[_NOISE] / amplitude
    return float(ratio / math.sqrt(1.0 + (ratio / WIDEST) ** 2))


@compiled("void(float64[::1], float64[::1], float64, float64, float64, float64, boolean)")
def check(
    design: NDArray[np.float64],
    record: NDArray[np.float64],
    value: float,
    predicted_re: float,
    predicted_im: float,
    weight: float,
    sound: bool,
) -> None:
    """Take a sample and a prediction in; where one falls due, compare it with the truth.

    Parameters
    ----------
    design, record : ndarray
    value : float
        The sample.
    predicted_re, predicted_im : float
        For the moment `lead_s` from now; 0 if it is not to be checked.
    weight : float
        At most 1: what the error counts for the bias, by the present amplitude.
    sound : bool
        Whether there is anything to be learnt from the sample.
    """
    n_samples = 2 * int(design[_HALF]) + 1
    n_predicted = int(design[_LATE]) + 1
    predictions = _SAMPLES + n_samples
    at = int(record[_AT])
    record[_SAMPLES + at] = value
    at = at + 1 if at + 1 < n_samples else 0
    record[_AT] = at
    due = int(record[_PREDICTED_AT])
    record[predictions + 2 * due] = predicted_re
    record[predictions + 2 * due + 1] = predicted_im
    due = due + 1 if due + 1 < n_predicted else 0
    record[_PREDICTED_AT] = due

    record[_UNBROKEN] = record[_UNBROKEN] + 1.0 if sound else 0.0
    record[_TO_HOP] += 1.0
    if record[_TO_HOP] < design[_HOP]:
        return
    record[_TO_HOP] = 0.0
    re = record[predictions + 2 * due]
    im = record[predictions + 2 * due + 1]
    size = math.sqrt(re * re + im * im)
    # Not where the estimator was still filling up, or ringing, when it predicted.
    if record[_UNBROKEN] < n_samples + n_predicted + design[_HALF] or size == 0.0:
        return
    true_re = 0.0
    true_im = 0.0
    for k in range(n_samples):  # `at` is now the oldest sample, which has the last tap
        tap = _TAPS + 2 * (n_samples - 1 - k)
        true_re += design[tap] * record[_SAMPLES + at]
        true_im += design[tap + 1] * record[_SAMPLES + at]
        at = at + 1 if at + 1 < n_samples else 0
    both = size * math.sqrt(true_re * true_re + true_im * true_im)
    if both == 0.0:
        return
    error_re = (true_re * re + true_im * im) / both
    error_im = (true_im * re - true_re * im) / both
    bias_re, bias_im = record[BIAS_RE], record[BIAS_IM]
    left_rad = abs(
        math.atan2(error_im * bias_re - error_re * bias_im, error_re * bias_re + error_im * bias_im)
    )
    if record[_CHECKED] == 0.0:
        record[_NOISE] = size * max(left_rad, 1e-3)
    else:
        step = max(design[_STEP], 4.0 / (record[_CHECKED] + 3.0))
        missed = left_rad > spread(record, size)
        record[_NOISE] *= math.exp(step * (COVERAGE if missed else COVERAGE - 1.0))
    record[_CHECKED] += 1.0
    gain = weight * max(design[_MEMORY], 1.0 / (record[_CHECKED] + HEAD_START))
    record[BIAS_RE] += gain * (error_re - bias_re)
    record[BIAS_IM] += gain * (error_im - bias_im)
