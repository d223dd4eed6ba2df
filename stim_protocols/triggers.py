"""From a decision to one trigger, and the pause that a protocol keeps by itself."""

from math import inf, isfinite

from bci_core.events import Decision, Trigger, Verdict
from bci_core.safety.limits import at_least

ONLY = 1
"""Slot of a protocol that has one program."""


def one_trigger(
    decision: Decision, seq: int, deadline_s: float, program_id: int = ONLY
) -> tuple[Trigger, ...]:
    """A program at the target of a decision to act; nothing for any other decision.

    Parameters
    ----------
    decision : Decision
        One whose target is no time (NaN, infinite) asks for nothing.
    seq : int
    deadline_s : float
        How long after its target the program may still start.
    program_id : int
    """
    target_s = decision.detection.target_s
    if not (decision.acts and isfinite(target_s)):
        return ()
    sham = decision.verdict is Verdict.SHAM
    return (Trigger(seq, program_id, target_s, target_s + deadline_s, sham),)


class Pause:
    """Time that must pass between the stimuli of one protocol, sham or not.

    The policy of a rig has its refractory time, and the envelope its lockout; this one is
    part of the published protocol and comes with it into every rig.

    Parameters
    ----------
    pause_s : float
    """

    def __init__(self, pause_s: float) -> None:
        self._pause_s = pause_s
        self._from_s = -inf

    def over(self, at_s: float) -> bool:
        """Whether a stimulus may begin then. For NaN it may not."""
        return at_least(at_s - self._from_s, self._pause_s)

    def begin(self, from_s: float) -> None:
        """Count from here."""
        self._from_s = from_s

    def guard(self, triggers: tuple[Trigger, ...], lasts_s: float = 0.0) -> tuple[Trigger, ...]:
        """The trigger, if it keeps the pause; the next pause then counts from it.

        Parameters
        ----------
        triggers : tuple of Trigger
            One, or none.
        lasts_s : float
            How long after its beginning the next pause begins: 0, or the program's duration.
        """
        if not triggers or not self.over(triggers[0].at_s):
            return ()
        self.begin(triggers[0].at_s + lasts_s)
        return triggers
