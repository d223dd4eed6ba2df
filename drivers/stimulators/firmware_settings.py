"""What every simulated stimulator can be set to, beside its own limits."""

from math import exp

import numpy as np
from pydantic import Field

from bci_core.stimulator.settings import StimulatorSettings
from drivers.stimulators.electrode import ElectrodeSettings

TAIL_SD = 3.0902
"""Standard normal deviate below which 99.9 % lie."""


class FirmwareSettings(StimulatorSettings):
    """Keys that each simulated stimulator has, beside those of any.

    Attributes
    ----------
    command_latency_ms, command_latency_sigma : float
        Median, and standard deviation of the logarithm, of the log-normal delay between
        accepting a trigger and the earliest onset.
    seed : int
        Of that delay.
    """

    command_latency_ms: float = Field(default=0.0, ge=0.0, le=1000.0)
    command_latency_sigma: float = Field(default=0.0, ge=0.0, le=2.0)
    seed: int = Field(default=0, ge=0)

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
