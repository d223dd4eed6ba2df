"""Limits of the simulated recorder/stimulator: what the chip can do, and what a rig allows."""

from typing import Annotated

from pydantic import AfterValidator, Field

from bci_core.capabilities import Capabilities
from drivers.stimulators.electrode import ElectrodeSettings
from drivers.stimulators.firmware_settings import WiredSettings

N_CHANNELS = 16
N_PROGRAMS = 16
MAX_PARTS = 16
MAX_PULSES = 256
MAX_STEPS = 255
MAX_PHASE_US = 5000.0
MAX_INTERPHASE_US = 5000.0
MIN_RATE_HZ, MAX_RATE_HZ = 1.0, 5000.0
COMPLIANCE_V = 7.0
"""Intan RHS2116 and its RHX software: 16 channels, 0 to 255 steps of current, phases and
pauses up to 5 ms, up to 256 pulses with a period up to 1 s, +-7 V."""

READY_AFTER_S = 0.01
"""The stimulation supply of the ONIX headstage needs about 10 ms to stabilise."""

DELTA_SLOTS = 1024
"""Changes of current the ONIX table holds, over all programs."""

STEPS_UA = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
RATES_HZ = (20_000.0, 25_000.0, 30_000.0, 30_193.2367)


def _one_of(allowed: tuple[float, ...]) -> AfterValidator:
    def check(value: float) -> float:
        if value not in allowed:
            raise ValueError(f"must be one of {', '.join(f'{v:.9g}' for v in allowed)}")
        return value

    return AfterValidator(check)


class RecorderStimSettings(WiredSettings):
    """Section ``[stimulator]`` of a rig, for driver ``recorder_stim``.

    Attributes
    ----------
    step_ua : float
        Size of a current step: 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5 or 10 uA; the highest
        current is 255 of them.
    sample_rate_hz : float
        20000, 25000, 30000 or 30193.2367 (ONIX); every time is a whole number of samples.
    max_charge_per_phase_uc : float
        A choice of this project: the chip has no limit of the kind.
    settle_ms : float
        The amplifiers are held settled for so long after each program, and it counts as busy.
    charge_recovery : bool
        Whether electrodes are grounded after each pulse.
    stop_on_compliance : bool
        Whether a channel that met the compliance disables all until reset, as ONIX does after
        an error; else only the register keeps it.
    command_latency_ms, command_latency_sigma : float
        Of the host's bus, 1 to 2 ms; the chip itself needs a sample.
    """

    step_ua: Annotated[float, _one_of(STEPS_UA)] = 1.0
    sample_rate_hz: Annotated[float, _one_of(RATES_HZ)] = 25_000.0
    max_charge_per_phase_uc: float = Field(default=0.1, gt=0.0, le=13.0)
    max_rate_hz: float = Field(default=500.0, ge=MIN_RATE_HZ, le=MAX_RATE_HZ)
    settle_ms: float = Field(default=1.0, ge=0.0, le=500.0)
    charge_recovery: bool = True
    stop_on_compliance: bool = True
    command_latency_ms: float = Field(default=1.4, ge=0.0, le=1000.0)
    command_latency_sigma: float = Field(default=0.12, ge=0.0, le=2.0)
    electrode: ElectrodeSettings = ElectrodeSettings(access_kohm=30.0, double_layer_nf=30.0)

    @property
    def lockout_s(self) -> float:
        """Least pause between programs, the settling of the amplifiers included."""
        return max(self.min_lockout_s, self.settle_ms * 1e-3)

    def capabilities(self) -> Capabilities:
        """What a host is told: the chip's ranges, within these limits."""
        step_us = 1e6 / self.sample_rate_hz
        return Capabilities(
            n_channels=N_CHANNELS,
            n_sources=N_CHANNELS,
            n_programs=N_PROGRAMS,
            max_parts=MAX_PARTS,
            max_pulses=MAX_PULSES,
            min_amplitude_ua=self.step_ua,
            max_amplitude_ua=MAX_STEPS * self.step_ua,
            amplitude_step_ua=self.step_ua,
            min_phase_us=step_us,
            max_phase_us=MAX_PHASE_US,
            timing_step_us=step_us,
            min_interphase_us=0.0,
            min_rate_hz=MIN_RATE_HZ,
            max_rate_hz=self.max_rate_hz,
            max_ramp_ua_s=MAX_STEPS * self.step_ua * self.max_rate_hz,
            max_charge_per_phase_uc=self.max_charge_per_phase_uc,
            compliance_v=COMPLIANCE_V,
            min_lockout_s=self.lockout_s,
            max_lease_s=self.max_lease_s,
            max_command_latency_s=self.max_command_latency_s,
            measures=("impedance",),
            simulated=True,
        )
