"""A detector run over samples, with the monitor before it, as in a session."""

from collections import Counter
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bci_core.contracts import Detector
from bci_core.detection.monitor import SampleCounts, SampleMonitor
from bci_core.detection.monitor_settings import MonitorSettings
from bci_core.detection.sensing import Sensing
from bci_core.events import Detection
from bci_core.scoring.stretch import Stretch


@dataclass(frozen=True, slots=True)
class Run:
    """What a detector found in a stretch.

    Attributes
    ----------
    stretch : Stretch
    columns : tuple of int
        Channels it read.
    detections : tuple of Detection
        Oldest first, vetoed ones included; `sample_index` is the row of the recording.
    flags : ndarray, (n_samples,), uint8
        Of the monitor; anything but 0 is a sample whose detections are vetoed.
    counts : SampleCounts
    """

    stretch: Stretch
    columns: tuple[int, ...]
    detections: tuple[Detection, ...]
    flags: NDArray[np.uint8]
    counts: SampleCounts

    @property
    def trusted_s(self) -> float:
        """Time in which detections are not vetoed."""
        return int(np.count_nonzero(self.flags == 0)) / self.stretch.info.rate_hz

    @property
    def vetoed(self) -> dict[str, int]:
        """Vetoed detections, counted by their veto."""
        return dict(Counter(d.veto for d in self.detections if d.veto))


def run_detector(
    detector: Detector, stretch: Stretch, monitor: MonitorSettings | None = None
) -> Run:
    """Run a fresh detector over a stretch, through the monitor, on sample time.

    Parameters
    ----------
    detector : Detector
        Made for `stretch.info`, and not used before.
    stretch : Stretch
    monitor : MonitorSettings, optional
        None takes the defaults.
    """
    monitor = monitor or MonitorSettings()
    sensing = Sensing(detector, stretch.info, monitor, montage=stretch.montage)
    found: list[Detection] = []
    for chunk in stretch.chunks():
        found += sensing.update(chunk)
    return Run(
        stretch=stretch,
        columns=detector.channels,
        detections=tuple(
            replace(d, sample_index=d.sample_index + stretch.first_row) for d in found
        ),
        flags=monitor_flags(stretch, detector.channels, sensing.monitor_settings)[0],
        counts=sensing.counts(),
    )


def monitor_flags(
    stretch: Stretch, columns: tuple[int, ...], monitor: MonitorSettings
) -> tuple[NDArray[np.uint8], SampleCounts]:
    """What the monitor of a session thinks of each sample of a stretch, and its counts."""
    if stretch.montage is not None:
        columns = stretch.montage.sources(columns)
    watching = SampleMonitor(monitor, stretch.info.rate_hz, columns)
    flags = [
        watching.update(np.array(chunk.samples, order="C"), chunk.times_s)
        for chunk in stretch.chunks()
    ]
    return np.concatenate(flags), watching.counts()
