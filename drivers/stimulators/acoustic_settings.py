"""Limits of the simulated sound stimulator: what it can play, and what a rig allows."""

from pydantic import Field

from bci_core.capabilities import SoundCapabilities
from drivers.stimulators.firmware_settings import TAIL_SD, FirmwareSettings

N_OUTPUTS = 2
N_PROGRAMS = 8
MAX_CLICKS = 32
SAMPLE_RATE_HZ = 48_000.0
LEVEL_STEP_DB = 0.5
MIN_CLICK_S, MAX_CLICK_S = 0.005, 1.0
MIN_INTERVAL_S = 0.05
LOUDEST_DB_SPL = 85.0
"""Above it hearing is to be protected at work (directive 2003/10/EC, upper action value, over
8 hours); what a sleeper bears is far less, and the safety envelope's to say."""


class AcousticSettings(FirmwareSettings):
    """Section ``[stimulator]`` of a rig, for driver ``acoustic``.

    Attributes
    ----------
    full_scale_db_spl : float
        Level at the ear of noise at the digital full scale, from calibration with a sound
        level meter: what is louder cannot be played.
    max_level_db_spl, min_level_db_spl : float
    buffer_ms, jitter_ms : float
        Mean and standard deviation of the delay through the output buffer, which a click that
        is asked for "now" has to wait for. One that is announced ahead is on time.
    seed : int
        Of the noise, and of the jitter.
    """

    full_scale_db_spl: float = Field(default=95.0, gt=0.0, le=140.0)
    max_level_db_spl: float = Field(default=65.0, gt=0.0, le=LOUDEST_DB_SPL)
    min_level_db_spl: float = Field(default=20.0, gt=0.0, le=LOUDEST_DB_SPL)
    buffer_ms: float = Field(default=20.0, ge=0.1, le=500.0)
    jitter_ms: float = Field(default=2.0, ge=0.0, le=50.0)

    @property
    def max_command_latency_s(self) -> float:
        """99.9 % of the delays are below."""
        return (self.buffer_ms + TAIL_SD * self.jitter_ms) * 1e-3

    def capabilities(self) -> SoundCapabilities:
        """What a host is told."""
        return SoundCapabilities(
            n_channels=N_OUTPUTS,
            n_sources=N_OUTPUTS,
            n_programs=N_PROGRAMS,
            max_parts=1,
            max_pulses=MAX_CLICKS,
            min_level_db_spl=self.min_level_db_spl,
            max_level_db_spl=self.max_level_db_spl,
            level_step_db=LEVEL_STEP_DB,
            min_click_s=MIN_CLICK_S,
            max_click_s=MAX_CLICK_S,
            min_interval_s=MIN_INTERVAL_S,
            timing_step_us=1e6 / SAMPLE_RATE_HZ,
            min_lockout_s=self.min_lockout_s,
            max_lease_s=self.max_lease_s,
            max_command_latency_s=self.max_command_latency_s,
            measures=(),
            simulated=True,
        )
