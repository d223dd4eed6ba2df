"""Programs by which a device gives again what it gave last: the hold of a table of states.

A device with such a table has one slot for each state of a detector. The slot has a train of
its own amplitude, or holds: what it stands for depends on what the device gave before, which
only the device knows for certain. For every limit it counts as the strongest it may stand for,
and all of those are loaded, and checked, as programs of their own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from bci_core.events import Delivery, Outcome, Refusal, Trigger
from bci_core.stimulus import PulseTrain, StimProgram

NOT_HELD = 0
"""Slot of nothing: no program counts from below 1."""


def hold_refusals(programs: Sequence[StimProgram], *, able: bool = True) -> list[Refusal]:
    """Programs that hold what they cannot.

    Parameters
    ----------
    programs : sequence of StimProgram
        All that are to be loaded.
    able : bool
        Whether the device remembers what it gave.
    """
    by_slot = {program.program_id: program for program in programs}
    refusals: list[Refusal] = []
    for program in programs:
        if not program.holds:
            continue
        where = f"program {program.program_id} {program.name!r}"
        if not able:
            at_fault = f"{where}: the device does not remember what it gave"
            refusals.append(Refusal("hold", 1, 0, "programs that hold", at_fault))
        refusals += [
            Refusal("hold", slot, program.program_id, "slot", f"{where}: {problem}")
            for slot in program.holds
            if (problem := _problem(program, by_slot.get(slot)))
        ]
        if not any(_same(program, by_slot.get(slot)) for slot in program.holds):
            at_fault = f"{where}: none that it holds is the train it counts as"
            refusals.append(Refusal("hold", 0, 1, "programs alike", at_fault))
    return refusals


def _problem(program: StimProgram, held: StimProgram | None) -> str:
    """Why a program cannot stand for another, or ""."""
    if held is None or held.holds:
        return "in that slot is no train of its own"
    most, less = program.train, held.train
    if not (isinstance(most, PulseTrain) and isinstance(less, PulseTrain)):
        return "only trains of pulses are held"
    if program.more or held.more or program.electrodes != held.electrodes:
        return "that slot has other electrodes, or several trains"
    if _timing(most) != _timing(less):
        return "that slot has another timing"
    stronger = (
        less.pulse.amplitude_ua > most.pulse.amplitude_ua
        or less.pulse.second_amplitude_ua > most.pulse.second_amplitude_ua
        or less.charge_uc > most.charge_uc
        or abs(less.pulse.net_charge_uc) > abs(most.pulse.net_charge_uc)
    )
    return "that slot is stronger than what this one counts as" if stronger else ""


def _timing(train: PulseTrain) -> PulseTrain:
    """What is left of a train without its amplitudes."""
    pulse = replace(train.pulse, amplitude_ua=0.0, recovery_amplitude_ua=None)
    return replace(train, pulse=pulse, ramp_up_pulses=0, ramp_down_pulses=0)


def _same(program: StimProgram, held: StimProgram | None) -> bool:
    return held is not None and held.parts == program.parts


class GivenLast:
    """What a device has given last, by its own reports.

    Parameters
    ----------
    programs : sequence of StimProgram
        Those loaded on it.
    """

    def __init__(self, programs: Sequence[StimProgram]) -> None:
        self._holds: Mapping[int, tuple[int, ...]] = {p.program_id: p.holds for p in programs}
        self._last = NOT_HELD

    def given(self, trigger: Trigger, delivery: Delivery) -> tuple[int, str]:
        """Slot of the program to judge a report by, and what is wrong with it, or ""."""
        asked, told = trigger.program_id, delivery.given_id
        holds = self._holds[asked]
        if not holds:
            if delivery.outcome is not Outcome.REFUSED:
                self._last = asked
            return asked, f"gave program {told}, asked for {asked}" if told else ""
        if delivery.outcome is Outcome.REFUSED:
            return asked, ""
        if told not in holds or told != self._last:
            last = self._last or "none"
            return asked, f"hold: gave program {told}, the last before was {last}"
        return told, ""
