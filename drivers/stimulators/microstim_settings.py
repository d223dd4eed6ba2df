"""Limits of the simulated microstimulator: what the hardware can do, and what a rig allows."""

from math import exp

from pydantic import BaseModel, ConfigDict, Field

from bci_core.contracts import Capabilities

N_CHANNELS = 16
N_PROGRAMS = 15
MAX_PULSES = 255
MIN_AMPLITUDE_UA, MAX_AMPLITUDE_UA, AMPLITUDE_STEP_UA = 1.0, 215.0, 1.0
MIN_PHASE_US, MAX_PHASE_US = 1.0, 65_535.0
MIN_INTERPHASE_US, MAX_INTERPHASE_US = 53.0, 65_535.0
MIN_RATE_HZ, MAX_RATE_HZ = 4.0, 5000.0
TIMING_STEP_US = 1.0
"""Hardware ranges of the Blackrock CereStim micro stimulator, API v1 and its manual: 15 user
waveforms, 16 current modules, 1-215 uA in 1 uA, widths 1-65535 us, interphase 53-65535 us,
4-5000 Hz, 1-255 pulses."""

MAX_SCHEDULED = 16
"""Trains the device holds at once, the running one included."""

TAIL_SD = 3.0902
"""Standard normal deviate below which 99.9 % lie."""


class MicrostimSettings(BaseModel):
    """Section ``[stimulator]`` of a rig, for driver ``microstim``.

    The device enforces these by itself, whatever its host has checked before.

    Attributes
    ----------
    max_amplitude_ua, max_charge_per_phase_uc : float
        The defaults, 100 uA and 30 nC, are those of the CereStim's own layer of maximum
        values. What an electrode bears is far less than a device: that is the safety
        envelope's to say.
    max_rate_hz : float
        Pulses per second within a train.
    min_lockout_s : float
        Least pause from the end of one train to the start of the next, sham or not.
    max_trains_per_min : int
        Trains that may start within any 60 s, sham or not.
    max_lease_s : float
        Longest time the device stays armed without a heartbeat.
    max_ahead_s : float
        A trigger further in the future than this is refused: more likely a wrong clock.
    command_latency_ms, command_latency_sigma : float
        Median, and standard deviation of the logarithm, of the log-normal delay between
        accepting a trigger and the earliest onset. For a CereStim 2-6 ms a call were
        measured; 0, the default, leaves the middleware's own latency to be seen.
    seed : int
        Of that delay.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    max_amplitude_ua: float = Field(default=100.0, ge=MIN_AMPLITUDE_UA, le=MAX_AMPLITUDE_UA)
    max_charge_per_phase_uc: float = Field(default=0.03, gt=0.0, le=1.0)
    max_rate_hz: float = Field(default=500.0, ge=MIN_RATE_HZ, le=MAX_RATE_HZ)
    min_lockout_s: float = Field(default=0.02, ge=0.001, le=3600.0)
    max_trains_per_min: int = Field(default=1200, ge=1, le=6000)
    max_lease_s: float = Field(default=2.0, ge=0.05, le=60.0)
    max_ahead_s: float = Field(default=10.0, ge=0.001, le=60.0)
    command_latency_ms: float = Field(default=0.0, ge=0.0, le=1000.0)
    command_latency_sigma: float = Field(default=0.0, ge=0.0, le=2.0)
    seed: int = Field(default=0, ge=0)

    def capabilities(self) -> Capabilities:
        """What a host is told: the hardware's ranges, within these limits."""
        tail = exp(TAIL_SD * self.command_latency_sigma)
        return Capabilities(
            n_channels=N_CHANNELS,
            n_sources=N_CHANNELS,
            n_programs=N_PROGRAMS,
            max_parts=1,
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
            compliance_v=9.5,
            min_lockout_s=self.min_lockout_s,
            max_lease_s=self.max_lease_s,
            max_command_latency_s=self.command_latency_ms * 1e-3 * tail,
            measures=(),
            simulated=True,
        )
