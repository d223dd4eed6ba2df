"""Carries stamps of the wall clock over to the LSL clock."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

STEP_S = 1e-3
"""A change of the wall clock larger than this between two looks is a step, not slewing."""

_FOLLOW = 0.02
_QUICK_TRIES = 3
_SURE_TRIES = 25


class UnixAnchoredClock(Protocol):
    """A clock that knows where the wall clock is, such as `bci_core.clock.LslClock`."""

    def unix_offset_s(self, tries: int = ...) -> float:
        """Seconds to add to a Unix time to get LSL time."""
        ...


class UnixToLsl:
    """Unix time to LSL time, while somebody may set the wall clock.

    BrainFlow stamps samples with the wall clock of the computer, which NTP or an
    operator may step. LSL time is monotonic. The offset between the two is looked
    at again and again and followed slowly; a step is counted and taken out.

    Parameters
    ----------
    clock : UnixAnchoredClock

    Attributes
    ----------
    offset_s : float
        Seconds to add to a Unix time, as found so far.
    steps : int
        Steps of the wall clock since the start.
    """

    def __init__(self, clock: UnixAnchoredClock) -> None:
        self._clock = clock
        self.offset_s = clock.unix_offset_s(_SURE_TRIES)
        self._before_step_s: float | None = None
        self.steps = 0

    def follow(self) -> None:
        """Look at the offset again. A few microseconds; call it at each read."""
        measured_s = self._clock.unix_offset_s(_QUICK_TRIES)
        if abs(measured_s - self.offset_s) > STEP_S:
            # A reading split by the scheduler looks like a step; a step stays.
            measured_s = self._clock.unix_offset_s(_SURE_TRIES)
        if abs(measured_s - self.offset_s) > STEP_S:
            self.steps += 1
            self._before_step_s = self.offset_s
            self.offset_s = measured_s
        else:
            self.offset_s += _FOLLOW * (measured_s - self.offset_s)

    def to_lsl(self, unix_s: NDArray[np.float64], expected_s: float) -> NDArray[np.float64]:
        """Map stamps of one read.

        Parameters
        ----------
        unix_s : ndarray, (n_samples,)
        expected_s : float
            LSL time the first is expected at. A stamp from before a step is told by it.
        """
        now = unix_s + self.offset_s
        if self._before_step_s is None:
            return now
        before = unix_s + self._before_step_s
        is_before = np.abs(before - expected_s) < np.abs(now - expected_s)
        if not is_before[-1]:  # the last of the stamps from before has been seen
            self._before_step_s = None
        return np.where(is_before, before, now)
