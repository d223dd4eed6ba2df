"""Whether theta reigns: the state in which rodents explore, and rarely have ripples."""

import math

import numpy as np
from numpy.typing import NDArray

from bci_core.detection.filters import COEFFICIENTS, MEMORIES, band_pass, filtered, settle
from bci_core.jit import compiled

THETA_HZ, DELTA_HZ = (5.0, 11.0), (1.0, 4.0)
ORDER = 2
SMOOTHING_S = 1.0

# settings; the filters of theta and of delta follow
_LIMIT, _SMOOTHING, _THETA_FILTER = range(3)
_DELTA_FILTER = _THETA_FILTER + ORDER * COEFFICIENTS
THETA_SETTINGS = _DELTA_FILTER + ORDER * COEFFICIENTS
# state; the filters' follow
_SEEN, _THETA, _DELTA, _THETA_MEMORY = range(4)
_DELTA_MEMORY = _THETA_MEMORY + ORDER * MEMORIES
THETA_STATE = _DELTA_MEMORY + ORDER * MEMORIES


def theta_settings(max_theta_delta: float | None, rate_hz: float) -> NDArray[np.float64]:
    """Settings of the gate, (THETA_SETTINGS,); without a limit theta never reigns."""
    if max_theta_delta is None:
        return np.zeros(THETA_SETTINGS)
    smoothing = -math.expm1(-1.0 / (SMOOTHING_S * rate_hz))
    filters = [band_pass(band_hz, rate_hz, ORDER) for band_hz in (THETA_HZ, DELTA_HZ)]
    return np.concatenate([[max_theta_delta, smoothing], *filters])


@compiled("boolean(float64[::1], float64[::1], float64, boolean)")
def theta_reigns(
    settings: NDArray[np.float64], state: NDArray[np.float64], value: float, learn: bool
) -> bool:
    """Advance by one sample; `learn` is False where the powers must not move."""
    if settings[_LIMIT] == 0.0:
        return False
    theta_filter = settings[_THETA_FILTER:_DELTA_FILTER]
    delta_filter = settings[_DELTA_FILTER:THETA_SETTINGS]
    theta_memory = state[_THETA_MEMORY:_DELTA_MEMORY]
    delta_memory = state[_DELTA_MEMORY:THETA_STATE]
    if state[_SEEN] == 0.0:
        settle(theta_filter, theta_memory, value)
        settle(delta_filter, delta_memory, value)
    state[_SEEN] = 1.0
    theta = filtered(theta_filter, theta_memory, value)
    delta = filtered(delta_filter, delta_memory, value)
    if learn:
        state[_THETA] += settings[_SMOOTHING] * (theta * theta - state[_THETA])
        state[_DELTA] += settings[_SMOOTHING] * (delta * delta - state[_DELTA])
    return bool(state[_THETA] > settings[_LIMIT] * state[_DELTA])
