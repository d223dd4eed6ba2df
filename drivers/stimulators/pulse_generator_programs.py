"""From programs to what the pulse generator's box is programmed with, and back."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

from bci_core.capabilities import Capabilities
from bci_core.events import Refusal
from bci_core.stimulator.limits import name_of, program_refusals, pulses_of
from bci_core.stimulus import BiphasicPulse, ProgramPart, PulseTrain, StimProgram
from drivers.stimulators.electrode import ElectrodeSettings
from drivers.stimulators.output import CurrentOutput, Slot
from drivers.stimulators.pulse_generator_bytes import (
    CYCLE_US,
    N_OUTPUTS,
    ZERO,
    BoxParameters,
    OutputParameters,
)
from drivers.stimulators.pulse_generator_settings import MAX_DURATION_US

RESTING = OutputParameters(phase1_code=ZERO, phase2_code=ZERO, train=1)
"""An output that stays at 0 V whatever triggers it."""

AT_REST = BoxParameters(outputs=(RESTING,) * N_OUTPUTS, links=((0,) * N_OUTPUTS,) * 2)
"""Nothing programmed, and no trigger input that fires anything."""


def refusals(programs: Sequence[StimProgram], able: Capabilities) -> list[Refusal]:
    """Every limit that any of these programs passes. Nothing is rounded to fit."""
    found = program_refusals(programs, able, MAX_DURATION_US)
    if found:
        return found  # what follows is arithmetic with amounts in their ranges
    used = Counter(e for program in programs for part in program.parts for e in part.electrodes)
    for program in programs:
        found += _own_refusals(program)
        found += [
            Refusal(
                "output_shared", used[output], 1, f"trains on output {output}", name_of(program)
            )
            for output in program.every_electrode
            if used[output] > 1
        ]
    return found


def _own_refusals(program: StimProgram) -> Iterator[Refusal]:
    where = name_of(program)
    for part in program.parts:
        train = pulses_of(part.train)
        for limit, ramp in (
            ("ramp_up", train.ramp_up_pulses),
            ("ramp_down", train.ramp_down_pulses),
        ):
            if ramp:
                yield Refusal(limit, ramp, 0, "pulses", f"{where}: the box cannot ramp")
        asked = 1e6 / (train.rate_hz * CYCLE_US)
        cycles = _period(train)
        if abs(asked - cycles) * (train.n_pulses - 1) > 0.5:
            nearest_hz = 1e6 / (cycles * CYCLE_US)
            advice = f"{where}: {train.rate_hz!r} Hz; the nearest it can is {nearest_hz!r} Hz"
            yield Refusal("period_step", asked * CYCLE_US, CYCLE_US, "us", advice)


def box_parameters(programs: Sequence[StimProgram], step_ua: float) -> BoxParameters:
    """What the box is to hold for programs that nothing was refused of."""
    outputs = [RESTING] * N_OUTPUTS
    for program in programs:
        for part in program.parts:
            for output in part.electrodes:
                outputs[output - 1] = output_parameters(part, step_ua)
    return replace(AT_REST, outputs=tuple(outputs))


def output_parameters(part: ProgramPart, step_ua: float) -> OutputParameters:
    """One train as one output plays it: cathodic first, so the first phase is below 0 V."""
    train = pulses_of(part.train)
    pulse, period = train.pulse, _period(train)
    phases = (
        round(pulse.phase_us / CYCLE_US),
        round(pulse.interphase_us / CYCLE_US),
        round(pulse.second_phase_us / CYCLE_US),
    )
    return replace(
        RESTING,
        phase1=phases[0],
        interphase=phases[1],
        phase2=phases[2],
        interpulse=period - sum(phases),
        train=(int(train.n_pulses) - 1) * period + sum(phases),
        delay=round(part.delay_s * 1e6 / CYCLE_US),
        phase1_code=ZERO - round(pulse.amplitude_ua / step_ua),
        phase2_code=ZERO + round(pulse.second_amplitude_ua / step_ua),
        biphasic=1,
    )


def held_programs(
    loaded: Sequence[StimProgram], box: BoxParameters, step_ua: float
) -> tuple[StimProgram, ...]:
    """What the box's memory says of the programs that were loaded.

    A train that the box holds to the bit is given as it was loaded, one that it does not as
    the box would play it.
    """
    expected = box_parameters(loaded, step_ua)
    unsafe = replace(box, outputs=expected.outputs) != expected
    programs = []
    for program in loaded:
        parts = [_held_part(part, box, step_ua) for part in program.parts]
        if unsafe:  # an input would fire it, too: the box does not hold what was loaded
            parts[0] = replace(parts[0], electrodes=())
        first = parts[0]
        programs.append(
            replace(program, train=first.train, electrodes=first.electrodes, more=tuple(parts[1:]))
        )
    return tuple(programs)


def _held_part(part: ProgramPart, box: BoxParameters, step_ua: float) -> ProgramPart:
    expected = output_parameters(part, step_ua)
    for output in part.electrodes:
        held = box.outputs[output - 1]
        if held != expected:
            return replace(part, train=_played(held, step_ua), delay_s=held.delay * CYCLE_US * 1e-6)
    return part


def _played(held: OutputParameters, step_ua: float) -> PulseTrain:
    """The train of an output; what it cannot express shows as amounts that are not balanced."""
    pulse = BiphasicPulse(
        (ZERO - held.phase1_code) * step_ua,
        held.phase1 * CYCLE_US,
        held.interphase * CYCLE_US,
        recovery_amplitude_ua=(held.phase2_code - ZERO) * step_ua * held.biphasic,
        recovery_phase_us=held.phase2 * CYCLE_US,
    )
    cycles = held.phase1 + held.interphase + held.phase2
    period = max(1, cycles + held.interpulse)
    n_pulses = (held.train - cycles) // period + 1
    return PulseTrain(pulse, 1e6 / (period * CYCLE_US), n_pulses)


def _period(train: PulseTrain) -> int:
    return round(1e6 / (train.rate_hz * CYCLE_US))


class CommandedOutput(CurrentOutput):
    """What the box was told to put out, for deliveries: it measures nothing.

    Pulses follow each other by the box's whole cycles. What its electrodes would do is not
    looked at.
    """

    def __init__(self, able: Capabilities) -> None:
        super().__init__(able, ElectrodeSettings(), {})

    def slots(self, program: StimProgram) -> tuple[Slot, ...]:
        found: list[Slot] = []
        for number, part in enumerate(program.parts):
            train = pulses_of(part.train)
            delay = round(part.delay_s * 1e6 / CYCLE_US)
            ticks = round(train.pulse.duration_s * 1e6 / CYCLE_US)
            period = _period(train)
            found += [
                Slot(delay + index * period, ticks, number, index)
                for index in range(int(train.n_pulses))
            ]
        return tuple(sorted(found, key=lambda slot: (slot.at, slot.part)))
