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
    watch_flat : bool
        Whether a flat channel is a fault. In a stream of counts it is not: a silent unit
        repeats its zeros. A detector that reads counts turns it off by itself, unless a
        guard watches the same stream.
    rail_uv : float
        A sample of this magnitude or more is railed. The default is the input range
        of an ADS1299 at gain 24, 4.5 V / 24 (Texas Instruments, data sheet SBAS499).
    mains_hz : float
        Of the grid, 50 or 60. Not set: line noise is not watched.
    max_line_noise : float
        Most that line noise may be of a channel's power, its offset taken off.
    lead_off_hz : float
        Of the tone that the amplifier sends through the electrodes to measure them, such
        as the ADS1299's at 31.2 Hz. Not set: impedance is not watched. The board has to
        be told to send it, and it is then in the recording.
    lead_off_na : float
        Peak current of that tone. The least of an ADS1299 is 6 nA.
    max_impedance_kohm : float
        Above this an electrode is off: the tone's peak voltage over its peak current, any
        resistor of the board in series included. Far above a prepared electrode on skin.
    quality_s : float
        Time constant of the averages behind line noise and impedance.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    settle_s: float = Field(default=1.0, ge=0.0, le=60.0)
    flat_s: float = Field(default=0.5, gt=0.0, le=60.0)
    watch_flat: bool = True
    rail_uv: float = Field(default=187_500.0, gt=0.0, le=1e7)
    mains_hz: float | None = Field(default=None, ge=45.0, le=65.0)
    max_line_noise: float = Field(default=0.5, gt=0.0, lt=1.0)
    lead_off_hz: float | None = Field(default=None, gt=0.0, le=10_000.0)
    lead_off_na: float = Field(default=6.0, gt=0.0, le=1e6)
    max_impedance_kohm: float = Field(default=100.0, gt=0.0, le=1e6)
    quality_s: float = Field(default=0.5, gt=0.0, le=60.0)
