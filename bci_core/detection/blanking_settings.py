"""Settings of blanking, apart from the kernel that does it, which takes long to import."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class BlankingSettings(BaseModel):
    """Section ``[blanking]`` of a rig: samples that a stimulus spoils are ignored.

    Sham stimuli are blanked like the others, so that both arms lose the same samples.

    Attributes
    ----------
    guard_s : float
        Ignored before the onset of a stimulus: what the clocks of amplifier and
        stimulator, and the times of the samples, may be apart. The default is half a
        period of 250 Hz.
    blanking_s : float
        Ignored after its end, until the amplifier has recovered. The default covers four
        periods of 250 Hz, in which the digital filter of an ADS1299, a third-order sinc,
        has let go of the pulse (Texas Instruments, data sheet SBAS499), and some time
        more. A faster amplifier needs less, one that saturates far more: look at yours.
    fill : str
        What detectors see meanwhile, and after. ``hold``: the last sample before, and
        then the next one after, with whatever step there is between the two.
        ``bridge``: the same without the step, which is taken off and given back little
        by little.
    bridge_s : float
        How long giving it back takes, along half a cosine. Long against the rhythm that is
        looked for it takes the step away; short against it, it bends the signal no more
        than the step would. The default leaves about a hundredth of what a step has above
        100 Hz, and most of what it has in theta.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    guard_s: float = Field(default=0.002, ge=0.0, le=1.0)
    blanking_s: float = Field(default=0.02, ge=0.0, le=10.0)
    fill: Literal["hold", "bridge"] = "bridge"
    bridge_s: float = Field(default=0.06, gt=0.0, le=60.0)
