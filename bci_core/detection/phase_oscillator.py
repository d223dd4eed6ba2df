"""A noisy oscillation, its steady-state Kalman filter, and the way back from its bias.

The model (Matsuda & Komaki 2017, Neural Computation 29:332; used online by
Wodeyar et al. 2021, eLife 10:e68803): the signal is a damped, randomly driven
rotation at the centre of the band, plus a random walk for everything slower
(offset, drift, 1/f), plus white noise. With constant noise the Kalman gain is
constant, so the estimator is a linear filter of three states, O(1) a sample.

A linear filter turns the phase of an oscillation that is not at the centre of
its band. How much is known exactly at each frequency, so `phasor` takes it out
again, together with the mirror image that a real signal has at minus its
frequency. For a steady sine anywhere in the band nothing of the bias is left.
"""

import math

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_discrete_are

from bci_core.jit import compiled

# model
_COS, _SIN, _GAIN_RE, _GAIN_IM, _GAIN_DRIFT = range(5)
MODEL_SIZE = 5
# state
RE, IM, DRIFT = range(3)
STATE_SIZE = 3


def oscillator_model(
    band_hz: tuple[float, float],
    rate_hz: float,
    linewidth_ratio: float,
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
    white_ratio, drift_ratio : float
        Power density of the white noise, and of the drift at the centre frequency,
        over that of the oscillation at its peak.

    Returns
    -------
    ndarray, (MODEL_SIZE,)
        Damped rotation a sample, and Kalman gains of the three states.
    """
    low_hz, high_hz = band_hz
    centre = 2.0 * math.pi * math.sqrt(low_hz * high_hz) / rate_hz
    damping = math.exp(-math.pi * linewidth_ratio * (high_hz - low_hz) / rate_hz)
    cos, sin = damping * math.cos(centre), damping * math.sin(centre)

    # The oscillation has unit variance. Its power density at the peak is then, to
    # first order in the damping, that of half a one-pole process around zero.
    drive = 1.0 - damping**2
    peak = drive / (1.0 - damping) ** 2 / 2.0
    walk = drift_ratio * peak * (2.0 * math.sin(centre / 2.0)) ** 2

    advance = np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])
    observe = np.array([[1.0, 0.0, 1.0]])
    process = np.diag([drive, drive, walk])
    noise = np.array([[white_ratio * peak]])
    before = solve_discrete_are(advance.T, observe.T, process, noise)
    gain = before @ observe.T / (observe @ before @ observe.T + noise)
    return np.array([cos, sin, *gain[:, 0]])


@compiled("void(float64[::1], float64[::1], float64)")
def track(model: NDArray[np.float64], state: NDArray[np.float64], value: float) -> None:
    """Predict the state by one sample and correct it with the sample."""
    re = model[_COS] * state[RE] - model[_SIN] * state[IM]
    im = model[_SIN] * state[RE] + model[_COS] * state[IM]
    surprise = value - re - state[DRIFT]
    state[RE] = re + model[_GAIN_RE] * surprise
    state[IM] = im + model[_GAIN_IM] * surprise
    state[DRIFT] += model[_GAIN_DRIFT] * surprise


@compiled("UniTuple(complex128, 2)(float64[::1], float64)")
def response(model: NDArray[np.float64], omega: float) -> tuple[complex, complex]:
    """Transfer functions of the filter, from the signal to its first two states.

    Parameters
    ----------
    model : ndarray
    omega : float
        Frequency in radians a sample, above 0 and below pi.
    """
    delay = complex(math.cos(omega), -math.sin(omega))
    cos, sin = model[_COS], model[_SIN]
    # from the surprise (innovation) to each state …
    damped = 1.0 - cos * delay
    ring = 1.0 / (damped * damped + (sin * delay) * (sin * delay))
    re = (damped * model[_GAIN_RE] - sin * delay * model[_GAIN_IM]) * ring
    im = (sin * delay * model[_GAIN_RE] + damped * model[_GAIN_IM]) * ring
    drift = model[_GAIN_DRIFT] / (1.0 - delay)
    # … and from the signal to the surprise, which is the signal less its prediction.
    surprise = 1.0 / (1.0 + delay * (cos * re - sin * im + drift))
    return re * surprise, im * surprise


@compiled("complex128(complex128, complex128, float64, float64)")
def phasor(to_re: complex, to_im: complex, re: float, im: float) -> complex:
    """Amplitude and phase of the sine that makes the filter show `re` and `im`.

    Solves ``re = Re(to_re * z)`` and ``im = Re(to_im * z)`` for z, where `to_re` and
    `to_im` are the filter's `response` at the frequency of the sine.
    """
    scale = 1.0 / (to_re.imag * to_im.real - to_re.real * to_im.imag)
    return complex(
        (to_re.imag * im - to_im.imag * re) * scale, (to_re.real * im - to_im.real * re) * scale
    )
