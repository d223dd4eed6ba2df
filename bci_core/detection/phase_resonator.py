"""A complex one-pole resonator: the cheapest way to follow an oscillation.

``z[t] = pole * z[t - 1] + gain * (x[t] - slow[t])``, with the pole at the centre of
the band and `slow` a running mean, so that an electrode offset gives nothing. The
real and imaginary parts are the oscillation and its quadrature, delayed; what the
resonator adds to the phase is taken out exactly from `response`.
"""

import math

import numpy as np
from numpy.typing import NDArray

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

SLOW_RATIO = 0.1
"""Corner of the running mean, over the lower edge of the band."""

# model
_POLE_RE, _POLE_IM, _GAIN, _SLOW_GAIN = range(4)
# state, after what all estimators show
_SLOW = 2
STATE_SIZE = 3


def resonator_model(
    band_hz: tuple[float, float], rate_hz: float, width_ratio: float
) -> NDArray[np.float64]:
    """Pole and gains.

    Parameters
    ----------
    band_hz : (float, float)
        The pole turns at its geometric mean.
    rate_hz : float
    width_ratio : float
        Half-power width of the resonance, over that of the band.

    Returns
    -------
    ndarray, (4,)
    """
    low_hz, high_hz = band_hz
    centre = 2.0 * math.pi * math.sqrt(low_hz * high_hz) / rate_hz
    damping = math.exp(-math.pi * width_ratio * (high_hz - low_hz) / rate_hz)
    slow = -math.expm1(-2.0 * math.pi * SLOW_RATIO * low_hz / rate_hz)
    pole = damping * np.exp(1j * centre)
    return np.array([pole.real, pole.imag, 2.0 * (1.0 - damping), slow])


@compiled("void(float64[::1], float64[::1], float64)")
def track(model: NDArray[np.float64], state: NDArray[np.float64], value: float) -> None:
    """Advance by one sample."""
    state[_SLOW] += model[_SLOW_GAIN] * (value - state[_SLOW])
    re = model[_POLE_RE] * state[RE] - model[_POLE_IM] * state[IM]
    im = model[_POLE_RE] * state[IM] + model[_POLE_IM] * state[RE]
    state[RE] = re + model[_GAIN] * (value - state[_SLOW])
    state[IM] = im


def response(
    model: NDArray[np.float64], omega: NDArray[np.float64]
) -> tuple[NDArray[np.complex128], NDArray[np.complex128]]:
    """Transfer functions at `omega` radians a sample, from the signal to the two numbers shown."""
    delay = np.exp(-1j * omega)
    pole = complex(model[_POLE_RE], model[_POLE_IM])
    keep = 1.0 - model[_SLOW_GAIN]
    fast = model[_GAIN] * keep * (1.0 - delay) / (1.0 - keep * delay)
    positive = fast / (1.0 - pole * delay)
    negative = fast / (1.0 - pole.conjugate() * delay)
    return (positive + negative) / 2.0, (positive - negative) / 2j


@compiled(KERNEL)
def resonator_kernel(
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
