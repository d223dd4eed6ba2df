"""The monitor, a detector and a guard as one: samples in, detections with their vetoes out."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from bci_core.chunk import Chunk, StreamInfo
from bci_core.contracts import Detector
from bci_core.detection.blanking_settings import BlankingSettings
from bci_core.detection.compiled import MAX_ROWS, CompiledDetector, NoDetector
from bci_core.detection.monitor import SampleCounts, SampleMonitor
from bci_core.detection.monitor_flags import veto_of
from bci_core.detection.monitor_settings import MonitorSettings
from bci_core.detection.montage import Montage
from bci_core.events import Detection


class Sensing:
    """What the loop does with samples, whichever way they come.

    Parameters
    ----------
    detector : Detector
        Its kernel, if it has one, is run by the inlet without the interpreter.
    info : StreamInfo
    settings : MonitorSettings
        Without a guard, a detector that says `reads_counts` is not watched for flat channels.
    guard : Detector, optional
        Sees the same samples; what it finds is kept apart, in `alarms`.
    blanking : BlankingSettings, optional
        A detector that says `predicts_blanks` goes on by itself where samples are blanked;
        a bridge would only mislead it, and there is none.
    montage : Montage, optional
        Detector and guard were made for its channels; the samples handed in are those of
        the stream.

    Attributes
    ----------
    compiled, compiled_guard : CompiledDetector or None
        Detector and guard, when both have a kernel and nothing is derived; else both None.
    monitor_settings : MonitorSettings
        As they came to be used.
    flags : ndarray, (MAX_ROWS,), uint8
        Where the hot path leaves the monitor's flags.
    alarms : list of Detection
        What the guard found in the samples of the last `update` or `collect`.

    Raises
    ------
    ConfigError
        The monitor is to watch for a tone that the stream cannot hold.
    """

    def __init__(
        self,
        detector: Detector,
        info: StreamInfo,
        settings: MonitorSettings,
        guard: Detector | None = None,
        blanking: BlankingSettings | None = None,
        montage: Montage | None = None,
    ) -> None:
        self.detector = detector
        self.guard = guard or NoDetector()
        self.compiled = self.compiled_guard = None
        if (
            montage is None
            and isinstance(detector, CompiledDetector)
            and isinstance(self.guard, CompiledDetector)
        ):
            self.compiled, self.compiled_guard = detector, self.guard
        if guard is None and getattr(detector, "reads_counts", False):
            settings = settings.model_copy(update={"watch_flat": False})
        self.monitor_settings = settings
        if blanking is not None and getattr(detector, "predicts_blanks", False):
            blanking = blanking.model_copy(update={"fill": "hold"})
        watched = tuple(dict.fromkeys((*detector.channels, *self.guard.channels)))
        self._montage = montage
        if montage is not None:
            watched = montage.sources(watched)
        self.monitor = SampleMonitor(settings, info.rate_hz, watched, blanking)
        self.flags = np.zeros(MAX_ROWS, dtype=np.uint8)
        self.alarms: list[Detection] = []
        self._seen = 0

    def update(self, chunk: Chunk) -> list[Detection]:
        """Monitor and detect on a chunk, which is left as it was."""
        montage = self._montage
        if montage is None:
            samples = np.array(chunk.samples, dtype=np.float32, order="C")
        else:
            samples = montage.widened(chunk.samples)
        flags = self.monitor.update(samples, chunk.times_s)
        if montage is not None:  # of what the monitor has repaired and blanked
            montage.derive(samples)
        repaired = Chunk(samples, chunk.times_s, flags)
        found = self._vetoed(self.detector.update(repaired), flags)
        self.alarms = self._vetoed(self.guard.update(repaired), flags)
        self._seen += len(flags)
        return found

    def collect(
        self, n_before: int, n_found: int, n_alarms: int, times_s: NDArray[np.float64]
    ) -> list[Detection]:
        """Take over what the hot path found with both kernels and the monitor's.

        Parameters
        ----------
        n_before : int
            Samples of earlier blocks of this wait, in which nothing was found.
        n_found, n_alarms : int
            Rows of `compiled.out` and of `compiled_guard.out`.
        times_s : ndarray
            Times of the last block; its flags are in `flags`.
        """
        assert self.compiled is not None  # noqa: S101 - only an inlet with kernels calls this
        assert self.compiled_guard is not None  # noqa: S101
        self._seen += n_before + len(times_s)
        for each in (self.compiled, self.compiled_guard):
            each.skip(n_before)
        self.alarms = self.compiled_guard.collect(n_alarms, times_s, self._veto)
        return self.compiled.collect(n_found, times_s, self._veto)

    @property
    def outputs(self) -> tuple[str, ...]:
        """Labels of what the detector knows at every sample, if anything."""
        return tuple(getattr(self.detector, "outputs", ()))

    def output(self) -> NDArray[np.float64]:
        """Values of `outputs` after the last sample."""
        values: NDArray[np.float64] = np.asarray(self.detector.output(), dtype=np.float64)  # type: ignore[attr-defined] # where there are outputs
        return values

    def counts(self) -> SampleCounts:
        return self.monitor.counts()

    def _veto(self, row: int) -> str:
        return veto_of(int(self.flags[row]))

    def _vetoed(self, found: list[Detection], flags: NDArray[np.uint8]) -> list[Detection]:
        return [replace(d, veto=veto_of(int(flags[d.sample_index - self._seen]))) for d in found]
