"""Settings of the montage, apart from what works it out."""

from typing import Literal

from pydantic import BaseModel, ConfigDict


class MontageSettings(BaseModel):
    """Section ``[montage]`` of a rig: channels made of the recorded ones, for the detectors.

    The recorded channels stay, and are what is recorded and published. The sample monitor
    watches the electrodes that a derived channel is made of.

    Attributes
    ----------
    reference : {"recorded", "bipolar", "average"}
        ``bipolar`` derives the difference of each two neighbouring contacts of an electrode,
        ``A1-A2`` from ``A1`` and ``A2``; ``average`` each channel less the mean of all,
        ``A1-avg``; ``recorded`` derives none.
    derive : tuple of str
        Further differences, such as ``"A1-A4"``. Before a number the electrode's name may be
        left out: ``"A1-4"``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    reference: Literal["recorded", "bipolar", "average"] = "recorded"
    derive: tuple[str, ...] = ()

    @property
    def derives(self) -> bool:
        """Whether there is anything to derive."""
        return self.reference != "recorded" or bool(self.derive)
