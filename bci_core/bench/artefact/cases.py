"""The loops that are shown artefacts, on a brain that gives plenty of events and feels nothing."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Final

from bci_core.bench.effect.runs import with_amplifier, with_settings
from bci_core.config.load import load_rig
from bci_core.config.rig import Rig

DEAF: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "recruit_half_ua": 1e5,
        "recruit_slope_ua": 200.0,
        "ripple_response": "none",
        "phase_reset": 0.0,
        "entrain_rad": 0.0,
        "afterdischarge_ratio": 0.0,
        "seizure_stop": 0.0,
    }
)
"""A brain that no pulse does anything to: what pulses add to its samples is artefact only."""


@dataclass(frozen=True, slots=True)
class Case:
    """A detector in its loop.

    Attributes
    ----------
    name, preset : str
        Of the detector, and the rig it is in.
    blanking_s : float
        In the place of the preset's, whose artefacts are smaller: ten time constants and more
        of the longest exponential that the front end is left with, and `feel_delay_s` on top.
    tolerance_s : float
        Detections that are no further apart are of the same event.
    detector, protocol, amplifier : mapping
        Settings in the place of the preset's, for more pulses in the same time.
    nearly : tuple of mapping
        Settings of the detector with thresholds a hundredth different, where noise itself
        comes up to them.
    """

    name: str
    preset: str
    blanking_s: float
    tolerance_s: float
    detector: Mapping[str, Any] = field(default_factory=dict)
    protocol: Mapping[str, Any] = field(default_factory=dict)
    amplifier: Mapping[str, Any] = field(default_factory=dict)
    nearly: tuple[Mapping[str, Any], ...] = ()

    def rig(self, blanking_s: float | None) -> Rig:
        """The rig, with a deaf brain; `blanking_s` in the place of the case's."""
        rig = with_amplifier(load_rig(self.preset), **DEAF, **self.amplifier)
        told = self.blanking_s if blanking_s is None else blanking_s
        return replace(
            rig,
            detector=with_settings(rig.detector, **self.detector),
            protocol=with_settings(rig.protocol, **self.protocol),
            blanking=rig.blanking.model_copy(update={"blanking_s": told}),
        )


_PACKETS: Final = {"block_s": 0.02, "feel_delay_s": 0.02, "n_channels": 4}

CASES: Final = (
    # At this threshold noise is found as well, and more often than ripples, for the sake of
    # many pulses. Whether it is may hang on the last bit of a sample, so the artefact has to be
    # gone from that as well: 60 ms after 0.42 s it still adds a fiftieth to the strength.
    Case(
        "ripple",
        "brain-ripple-disruption",
        blanking_s=0.72,
        tolerance_s=0.02,
        detector={"threshold_sd": 3.0, "noise_channel": None},
        protocol={"deadline_s": 0.1},  # packets of 20 ms are late for the usual one
        amplifier=_PACKETS,
        # Beside the threshold: where an event ends, and another may begin, of which only the
        # first is announced when they are close together; and how much above the band is
        # muscle, which is no ripple.
        nearly=(
            *(
                {"threshold_sd": threshold_sd, "release_sd": release_sd}
                for threshold_sd in (2.97, 3.0, 3.03)
                for release_sd in (1.98, 2.0, 2.02)
                if (threshold_sd, release_sd) != (3.0, 2.0)  # as it is
            ),
            *(
                {"threshold_sd": threshold_sd, "muscle_ratio": muscle_ratio}
                for threshold_sd in (2.97, 3.0, 3.03)
                for muscle_ratio in (0.4455, 0.4545)
            ),
        ),
    ),
    Case("phase", "brain-theta", blanking_s=0.42, tolerance_s=0.02, amplifier=_PACKETS),
    # 80 pulses at each onset.
    Case(
        "line_length",
        "brain-responsive",
        blanking_s=0.6,
        tolerance_s=0.3,
        protocol={
            "therapies": [
                {
                    "amplitude_ua": 2000.0,
                    "phase_us": 160.0,
                    "rate_hz": 200.0,
                    "train_s": 0.2,
                    "n_bursts": 2,
                    "electrodes": [1],
                }
            ]
        },
    ),
)
