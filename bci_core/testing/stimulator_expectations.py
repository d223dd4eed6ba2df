"""What the rules of `check_stimulator` share: programs to try, and what to expect of answers."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import ceil, floor, isfinite, isnan
from typing import Any

from bci_core.contracts import Capabilities, Stimulator
from bci_core.errors import BciError
from bci_core.events import Acceptance, Delivery, Outcome, Trigger
from bci_core.stimulus import BiphasicPulse, PulseTrain, StimProgram
from bci_core.testing.require import require

Make = Callable[[], Stimulator]

START_S = 1000.0
"""Where the checks begin: no device may take its clock to start at zero."""

LATER_S = 100.0
"""Long enough for anything that is still to come."""


def program_for(able: Capabilities) -> StimProgram:
    """A program of three short pulses, well inside these limits.

    Its values are on the device's steps, and half a step lower still inside its range.
    """
    phase_us = _on_step(max(able.min_phase_us + able.timing_step_us, 200.0), able.timing_step_us)
    phase_us = min(phase_us, able.max_phase_us)
    most_ua = min(able.max_amplitude_ua, able.max_charge_per_phase_uc / (phase_us * 1e-6))
    amplitude_ua = floor(0.5 * most_ua / able.amplitude_step_ua) * able.amplitude_step_ua
    amplitude_ua = max(amplitude_ua, able.min_amplitude_ua + able.amplitude_step_ua)
    interphase_us = _on_step(able.min_interphase_us + able.timing_step_us, able.timing_step_us)
    pulse = BiphasicPulse(amplitude_ua, phase_us, interphase_us)
    rate_hz = max(able.min_rate_hz, min(able.max_rate_hz, 0.5 / pulse.duration_s))
    n_pulses = min(3, able.max_pulses)
    return StimProgram(1, "conformance", PulseTrain(pulse, rate_hz, n_pulses), (1,))


def over_limit(good: StimProgram, able: Capabilities) -> list[tuple[str, StimProgram]]:
    """The program with one value at a time just outside the device's limits."""
    train, pulse = good.train, good.train.pulse
    us, ua = able.timing_step_us, able.amplitude_step_ua
    pulses = [
        ("too high an amplitude", replace(pulse, amplitude_ua=able.max_amplitude_ua + ua)),
        ("too low an amplitude", replace(pulse, amplitude_ua=able.min_amplitude_ua - ua)),
        ("too short a phase", replace(pulse, phase_us=able.min_phase_us - us)),
        ("too short an interphase", replace(pulse, interphase_us=able.min_interphase_us - us)),
    ]
    most_us = able.max_charge_per_phase_uc / (pulse.amplitude_ua * 1e-6)
    charged_us = (floor(most_us / us + 1e-6) + 1) * us
    if charged_us <= able.max_phase_us:
        slow = replace(train, rate_hz=able.min_rate_hz, n_pulses=1)
        charged = replace(slow, pulse=replace(pulse, phase_us=charged_us))
        trains = [("too much charge per phase", charged)]
    else:  # no current and phase within their own limits reach it
        trains = []
    trains += [(what, replace(train, pulse=odd)) for what, odd in pulses]
    trains += [
        ("too high a rate", replace(train, rate_hz=able.max_rate_hz * 1.01)),
        ("too many pulses", replace(train, n_pulses=able.max_pulses + 1)),
        ("no pulse", replace(train, n_pulses=0)),
    ]
    longest_us = 0.5e6 / able.max_rate_hz
    crowded = replace(pulse, phase_us=_on_step(longest_us, us) + us)
    trains.append(("pulses that overlap", replace(train, pulse=crowded, rate_hz=able.max_rate_hz)))
    programs = [(what, replace(good, train=odd)) for what, odd in trains]
    return [
        *programs,
        ("a channel too many", replace(good, electrodes=(able.n_channels + 1,))),
        ("channel 0", replace(good, electrodes=(0,))),
        ("no channel", replace(good, electrodes=())),
    ]


def off_step(good: StimProgram, able: Capabilities) -> list[tuple[str, StimProgram]]:
    """The program with one value at a time between two steps of the device."""
    pulse = good.train.pulse
    ua, us = 0.5 * able.amplitude_step_ua, 0.5 * able.timing_step_us
    pulses = [
        ("an amplitude between two steps", replace(pulse, amplitude_ua=pulse.amplitude_ua - ua)),
        ("a phase between two steps", replace(pulse, phase_us=pulse.phase_us - us)),
        ("an interphase between two steps", replace(pulse, interphase_us=pulse.interphase_us + us)),
    ]
    return [(what, replace(good, train=replace(good.train, pulse=odd))) for what, odd in pulses]


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


def accepted(answer: Acceptance, what: str) -> None:
    """The device took the trigger."""
    require(answer.refusal is None, f"{what} must be accepted, was refused: {answer.refusal}")


def refused(answer: Acceptance, what: str) -> None:
    """The device did not take the trigger, and says which limit forbade it."""
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


def cut_short(delivery: Delivery, train: PulseTrain, stop_s: float, step: float) -> None:
    """Some of the train was delivered, none of it after `stop_s`."""
    require(
        delivery.offset_s <= stop_s + step,
        f"current ended at {delivery.offset_s} s, told to at {stop_s} s",
    )
    require(
        0.0 < delivery.charge_uc < train.charge_uc and delivery.n_pulses < train.n_pulses,
        f"half of {train.n_pulses} pulses and {train.charge_uc:g} uC was delivered, "
        f"the device says {delivery.n_pulses} and {delivery.charge_uc:g} uC",
    )


def whole(delivery: Delivery, train: PulseTrain, step: float) -> None:
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


def _on_step(value: float, step: float) -> float:
    return ceil(value / step - 1e-6) * step
