"""From two filtered numbers a sample to announced phases: what all estimators share.

An estimator shows two numbers, `RE` and `IM` of its state, that depend linearly on
the signal. What it adds to amplitude and phase is known exactly at each frequency
(its response), so it is solved for the sine that would have made it show them; for
a steady sine anywhere in the band nothing of the estimator's bias is left. The
solutions are tabled over the band (`calibration`). From there: amplitude gate,
frequency, bias and spread against the late truth (`bci_core.detection.phase_check`),
and the announcement of the target phase.
"""

import math

import numpy as np
from numpy.typing import NDArray

from bci_core.detection.compiled import OUT_SPREAD_S, announce
from bci_core.detection.filters import filtered
from bci_core.detection.monitor_flags import FLAG_BLANK
from bci_core.detection.phase_check import BIAS_IM, BIAS_RE, check, spread
from bci_core.jit import compiled

RE, IM = range(2)
"""Of the estimator's state: what it shows."""

HEAD_START = 3.0
"""How the first samples share their weight: by the square of their number, later ones more.
What the filter shows while it is still filling up is soon outweighed."""

FILLING_RAD = 4.0 * math.pi
"""Two cycles, while a filter fills up: until then the usual amplitude is the largest so far."""

STEP_UV, STEP_RATIO = 1000.0, 100.0
"""A change between two samples above both, the second times the usual amplitude, is a step."""

POINTS = 513
"""Of the table of calibrations; between them it is linear."""

# settings; the notch follows, then the calibration, the check's design, the estimator's model
(
    COLUMN, TARGET, GATE_UV, QUANTILE, WIDEST, PERIOD_S, LEAD, LOWEST, HIGHEST, MEMORY,
    AMPLITUDE_STEP, TABLE_AT, CHECK_AT, MODEL_AT, RECORD_AT, OWN_AT, HUM,
) = range(17)  # fmt: skip
# state; the notch's follows, then the record of the check, then the estimator's
(
    SEEN, OFFSET, LAST, ROTATION_RE, ROTATION_IM, OMEGA, LEARNT, LAST_TARGET, PHASE_DEG,
    AMPLITUDE_UV, FREQUENCY_HZ, UNCERTAINTY_DEG, GATE_OPEN, MEDIAN, AT_QUANTILE, AMPLITUDES,
    HUM_STATE,
) = range(17)  # fmt: skip

OUTPUTS = ("phase_deg", "amplitude_uv", "frequency_hz", "uncertainty_deg", "gate_open")
"""Of the state, from `PHASE_DEG` on."""


def calibration(
    to_re: NDArray[np.complex128], to_im: NDArray[np.complex128]
) -> NDArray[np.float64]:
    """The way back from what a filter shows to the sine that made it.

    Solves ``re = Re(to_re * z)`` and ``im = Re(to_im * z)`` for z.

    Parameters
    ----------
    to_re, to_im : ndarray, (n_frequencies,), complex128
        Transfer functions from the signal to what is shown.

    Returns
    -------
    ndarray, (4 * n_frequencies,)
        For each frequency a, b, c, d of ``z = a * re + b * im + 1j * (c * re + d * im)``.
    """
    scale = 1.0 / (to_re.imag * to_im.real - to_re.real * to_im.imag)
    rows = np.array([-to_im.imag, to_re.imag, -to_im.real, to_re.real]) * scale
    return np.ascontiguousarray(rows.T).ravel()


@compiled("float64(float64[::1], float64[::1], float64, uint8)")
def clean(
    settings: NDArray[np.float64], state: NDArray[np.float64], value: float, flag: int
) -> float:
    """The sample without the electrode's offset, its steps, and mains hum.

    A blanked sample was not measured: the oscillation is taken to have gone on as it was.
    """
    if state[SEEN] == 0.0:
        state[LAST] = state[OFFSET] = value
    state[SEEN] = 1.0
    if flag & FLAG_BLANK and state[GATE_OPEN] > 0.0:
        phase = math.radians(state[PHASE_DEG])
        swing = math.cos(phase + state[OMEGA]) - math.cos(phase)
        value = state[LAST] + state[AMPLITUDE_UV] * swing
    step = value - state[LAST]
    state[LAST] = value
    # What jumps so far from one sample to the next does not come from tissue.
    if abs(step) > STEP_UV and abs(step) > STEP_RATIO * state[MEDIAN]:
        state[OFFSET] += step
    hum = settings[HUM : int(settings[TABLE_AT])]
    return float(filtered(hum, state[HUM_STATE : int(settings[RECORD_AT])], value - state[OFFSET]))


@compiled(
    "int64(float64[::1], float64[::1], float64[:, ::1], int64, int64, float64, uint8,"
    "float64, float64, float64, float64, float64)"
)
def follow(
    settings: NDArray[np.float64],
    state: NDArray[np.float64],
    out: NDArray[np.float64],
    n_found: int,
    row: int,
    time_s: float,
    flag: int,
    value: float,
    before_re: float,
    before_im: float,
    re: float,
    im: float,
) -> int:
    """One sample; angles are in radians, frequencies in radians a sample.

    Parameters
    ----------
    settings, state, out : ndarray
    n_found, row : int
    time_s : float
    flag : int
        Of the monitor.
    value : float
        The sample, as the estimator had it.
    before_re, before_im, re, im : float
        What the estimator showed before and after the sample.
    """
    # The sine behind what is shown, if its frequency is what it was found to be so far.
    low, high = settings[LOWEST], settings[HIGHEST]
    place = (state[OMEGA] - low) / (high - low) * (POINTS - 1)
    at = min(int(place), POINTS - 2)
    part = place - at
    left = int(settings[TABLE_AT]) + 4 * at
    a = settings[left] + part * (settings[left + 4] - settings[left])
    b = settings[left + 1] + part * (settings[left + 5] - settings[left + 1])
    c = settings[left + 2] + part * (settings[left + 6] - settings[left + 2])
    d = settings[left + 3] + part * (settings[left + 7] - settings[left + 3])
    now_re, now_im = a * re + b * im, c * re + d * im
    was_re, was_im = a * before_re + b * before_im, c * before_re + d * before_im
    amplitude_uv = math.sqrt(now_re * now_re + now_im * now_im)

    # The gate. Median and quantile of the amplitude are followed on a logarithmic scale in
    # steps up and down (Robbins & Monro 1951): an artefact does no more for being large.
    sound = flag == 0 and amplitude_uv > 0.0
    if sound:
        state[AMPLITUDES] += 1.0
        if state[AMPLITUDES] * state[OMEGA] < FILLING_RAD:
            state[MEDIAN] = state[AT_QUANTILE] = max(state[MEDIAN], amplitude_uv)
        step = max(settings[AMPLITUDE_STEP], 2.0 / state[AMPLITUDES])
        state[MEDIAN] *= math.exp(step * (0.5 if amplitude_uv > state[MEDIAN] else -0.5))
        up = settings[QUANTILE] if amplitude_uv > state[AT_QUANTILE] else settings[QUANTILE] - 1.0
        state[AT_QUANTILE] *= math.exp(step * up)
    is_open = amplitude_uv > 0.0 and amplitude_uv >= settings[GATE_UV]
    if settings[QUANTILE] > 0.0 and amplitude_uv < state[AT_QUANTILE]:
        is_open = False

    # The frequency: the mean rotation, in which a large amplitude counts no more than the median.
    weight = min(1.0, amplitude_uv / state[MEDIAN]) if state[MEDIAN] > 0.0 else 0.0
    rotation_re = now_re * was_re + now_im * was_im
    rotation_im = now_im * was_re - now_re * was_im
    size = math.sqrt(rotation_re * rotation_re + rotation_im * rotation_im)
    if is_open and sound and size > 0.0:
        state[LEARNT] += 1.0
        gain = weight * max(settings[MEMORY], HEAD_START / (state[LEARNT] + HEAD_START - 1.0))
        state[ROTATION_RE] += gain * (rotation_re / size - state[ROTATION_RE])
        state[ROTATION_IM] += gain * (rotation_im / size - state[ROTATION_IM])
        state[OMEGA] = min(max(math.atan2(state[ROTATION_IM], state[ROTATION_RE]), low), high)
    omega = state[OMEGA]

    # Bias and spread, from how earlier predictions compare with the late truth.
    record = state[int(settings[RECORD_AT]) : int(settings[OWN_AT])]
    design = settings[int(settings[CHECK_AT]) : int(settings[MODEL_AT])]
    cos = math.cos(omega * np.rint(settings[LEAD])) if is_open else 0.0
    sin = math.sin(omega * np.rint(settings[LEAD])) if is_open else 0.0
    ahead_re, ahead_im = now_re * cos - now_im * sin, now_re * sin + now_im * cos
    check(design, record, value, ahead_re, ahead_im, weight, flag == 0)
    phase = math.atan2(now_im, now_re) + math.atan2(record[BIAS_IM], record[BIAS_RE])
    spread_rad = spread(record, amplitude_uv)

    state[PHASE_DEG] = math.degrees(phase - 2.0 * math.pi * np.rint(phase / (2.0 * math.pi)))
    state[AMPLITUDE_UV] = amplitude_uv
    state[FREQUENCY_HZ] = omega / (2.0 * math.pi * settings[PERIOD_S])
    state[UNCERTAINTY_DEG] = math.degrees(spread_rad)
    state[GATE_OPEN] = 1.0 if is_open else 0.0

    state[LAST_TARGET] -= 1.0
    # From the moment `lead` samples ahead to the nearest target, in samples.
    turn = settings[TARGET] - phase - omega * settings[LEAD]
    remaining = (turn - 2.0 * math.pi * np.rint(turn / (2.0 * math.pi))) / omega
    ahead = max(settings[LEAD] + remaining, 0.0)
    half_cycle = math.pi / omega
    if (
        is_open
        and spread_rad <= settings[WIDEST]
        and abs(remaining) < 1.0
        and ahead - state[LAST_TARGET] > half_cycle
    ):
        state[LAST_TARGET] = ahead
        target_s = time_s + ahead * settings[PERIOD_S]
        n_found = announce(out, n_found, row, target_s, amplitude_uv)
        out[n_found - 1, OUT_SPREAD_S] = spread_rad / omega * settings[PERIOD_S]
    return n_found
