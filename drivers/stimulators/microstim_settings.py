"""Limits of the simulated microstimulator: what the hardware can do, and what a rig allows."""

from pydantic import Field

from bci_core.capabilities import Capabilities
from drivers.stimulators.firmware_settings import WiredSettings

N_CHANNELS = 96
N_SOURCES = 16
N_PROGRAMS = 15
N_WAVEFORMS = 15
MAX_PARTS = 16
MAX_PULSES = 255
MIN_AMPLITUDE_UA, MAX_AMPLITUDE_UA, AMPLITUDE_STEP_UA = 1.0, 215.0, 1.0
MIN_PHASE_US, MAX_PHASE_US = 1.0, 65_535.0
MIN_INTERPHASE_US, MAX_INTERPHASE_US = 53.0, 65_535.0
MIN_RATE_HZ, MAX_RATE_HZ = 4.0, 5000.0
TIMING_STEP_US = 1.0
"""Hardware ranges of the Blackrock CereStim R96, API and manual: 96 channels, 16 current
modules, 15 user waveforms, 1-215 uA in 1 uA, widths 1-65535 us, interphase 53-65535 us,
4-5000 Hz, 1-255 pulses; scripts of up to 128 commands, of which a program here takes 16."""

OUTPUT_STEP_V = 0.005
"""Of the output voltage that is read back."""


def compliance_v(code: int) -> float:
    """Voltage of a compliance code: 7 to 15 stand for 4.7 to 9.5 V in steps of 0.6 V."""
    return 0.5 + 0.6 * code


class MicrostimSettings(WiredSettings):
    """Section ``[stimulator]`` of a rig, for driver ``microstim``.

    The maximum values stand for the CereStim's administrative layer: set here, before the
    device starts, and out of reach of whoever sends commands.

    Attributes
    ----------
    max_amplitude_ua, max_charge_per_phase_uc : float
        The defaults, 100 uA and 30 nC, are those of the CereStim's own layer of maximum
        values. What an electrode bears is far less than a device: that is the safety
        envelope's to say.
    max_rate_hz : float
        Pulses per second within a train.
    compliance_code : int
        7 to 15, for 4.7 to 9.5 V; the default, 10, is 6.5 V.
    command_latency_ms, command_latency_sigma : float
        The default, 0.1 ms, is the trigger input. A call of the software interface took
        2 to 6 ms: ``3.5`` and ``0.18``.
    """

    max_amplitude_ua: float = Field(default=100.0, ge=MIN_AMPLITUDE_UA, le=MAX_AMPLITUDE_UA)
    max_charge_per_phase_uc: float = Field(default=0.03, gt=0.0, le=1.0)
    max_rate_hz: float = Field(default=500.0, ge=MIN_RATE_HZ, le=MAX_RATE_HZ)
    compliance_code: int = Field(default=10, ge=7, le=15)
    command_latency_ms: float = Field(default=0.1, ge=0.0, le=1000.0)

    def capabilities(self) -> Capabilities:
        """What a host is told: the hardware's ranges, within these limits."""
        return Capabilities(
            n_channels=N_CHANNELS,
            n_sources=N_SOURCES,
            n_programs=N_PROGRAMS,
            max_parts=MAX_PARTS,
            max_pulses=MAX_PULSES,
            min_amplitude_ua=MIN_AMPLITUDE_UA,
            max_amplitude_ua=self.max_amplitude_ua,
            amplitude_step_ua=AMPLITUDE_STEP_UA,
            min_phase_us=MIN_PHASE_US,
            max_phase_us=MAX_PHASE_US,
            timing_step_us=TIMING_STEP_US,
            min_interphase_us=MIN_INTERPHASE_US,
            min_rate_hz=MIN_RATE_HZ,
            max_rate_hz=self.max_rate_hz,
            max_ramp_ua_s=self.max_amplitude_ua * self.max_rate_hz,
            max_charge_per_phase_uc=self.max_charge_per_phase_uc,
            compliance_v=compliance_v(self.compliance_code),
            min_lockout_s=self.min_lockout_s,
            max_lease_s=self.max_lease_s,
            max_command_latency_s=self.max_command_latency_s,
            measures=("impedance", "output_v"),
            simulated=True,
        )
