"""Kalman filter of a noisy oscillation, and its forecast folded through a zero-phase band-pass.

The model (Matsuda & Komaki 2017, Neural Computation 29:332; used online by
Wodeyar et al. 2021, eLife 10:e68803): the signal is a damped, randomly driven
rotation at the centre of the band, plus a background that falls off above the
band (a first-order autoregression, which around its corner is as good as 1/f),
plus a random walk (offset and drift), plus white noise. With constant noise the
Kalman gain is constant, so the filter is linear, with four states.

What experimenters call the phase is that of a zero-phase band-pass, which shows
the background in the band along with the oscillation. So the state is not read
as it is. A zero-phase Butterworth band-pass weighs the past and the future of a
sample alike; its past half is a few damped rotations of the samples that came,
and of the future the Kalman state has a forecast. Their sum is the best guess of
what the acausal filter will show. An offset gives exactly nothing.
"""

import math

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_discrete_are

from bci_core.detection.phase_follow import (
    COLUMN,
    IM,
    MODEL_AT,
    OWN_AT,
    RE,
    clean,
    follow,
)
from bci_core.jit import KERNEL, compiled

ORDER = 3
"""Of the zero-phase band-pass: at its edges the amplitude is half."""

BACKGROUND_CORNER = 2.0
"""Where the background begins to fall, over the centre frequency."""

# model; forecast weights (real, imaginary) of the four states, poles and residues follow
_COS, _SIN, _DECAY, _GAIN_RE, _GAIN_IM, _GAIN_BACK, _GAIN_DRIFT, _NOW, _FORECAST = range(9)
_POLES = _FORECAST + 8
_RESIDUES = _POLES + 2 * ORDER
MODEL_SIZE = _RESIDUES + 2 * ORDER
# state; after what all estimators show, the Kalman filter's, then the band-pass's
_K_RE, _K_IM, _K_BACK, _K_DRIFT, _PAST = range(2, 7)
STATE_SIZE = _PAST + 2 * ORDER


def oscillator_model(
    band_hz: tuple[float, float],
    rate_hz: float,
    linewidth_ratio: float,
    background_ratio: float,
    white_ratio: float,
    drift_ratio: float,
) -> NDArray[np.float64]:
    """Design the filter.

    Parameters
    ----------
    band_hz : (float, float)
        Where the oscillation may be; its model sits at the geometric mean.
    rate_hz : float
        Sampling rate.
    linewidth_ratio : float
        Half-power width of the oscillation, as a fraction of the width of the band.
    background_ratio, white_ratio, drift_ratio : float
        Power density of the background, of the white noise, and of the drift at the
        centre frequency, over that of the oscillation at its peak.

    Returns
    -------
    ndarray, (MODEL_SIZE,)
    """
    low_hz, high_hz = band_hz
    centre = 2.0 * math.pi * math.sqrt(low_hz * high_hz) / rate_hz
    damping = math.exp(-math.pi * linewidth_ratio * (high_hz - low_hz) / rate_hz)
    cos, sin = damping * math.cos(centre), damping * math.sin(centre)
    decay = math.exp(-BACKGROUND_CORNER * centre)

    # To first order in the damping, the oscillation's power density is 1 at its peak.
    drive = 2.0 * (1.0 - damping) ** 2
    back = background_ratio * (1.0 - decay) ** 2
    walk = drift_ratio * (2.0 * math.sin(centre / 2.0)) ** 2
    advance = np.diag([cos, cos, decay, 1.0])
    advance[0, 1], advance[1, 0] = -sin, sin
    observe = np.array([[1.0, 0.0, 1.0, 1.0]])
    noise = np.array([[white_ratio]])
    process = np.diag([drive, drive, back, walk])
    before = solve_discrete_are(advance.T, observe.T, process, noise)
    gain = before @ observe.T / (observe @ before @ observe.T + noise)

    poles, residues = zero_phase_band_pass(band_hz, rate_hz)
    forecast = np.zeros(4, dtype=np.complex128)
    for pole, residue in zip(poles, residues, strict=True):
        # conj(residue) * sum over k = 1, 2, … of conj(pole)^k times the forecast k samples on
        step = np.conj(pole) * advance
        forecast += np.conj(residue) * np.linalg.solve((np.eye(4) - step).T, step.T @ observe[0])
    now = float(residues.sum().real)
    # Of a constant, the band-pass is to show nothing; all of it is drift in the end.
    past = (residues * poles / (1.0 - poles)).sum()
    forecast[3] = -(past + now)
    return np.concatenate(
        [
            [cos, sin, decay, *gain[:, 0], now],
            *(_as_pairs(part) for part in (forecast, poles, residues)),
        ]
    )


def zero_phase_band_pass(
    band_hz: tuple[float, float], rate_hz: float
) -> tuple[NDArray[np.complex128], NDArray[np.complex128]]:
    """Poles p and residues r of the positive frequencies of a zero-phase Butterworth.

    Its impulse response is twice ``sum(r * p**k)`` for k > 0, the conjugate for -k; the
    factor makes it analytic. Its amplitude is that of a Butterworth filter run
    forwards and backwards: ``1 / (1 + x ** (2 * ORDER))``, where x is 1 at the edges.

    Returns
    -------
    poles, residues : ndarray, (ORDER,), complex128
    """
    low_hz, high_hz = band_hz
    half_width = math.pi * (high_hz - low_hz) / rate_hz
    centre = math.pi * (high_hz + low_hz) / rate_hz
    angle = math.pi * (2.0 * np.arange(1, ORDER + 1) + ORDER - 1.0) / (2.0 * ORDER)
    unit = np.exp(1j * angle)
    residues = 2.0 * half_width * (1j ** (2 * ORDER)) / (2.0 * ORDER * unit ** (2 * ORDER - 1))
    return np.exp(half_width * unit + 1j * centre), residues


def _as_pairs(values: NDArray[np.complex128]) -> NDArray[np.float64]:
    return np.stack([values.real, values.imag], axis=-1).ravel()


@compiled("void(float64[::1], float64[::1], float64)")
def track(model: NDArray[np.float64], state: NDArray[np.float64], value: float) -> None:
    """Advance by one sample: predict, correct, and read the band-pass off."""
    re = model[_COS] * state[_K_RE] - model[_SIN] * state[_K_IM]
    im = model[_SIN] * state[_K_RE] + model[_COS] * state[_K_IM]
    back = model[_DECAY] * state[_K_BACK]
    surprise = value - re - back - state[_K_DRIFT]
    state[_K_RE] = re + model[_GAIN_RE] * surprise
    state[_K_IM] = im + model[_GAIN_IM] * surprise
    state[_K_BACK] = back + model[_GAIN_BACK] * surprise
    state[_K_DRIFT] += model[_GAIN_DRIFT] * surprise
    show_re = model[_NOW] * value
    show_im = 0.0
    for k in range(4):
        show_re += model[_FORECAST + 2 * k] * state[_K_RE + k]
        show_im += model[_FORECAST + 2 * k + 1] * state[_K_RE + k]
    for k in range(ORDER):
        at = _PAST + 2 * k
        p_re, p_im = model[_POLES + 2 * k], model[_POLES + 2 * k + 1]
        r_re, r_im = model[_RESIDUES + 2 * k], model[_RESIDUES + 2 * k + 1]
        before_re = p_re * state[at] - p_im * state[at + 1]
        before_im = p_re * state[at + 1] + p_im * state[at]
        show_re += r_re * before_re - r_im * before_im
        show_im += r_re * before_im + r_im * before_re
        state[at] = before_re + value
        state[at + 1] = before_im
    state[RE], state[IM] = show_re, show_im


def response(
    model: NDArray[np.float64], omega: NDArray[np.float64]
) -> tuple[NDArray[np.complex128], NDArray[np.complex128]]:
    """Transfer functions, from the signal to the two numbers shown.

    Parameters
    ----------
    model : ndarray
    omega : ndarray, (n_frequencies,)
        In radians a sample, above 0 and below pi.

    Returns
    -------
    to_re, to_im : ndarray, (n_frequencies,), complex128
    """
    delay = np.exp(-1j * omega)
    cos, sin, decay, gain_re, gain_im, gain_back, gain_drift, now = model[:_FORECAST]
    # from the surprise (innovation) to each state …
    damped = 1.0 - cos * delay
    ring = 1.0 / (damped**2 + (sin * delay) ** 2)
    re = (damped * gain_re - sin * delay * gain_im) * ring
    im = (sin * delay * gain_re + damped * gain_im) * ring
    back = gain_back / (1.0 - decay * delay)
    drift = gain_drift / (1.0 - delay)
    # … and from the signal to the surprise, which is the signal less its prediction.
    surprise = 1.0 / (1.0 + delay * (cos * re - sin * im + decay * back + drift))
    states = surprise * np.array([re, im, back, drift])
    forecast, poles, residues = (
        model[at:end].reshape(-1, 2) @ np.array([1.0, 1j])
        for at, end in ((_FORECAST, _POLES), (_POLES, _RESIDUES), (_RESIDUES, MODEL_SIZE))
    )
    # The past half is complex, so that positive and negative frequencies pass differently.
    past = np.outer(poles, delay)
    mirrored = np.outer(poles, delay.conj())
    positive = residues @ (past / (1.0 - past))
    negative = (residues @ (mirrored / (1.0 - mirrored))).conj()
    to_re = forecast.real @ states + now + (positive + negative) / 2.0
    to_im = forecast.imag @ states + (positive - negative) / 2j
    return to_re, to_im


@compiled(KERNEL)
def oscillator_kernel(
    samples: NDArray[np.float32],
    times_s: NDArray[np.float64],
    flags: NDArray[np.uint8],
    settings: NDArray[np.float64],
    state: NDArray[np.float64],
    out: NDArray[np.float64],
) -> int:
    """See `bci_core.detection.phase.Phase`."""
    column = int(settings[COLUMN])
    model, own = settings[int(settings[MODEL_AT]) :], state[int(settings[OWN_AT]) :]
    n_found = 0
    for i in range(samples.shape[0]):
        value = clean(settings, state, float(samples[i, column]), flags[i])
        before_re, before_im = own[RE], own[IM]
        track(model, own, value)
        n_found = follow(
            settings, state, out, n_found, i, times_s[i], flags[i],
            value, before_re, before_im, own[RE], own[IM],
        )  # fmt: skip
    return n_found
