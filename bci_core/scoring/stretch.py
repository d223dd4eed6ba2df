"""The part of a recording that a detector is run over."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bci_core.chunk import Chunk, StreamInfo
from bci_core.detection.compiled import MAX_ROWS
from bci_core.detection.montage import Montage, montage_of
from bci_core.detection.montage_settings import MontageSettings
from bci_core.errors import InputError
from bci_core.record.recording import Recording


@dataclass(frozen=True, slots=True)
class Stretch:
    """Consecutive samples with their times.

    Attributes
    ----------
    samples : ndarray, (n_samples, n_channels), float32
        Microvolts; may hold what is not finite.
    times_s : ndarray, (n_samples,), float64
        Increasing. For a recording from a file: seconds after its first sample, gaps
        included.
    info : StreamInfo
    first_row : int
        Row of the recording that `samples[0]` is.
    montage : Montage or None
        Of its derived channels, where it has any; they are in `samples` and `info`.
    """

    samples: NDArray[np.float32]
    times_s: NDArray[np.float64]
    info: StreamInfo
    first_row: int = 0
    montage: Montage | None = None

    def __len__(self) -> int:
        return len(self.times_s)

    @property
    def end_s(self) -> float:
        """One sampling period after the last sample."""
        return float(self.times_s[-1]) + 1.0 / self.info.rate_hz

    def chunks(self, size: int = MAX_ROWS) -> Iterator[Chunk]:
        """The samples in order, at most `size` at a time."""
        for start in range(0, len(self), size):
            rows = slice(start, start + size)
            yield Chunk(self.samples[rows], self.times_s[rows])


def stretch_of(recording: Recording, start_s: float = 0.0, end_s: float | None = None) -> Stretch:
    """Samples of a recording from `start_s` up to, not including, `end_s`.

    Parameters
    ----------
    recording : Recording
    start_s, end_s : float
        Seconds after the first sample; None goes to the end.

    Raises
    ------
    InputError
        There are no samples between these times.
    """
    times_s = recording.ticks / recording.rate_hz
    stop_s = recording.duration_s if end_s is None else end_s
    # Less a hair, so that 0.3 s at 100 Hz is sample 30, whatever the rounding.
    hair_s = 1e-6 / recording.rate_hz
    first, last = np.searchsorted(times_s, [start_s - hair_s, stop_s - hair_s])
    if last <= first:
        raise InputError(
            f"{recording.source}: no samples from {start_s:g} s to {stop_s:g} s; it lasts "
            f"{recording.duration_s:g} s"
        )
    info = StreamInfo(
        name=recording.source.stem,
        rate_hz=recording.rate_hz,
        channels=recording.channels,
        source_id=f"recording:{recording.source.name}",
    )
    samples = recording.samples[first:last]
    return Stretch(samples, times_s[first:last].astype(np.float64), info, int(first))


def with_montage(stretch: Stretch, settings: MontageSettings) -> Stretch:
    """The same with the channels of a montage behind its own.

    Raises
    ------
    ConfigError
        A channel is not there.
    """
    if not settings.derives:
        return stretch
    montage = montage_of(settings, stretch.info)
    samples = montage.widened(stretch.samples)
    montage.derive(samples)
    return replace(stretch, samples=samples, info=montage.info, montage=montage)
