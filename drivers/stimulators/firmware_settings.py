"""What every simulated stimulator can be set to, beside its own limits."""

from math import exp

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from drivers.stimulators.electrode import ElectrodeSettings
from drivers.stimulators.faults import FaultSettings

TAIL_SD = 3.0902
"""Standard normal deviate below which 99.9 % lie."""


class FirmwareSettings(BaseModel):
    """Keys that each simulated stimulator has.

    The device enforces these by itself, whatever its host has checked before.

    Attributes
    ----------
    min_lockout_s : float
        Least pause from the end of one program to the start of the next, sham or not.
    max_trains_per_min : int
        Programs that may start within any 60 s, sham or not.
    max_lease_s : float
        Longest time the device stays armed without a heartbeat.
    max_ahead_s : float
        A trigger further in the future than this is refused: more likely a wrong clock.
    command_latency_ms, command_latency_sigma : float
        Median, and standard deviation of the logarithm, of the log-normal delay between
        accepting a trigger and the earliest onset.
    seed : int
        Of that delay.
    faults : tuple of FaultSettings
        What is to go wrong, and when: ``{kind = "stuck_on", after_s = 3.0, for_s = 1.0}``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    min_lockout_s: float = Field(default=0.02, ge=0.001, le=3600.0)
    max_trains_per_min: int = Field(default=1200, ge=1, le=6000)
    max_lease_s: float = Field(default=2.0, ge=0.05, le=60.0)
    max_ahead_s: float = Field(default=10.0, ge=0.001, le=60.0)
    command_latency_ms: float = Field(default=0.0, ge=0.0, le=1000.0)
    command_latency_sigma: float = Field(default=0.0, ge=0.0, le=2.0)
    seed: int = Field(default=0, ge=0)
    faults: tuple[FaultSettings, ...] = ()

    @property
    def max_command_latency_s(self) -> float:
        """What a host has to reckon with: 99.9 % of the delays are below."""
        return self.command_latency_ms * 1e-3 * exp(TAIL_SD * self.command_latency_sigma)

    def draw_latency_s(self, rng: np.random.Generator) -> float:
        """One of those delays. Without one, nothing is drawn."""
        if self.command_latency_ms == 0.0:
            return 0.0
        spread = exp(self.command_latency_sigma * rng.standard_normal())
        return self.command_latency_ms * 1e-3 * spread


class NumberedElectrode(ElectrodeSettings):
    """An electrode that differs from the rest.

    Attributes
    ----------
    number : int
        Which, counted from 1.
    """

    number: int = Field(ge=1)


class WiredSettings(FirmwareSettings):
    """Keys of a simulated stimulator for current: also what hangs on its wires.

    Attributes
    ----------
    electrode : ElectrodeSettings
        Of every electrode that is not among `odd_electrodes`: ``access_kohm``,
        ``double_layer_nf``, ``leak_ms``.
    odd_electrodes : tuple of NumberedElectrode
        Those that differ: ``{number = 3, access_kohm = 900.0}``.
    """

    electrode: ElectrodeSettings = ElectrodeSettings()
    odd_electrodes: tuple[NumberedElectrode, ...] = ()
