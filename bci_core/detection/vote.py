"""How many of several channels agree, as one strength.

The strength that at least k channels have is the k-th largest of theirs: it is
above a threshold exactly where k channels are. Channels need not peak on the same
sample: each is remembered at its recent best for a short while.
"""

import numpy as np
from numpy.typing import NDArray

from bci_core.jit import compiled


@compiled("void(float64[::1], float64[::1], float64[::1], float64)")
def hold_best(
    values: NDArray[np.float64],
    held: NDArray[np.float64],
    left: NDArray[np.float64],
    window: float,
) -> None:
    """Remember the recent best of each channel.

    Parameters
    ----------
    values, held, left : ndarray, (n_channels,)
        Strengths now; the remembered ones; samples they are remembered for.
    window : float
        How long a best is remembered, in samples; 0 remembers nothing.
    """
    for c in range(values.shape[0]):
        if values[c] >= held[c] or left[c] <= 0.0:
            held[c] = values[c]
            left[c] = window
        else:
            left[c] -= 1.0


@compiled("float64(float64[::1], float64[::1])")
def kth_largest(values: NDArray[np.float64], scratch: NDArray[np.float64]) -> float:
    """The strength that k of the channels have, k being the length of `scratch`.

    Parameters
    ----------
    values : ndarray, (n_channels,)
    scratch : ndarray, (k,)
        Overwritten with the k largest, largest first.

    Returns
    -------
    float
        Minus infinity where there are fewer than k values.
    """
    k = scratch.shape[0]
    scratch[:] = -np.inf
    for c in range(values.shape[0]):
        value = values[c]
        if value <= scratch[k - 1]:
            continue
        place = k - 1
        while place > 0 and scratch[place - 1] < value:
            scratch[place] = scratch[place - 1]
            place -= 1
        scratch[place] = value
    return float(scratch[k - 1])
