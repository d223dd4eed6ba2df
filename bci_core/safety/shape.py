"""What is wrong with a program whatever the envelope.

Amounts that are none, pulses that do not fit into their period, electrodes named twice.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from math import isfinite

from bci_core.events import Refusal
from bci_core.safety.limits import at_most
from bci_core.stimulus import ClickTrain, ProgramPart, PulseTrain, StimProgram

MOST_PULSES = 1_000_000
"""Of one train: the largest `pulses_per_train` that a rig can have. More are not counted out."""

MOST_PARTS = 1024
"""Trains of one program. More are not counted out."""


def label(program: StimProgram) -> str:
    """How a refusal names a program."""
    return f"program {program.program_id} {program.name!r}"


def malformed(programs: Sequence[StimProgram]) -> list[Refusal]:
    """What is wrong with programs whatever the envelope.

    Nothing to load, a slot used twice, no electrode or the same one twice, an amount that
    is not a number or not positive, a pulse that does not fit into its period.
    """
    refusals = [] if programs else [Refusal("programs", 0, 1, "programs", "nothing to load")]
    slots = Counter(program.program_id for program in programs)
    refusals += [
        Refusal("program_id", times, 1, "uses", f"program {program_id}")
        for program_id, times in slots.items()
        if times > 1
    ]
    for program in programs:
        refusals += shape_refusals(program)
    return refusals


def shape_refusals(program: StimProgram) -> list[Refusal]:
    """What is wrong with one program whatever the envelope."""
    parts = program.parts
    where = label(program)
    if len(parts) > MOST_PARTS:
        return [Refusal("parts", len(parts), MOST_PARTS, "trains", where)]
    if len({type(part.train) for part in parts}) > 1:
        return [Refusal("train_kinds", 2, 1, "kinds", f"{where}: pulses and clicks")]
    refusals: list[Refusal] = []
    for number, part in enumerate(parts, start=1):
        refusals += _part_refusals(part, where if len(parts) == 1 else f"{where}, train {number}")
    return refusals


def _part_refusals(part: ProgramPart, where: str) -> Iterator[Refusal]:
    if not (isfinite(part.delay_s) and part.delay_s >= 0.0):
        yield Refusal("delay", part.delay_s, 0.0, "s", f"{where}: must be finite and not below it")
    yield from _electrode_refusals(part.electrodes, where)
    train = part.train
    yield from (
        _click_refusals(train, where)
        if isinstance(train, ClickTrain)
        else _pulse_refusals(train, where)
    )


def _pulse_refusals(train: PulseTrain, where: str) -> Iterable[Refusal]:
    pulse = train.pulse
    refusals = _not_above_zero(
        {
            ("amplitude", "uA"): pulse.amplitude_ua,
            ("phase", "us"): pulse.phase_us,
            ("recovery_amplitude", "uA"): pulse.second_amplitude_ua,
            ("recovery_phase", "us"): pulse.second_phase_us,
            ("pulse_rate", "Hz"): train.rate_hz,
        },
        where,
    )
    if not (isfinite(pulse.interphase_us) and pulse.interphase_us >= 0.0):
        at_fault = f"{where}: must be finite and not below the limit"
        refusals.append(Refusal("interphase", pulse.interphase_us, 0.0, "us", at_fault))
    refusals += _count_refusals(train.n_pulses, where)
    for name, pulses in (("ramp_up", train.ramp_up_pulses), ("ramp_down", train.ramp_down_pulses)):
        if not (isfinite(pulses) and 0 <= pulses < MOST_PULSES and pulses % 1 == 0):
            at_fault = f"{where}: must be a whole number from the limit up"
            refusals.append(Refusal(name, pulses, 0, "pulses", at_fault))
    if not refusals and not at_most(pulse.duration_s * train.rate_hz, 1.0):
        period_us = 1e6 / train.rate_hz
        refusals.append(Refusal("pulse_period", pulse.duration_s * 1e6, period_us, "us", where))
    return refusals


def _click_refusals(train: ClickTrain, where: str) -> Iterable[Refusal]:
    refusals = _not_above_zero(
        {
            ("level", "dB SPL"): train.level_db_spl,
            ("click", "s"): train.click_s,
            ("interval", "s"): train.interval_s,
        },
        where,
    )
    refusals += _count_refusals(train.n_clicks, where)
    if not refusals and train.n_clicks > 1 and not at_most(train.click_s, train.interval_s):
        refusals.append(Refusal("click_interval", train.click_s, train.interval_s, "s", where))
    return refusals


def _not_above_zero(amounts: dict[tuple[str, str], float], where: str) -> list[Refusal]:
    return [
        Refusal(name, value, 0.0, unit, f"{where}: must be finite and above the limit")
        for (name, unit), value in amounts.items()
        if not (isfinite(value) and value > 0.0)
    ]


def _count_refusals(count: float, where: str) -> list[Refusal]:
    if not _counts(count):
        at_fault = f"{where}: must be a whole number from the limit up"
        return [Refusal("pulses_per_train", count, 1, "pulses", at_fault)]
    if count > MOST_PULSES:
        return [Refusal("pulses_per_train", count, MOST_PULSES, "pulses", where)]
    return []


def _electrode_refusals(electrodes: tuple[int, ...], where: str) -> Iterable[Refusal]:
    if not electrodes:
        yield Refusal("electrodes", 0, 1, "electrodes", f"{where}: name at least one")
    for electrode, times in Counter(electrodes).items():
        if not _counts(electrode):
            yield Refusal(
                "electrode", electrode, 1, "channel number", f"{where}: they count from the limit"
            )
        if times > 1:
            yield Refusal("electrode", times, 1, "uses", f"{where}: electrode {electrode}")


def _counts(number: float) -> bool:
    return isfinite(number) and number >= 1 and number % 1 == 0
