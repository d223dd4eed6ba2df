"""Hands on what the device says: to the journal, the gate and the blanking, in that order."""

from collections.abc import Iterable

from bci_core.control.blanking import Blanking
from bci_core.control.journal import Journal
from bci_core.events import Acceptance, Delivery
from bci_core.safety.gate import SafetyGate


def hear(
    answers: Iterable[Acceptance | Delivery],
    journal: Journal,
    gate: SafetyGate,
    blanking: Blanking,
    now_s: float,
) -> None:
    """Tell everybody who follows triggers what the device has said of them.

    The refusal of a command that reached the device twice is the end of no trigger: it is put
    down as a row of its own, and latches; the trigger ends as its first copy does.
    """
    for answer in answers:
        if isinstance(answer, Acceptance):
            journal.note(answer)
            gate.note_acceptance(answer)
        elif gate.note_copy(answer):
            journal.note_copy(answer, now_s)
        else:
            journal.note(answer)
            gate.note(answer)
            blanking.note(answer)
