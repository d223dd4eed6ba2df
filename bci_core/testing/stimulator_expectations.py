"""What the rules of `check_stimulator` share: what to expect of a device's answers."""

from collections.abc import Callable, Sequence
from math import ceil, isfinite, isnan
from typing import Any

from bci_core.contracts import Stimulator
from bci_core.errors import BciError
from bci_core.events import Acceptance, Delivery, Outcome, Trigger
from bci_core.stimulus import ClickTrain, PulseTrain, StimProgram
from bci_core.testing.require import require
from bci_core.testing.stimulator_programs import program_for

Make = Callable[[], Stimulator]

START_S = 1000.0
"""Where the checks begin: no device may take its clock to start at zero."""

LATER_S = 100.0
"""Long enough for anything that is still to come."""


def loaded(make: Make, program: StimProgram | None) -> tuple[Stimulator, StimProgram]:
    """A fresh device holding the program."""
    device = make()
    program = program or program_for(device.capabilities)
    device.load([program])
    return device, program


def armed(make: Make, program: StimProgram | None) -> tuple[Stimulator, StimProgram]:
    """A fresh device holding the program, armed at `START_S` for its longest lease."""
    device, program = loaded(make, program)
    device.arm(device.capabilities.max_lease_s, START_S)
    require(device.disarmed_reason() == "", "an armed device must give no reason for being not")
    return device, program


def soonest_s(device: Stimulator) -> float:
    """A time after `START_S` that no command latency reaches, well inside the lease."""
    able = device.capabilities
    return START_S + 2.0 * able.max_command_latency_s + 0.1 * able.max_lease_s


def step_s(device: Stimulator) -> float:
    """How far a time may be off: the device's timing step, and the rounding of a float."""
    return device.capabilities.timing_step_us * 1e-6 + 1e-9


def fire(device: Stimulator, program: StimProgram, seq: int) -> float:
    """Schedule a train on an armed, idle device; its onset."""
    at_s = soonest_s(device)
    accepted(device.trigger(Trigger(seq, program.program_id, at_s, at_s + 1.0), START_S), "a train")
    return at_s


def at_once(program: StimProgram, seq: int, now_s: float, sham: bool = False) -> Trigger:
    """A trigger that nothing but its moment can be wrong with."""
    return Trigger(seq, program.program_id, now_s, now_s + 60.0, sham)


def run_on(device: Stimulator, from_s: float, to_s: float) -> list[Delivery]:
    """Keep a device armed from one time to another; what ended between."""
    ended: list[Delivery] = []
    beats = ceil((to_s - from_s) / (0.5 * device.capabilities.max_lease_s))
    for beat in range(1, beats + 1):
        now_s = from_s + (to_s - from_s) * beat / beats
        ended += device.advance(now_s)
        device.renew(now_s)
    return ended


def raises(kind: type[BciError], what: str, call: Callable[..., Any], *args: Any) -> str:
    """The message of the error that a call must raise."""
    try:
        call(*args)
    except kind as error:
        return str(error)
    raise AssertionError(f"{what} must raise {kind.__name__}, and did not")


def accepted(answer: Acceptance | None, what: str) -> None:
    """The device took the trigger."""
    if answer is None:
        raise AssertionError(f"{what} must be answered")
    require(answer.refusal is None, f"{what} must be accepted, was refused: {answer.refusal}")


def refused(answer: Acceptance | None, what: str) -> None:
    """The device did not take the trigger, and says which limit forbade it."""
    if answer is None:
        raise AssertionError(f"{what} must be answered")
    require(answer.refusal is not None, f"{what} must be refused")
    require(bool(answer.refusal and answer.refusal.limit), f"{what}: the refusal names no limit")


def only(ended: Sequence[Delivery], seq: int, outcome: Outcome) -> Delivery:
    """The one delivery there must be."""
    told = [(d.seq, str(d.outcome)) for d in ended]
    require(
        told == [(seq, str(outcome))], f"expected one delivery, {seq} {outcome}, not {told or None}"
    )
    if outcome in (Outcome.REFUSED, Outcome.SHAM):
        nothing_in(ended[0])
    return ended[0]


def nothing_in(delivery: Delivery) -> None:
    """No current has flown."""
    require(
        delivery.n_pulses == 0 and delivery.charge_uc == 0.0 and isnan(delivery.offset_s),
        f"nothing may be delivered, not {delivery}",
    )


def cut_short(
    delivery: Delivery, train: PulseTrain | ClickTrain, stop_s: float, step: float
) -> None:
    """Some of the train was delivered, none of it after `stop_s`."""
    require(
        delivery.offset_s <= stop_s + step,
        f"current ended at {delivery.offset_s} s, told to at {stop_s} s",
    )
    some = 0.0 < delivery.charge_uc < train.charge_uc or not train.charge_uc
    require(
        some and delivery.n_pulses < train.n_pulses,
        f"half of {train.n_pulses} pulses and {train.charge_uc:g} uC was delivered, "
        f"the device says {delivery.n_pulses} and {delivery.charge_uc:g} uC",
    )


def whole(delivery: Delivery, train: PulseTrain | ClickTrain, step: float) -> None:
    """All of the train was delivered, and no more."""
    require(delivery.n_pulses == train.n_pulses, f"{delivery.n_pulses} of {train.n_pulses} pulses")
    require(
        abs(delivery.charge_uc - train.charge_uc) <= 0.01 * train.charge_uc,
        f"{train.charge_uc:g} uC were asked for, {delivery.charge_uc:g} uC delivered",
    )
    lasted_s = delivery.offset_s - delivery.onset_s
    require(
        isfinite(lasted_s) and abs(lasted_s - train.duration_s) <= 2 * step,
        f"the train lasts {train.duration_s} s, the device took {lasted_s} s",
    )
