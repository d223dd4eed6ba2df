"""Running medians and spreads that the events themselves do not move.

Stochastic approximation of quantiles (Robbins and Monro 1951, Annals of
Mathematical Statistics 22:400): each value moves the level up or down by one
small step, however far away it lies, so that the level comes to rest where as many
values are above as below. The spread does the same with the distances from the
level. An event that fills a tenth of the time moves the level as much as a
twentieth of the values would, whether it is five or five hundred times as high.

A lasting step of the level by a factor of ten or more, up or down, is over after about
`patience_s` and `learning_s`: a signal of which hardly anything has crossed its level in
that time has another level now, and is learnt anew. Smaller steps are followed: the
steps are in proportion to the spread, and the spread's own in proportion to itself, so
a step by a factor of three takes up to two time constants.

The caller does not call `follow` on a sample that must not be learnt from. That is
all there is to freezing it.
"""

import math

import numpy as np
from numpy.typing import NDArray

from bci_core.jit import compiled

SD_PER_MAD = 1.4826
"""Standard deviation of a normal distribution over its median absolute deviation."""

_STEPS_PER_TIME_CONSTANT = 2.0
"""Makes `time_constant_s` that of a small departure, for the shapes of most envelopes."""

_HEAD_START = 3.0
"""At first, steps are this over the number of values: large, then ever smaller."""

_LARGEST_STEP = 0.1

_MEANS = 0.25
"""Part of the learning in which plain means are taken."""

_ONE_SIDED = 0.9
_PATIENCE_MEMORIES = -math.log(1.0 - _ONE_SIDED)
"""An average that starts at 0 and takes in nothing but 1 passes 0.9 after so many memories."""

# settings
_GAIN, _FLOOR, _LEARNING, _PATIENCE = range(4)
ROBUST_SETTINGS = 4
"""Numbers in the settings."""

ROBUST_STATE = 4
"""Numbers in the state for each baseline; all zero to begin with.

First the counts of all of them, then their levels, their median absolute deviations, and
how far the recent values were all above the level (1) or all below it (-1)."""


def robust_settings(
    time_constant_s: float, learning_s: float, patience_s: float, floor: float, rate_hz: float
) -> NDArray[np.float64]:
    """Settings of robust baselines, the same for all of them.

    Parameters
    ----------
    time_constant_s : float
        In which a small departure from the true level shrinks to about a third.
    learning_s : float
        At the start, and when it is learnt anew: steps are larger, and
        `robust_learnt` says no.
    patience_s : float
        How long everything may lie on one side of the level before it is learnt anew;
        one value in twenty may not. Longer than any event, or chain of events.
    floor : float
        The least level and standard deviation are taken to be, in the unit of the values.
    rate_hz : float
        Values a second.

    Returns
    -------
    ndarray, (ROBUST_SETTINGS,)
    """
    gain = _STEPS_PER_TIME_CONSTANT / (time_constant_s * rate_hz)
    return np.array([gain, floor, learning_s * rate_hz, patience_s * rate_hz])


@compiled("void(float64[::1], float64[::1], float64[::1], float64[::1])")
def robust_heights(
    settings: NDArray[np.float64],
    state: NDArray[np.float64],
    values: NDArray[np.float64],
    heights: NDArray[np.float64],
) -> None:
    """How many (robust) standard deviations each value lies above its median.

    Parameters
    ----------
    settings : ndarray, (ROBUST_SETTINGS,)
    state : ndarray, (ROBUST_STATE * n,)
        Of n baselines side by side.
    values : ndarray, (n,)
    heights : ndarray, (n,)
        Written; 0 where there is no baseline yet to compare with.
    """
    n = values.shape[0]
    count, level, mad = state[:n], state[n : 2 * n], state[2 * n : 3 * n]
    floor, learning = settings[_FLOOR], settings[_LEARNING]
    for c in range(n):
        height = (values[c] - level[c]) / max(SD_PER_MAD * mad[c], floor)
        heights[c] = height if count[c] >= learning else 0.0


@compiled("void(float64[::1], float64[::1], float64[::1], float64[::1])")
def robust_ratios(
    settings: NDArray[np.float64],
    state: NDArray[np.float64],
    values: NDArray[np.float64],
    ratios: NDArray[np.float64],
) -> None:
    """Each value over its median, which is at least the floor. As `robust_heights`."""
    n = values.shape[0]
    level = state[n : 2 * n]
    floor = settings[_FLOOR]
    for c in range(n):
        ratios[c] = values[c] / max(level[c], floor)


@compiled("boolean(float64[::1], float64[::1], int64)")
def robust_learnt(settings: NDArray[np.float64], state: NDArray[np.float64], which: int) -> bool:
    """Whether there is something to compare with, for one of the baselines."""
    return bool(state[which] >= settings[_LEARNING])


@compiled("void(float64[::1], float64[::1], float64[::1])")
def robust_follow(
    settings: NDArray[np.float64], state: NDArray[np.float64], values: NDArray[np.float64]
) -> None:
    """Take one value in for each of the baselines, (n,)."""
    n = values.shape[0]
    # Short loops over few arrays: these the compiler turns into vector instructions.
    count, level = state[:n], state[n : 2 * n]
    mad, balance = state[2 * n : 3 * n], state[3 * n : 4 * n]
    gain, floor = settings[_GAIN], settings[_FLOOR]
    memory = _PATIENCE_MEMORIES / settings[_PATIENCE]
    means = _MEANS * settings[_LEARNING]
    n_anew = 0
    for c in range(n):
        side = 1.0 if values[c] > level[c] else -1.0
        balance[c] += memory * (side - balance[c])
        n_anew += 1 if abs(balance[c]) > _ONE_SIDED else 0
    for c in range(n):
        count[c] += 1.0
    for c in range(n):
        distance = values[c] - level[c]
        step = max(gain, min(_HEAD_START / count[c], _LARGEST_STEP))
        move = step * mad[c] if distance > 0.0 else -step * mad[c]
        grow = step * mad[c] if abs(distance) > mad[c] else -step * mad[c]
        # At first, a guess from plain means: steps take long to get to the order of size.
        first = count[c] <= means
        level[c] += distance / count[c] if first else move
        mad[c] = max(mad[c] + ((abs(distance) - mad[c]) / count[c] if first else grow), floor)
    if n_anew == 0 and count[0] > 1.0:
        return
    for c in range(n):
        if abs(balance[c]) > _ONE_SIDED or count[c] == 1.0:
            count[c] = 1.0
            level[c] = values[c]
            mad[c] = max(0.5 * abs(values[c]), floor)
            balance[c] = 0.0
