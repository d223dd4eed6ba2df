"""A simulated constant-current microstimulator, after the Blackrock CereStim R96.

What it does not do: it does not say when the compliance clips the current. The charge it
reports is the charge it was asked for; only the output voltage, read back, tells.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import nan
from typing import ClassVar

from pydantic import BaseModel

from bci_core.errors import DeviceError
from bci_core.events import Delivery, Refusal
from bci_core.status import Impedance, Reading
from bci_core.stimulator.limits import program_refusals
from bci_core.stimulus import StimProgram
from drivers.stimulators.firmware import Firmware
from drivers.stimulators.microstim_settings import (
    MAX_INTERPHASE_US,
    N_WAVEFORMS,
    OUTPUT_STEP_V,
    MicrostimSettings,
)
from drivers.stimulators.output import CurrentOutput, trains

CODES: Mapping[str, int] = {
    "program_slot": -105,
    "program": -120,
    "parts": -102,
    "waveforms": -105,
    "sequence": -102,
    "trigger_mode": -103,
    "electrode": -104,
    "amplitude": -109,
    "recovery_amplitude": -109,
    "max_amplitude": -124,
    "n_pulses": -111,
    "phase": -112,
    "recovery_phase": -112,
    "interphase": -114,
    "sources": -117,
    "electrodes": -119,
    "net_charge": -122,
    "charge_per_phase": -123,
    "rate": -129,
    "fit": -129,
    "locked": -131,
    "echo": -132,
}
"""Hardware errors of the CereStim's newer library, by the limit that stands for them."""


class Microstim(Firmware):
    """Satisfies `bci_core.contracts.Stimulator`.

    Armed, it is in trigger mode, which locks out every other call but to stop.

    Parameters
    ----------
    settings : MicrostimSettings
    """

    Settings: ClassVar[type[BaseModel]] = MicrostimSettings
    name = "microstimulator"
    codes = CODES
    unlisted_code = -100

    def __init__(self, settings: MicrostimSettings) -> None:
        able = settings.capabilities()
        odd = {each.number: each for each in settings.odd_electrodes}
        super().__init__(settings, able, CurrentOutput(able, settings.electrode, odd))
        self.settings = settings
        self._able = able

    def program_refusals(self, programs: Sequence[StimProgram]) -> list[Refusal]:
        refusals = program_refusals(programs, self._able, MAX_INTERPHASE_US)
        waveforms = len(trains(programs))
        if waveforms > N_WAVEFORMS:
            refusals.append(Refusal("waveforms", waveforms, N_WAVEFORMS, "different trains"))
        return refusals

    def read_back(self) -> tuple[StimProgram, ...]:
        self._only_outside_trigger_mode("reading programs back")
        return super().read_back()

    def impedance(self, electrodes: Sequence[int], now_s: float) -> tuple[Impedance, ...]:
        self._only_outside_trigger_mode("measuring electrodes")
        return super().impedance(electrodes, now_s)

    def report(self, delivery: Delivery) -> Delivery:
        # NaN, for what never ran, stays NaN.
        steps = delivery.output_v / OUTPUT_STEP_V
        return replace(delivery, output_v=round(steps) * OUTPUT_STEP_V if steps >= 0.0 else nan)

    def readings(self) -> tuple[Reading, ...]:
        return (
            Reading("compliance", self._able.compliance_v, "V"),
            Reading("waveforms", len(trains([h.program for h in self._held.values()])), "of 15"),
        )

    def _only_outside_trigger_mode(self, what: str) -> None:
        if not self.disarmed_reason():
            self._code = self.codes["trigger_mode"]
            raise DeviceError(
                f"the {self.name} is in trigger mode (error {self._code}), which locks out "
                f"{what}; disarm it first"
            )
