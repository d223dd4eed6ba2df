"""The monitor and a detector as one: samples in, detections with their vetoes out."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from bci_core.chunk import Chunk, StreamInfo
from bci_core.contracts import Detector
from bci_core.detection.compiled import MAX_ROWS, CompiledDetector
from bci_core.detection.monitor import SampleCounts, SampleMonitor, veto_of
from bci_core.detection.monitor_settings import MonitorSettings
from bci_core.events import Detection


class Sensing:
    """What the loop does with samples, whichever way they come.

    Parameters
    ----------
    detector : Detector
        Its kernel, if it has one, is run by the inlet without the interpreter.
    info : StreamInfo
    settings : MonitorSettings

    Attributes
    ----------
    compiled : CompiledDetector or None
        The detector, when it has a kernel.
    flags : ndarray, (MAX_ROWS,), uint8
        Where the hot path leaves the monitor's flags.
    """

    def __init__(self, detector: Detector, info: StreamInfo, settings: MonitorSettings) -> None:
        self.detector = detector
        self.compiled = detector if isinstance(detector, CompiledDetector) else None
        self.monitor = SampleMonitor(settings, info.rate_hz, detector.channels)
        self.flags = np.zeros(MAX_ROWS, dtype=np.uint8)
        self._seen = 0

    def update(self, chunk: Chunk) -> list[Detection]:
        """Monitor and detect on a chunk, which is left as it was."""
        samples = np.array(chunk.samples, dtype=np.float32, order="C")
        flags = self.monitor.update(samples, chunk.times_s)
        found = self.detector.update(Chunk(samples, chunk.times_s, flags))
        return self._vetoed(found, flags)

    def collect(self, n_before: int, n_found: int, times_s: NDArray[np.float64]) -> list[Detection]:
        """Take over what the hot path found with `compiled` and `monitor`.

        Parameters
        ----------
        n_before : int
            Samples of earlier blocks of this wait, which held no detection.
        n_found : int
            Rows of `compiled.out`.
        times_s : ndarray
            Times of the last block; its flags are in `flags`.
        """
        assert self.compiled is not None  # noqa: S101 - only an inlet with a kernel calls this
        self.compiled.skip(n_before)
        self._seen += n_before + len(times_s)
        return self.compiled.collect(n_found, times_s, lambda row: veto_of(int(self.flags[row])))

    def counts(self) -> SampleCounts:
        return self.monitor.counts()

    def _vetoed(self, found: list[Detection], flags: NDArray[np.uint8]) -> list[Detection]:
        start = self._seen
        self._seen += len(flags)
        return [replace(d, veto=veto_of(int(flags[d.sample_index - start]))) for d in found]
