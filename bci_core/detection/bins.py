"""Time in bins of a fixed number of samples, counted from the first sample seen."""

import numpy as np
from numpy.typing import NDArray

from bci_core.jit import compiled

# state
_FILLED, _SPOILT = range(2)
STATE_SIZE = 2

FILLING, GOOD, SPOILT = range(3)
"""What a sample makes of its bin."""


def samples_in(bin_s: float, rate_hz: float) -> int:
    """Samples in a bin, at least one."""
    return max(1, round(bin_s * rate_hz))


@compiled("int64(float64, float64[::1], boolean)")
def bin_sample(size: float, state: NDArray[np.float64], good: bool) -> int:
    """Count a sample.

    Returns
    -------
    int
        FILLING, or, on the last sample of a bin, GOOD; SPOILT where one of its samples
        was not `good`.
    """
    state[_FILLED] += 1.0
    if not good:
        state[_SPOILT] = 1.0
    if state[_FILLED] < size:
        return FILLING
    spoilt = state[_SPOILT] > 0.0
    state[_FILLED] = 0.0
    state[_SPOILT] = 0.0
    return SPOILT if spoilt else GOOD
