"""A running mean and standard deviation that the events themselves hardly move.

Exponentially weighted (West 1979, Communications of the ACM 22:532), and each
value is first brought to within `CLIP_SD` standard deviations of the mean
(winsorised). So an event cannot lift the baseline far, and yet nothing is ever
frozen: a lasting rise by D standard deviations is followed, with mean and
deviation growing together. The mean comes within `threshold` standard
deviations of the new level after about::

    2/3 * time_constant * ln((D + 4/3) / (threshold + 4/3))

which is 0.6 time constants for D = 10 and 2.1 for D = 100, at a threshold of 3.
"""

import math

import numpy as np
from numba import types
from numpy.typing import NDArray

from bci_core.jit import compiled

CLIP_SD = 2.0

# state
COUNT, MEAN, VARIANCE = range(3)
STATE_SIZE = 3


@compiled(types.float64(types.float64[::1], types.float64, types.float64))
def deviations(state: NDArray[np.float64], value: float, floor: float) -> float:
    """How many standard deviations `value` lies above the mean.

    `floor` is the least the standard deviation is taken to be, in the value's unit.
    """
    return (value - state[MEAN]) / max(math.sqrt(state[VARIANCE]), floor)


@compiled(
    types.void(types.float64[::1], types.float64, types.float64, types.float64, types.float64)
)
def follow(
    state: NDArray[np.float64], value: float, gain: float, floor: float, learning: float
) -> None:
    """Take one value in.

    Parameters
    ----------
    state : ndarray, (STATE_SIZE,)
    value : float
    gain : float
        Weight of one sample, ``1 - exp(-period / time_constant)``. The first
        samples count equally, until there are enough for this weight.
    floor : float
        See `deviations`.
    learning : float
        For so many samples nothing is clipped: there is nothing yet to clip against.
    """
    state[COUNT] += 1.0
    weight = max(gain, 1.0 / state[COUNT])
    step = value - state[MEAN]
    if state[COUNT] > learning:
        reach = CLIP_SD * max(math.sqrt(state[VARIANCE]), floor)
        step = min(max(step, -reach), reach)
    state[MEAN] += weight * step
    state[VARIANCE] = (1.0 - weight) * (state[VARIANCE] + weight * step * step)
