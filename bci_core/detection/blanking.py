"""Which samples a stimulus spoils, as the monitor's kernel keeps it: a ring in flat state."""

import numpy as np
from numpy.typing import NDArray

from bci_core.jit import inlined

BLANKS = 32
"""Stimuli that may be known of at a time; a microstimulator holds 16."""

# state; the slots of the stimuli follow: number, and the first time that is blank, and the
# first that is not any more
_FROM_S, _UNTIL_S, _OVERFLOW, _LAST, _STIMULI = range(5)
_SEQ, _START_S, _END_S = range(3)
_SLOTS = 3
_NOBODY = 0
BLANK_STATE = _STIMULI + _SLOTS * BLANKS
"""Numbers in the state; zeros at first."""


@inlined
def is_blank(state: NDArray[np.float64], time_s: float) -> bool:
    """Whether a stimulus spoils the sample of this time."""
    if not state[_FROM_S] <= time_s < state[_UNTIL_S]:
        return False
    for k in range(BLANKS):
        stimulus = _STIMULI + _SLOTS * k
        if state[stimulus + _START_S] <= time_s < state[stimulus + _END_S]:
            return True
    return False


def blank(
    state: NDArray[np.float64], seq: int, start_s: float, end_s: float, passed_s: float
) -> None:
    """Blank the samples from `start_s` to before `end_s`.

    Where too many stimuli are still to pass, this one and the one that came before are
    blanked as one, with what lies between them: rather too much than too little. That is
    counted in `overflow`, and stays so, whatever is said of either later.

    Parameters
    ----------
    state : ndarray, (BLANK_STATE,)
    seq : int
        Of the stimulus, from 1. What was said of the same one before no longer holds.
    start_s, end_s : float
        An `end_s` not after `start_s` withdraws it.
    passed_s : float
        Time of the last sample, NaN before the first.
    """
    stimuli = state[_STIMULI:].reshape(BLANKS, _SLOTS)
    same = np.flatnonzero(stimuli[:, _SEQ] == seq)
    # Passed, withdrawn, or never used.
    free = np.flatnonzero(
        (stimuli[:, _END_S] <= passed_s) | (stimuli[:, _END_S] <= stimuli[:, _START_S])
    )
    if len(same):
        state[_LAST] = same[0]
    elif len(free):
        state[_LAST] = free[0]
    else:
        state[_OVERFLOW] += 1.0
        _, first_s, last_s = stimuli[int(state[_LAST])]
        seq, start_s, end_s = _NOBODY, min(start_s, first_s), max(end_s, last_s)
    stimuli[int(state[_LAST])] = seq, start_s, end_s
    state[_FROM_S] = stimuli[:, _START_S].min()
    state[_UNTIL_S] = stimuli[:, _END_S].max()


def overflow(state: NDArray[np.float64]) -> int:
    """Stimuli that found no slot of their own."""
    return int(state[_OVERFLOW])
