"""What a device for current refuses to load, whatever its make."""

from collections import Counter
from collections.abc import Iterator, Sequence

from bci_core.capabilities import Capabilities
from bci_core.errors import DeviceError, SafetyError
from bci_core.events import Refusal
from bci_core.holds import hold_refusals
from bci_core.stimulus import STEP_TOLERANCE, ClickTrain, ProgramPart, PulseTrain, StimProgram

TOLERANCE = 1e-9
"""Relative. Limits are inclusive; this is the rounding of a product of two floats."""

LONGEST_S = 3600.0
"""Of a delay within a program; a choice of this project."""


def program_refusals(
    programs: Sequence[StimProgram], able: Capabilities, max_interphase_us: float
) -> list[Refusal]:
    """Every limit that any of these programs passes. Nothing is rounded to fit.

    Parameters
    ----------
    programs : sequence of StimProgram
    able : Capabilities
        The device's own.
    max_interphase_us : float

    Returns
    -------
    list of Refusal
        Empty when all may be loaded.
    """
    refusals = slot_refusals(programs, holds=able.holds)
    for program in programs:
        refusals += _program_refusals(program, able, max_interphase_us)
    return refusals


def slot_refusals(programs: Sequence[StimProgram], *, holds: bool = False) -> list[Refusal]:
    """Slots that more than one program wants, and programs that hold what they cannot."""
    twice = [
        Refusal("program_slot", count, 1, "programs", f"slot {slot}")
        for slot, count in Counter(p.program_id for p in programs).items()
        if count > 1
    ]
    return twice + hold_refusals(programs, able=holds)


def require_within(device: str, broken: Sequence[str]) -> None:
    """Load nothing of a device when any limit forbids it.

    Raises
    ------
    SafetyError
        Names each limit that is passed.
    """
    if broken:
        lines = "\n".join(f"  {each}" for each in broken)
        raise SafetyError(f"the {device} loaded nothing, these limits forbid:\n{lines}")


def too_long(programs: Sequence[StimProgram], able: Capabilities) -> Iterator[Refusal]:
    """Programs that a device which does not notice the loss of its host must not begin."""
    for program in programs:
        if program.duration_s > able.max_lease_s:
            where = name_of(program)
            yield Refusal("duration", program.duration_s, able.max_lease_s, "s", where)


def out_of(
    limit: str, value: float, low: float, high: float, step: float, unit: str, where: str
) -> Iterator[Refusal]:
    """A value outside a range, or between two steps (0: any value will do); NaN is outside."""
    if not value >= low * (1.0 - TOLERANCE):
        yield Refusal(limit, value, low, unit, where)
    elif not value <= high * (1.0 + TOLERANCE):
        yield Refusal(limit, value, high, unit, where)
    elif step and abs(value / step - round(value / step)) > STEP_TOLERANCE:
        yield Refusal(f"{limit}_step", value, step, unit, where)


def pulses_of(train: PulseTrain | ClickTrain) -> PulseTrain:
    """The train, which a device for current has checked to be of current."""
    if isinstance(train, ClickTrain):
        raise DeviceError("clicks were asked of a device for current; it plays no sound")
    return train


def name_of(program: StimProgram) -> str:
    """How a refusal names a program."""
    return f"program {program.program_id} {program.name!r}"


def _program_refusals(
    program: StimProgram, able: Capabilities, max_interphase_us: float
) -> list[Refusal]:
    where = name_of(program)
    refusals = list(
        out_of("program_slot", program.program_id, 1, able.n_programs, 1, "slot", where)
    )
    if len(program.parts) > able.max_parts:
        refusals.append(Refusal("parts", len(program.parts), able.max_parts, "trains", where))
    sound = False
    for number, part in enumerate(program.parts, start=1):
        place = where if len(program.parts) == 1 else f"{where}, train {number}"
        refusals += electrode_refusals(part, able.n_channels, place)
        step_s = able.timing_step_us * 1e-6
        refusals += out_of("delay", part.delay_s, 0.0, LONGEST_S, step_s, "s", place)
        if isinstance(part.train, ClickTrain):
            sound = True
            refusals.append(Refusal("sound", 1, 0, "click trains", f"{place}: not a loudspeaker"))
        else:
            refusals += _range_refusals(part.train, able, max_interphase_us, place)
            refusals += _charge_refusals(part.train, able, place)
    # Pulses that are malformed overlap in no sensible way.
    if not refusals and not sound and len(program.parts) > 1:
        refusals += _at_once_refusals(program, able, where)
    elif len(set(program.electrodes)) > able.n_sources:
        driven = len(set(program.electrodes))
        refusals.append(Refusal("sources", driven, able.n_sources, "electrodes at once", where))
    return refusals


def _range_refusals(
    train: PulseTrain, able: Capabilities, max_interphase_us: float, where: str
) -> Iterator[Refusal]:
    pulse = train.pulse
    us, ua = able.timing_step_us, able.amplitude_step_ua
    low_ua, high_ua = able.min_amplitude_ua, able.max_amplitude_ua
    low_us, high_us = able.min_phase_us, able.max_phase_us
    low_gap_us, most = able.min_interphase_us, able.max_pulses
    yield from out_of("n_pulses", train.n_pulses, 1, most, 1, "pulses", where)
    yield from out_of("rate", train.rate_hz, able.min_rate_hz, able.max_rate_hz, 0, "Hz", where)
    yield from out_of("amplitude", pulse.amplitude_ua, low_ua, high_ua, ua, "uA", where)
    yield from out_of("phase", pulse.phase_us, low_us, high_us, us, "us", where)
    yield from out_of(
        "interphase", pulse.interphase_us, low_gap_us, max_interphase_us, us, "us", where
    )
    if pulse.recovery_amplitude_ua is not None:
        recovery_ua = pulse.recovery_amplitude_ua
        yield from out_of("recovery_amplitude", recovery_ua, low_ua, high_ua, ua, "uA", where)
    if pulse.recovery_phase_us is not None:
        recovery_us = pulse.recovery_phase_us
        yield from out_of("recovery_phase", recovery_us, low_us, high_us, us, "us", where)
    for limit, ramp in (
        ("ramp_up", train.ramp_up_pulses),
        ("ramp_down", train.ramp_down_pulses),
    ):
        yield from out_of(limit, ramp, 0, max(0, train.n_pulses - 1), 1, "pulses", where)
    if train.ramp_up_pulses or train.ramp_down_pulses:
        # Rounded down to the device's steps, unequal phases would not balance.
        odd_ua = pulse.second_amplitude_ua - pulse.amplitude_ua
        if not abs(odd_ua) <= able.amplitude_step_ua * STEP_TOLERANCE:
            yield Refusal("ramp_of_unequal_phases", odd_ua, 0.0, "uA", where)
    if not train.ramp_ua_s <= able.max_ramp_ua_s * (1.0 + TOLERANCE):
        yield Refusal("ramp", train.ramp_ua_s, able.max_ramp_ua_s, "uA/s", where)


def electrode_refusals(part: ProgramPart, n_channels: int, where: str) -> Iterator[Refusal]:
    """Channels that are not there, are named twice, or none at all."""
    for electrode in part.electrodes:
        if not 1 <= electrode <= n_channels:
            bound = n_channels if electrode > 0 else 1
            yield Refusal("electrode", electrode, bound, "channel", where)
    if not part.electrodes:
        yield Refusal("electrodes", 0, 1, "electrodes", where)
    distinct = len(set(part.electrodes))
    if distinct < len(part.electrodes):
        yield Refusal("electrodes", len(part.electrodes), distinct, "electrodes", where)


def _charge_refusals(train: PulseTrain, able: Capabilities, where: str) -> Iterator[Refusal]:
    pulse = train.pulse
    charge_uc, most_uc = pulse.charge_per_phase_uc, able.max_charge_per_phase_uc
    if not charge_uc <= most_uc * (1.0 + TOLERANCE):
        yield Refusal("charge_per_phase", charge_uc, most_uc, "uC", where)
    if not abs(pulse.net_charge_uc) <= charge_uc * TOLERANCE:
        yield Refusal("net_charge", pulse.net_charge_uc, 0.0, "uC", where)
    if not train.duty <= 1.0 + TOLERANCE:
        yield Refusal("fit", train.duty, 1.0, "pulse periods", where)


def _at_once_refusals(program: StimProgram, able: Capabilities, where: str) -> Iterator[Refusal]:
    """Trains that would drive one electrode twice, or more electrodes than there are sources."""
    spans = [(p.delay_s, p.delay_s + p.train.duration_s, p.electrodes) for p in program.parts]
    most = 0
    for start_s, _, _ in spans:
        driven = [e for begins_s, ends_s, es in spans if begins_s <= start_s < ends_s for e in es]
        most = max(most, len(driven))
        for electrode, times in Counter(driven).items():
            if times > 1:
                yield Refusal("overlap", times, 1, f"trains on electrode {electrode}", where)
    if most > able.n_sources:
        yield Refusal("sources", most, able.n_sources, "electrodes at once", where)
