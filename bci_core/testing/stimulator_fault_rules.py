"""Rules of a simulated stimulator's fault switches: each breaks what it says, and nothing hides it.

A real device has no ``faults``; for it these rules have nothing to say.
"""

from typing import Any

from bci_core.contracts import Stimulator
from bci_core.errors import BciError, DeviceError
from bci_core.status import ArmingState
from bci_core.stimulus import ClickTrain, StimProgram
from bci_core.testing.require import require
from bci_core.testing.stimulator_expectations import (
    LATER_S,
    START_S,
    Make,
    accepted,
    armed,
    at_once,
    fire,
    loaded,
    raises,
    refused,
    step_s,
)
from bci_core.testing.stimulator_report_rules import delivered, ended_by

KINDS = (
    "disconnect",
    "stuck_on",
    "silent_clip",
    "drop_ack",
    "late_ack",
    "echo_error",
    "stale_status",
    "clock_drift",
    "locked",
)

STOP_WITHIN_S = 0.01
"""No current may outlast a stop, or a fault, for longer."""


def every_fault_can_be_switched(make: Make, program: StimProgram | None = None) -> None:
    """All faults are there, can be set and cleared, and an unknown one is refused."""
    device, _ = loaded(make, program)
    faults = _faults(device)
    if faults is None:
        return
    for kind in KINDS:
        faults.switch(kind, True)
        require(faults.active(kind, START_S), f"{kind} was switched on and is not")
        faults.switch(kind, False)
        require(not faults.active(kind, START_S), f"{kind} was switched off and is not")
    raises(DeviceError, "a fault that does not exist", faults.switch, "gremlins", True)


def disconnect_stops_it(make: Make, program: StimProgram | None = None) -> None:
    """A device that has lost its host stops, and answers nothing."""
    device, good = armed(make, program)
    faults = _faults(device)
    if faults is None:
        return
    lost_s = fire(device, good, 1) + 0.5 * good.duration_s
    device.advance(lost_s)
    faults.switch("disconnect", True)
    device.advance(lost_s + step_s(device))
    require(device.disarmed_reason() != "", "it must disarm when it has lost its host")
    device.advance(lost_s + LATER_S)
    _nothing_after(device, lost_s + STOP_WITHIN_S)
    now_s = lost_s + LATER_S
    raises(DeviceError, "arming a lost device", device.arm, 0.1, now_s)
    raises(DeviceError, "asking a lost device", device.status, now_s)
    raises(
        DeviceError, "a trigger to a lost device", device.trigger, at_once(good, 2, now_s), now_s
    )


def stuck_on_is_opened_and_latched(make: Make, program: StimProgram | None = None) -> None:
    """An output that stays on is opened by the device itself, which latches until reset."""
    device, good = armed(make, program)
    faults = _faults(device)
    if faults is None:
        return
    faults.switch("stuck_on", True)
    at_s = fire(device, good, 1)
    first_s = at_s + _first_pulse_s(good)
    ended, left = ended_by(device, at_s + good.duration_s + 1.0)
    over_s = max([e.offset_s for e in left], default=first_s)
    require(over_s <= first_s + STOP_WITHIN_S, f"output was on for {over_s - first_s} s too long")
    require(not delivered(ended), "a program that ended stuck must not be told as delivered")
    now_s = at_s + good.duration_s + 1.0
    require(device.status(now_s).state is ArmingState.FAULT_LATCHED, "it must latch")
    raises(BciError, "arming a latched device", device.arm, 0.1, now_s)
    raises(BciError, "a reset while the fault lasts", device.reset, now_s)
    faults.switch("stuck_on", False)
    device.reset(now_s)
    require(device.disarmed_reason() != "", "a reset must not arm")
    device.arm(device.capabilities.max_lease_s, now_s)


def clipping_shows_in_what_is_measured(make: Make, program: StimProgram | None = None) -> None:
    """Where an electrode comes off, what the device measures tells, and less current leaves."""
    device, good = armed(make, program)
    faults = _faults(device)
    if faults is None or isinstance(good.train, ClickTrain):
        return
    able = device.capabilities
    faults.switch("silent_clip", True)
    at_s = fire(device, good, 1)
    ended, left = ended_by(device, at_s + good.duration_s + step_s(device))
    per_phase_uc = sum(abs(e.amplitude) * (e.offset_s - e.onset_s) for e in left) / 2.0
    require(per_phase_uc < 0.9 * good.charge_uc, "an open electrode must get less than was asked")
    require(bool(ended), "a whole program was fired, and no delivery told")
    told = ended[0]
    compliance_v = getattr(able, "compliance_v", 0.0)
    shows = {
        "charge": told.charge_uc < 0.99 * good.charge_uc,
        "net_charge": told.net_charge_uc > 0.0,
        "output_v": told.output_v >= 0.99 * compliance_v,
    }
    for what in shows.keys() & set(able.measures):
        require(shows[what], f"it measures {what}, and that does not show the clipping: {told}")


def a_lost_acknowledgement_is_no_answer(make: Make, program: StimProgram | None = None) -> None:
    """The trigger is carried out and told, and its acceptance is not."""
    device, good = armed(make, program)
    faults = _faults(device)
    if faults is None:
        return
    faults.switch("drop_ack", True)
    at_s = START_S + 0.1 * device.capabilities.max_lease_s
    answer = device.trigger(at_once(good, 1, at_s), at_s)
    require(answer is None, f"the acknowledgement must be lost, it was {answer}")
    wait_s = good.duration_s + 2.0 * device.capabilities.max_command_latency_s + 0.1
    ended, _ = ended_by(device, at_s + wait_s)
    require([each.seq for each in ended] == [1], f"one trigger, and deliveries {ended}")


def a_late_acknowledgement_delays(make: Make, program: StimProgram | None = None) -> None:
    """A slow device answers later, and is held to the deadline all the same."""
    device, good = armed(make, program)
    faults = _faults(device)
    if faults is None:
        return
    faults.switch("late_ack", True)
    answer = device.trigger(at_once(good, 1, START_S), START_S)
    accepted(answer, "a trigger with time to spare")
    require(answer is not None and answer.accepted_s > START_S, "the answer must come later")
    soon, good = armed(make, program)
    _faults(soon).switch("late_ack", True)
    hurried = at_once(good, 1, START_S)
    refused(
        soon.trigger(type(hurried)(1, good.program_id, START_S, START_S + 1e-3), START_S),
        "a trigger that a slow device cannot meet",
    )


def an_echo_error_shows_when_read_back(make: Make, program: StimProgram | None = None) -> None:
    """What is held differs from what was sent, and reading it back says so."""
    device, good = loaded(make, program)
    faults = _faults(device)
    if faults is None:
        return
    faults.switch("echo_error", True)
    device.load([good])
    require(device.read_back() != (good,), "a program that was garbled must read back garbled")


def a_stale_status_has_an_old_time(make: Make, program: StimProgram | None = None) -> None:
    """A status that stands still keeps the time it was made at."""
    device, _ = armed(make, program)
    faults = _faults(device)
    if faults is None:
        return
    then = device.status(START_S)
    faults.switch("stale_status", True)
    now = device.status(START_S + 0.5 * device.capabilities.max_lease_s)
    require(now == then, f"it must stand still at {then}, it says {now}")


def a_drifting_clock_shows_in_the_status(make: Make, program: StimProgram | None = None) -> None:
    """A device whose clock runs fast tells its own time."""
    device, _ = armed(make, program)
    faults = _faults(device)
    if faults is None:
        return
    faults.switch("clock_drift", True)
    device.advance(START_S + 1e-3)
    now_s = START_S + 1e-3 + 1.0
    off_s = abs(device.status(now_s).at_s - now_s)
    require(off_s > 1e-3, f"after 1 s of drift its clock is only {off_s} s off")


def a_locked_device_only_stops(make: Make, program: StimProgram | None = None) -> None:
    """A locked device refuses every command, and can be stopped."""
    device, good = armed(make, program)
    faults = _faults(device)
    if faults is None:
        return
    faults.switch("locked", True)
    now_s = START_S + 1e-3
    refused(device.trigger(at_once(good, 1, now_s), now_s), "a trigger to a locked device")
    device.disarm("conformance check", now_s)
    require(device.disarmed_reason() != "", "a locked device must stop when told to")
    raises(DeviceError, "loading a locked device", device.load, [good])
    raises(DeviceError, "arming a locked device", device.arm, 0.1, now_s)


def _faults(device: Stimulator) -> Any:
    """Its switchboard; None for a device that is not simulated."""
    faults = getattr(device, "faults", None)
    if device.capabilities.simulated:
        require(faults is not None, "a simulated device must have fault switches, ``faults``")
    return faults


def _nothing_after(device: Stimulator, time_s: float) -> None:
    late = [e for e in device.emissions() if e.offset_s > time_s]
    require(not late, f"output went on after {time_s} s: {late}")


def _first_pulse_s(program: StimProgram) -> float:
    train = program.train
    return train.click_s if isinstance(train, ClickTrain) else train.pulse.duration_s
