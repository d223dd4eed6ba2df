"""Whether programs are still what was checked, at little cost to a trigger."""

from collections.abc import Callable
from dataclasses import fields
from operator import attrgetter
from typing import Any

from bci_core.stimulus import PulseTrain, StimProgram


class Unchanged:
    """Remembers every amount of a program, and compares.

    Programs are frozen, so what changes one is a stray write into memory. Each object that a
    program is made of is compared by itself, once, however many trains share it.

    Parameters
    ----------
    program : StimProgram
        As it was checked.
    """

    def __init__(self, program: StimProgram) -> None:
        trains = [part.train for part in program.parts]
        pulses = [train.pulse for train in trains if isinstance(train, PulseTrain)]
        seen = {id(each): each for each in (program, *program.more, *trains, *pulses)}
        self._seen: list[tuple[Callable[[Any], Any], Any, Any]] = []
        for each in seen.values():
            amounts = attrgetter(*(field.name for field in fields(each)))
            self._seen.append((amounts, each, amounts(each)))

    def holds(self) -> bool:
        """Whether every amount is what it was."""
        for amounts, each, was in self._seen:  # noqa: SIM110 - a generator costs more
            if amounts(each) != was:
                return False
        return True
