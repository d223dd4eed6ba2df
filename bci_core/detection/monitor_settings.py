"""Settings of the sample monitor, apart from its kernel, which takes long to import."""

from pydantic import BaseModel, ConfigDict, Field


class MonitorSettings(BaseModel):
    """Section ``[monitor]`` of a rig.

    Attributes
    ----------
    settle_s : float
        How long after the start, and after each fault, detections are vetoed.
    flat_s : float
        A channel that repeats one value for this long is flat.
    rail_uv : float
        A sample of this magnitude or more is railed. The default is the input range
        of an ADS1299 at gain 24, 4.5 V / 24 (Texas Instruments, data sheet SBAS499).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    settle_s: float = Field(default=1.0, ge=0.0, le=60.0)
    flat_s: float = Field(default=0.5, gt=0.0, le=60.0)
    rail_uv: float = Field(default=187_500.0, gt=0.0, le=1e7)
