"""Rings of samples for kernels: the sum of the last n values, and the value n samples ago.

A ring is a slice of a detector's state of `ring_size(n)` numbers, zeros at the start.

A running sum that only adds the new value and takes the oldest away keeps the
rounding error of every value it ever held, so one step of a volt, squared, would
leave its mark on microvolts for good. Here a second sum is built from nothing
each time round the ring and takes over at the end of the round, so that no value
matters for longer than two rounds.
"""

import numpy as np
from numpy.typing import NDArray

from bci_core.jit import compiled

# state; the values follow
_AT, _SUM, _FRESH, _VALUES = range(4)


def ring_size(n: int) -> int:
    """Numbers of state that a ring of `n` values takes."""
    return _VALUES + n


@compiled("float64(float64[::1], float64)")
def moving_sum(ring: NDArray[np.float64], value: float) -> float:
    """Take one value in; the sum of the last n. Before there were n, the rest counts as 0."""
    at = int(ring[_AT])
    ring[_SUM] += value - ring[_VALUES + at]
    ring[_VALUES + at] = value
    ring[_FRESH] += value
    at += 1
    if at == ring.shape[0] - _VALUES:
        at = 0
        ring[_SUM] = ring[_FRESH]
        ring[_FRESH] = 0.0
    ring[_AT] = at
    return float(ring[_SUM])


@compiled("float64(float64[::1], float64)")
def delayed(ring: NDArray[np.float64], value: float) -> float:
    """Take one value in; the value n calls ago, or 0 before there were so many."""
    at = int(ring[_AT])
    oldest = float(ring[_VALUES + at])
    ring[_VALUES + at] = value
    ring[_AT] = (at + 1) % (ring.shape[0] - _VALUES)
    return oldest
