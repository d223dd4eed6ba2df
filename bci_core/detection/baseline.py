"""A running mean and standard deviation that the events themselves hardly move.

Exponentially weighted (West 1979, Communications of the ACM 22:532). Each value
is first brought to within `CLIP_SD` standard deviations of the mean
(winsorised), so a short event cannot lift the baseline far: one that lasts a
tenth of the time constant raises the mean by 0.2 and the standard deviation by
a sixth.

Nothing is frozen for good. A signal that has stayed on one side of its mean for
a whole time constant has another level now; the baseline is then learnt anew.
So any step up or down, however large, is over after at most one time constant
and one learning time.
"""

import math

import numpy as np
from numpy.typing import NDArray

from bci_core.jit import compiled

CLIP_SD = 2.0

# settings
_GAIN, _FLOOR, _LEARNING, _PATIENCE = range(4)
SETTINGS_SIZE = 4
# state; the run is positive above the mean, negative below
_COUNT, _MEAN, _VARIANCE, _RUN = range(4)
STATE_SIZE = 4


def baseline_settings(
    time_constant_s: float, learning_s: float, floor: float, rate_hz: float
) -> NDArray[np.float64]:
    """Settings of a baseline.

    Parameters
    ----------
    time_constant_s : float
        Of the exponential weights.
    learning_s : float
        At the start, and when it is learnt anew: all values count equally, nothing
        is clipped, and `is_learnt` says no.
    floor : float
        The least the standard deviation is taken to be, in the unit of the values.
    rate_hz : float
        Values a second.

    Returns
    -------
    ndarray, (SETTINGS_SIZE,)
    """
    memory = time_constant_s * rate_hz
    return np.array([-math.expm1(-1.0 / memory), floor, learning_s * rate_hz, memory])


@compiled("float64(float64[::1], float64[::1], float64)")
def deviations(settings: NDArray[np.float64], state: NDArray[np.float64], value: float) -> float:
    """How many standard deviations `value` lies above the mean."""
    deviation = max(math.sqrt(state[_VARIANCE]), settings[_FLOOR])
    return float((value - state[_MEAN]) / deviation)


@compiled("boolean(float64[::1], float64[::1])")
def is_learnt(settings: NDArray[np.float64], state: NDArray[np.float64]) -> bool:
    """Whether there is a baseline to compare with."""
    return bool(state[_COUNT] >= settings[_LEARNING])


@compiled("void(float64[::1], float64[::1], float64)")
def follow(settings: NDArray[np.float64], state: NDArray[np.float64], value: float) -> None:
    """Take one value in."""
    step = value - state[_MEAN]
    if step > 0.0:
        state[_RUN] = max(state[_RUN], 0.0) + 1.0
    else:
        state[_RUN] = min(state[_RUN], 0.0) - 1.0
    if abs(state[_RUN]) > settings[_PATIENCE]:
        state[:] = 0.0
        step = value
    elif is_learnt(settings, state):
        reach = CLIP_SD * max(math.sqrt(state[_VARIANCE]), settings[_FLOOR])
        step = min(max(step, -reach), reach)
    state[_COUNT] += 1.0
    weight = max(settings[_GAIN], 1.0 / state[_COUNT])
    state[_MEAN] += weight * step
    state[_VARIANCE] = (1.0 - weight) * (state[_VARIANCE] + weight * step * step)
