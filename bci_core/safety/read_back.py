"""Does a device hold what it was sent? Asked before anything is armed."""

from collections.abc import Sequence
from dataclasses import astuple

from bci_core.errors import SafetyError
from bci_core.stimulus import StimProgram


def require_same(sent: Sequence[StimProgram], held: Sequence[StimProgram]) -> None:
    """Compare programs, slot by slot.

    Raises
    ------
    SafetyError
        Names each slot whose program is another, missing, or was never sent.
    """
    asked = {program.program_id: program for program in sent}
    found = {program.program_id: program for program in held}
    wrong = [
        f"slot {slot}: sent {_told(asked.get(slot))}, the device holds {_told(found.get(slot))}"
        for slot in sorted(asked.keys() | found.keys())
        if _content(asked.get(slot)) != _content(found.get(slot))
    ]
    if wrong:
        lines = "\n".join(f"  {line}" for line in wrong)
        raise SafetyError(
            f"the device does not hold what it was sent, nothing may be armed:\n{lines}\n"
            "Load again; if it stays so, the device or its connection is faulty"
        )


def _content(program: StimProgram | None) -> object:
    """What counts of a program; its name is the host's own."""
    return None if program is None else astuple(program)[2:]


def _told(program: StimProgram | None) -> str:
    return "nothing" if program is None else f"{program.name!r} {program.parts}"
