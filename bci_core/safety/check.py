"""The static check: every program against every limit, before anything is armed.

Limits on single programs are enough, because programs cannot combine: the
lockout counts from the end of the last train of any program on any electrode,
and is above zero, so two trains never overlap and their currents never add
up. What depends on earlier trains is judged when a trigger comes (`history`);
here one train alone must fit into the hourly budgets.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import isfinite

from bci_core.errors import SafetyError
from bci_core.events import Refusal
from bci_core.safety import charge
from bci_core.safety.envelope import SafetyEnvelope
from bci_core.safety.limits import KINDS, LimitUse, at_most
from bci_core.stimulus import StimProgram


@dataclass(frozen=True, slots=True)
class ProgramLimit:
    """A limit that a program keeps or passes by itself.

    Attributes
    ----------
    code, unit : str
    bound : float
        The most that is allowed.
    measure : callable
        What a program asks for, in the same unit.
    """

    code: str
    unit: str
    bound: float
    measure: Callable[[StimProgram], float]

    def use(self, program: StimProgram) -> LimitUse:
        return LimitUse(self.code, self.measure(program), self.bound, self.unit, label(program))


def program_limits(envelope: SafetyEnvelope) -> tuple[ProgramLimit, ...]:
    """The limits on single programs that apply to the envelope's electrode class."""
    measures: dict[str, Callable[[StimProgram], float]] = {
        "amplitude_ua": _amplitude_ua,
        "total_current_ua": lambda p: _amplitude_ua(p) * len(p.electrodes),
        "charge_per_phase_uc": lambda p: p.train.pulse.charge_per_phase_uc,
        "net_charge_fraction": lambda p: charge.net_charge_fraction(
            p.train.pulse.first_charge_uc, p.train.pulse.second_charge_uc
        ),
        "dc_na": lambda p: charge.mean_dc_na(p.train.pulse.net_charge_uc, p.train.rate_hz),
        "pulse_rate_hz": lambda p: p.train.rate_hz,
        "pulses_per_train": lambda p: p.train.n_pulses,
        "train_s": lambda p: p.train.duration_s,
        "duty": lambda p: p.train.duty,
        "charge_per_hour_uc": lambda p: p.train.charge_uc,
        "on_time_per_hour_s": lambda p: p.train.duration_s,
    }
    if envelope.area_rules is not None:
        area_cm2 = envelope.electrode_area_cm2
        measures["charge_density_uc_cm2"] = lambda p: charge.charge_density_uc_cm2(
            p.train.pulse.charge_per_phase_uc, area_cm2
        )
        measures["shannon_k"] = lambda p: charge.shannon_k(
            p.train.pulse.charge_per_phase_uc, area_cm2
        )
    bounds = envelope.limits()
    return tuple(
        ProgramLimit(KINDS[key].code, KINDS[key].unit, bounds[key], measure)
        for key, measure in measures.items()
    )


def worst_case(programs: Sequence[StimProgram], envelope: SafetyEnvelope) -> list[LimitUse]:
    """For each limit on programs, the program that uses most of it.

    Raises
    ------
    SafetyError
        A program is malformed, so that its use of a limit is no number. All are named.
    """
    _raise_for(malformed(programs))
    return [
        max((limit.use(program) for program in programs), key=lambda use: use.value)
        for limit in program_limits(envelope)
    ]


def check_programs(programs: Sequence[StimProgram], envelope: SafetyEnvelope) -> None:
    """Refuse programs that pass a limit, or that no device could deliver as written.

    Raises
    ------
    SafetyError
        Names each refusal of each program: limit, value, bound, unit, where.
    """
    refusals = malformed(programs)
    limits = program_limits(envelope)
    for program in programs:
        if _shape_refusals(program):
            continue
        uses = (limit.use(program) for limit in limits)
        refusals += [
            Refusal(use.limit, use.value, use.bound, use.unit, use.where)
            for use in uses
            if not use.within
        ]
    _raise_for(refusals)


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
        refusals += _shape_refusals(program)
    return refusals


def label(program: StimProgram) -> str:
    """How a refusal names a program."""
    return f"program {program.program_id} {program.name!r}"


def _amplitude_ua(program: StimProgram) -> float:
    pulse = program.train.pulse
    return max(pulse.amplitude_ua, pulse.second_amplitude_ua)


def _shape_refusals(program: StimProgram) -> list[Refusal]:
    where = label(program)
    train, pulse = program.train, program.train.pulse
    positive = {
        ("amplitude", "uA"): pulse.amplitude_ua,
        ("phase", "us"): pulse.phase_us,
        ("recovery_amplitude", "uA"): pulse.second_amplitude_ua,
        ("recovery_phase", "us"): pulse.second_phase_us,
        ("pulse_rate", "Hz"): train.rate_hz,
    }
    refusals = [
        Refusal(name, value, 0.0, unit, f"{where}: must be finite and above the limit")
        for (name, unit), value in positive.items()
        if not (isfinite(value) and value > 0.0)
    ]
    if not (isfinite(pulse.interphase_us) and pulse.interphase_us >= 0.0):
        at_fault = f"{where}: must be finite and not below the limit"
        refusals.append(Refusal("interphase", pulse.interphase_us, 0.0, "us", at_fault))
    if not _counts(train.n_pulses):
        at_fault = f"{where}: must be a whole number from the limit up"
        refusals.append(Refusal("pulses_per_train", train.n_pulses, 1, "pulses", at_fault))
    refusals += _electrode_refusals(program.electrodes, where)
    if not refusals and not at_most(pulse.duration_s * train.rate_hz, 1.0):
        period_us = 1e6 / train.rate_hz
        refusals.append(
            Refusal("pulse_period", pulse.duration_s * 1e6, period_us, "us", where),
        )
    return refusals


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


def _raise_for(refusals: Sequence[Refusal]) -> None:
    if refusals:
        lines = "\n".join(f"  {refusal}" for refusal in refusals)
        raise SafetyError(
            f"{len(refusals)} refused, nothing was loaded:\n{lines}\n"
            "Lower the stimulus; limits are in section [safety] of the rig"
        )
