"""A simulated stimulator by sound: clicks of pink noise, as in closed-loop stimulation of sleep.

The noise is made sample by sample, and the level that is reported as having left is the level
of those samples. No sound is played. Whoever wakes is protected by the rig's guard: an onset
disarms, and a disarmed output is silent within a sample.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar

import numpy as np
from pydantic import BaseModel

from bci_core.capabilities import SoundCapabilities
from bci_core.errors import DeviceError
from bci_core.events import Emission, Refusal
from bci_core.status import Reading
from bci_core.stimulator.limits import electrode_refusals, name_of, out_of, slot_refusals
from bci_core.stimulator.ticks import Ticks
from bci_core.stimulus import ClickTrain, StimProgram
from drivers.stimulators.acoustic_settings import SAMPLE_RATE_HZ, AcousticSettings
from drivers.stimulators.firmware import Firmware
from drivers.stimulators.output import Driven, Slot
from drivers.stimulators.pink_noise import level_db, pink_burst

CODES: Mapping[str, int] = {"level": 2, "click": 3, "interval": 4, "locked": 5}
"""A numbering of this project."""

CLIPPING_RMS = 0.25
"""Pink noise of this root mean square hardly ever reaches full scale (4 standard deviations)."""


class SoundOutput:
    """Satisfies `drivers.stimulators.output.Output` with noise.

    Parameters
    ----------
    settings : AcousticSettings
    """

    def __init__(self, settings: AcousticSettings) -> None:
        self._full_scale_db = settings.full_scale_db_spl
        self._ticks = Ticks(1e6 / SAMPLE_RATE_HZ)
        self._rng = np.random.default_rng([settings.seed, 1])
        self._quieter = 0.0

    def slots(self, program: StimProgram) -> tuple[Slot, ...]:
        train = clicks_of(program)
        ticks = self._ticks.nearest(train.click_s)
        return tuple(
            Slot(self._ticks.nearest(index * train.interval_s), ticks, 0, index)
            for index in range(train.n_clicks)
        )

    def drive(self, program: StimProgram, slot: Slot, onset_s: float, for_us: float) -> Driven:  # noqa: ARG002 - as Output
        train = clicks_of(program)
        rms = 10.0 ** ((train.level_db_spl - self._quieter - self._full_scale_db) / 20.0)
        burst = pink_burst(train.click_s, SAMPLE_RATE_HZ, rms, self._rng)
        played = burst[: round(for_us * 1e-6 * SAMPLE_RATE_HZ)]
        return self._sounded(program, played, onset_s)

    def hold(self, program: StimProgram, slot: Slot, from_s: float, for_s: float) -> Driven:  # noqa: ARG002 - as Output
        rms = 10.0 ** ((clicks_of(program).level_db_spl - self._full_scale_db) / 20.0)
        return self._sounded(program, pink_burst(for_s, SAMPLE_RATE_HZ, rms, self._rng), from_s)

    def loosen(self, loose: bool) -> None:
        # An ear-piece that slips, by as much as a leak at its seal takes.
        self._quieter = 15.0 if loose else 0.0

    def magnitude_kohm(self, electrode: int, frequency_hz: float) -> float:
        raise DeviceError(
            f"output {electrode} has no impedance to measure at {frequency_hz:g} Hz; "
            "the device plays sound"
        )

    def _sounded(self, program: StimProgram, played: np.ndarray, onset_s: float) -> Driven:
        lasted_s = len(played) / SAMPLE_RATE_HZ
        emissions: tuple[Emission, ...] = ()
        if np.any(played):
            level = level_db(played, self._full_scale_db)
            emissions = tuple(
                Emission(onset_s, onset_s + lasted_s, channel, level, "dB SPL")
                for channel in program.electrodes
            )
        return Driven(lasted_s * 1e6, 0.0, 0.0, 0.0, 0.0, 0.0, emissions)


class Acoustic(Firmware):
    """Satisfies `bci_core.contracts.Stimulator`.

    Parameters
    ----------
    settings : AcousticSettings

    Raises
    ------
    DeviceError
        The loudest level asked for is beyond what the calibrated output can play unclipped.
    """

    Settings: ClassVar[type[BaseModel]] = AcousticSettings
    name = "sound stimulator"
    codes = CODES

    def __init__(self, settings: AcousticSettings) -> None:
        able = settings.capabilities()
        loudest_db = settings.full_scale_db_spl + 20.0 * float(np.log10(CLIPPING_RMS))
        if settings.max_level_db_spl > loudest_db:
            raise DeviceError(
                f"max_level_db_spl is {settings.max_level_db_spl:g} dB SPL; noise clips above "
                f"{loudest_db:g} dB SPL with full_scale_db_spl at {settings.full_scale_db_spl:g}. "
                "Lower it, or turn the amplifier up and calibrate again"
            )
        super().__init__(settings, able, SoundOutput(settings))
        self.settings = settings
        self._able = able

    def program_refusals(self, programs: Sequence[StimProgram]) -> list[Refusal]:
        refusals = slot_refusals(programs)
        for program in programs:
            refusals += _refusals(program, self._able)
        return refusals

    def draw_latency_s(self) -> float:
        delay_ms = self.settings.buffer_ms + self.settings.jitter_ms * self._rng.standard_normal()
        return max(0.0, delay_ms * 1e-3)

    def readings(self) -> tuple[Reading, ...]:
        return (Reading("full_scale", self.settings.full_scale_db_spl, "dB SPL"),)


def clicks_of(program: StimProgram) -> ClickTrain:
    """The clicks of a program, which the device has checked to be clicks."""
    if not isinstance(program.train, ClickTrain):
        raise DeviceError("pulses of current were asked of a device for sound")
    return program.train


def _refusals(program: StimProgram, able: SoundCapabilities) -> Iterator[Refusal]:
    where, train = name_of(program), program.train
    yield from out_of("program_slot", program.program_id, 1, able.n_programs, 1, "slot", where)
    yield from electrode_refusals(program.parts[0], able.n_channels, where)
    if len(program.parts) > able.max_parts:
        yield Refusal("parts", len(program.parts), able.max_parts, "trains", where)
    if not isinstance(train, ClickTrain):
        yield Refusal("current", 1, 0, "pulse trains", f"{where}: not a stimulator for current")
        return
    step_s = able.timing_step_us * 1e-6
    low_db, high_db = able.min_level_db_spl, able.max_level_db_spl
    db, least_s = able.level_step_db, max(able.min_interval_s, train.click_s)
    yield from out_of("n_clicks", train.n_clicks, 1, able.max_pulses, 1, "clicks", where)
    yield from out_of("level", train.level_db_spl, low_db, high_db, db, "dB SPL", where)
    longest_s = able.max_click_s
    yield from out_of("click", train.click_s, able.min_click_s, longest_s, step_s, "s", where)
    yield from out_of("interval", train.interval_s, least_s, 60.0, step_s, "s", where)
