"""A simulated recorder that stimulates, after the Intan RHS2116 and the ONIX headstage.

It measures no charge and no voltage. What it has is a compliance register: a bit for each
channel whose output met the supply, which stays set until it is reset.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from pydantic import BaseModel

from bci_core.events import Delivery, Refusal
from bci_core.status import Reading
from bci_core.stimulator.limits import program_refusals
from bci_core.stimulus import StimProgram
from drivers.stimulators.firmware import Firmware
from drivers.stimulators.output import CurrentOutput
from drivers.stimulators.recorder_stim_settings import (
    COMPLIANCE_V,
    DELTA_SLOTS,
    MAX_INTERPHASE_US,
    READY_AFTER_S,
    RecorderStimSettings,
)
from drivers.stimulators.running import Held

DELTAS_A_PULSE = 4
"""On and off, for each phase."""

CODES: Mapping[str, int] = {"deltas": 2, "overlap": 3, "locked": 4}
"""A numbering of this project: the chip has registers, and no error numbers."""


class RecorderStim(Firmware):
    """Satisfies `bci_core.contracts.Stimulator`.

    Parameters
    ----------
    settings : RecorderStimSettings
    """

    Settings: ClassVar[type[BaseModel]] = RecorderStimSettings
    name = "recorder/stimulator"
    codes = CODES
    ready_after_s = READY_AFTER_S

    def __init__(self, settings: RecorderStimSettings) -> None:
        able = settings.capabilities()
        odd = {each.number: each for each in settings.odd_electrodes}
        self._current = CurrentOutput(able, settings.electrode, odd, settings.charge_recovery)
        busy = settings.model_copy(update={"min_lockout_s": settings.lockout_s})
        super().__init__(busy, able, self._current)
        self.settings = settings
        self._able = able
        self._compliance: set[int] = set()

    @property
    def compliance_register(self) -> int:
        """A bit for each channel that has met the compliance since the last reset."""
        return sum(1 << (channel - 1) for channel in self._compliance)

    def program_refusals(self, programs: Sequence[StimProgram]) -> list[Refusal]:
        refusals = program_refusals(programs, self._able, MAX_INTERPHASE_US)
        deltas = DELTAS_A_PULSE * sum(program.n_pulses for program in programs)
        if deltas > DELTA_SLOTS:
            refusals.append(Refusal("deltas", deltas, DELTA_SLOTS, "slots of the table"))
        return refusals

    def finished(self, delivery: Delivery, held: Held) -> str:  # noqa: ARG002 - as Firmware
        met = self._current.take_clipped()
        self._compliance |= met
        if not met or not self.settings.stop_on_compliance:
            return ""
        channels = ", ".join(str(channel) for channel in sorted(met))
        return f"compliance: output at {COMPLIANCE_V:g} V, limit {COMPLIANCE_V:g} V, on {channels}"

    def reset(self, now_s: float) -> None:
        # The register is cleared by hand also where it has disabled nothing.
        if self._compliance and not self._lease.latched:
            self._compliance.clear()
            return
        super().reset(now_s)
        self._compliance.clear()

    def readings(self) -> tuple[Reading, ...]:
        return (
            Reading("compliance_register", self.compliance_register, "bits"),
            Reading("amplifier_settle", self.settings.settle_ms, "ms"),
        )
