"""Changes of the monitor's flags, kept until somebody takes them: a ring in flat state."""

import numpy as np
from numpy.typing import NDArray

from bci_core.jit import inlined

CHANGES = 256
"""Changes that are kept. Beyond that the oldest are lost, and counted."""

# state; the changes follow: time and index of the sample from which on, and its flags. The
# flags are kept plus one, so that those of the first sample are a change, too.
_FLAGS, _WRITTEN, _TAKEN, _LOST, _RING = range(5)
_SLOTS = 3
_NOTHING = np.empty((0, _SLOTS))
MASK_STATE = _RING + _SLOTS * CHANGES
"""Numbers in the state; zeros at first."""


@inlined
def note_flags(state: NDArray[np.float64], time_s: float, index: float, flags: int) -> None:
    """Keep the flags of a sample where they are not those of the sample before."""
    if flags + 1.0 == state[_FLAGS]:
        return
    change = _RING + _SLOTS * (int(state[_WRITTEN]) % CHANGES)
    state[change] = time_s
    state[change + 1] = index
    state[change + 2] = flags
    state[_WRITTEN] += 1.0
    state[_FLAGS] = flags + 1.0


def take_changes(state: NDArray[np.float64]) -> NDArray[np.float64]:
    """Changes since the last call, oldest first.

    Returns
    -------
    ndarray, (n_changes, 3)
        Time in seconds and index of the sample, and its flags.
    """
    written, taken = int(state[_WRITTEN]), int(state[_TAKEN])
    if written == taken:
        return _NOTHING
    first = max(taken, written - CHANGES)
    state[_LOST] += first - taken
    state[_TAKEN] = written
    return state[_RING:].reshape(CHANGES, _SLOTS)[np.arange(first, written) % CHANGES]


def lost_changes(state: NDArray[np.float64]) -> int:
    """Changes that nobody took in time."""
    return int(state[_LOST])
