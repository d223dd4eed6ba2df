"""When a session that is not armed is armed by itself: at first, and after what passes."""

from math import inf

ARM_S, ARM_AGAIN_AFTER_S = 5.0, 0.25
"""How long, and how often, arming is tried at first: a machine may be busy just then."""
REARM_AFTER_S = 1.0
PASSING = ("stale", "heartbeat", "lease", "ledger", "device: lease expired")
"""Reasons to be disarmed that may pass by themselves."""


class Rearming:
    """Says whether, and when, to arm again.

    Parameters
    ----------
    max_rearms : int
        How often after the session has been armed.

    Attributes
    ----------
    count : int
        Times it was tried after the session had been armed.
    """

    def __init__(self, max_rearms: int) -> None:
        self._max_rearms = max_rearms
        self._first_until_s = -inf
        self._due_s = inf
        self.count = 0

    def begin(self, now_s: float) -> None:
        """The session is asked to arm for the first time."""
        self._first_until_s = now_s + ARM_S

    def ordered(self, now_s: float) -> None:
        """A second person has reset what was latched: armed again, by the operator's order."""
        self._due_s = now_s + REARM_AFTER_S

    def refused_at_first(self, now_s: float) -> bool:
        """Whether it will be asked again."""
        if now_s >= self._first_until_s:
            return False
        self._due_s = now_s + ARM_AGAIN_AFTER_S
        return True

    def disarmed(self, now_s: float) -> bool:
        """Whether it will be armed again; also when that has been refused."""
        if self.count >= self._max_rearms:
            return False
        self.count += 1
        self._due_s = now_s + REARM_AFTER_S
        return True

    def is_due(self, now_s: float) -> bool:
        """Whether the moment has come; true once for each."""
        if now_s < self._due_s:
            return False
        self._due_s = inf
        return True
