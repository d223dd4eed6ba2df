"""What the simulated microstimulator refuses to load."""

from collections import Counter
from collections.abc import Sequence

from bci_core.contracts import Capabilities
from bci_core.events import Refusal
from bci_core.stimulus import StimProgram
from drivers.stimulators.microstim_settings import MAX_INTERPHASE_US

TOLERANCE = 1e-9
"""Relative. Limits are inclusive; this is the rounding of a product of two floats."""

STEP_TOLERANCE = 1e-6
"""Of a step; a value further from a whole number of steps is off the step."""


def program_refusals(programs: Sequence[StimProgram], able: Capabilities) -> list[Refusal]:
    """Every limit that any of these programs passes. Nothing is rounded to fit.

    Parameters
    ----------
    programs : sequence of StimProgram
    able : Capabilities
        The device's own.

    Returns
    -------
    list of Refusal
        Empty when all may be loaded.
    """
    refusals = [
        Refusal("program_slot", count, 1, "programs", f"slot {slot}")
        for slot, count in Counter(p.program_id for p in programs).items()
        if count > 1
    ]
    for program in programs:
        refusals += _range_refusals(program, able)
        refusals += _electrode_refusals(program, able)
        refusals += _charge_refusals(program, able)
    return refusals


def _range_refusals(program: StimProgram, able: Capabilities) -> list[Refusal]:
    train, pulse, where = program.train, program.train.pulse, _name(program)
    us, ua = able.timing_step_us, able.amplitude_step_ua
    low_ua, high_ua = able.min_amplitude_ua, able.max_amplitude_ua
    low_us, high_us = able.min_phase_us, able.max_phase_us
    low_gap_us = able.min_interphase_us
    asked: list[tuple[str, float | None, float, float, float, str]] = [
        ("program_slot", program.program_id, 1, able.n_programs, 1, "slot"),
        ("n_pulses", train.n_pulses, 1, able.max_pulses, 1, "pulses"),
        ("rate", train.rate_hz, able.min_rate_hz, able.max_rate_hz, 0, "Hz"),
        ("amplitude", pulse.amplitude_ua, low_ua, high_ua, ua, "uA"),
        ("recovery_amplitude", pulse.recovery_amplitude_ua, low_ua, high_ua, ua, "uA"),
        ("phase", pulse.phase_us, low_us, high_us, us, "us"),
        ("recovery_phase", pulse.recovery_phase_us, low_us, high_us, us, "us"),
        ("interphase", pulse.interphase_us, low_gap_us, MAX_INTERPHASE_US, us, "us"),
    ]
    refusals: list[Refusal] = []
    for limit, value, low, high, step, unit in asked:
        if value is None:
            continue
        if not value >= low * (1.0 - TOLERANCE):  # NaN is not
            refusals.append(Refusal(limit, value, low, unit, where))
        elif not value <= high * (1.0 + TOLERANCE):
            refusals.append(Refusal(limit, value, high, unit, where))
        elif step and abs(value / step - round(value / step)) > STEP_TOLERANCE:
            refusals.append(Refusal(f"{limit}_step", value, step, unit, where))
    return refusals


def _electrode_refusals(program: StimProgram, able: Capabilities) -> list[Refusal]:
    where = _name(program)
    refusals = [
        Refusal("electrode", electrode, able.n_channels if electrode > 0 else 1, "channel", where)
        for electrode in program.electrodes
        if not 1 <= electrode <= able.n_channels
    ]
    if not program.electrodes:
        refusals.append(Refusal("electrodes", 0, 1, "electrodes", where))
    distinct = len(set(program.electrodes))
    if distinct < len(program.electrodes):
        refusals.append(
            Refusal("electrodes", len(program.electrodes), distinct, "electrodes", where)
        )
    return refusals


def _charge_refusals(program: StimProgram, able: Capabilities) -> list[Refusal]:
    train, pulse, where = program.train, program.train.pulse, _name(program)
    charge_uc, most_uc = pulse.charge_per_phase_uc, able.max_charge_per_phase_uc
    refusals: list[Refusal] = []
    if not charge_uc <= most_uc * (1.0 + TOLERANCE):
        refusals.append(Refusal("charge_per_phase", charge_uc, most_uc, "uC", where))
    if not abs(pulse.net_charge_uc) <= charge_uc * TOLERANCE:
        refusals.append(Refusal("net_charge", pulse.net_charge_uc, 0.0, "uC", where))
    if not train.duty <= 1.0 + TOLERANCE:
        refusals.append(Refusal("fit", train.duty, 1.0, "pulse periods", where))
    return refusals


def _name(program: StimProgram) -> str:
    return f"program {program.program_id} {program.name!r}"
