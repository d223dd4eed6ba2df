"""Trains on their way: which runs, and how long the lockout after the last one lasts."""

from math import inf, isfinite

from bci_core.status import ArmingState

Train = tuple[int, float, float]
"""Sequence number, start and end in seconds."""


class RunningTrains:
    """What the arming knows of trains: as planned, until the device tells how they ended.

    Attributes
    ----------
    free_from_s : float
        Earliest start of the next train, by what was planned alone: what a device reports
        does not decide what may be sent.
    """

    def __init__(self) -> None:
        self.free_from_s = -inf
        self._trains: list[Train] = []  # replaced, never changed: copies share it
        self._lockout_s = 0.0
        self._recovered_s = -inf

    def add(self, seq: int, start_s: float, end_s: float, lockout_s: float) -> None:
        """One more, after all others."""
        self._trains = [*self._trains, (seq, start_s, end_s)]
        self._lockout_s = lockout_s
        self.free_from_s = end_s + lockout_s

    def end(self, seq: int, offset_s: float) -> None:
        """It has ended, as reported; NaN when it never began."""
        self._trains = [train for train in self._trains if train[0] != seq]
        if isfinite(offset_s):
            self._recover_from(offset_s)

    def cut(self, end_s: float) -> None:
        """All end by then; the device has been told to stop."""
        if self._trains:
            self._recover_from(min(end_s, self._trains[-1][2]))
            self._trains = []

    def advance(self, now_s: float) -> None:
        """Those whose time is over have ended."""
        while self._trains and self._trains[0][2] <= now_s:
            self._recover_from(self._trains[0][2])
            self._trains = self._trains[1:]

    def state(self, now_s: float) -> ArmingState:
        """While armed: whether a train has begun and not ended, or its lockout lasts."""
        if any(start_s <= now_s < end_s for _, start_s, end_s in self._trains):
            return ArmingState.STIMULATING
        return ArmingState.RECOVERY if now_s < self._recovered_s else ArmingState.ARMED

    def _recover_from(self, end_s: float) -> None:
        self._recovered_s = max(self._recovered_s, end_s + self._lockout_s)
