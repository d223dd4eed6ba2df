"""The static check: every program against every limit, before anything is armed.

Limits on single programs are enough, because programs cannot combine: the
lockout counts from the end of the last program on any electrode, and is above
zero, so two programs never overlap and their currents never add up. The trains
of one program may overlap, and are judged together, instant by instant. What
depends on earlier programs is judged when a trigger comes (`history`); here one
program alone must fit into the budgets of the hour and the day.

With the capabilities of the device, everything is judged after its rounding.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import nan

from bci_core.capabilities import Capabilities, SoundCapabilities
from bci_core.errors import SafetyError
from bci_core.events import Refusal
from bci_core.holds import hold_refusals
from bci_core.safety import charge
from bci_core.safety.electrodes import ElectrodeModel, is_electrical
from bci_core.safety.envelope import SafetyEnvelope
from bci_core.safety.limits import ALL_KINDS, LimitUse
from bci_core.safety.pulses import Steps
from bci_core.safety.shape import label, malformed, shape_refusals
from bci_core.safety.use import Use, current_use, lay_out, overlaps, sound_use
from bci_core.stimulus import ClickTrain, StimProgram

Able = Capabilities | SoundCapabilities

_SAME = {"charge_per_day_uc": "charge_per_hour_uc", "on_time_per_day_s": "on_time_per_hour_s"}
"""One program uses of a day what it uses of an hour."""

_HISTORY = ("lockout_s", "trains_per_s", "trains_per_hour", "ahead_s")
"""Limits that no program passes by itself."""


@dataclass(frozen=True, slots=True)
class ProgramLimit:
    """A limit that a program keeps or passes by itself.

    Attributes
    ----------
    key : str
        In section ``[safety]``, or ``"compliance_v"``, which is the device's.
    code, unit : str
    bound : float
        The most that is allowed.
    """

    key: str
    code: str
    unit: str
    bound: float


def program_limits(
    envelope: SafetyEnvelope, capabilities: Able | None = None
) -> tuple[ProgramLimit, ...]:
    """The limits on single programs that apply to the envelope's electrode class."""
    limits = [
        ProgramLimit(key, ALL_KINDS[key].code, ALL_KINDS[key].unit, bound)
        for key, bound in envelope.limits().items()
        if key not in _HISTORY
    ]
    if isinstance(capabilities, Capabilities):
        most_v = capabilities.compliance_v
        limits.append(ProgramLimit("compliance_v", "compliance", "V", most_v))
    return tuple(limits)


class ProgramCheck:
    """Judges programs against one envelope, on one device where it is known.

    Parameters
    ----------
    envelope : SafetyEnvelope
    capabilities : Capabilities or SoundCapabilities, optional
        Of the device, for its rounding and its compliance.
    impedances_kohm : mapping, optional
        As measured, by electrode; each counts where it is above the stated resistance.

    Raises
    ------
    SafetyError
        The device is for sound and the electrodes are for current, or the other way round.
    """

    def __init__(
        self,
        envelope: SafetyEnvelope,
        capabilities: Able | None = None,
        impedances_kohm: Mapping[int, float] | None = None,
    ) -> None:
        self.limits = program_limits(envelope, capabilities)
        self._class = envelope.electrode_class
        self._electrical = is_electrical(self._class)
        if capabilities is not None:
            for_current = isinstance(capabilities, Capabilities)
            if for_current is not self._electrical:
                raise SafetyError(
                    f"device: for {'current' if for_current else 'sound'}, limit: one for "
                    f"electrode class {self._class}; correct safety.electrode_class or the "
                    "stimulator"
                )
        # Of sound, where nothing asks for them; NaN is within no limit.
        self._area_cm2 = envelope.electrode_area_cm2 or nan
        self._electrode = envelope.electrode or ElectrodeModel(nan, None)
        self._impedances_kohm = impedances_kohm or {}
        self._steps: Steps | None = None
        if isinstance(capabilities, Capabilities):
            able = capabilities
            self._steps = Steps(able.amplitude_step_ua, able.timing_step_us)

    def unfit(self, program: StimProgram) -> list[Refusal]:
        """What is wrong with a program whatever the limits are."""
        refusals = shape_refusals(program)
        if refusals:
            return refusals
        sounds = isinstance(program.train, ClickTrain)
        if sounds is self._electrical:
            kind = "clicks" if sounds else "pulses"
            where = f"{label(program)}: {kind}, electrode class {self._class}"
            return [Refusal("train_kind", 0, 1, "trains of the class", where)]
        return [] if sounds else overlaps(lay_out(program, self._steps))

    def use(self, program: StimProgram) -> Use:
        """What a program uses that is not unfit."""
        if not self._electrical:
            return sound_use(program)
        return current_use(lay_out(program, self._steps))

    def uses(self, program: StimProgram) -> list[LimitUse]:
        """Each limit beside what a program uses of it that is not unfit."""
        use = self.use(program)
        where = label(program)
        return [
            LimitUse(limit.code, self._value(limit.key, use), limit.bound, limit.unit, where)
            for limit in self.limits
        ]

    def refusals(self, program: StimProgram) -> list[Refusal]:
        """Every reason not to load a program."""
        unfit = self.unfit(program)
        if unfit:
            return unfit
        return [
            Refusal(use.limit, use.value, use.bound, use.unit, use.where)
            for use in self.uses(program)
            if not use.within
        ]

    def _value(self, key: str, use: Use) -> float:
        if key == "charge_density_uc_cm2":
            return charge.charge_density_uc_cm2(use.values["charge_per_phase_uc"], self._area_cm2)
        if key == "shannon_k":
            return charge.shannon_k(use.values["charge_per_phase_uc"], self._area_cm2)
        if key == "compliance_v":
            return self._needed_v(use)
        return use.values[_SAME.get(key, key)]

    def _needed_v(self, use: Use) -> float:
        """Of the electrode that needs most."""
        stated_kohm = self._electrode.access_resistance_kohm
        kohm = max(
            max(stated_kohm, self._impedances_kohm.get(number, stated_kohm))
            for number in use.charge_uc
        )
        layer_uf = self._electrode.double_layer_uf
        if layer_uf is None:
            return max(ua for ua, _ in use.loads) * kohm * 1e-3
        return max(charge.output_v(ua, uc, kohm, layer_uf) for ua, uc in use.loads)


def worst_case(
    programs: Sequence[StimProgram],
    envelope: SafetyEnvelope,
    capabilities: Able | None = None,
) -> list[LimitUse]:
    """For each limit on programs, the program that uses most of it.

    Raises
    ------
    SafetyError
        A program is malformed, so that its use of a limit is no number. All are named.
    """
    check = ProgramCheck(envelope, capabilities)
    unfit = [refusal for program in programs for refusal in check.unfit(program)]
    _raise_for(malformed(programs) or unfit)
    by_limit = zip(*(check.uses(program) for program in programs), strict=True)
    return [max(uses, key=lambda use: use.value) for uses in by_limit]


def check_programs(
    programs: Sequence[StimProgram],
    envelope: SafetyEnvelope,
    capabilities: Able | None = None,
    impedances_kohm: Mapping[int, float] | None = None,
) -> None:
    """Refuse programs that pass a limit, or that no device could deliver as written.

    Parameters
    ----------
    programs : sequence of StimProgram
        Everything that may be asked for.
    envelope, capabilities, impedances_kohm
        As `ProgramCheck` has them.

    Raises
    ------
    SafetyError
        Names each refusal of each program: limit, value, bound, unit, where.
    """
    check = ProgramCheck(envelope, capabilities, impedances_kohm)
    refusals = malformed(programs)
    able = capabilities is None or (isinstance(capabilities, Capabilities) and capabilities.holds)
    refusals += hold_refusals(programs, able=able)
    for program in programs:
        if not shape_refusals(program):
            refusals += check.refusals(program)
    _raise_for(refusals)


def _raise_for(refusals: Sequence[Refusal]) -> None:
    if refusals:
        lines = "\n".join(f"  {refusal}" for refusal in refusals)
        raise SafetyError(
            f"{len(refusals)} refused, nothing was loaded:\n{lines}\n"
            "Lower the stimulus; limits are in section [safety] of the rig"
        )
