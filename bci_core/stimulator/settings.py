"""What every stimulator can be set to."""

from pydantic import BaseModel, ConfigDict, Field

from bci_core.stimulator.faults import FaultSettings


class StimulatorSettings(BaseModel):
    """Keys of ``[stimulator]`` that each of them has, beside its own.

    The device, or its driver, enforces these by itself, whatever its host has checked before.

    Attributes
    ----------
    min_lockout_s : float
        Least pause from the end of one program to the start of the next, sham or not.
    max_trains_per_min : int
        Programs that may start within any 60 s, sham or not.
    max_lease_s : float
        Longest time it stays armed without a heartbeat; of a device that does not notice the
        loss of its host, the longest program as well.
    max_ahead_s : float
        A trigger further in the future than this is refused: more likely a wrong clock.
    faults : tuple of FaultSettings
        Of a simulated device, what is to go wrong, and when:
        ``{kind = "stuck_on", after_s = 3.0, for_s = 1.0}``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    min_lockout_s: float = Field(default=0.02, ge=0.001, le=3600.0)
    max_trains_per_min: int = Field(default=1200, ge=1, le=6000)
    max_lease_s: float = Field(default=2.0, ge=0.05, le=60.0)
    max_ahead_s: float = Field(default=10.0, ge=0.001, le=60.0)
    faults: tuple[FaultSettings, ...] = ()
