"""Triggers of which the device still owes a report."""

from bci_core.events import Acceptance, Delivery, Outcome, Trigger
from bci_core.safety.limits import at_most

REPORT_WITHIN_S = 1.0
"""A device that has not reported a trigger this long after its last possible end is faulty."""

SEQUENCE = "sequence:"
"""How a device's refusal of a number begins that it has met already."""


class Unreported:
    """Follows each trigger from being sent to its report.

    A device takes a number once. One that meets it again, since the command was doubled on
    its way, refuses the second copy, and that refusal is no report of the trigger: the first
    copy goes on, with its current.
    """

    def __init__(self) -> None:
        self._sent: dict[int, tuple[Trigger, float]] = {}
        self._latest_s: dict[int, float] = {}
        self._accepted: set[int] = set()
        self._newest = 0

    def __len__(self) -> int:
        return len(self._sent)

    def add(self, trigger: Trigger, end_s: float, duration_s: float) -> None:
        """It is sent now.

        Parameters
        ----------
        trigger : Trigger
        end_s : float
            When it is to end.
        duration_s : float
            From its start, which may be as late as its deadline, to its end.
        """
        self._sent[trigger.seq] = (trigger, end_s)
        self._latest_s[trigger.seq] = trigger.deadline_s + duration_s
        self._newest = trigger.seq

    def accept(self, acceptance: Acceptance) -> None:
        """The device has a trigger, and will not refuse it any more."""
        if acceptance.refusal is None and acceptance.seq in self._sent:
            self._accepted.add(acceptance.seq)

    def of_second_copy(self, delivery: Delivery) -> bool:
        """Whether a report is the refusal of a command that reached the device again."""
        seq = delivery.seq
        if delivery.outcome is not Outcome.REFUSED or seq > self._newest:
            return False
        if seq not in self._sent or seq in self._accepted:
            return True
        # The acceptance may be lost. A number that is the newest can be met twice only.
        return seq == self._newest and delivery.reason.startswith(SEQUENCE)

    def take(self, seq: int) -> tuple[Trigger, float] | None:
        """What was sent under a number and when it was to end; it is owed no longer."""
        self._accepted.discard(seq)
        self._latest_s.pop(seq, None)
        return self._sent.pop(seq, None)

    def overdue(self, now_s: float) -> str:
        """The first that must have ended and was not reported, or ""; it is owed no longer."""
        for seq, latest_s in self._latest_s.items():
            late_s = now_s - latest_s
            if at_most(late_s, REPORT_WITHIN_S):
                break  # Later triggers end later.
            self.take(seq)
            return (
                f"trigger {seq}: unreported {late_s:g} s after its end, limit {REPORT_WITHIN_S:g} s"
            )
        return ""
