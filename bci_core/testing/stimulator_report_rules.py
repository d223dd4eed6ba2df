"""Rules of a stimulator's contract about what it tells of itself, and what leaves it."""

from bci_core.contracts import Stimulator
from bci_core.errors import DeviceError, SafetyError
from bci_core.events import Delivery, Emission, Outcome, Trigger
from bci_core.status import ArmingState
from bci_core.stimulus import ClickTrain, StimProgram
from bci_core.testing.require import require
from bci_core.testing.stimulator_expectations import (
    LATER_S,
    START_S,
    Make,
    armed,
    at_once,
    fire,
    loaded,
    raises,
    run_on,
    step_s,
)


def read_back_is_what_was_loaded(make: Make, program: StimProgram | None = None) -> None:
    """Asked what it holds, the device says what it was sent, and nothing once it holds nothing."""
    require(make().read_back() == (), "a fresh device must hold nothing")
    device, good = loaded(make, program)
    held = device.read_back()
    require(held == (good,), f"sent {good}, it holds {held}")


def impedance_needs_disarming(make: Make, program: StimProgram | None = None) -> None:
    """Electrodes are measured while disarmed only, each in the order asked."""
    device, _ = loaded(make, program)
    if "impedance" not in device.capabilities.measures:
        raises(DeviceError, "measuring without the means", device.impedance, (1,), START_S)
        return
    found = device.impedance((1,), START_S)
    require([each.electrode for each in found] == [1], f"asked about electrode 1, told {found}")
    require(found[0].magnitude_kohm > 0.0, f"an impedance must be above 0 kohm, not {found[0]}")
    beyond = device.capabilities.n_channels + 1
    raises(DeviceError, f"measuring electrode {beyond}", device.impedance, (beyond,), START_S)
    ready, _ = armed(make, program)
    raises(DeviceError, "measuring while armed", ready.impedance, (1,), START_S)


def status_tells_the_state(make: Make, program: StimProgram | None = None) -> None:
    """Safe, configured, armed, stimulating, recovery; on a clock that agrees with the host's."""
    _state(make(), START_S, ArmingState.SAFE)
    device, _ = loaded(make, program)
    _state(device, START_S, ArmingState.CONFIGURED)
    device, good = armed(make, program)
    _state(device, START_S, ArmingState.ARMED)
    at_s = fire(device, good, 1)
    _state(device, at_s + 0.5 * good.duration_s, ArmingState.STIMULATING)
    end_s = at_s + good.duration_s
    device.renew(end_s)
    able = device.capabilities
    resting_s = 0.5 * min(able.min_lockout_s, able.max_lease_s)
    _state(device, end_s + resting_s, ArmingState.RECOVERY)
    device.disarm("conformance check", end_s + 1.0)
    _state(device, end_s + 1.0, ArmingState.CONFIGURED)


def reset_needs_a_fault(make: Make, program: StimProgram | None = None) -> None:
    """There is nothing to clear while nothing is latched, and clearing never arms."""
    device, _ = loaded(make, program)
    raises(SafetyError, "a reset of nothing", device.reset, START_S)
    require(device.disarmed_reason() != "", "a reset must not arm")


def what_leaves_is_what_is_told(make: Make, program: StimProgram | None = None) -> None:
    """Emissions of a whole program have its times, its channels and, of current, its charge."""
    device, good = armed(make, program)
    at_s = fire(device, good, 1)
    ended = run_on(device, START_S, at_s + good.duration_s + step_s(device))
    left = device.emissions()
    if not left and not device.capabilities.simulated:
        return  # nobody records its output
    require(bool(left) and len(ended) == 1, f"one program, {len(ended)} told, {len(left)} left")
    told, step = ended[0], 2 * step_s(device)
    require(
        {e.channel for e in left} == set(good.every_electrode),
        f"asked for channels {good.every_electrode}, {sorted({e.channel for e in left})} were used",
    )
    begun_s, over_s = min(e.onset_s for e in left), max(e.offset_s for e in left)
    require(
        abs(begun_s - told.onset_s) <= step and abs(over_s - told.offset_s) <= step,
        f"told {told.onset_s} to {told.offset_s} s, left from {begun_s} to {over_s} s",
    )
    if isinstance(good.train, ClickTrain):
        require(len(left) == good.n_pulses * len(good.every_electrode), f"{len(left)} clicks left")
        return
    for electrode in good.every_electrode:
        per_phase_uc = sum(_charge_uc(e) for e in left if e.channel == electrode) / 2.0
        asked_uc = good.charge_on_uc(electrode)
        require(
            abs(per_phase_uc - asked_uc) <= 0.02 * asked_uc,
            f"electrode {electrode}: {asked_uc:g} uC a phase asked, {per_phase_uc:g} uC left",
        )
    require(device.emissions() == [], "what has left must be told once")


def nothing_leaves_unasked(make: Make, program: StimProgram | None = None) -> None:
    """No emission while disarmed, from sham, from what was refused, or after a stop."""
    device, good = loaded(make, program)
    device.trigger(at_once(good, 1, START_S), START_S)
    device.advance(START_S + LATER_S)
    require(device.emissions() == [], "something left a disarmed device")
    device, good = armed(make, program)
    at_s = START_S + 0.1 * device.capabilities.max_lease_s
    device.trigger(Trigger(1, good.program_id, at_s, at_s + 60.0, sham=True), START_S)
    run_on(
        device, START_S, at_s + 1.1 * good.duration_s + device.capabilities.max_command_latency_s
    )
    require(device.emissions() == [], "something left for a sham trigger")
    device, good = armed(make, program)
    stop_s = fire(device, good, 1) + 0.5 * good.duration_s
    device.disarm("conformance check", stop_s)
    device.advance(stop_s + LATER_S)
    late_s = max([e.offset_s - stop_s for e in device.emissions()], default=0.0)
    require(late_s <= step_s(device), f"something left for {late_s} s after the stop")


def ended_by(device: Stimulator, until_s: float) -> tuple[list[Delivery], list[Emission]]:
    """What is told, and what has left, by a time; kept armed until then where it lets itself."""
    return run_on(device, START_S, until_s), device.emissions()


def delivered(ended: list[Delivery]) -> bool:
    """Whether a program ran to its end."""
    return any(each.outcome is Outcome.DELIVERED for each in ended)


def _state(device: Stimulator, now_s: float, state: ArmingState) -> None:
    status = device.status(now_s)
    require(status.state is state, f"its state must be {state}, it says {status.state}")
    off_s = abs(status.at_s - now_s)
    require(off_s <= step_s(device), f"its clock is {off_s} s off the host's")
    require(status.fault == "", f"without a fault it tells of one: {status.fault}")


def _charge_uc(emission: Emission) -> float:
    return abs(emission.amplitude) * (emission.offset_s - emission.onset_s)
