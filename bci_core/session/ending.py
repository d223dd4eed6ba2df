"""How a session ended."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import inf

from bci_core.clock import Clock


@dataclass(frozen=True, slots=True)
class Ending:
    """How a session ended.

    Attributes
    ----------
    status : str
        ``completed``, ``stopped`` or ``failed``.
    reason : str
        For people.
    exit_status : int
        0 completed, 1 failed, 128 + n when stopped by signal n.
    """

    status: str
    reason: str
    exit_status: int


class SessionEnd:
    """How a session is ending, as far as it is known.

    Parameters
    ----------
    clock : Clock

    Attributes
    ----------
    ending : Ending or None
        None while it goes on.
    ended_s : float
        When the first reason came; infinite before.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._told = False
        self.ending: Ending | None = None
        self.ended_s = inf

    def end(self, ending: Ending) -> None:
        """The first reason is the cause; but a failure while closing undoes a success."""
        failed = self.ending is not None and self.ending.status == "failed"
        if self.ending is None or (ending.status == "failed" and not failed):
            self.ending = ending
            self.ended_s = min(self.ended_s, self._clock.now_s())

    def fail(self, reason: str) -> None:
        """It goes on no longer, and has failed."""
        self.end(Ending("failed", reason, 1))

    def failure(self, died: Sequence[str]) -> str | None:
        """Why it failed, once; what `died` of itself comes first. None where it has not."""
        if self._told or self.ending is None or self.ending.status != "failed":
            return None
        self._told = True
        reason = "; ".join(dict.fromkeys([*died, self.ending.reason]))
        self.ending = replace(self.ending, reason=reason)
        return reason

    def final(self) -> Ending:
        """What came of it."""
        return self.ending or Ending("failed", "ended without a reason", 1)
