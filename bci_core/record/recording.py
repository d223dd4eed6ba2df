"""Recordings as they are used here: microvolts, one rate, labelled channels.

A whole recording is held in memory as float32: an hour of 16 channels at
1 kHz is 230 MB.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib import import_module
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bci_core.errors import RecordingError
from bci_core.record.raw import RawRecording, ReadOptions
from bci_core.record.units import KNOWN_UNITS, is_counts, microvolts_in

READERS = {
    ".bdf": "bci_core.record.readers.edf",
    ".csv": "bci_core.record.readers.brainflow_csv",
    ".edf": "bci_core.record.readers.edf",
    ".npz": "bci_core.record.readers.npz",
    ".nwb": "bci_core.record.readers.nwb",
    ".tsv": "bci_core.record.readers.brainflow_csv",
    ".txt": "bci_core.record.readers.brainflow_csv",
    ".xdf": "bci_core.record.readers.xdf",
    ".xdfz": "bci_core.record.readers.xdf",
}
"""Suffix, and the module whose ``read`` understands such a file."""


@dataclass(frozen=True, slots=True)
class Recording:
    """Samples from a file.

    Attributes
    ----------
    samples : ndarray, (n_samples, n_channels), float32, C-contiguous
        Microvolts, all finite unless it was read with `keep_not_finite`.
    ticks : ndarray, (n_samples,), int64
        When each sample was taken, in sampling periods after the first. Counts up
        by one, and skips where the recording says that samples were lost.
    rate_hz : float
    channels : tuple of str
        Labels, all different.
    source : Path
        The file.
    start : datetime or None
        When the first sample was taken, where the file says so. EDF knows no time zone.
    left_out : tuple of str
        Channels of the file that are not here, each with the reason.
    """

    samples: NDArray[np.float32]
    ticks: NDArray[np.int64]
    rate_hz: float
    channels: tuple[str, ...]
    source: Path
    start: datetime | None = None
    left_out: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.samples)

    @property
    def duration_s(self) -> float:
        """From the first sample to one period after the last."""
        return float(self.ticks[-1] + 1) / self.rate_hz

    @property
    def lost(self) -> int:
        """Samples that were lost when it was recorded."""
        return int(self.ticks[-1]) + 1 - len(self.samples)

    def select(self, channels: Sequence[str]) -> "Recording":
        """The same with these channels only, in this order.

        Raises
        ------
        RecordingError
            A channel is not there; the message lists those that are.
        """
        absent = [name for name in channels if name not in self.channels]
        if absent:
            raise RecordingError(
                f"{self.source}: no channel {', '.join(map(repr, absent))}; "
                f"it has {', '.join(self.channels)}"
            )
        columns = [self.channels.index(name) for name in channels]
        samples = np.ascontiguousarray(self.samples[:, columns])
        unused = tuple(f"{name} (not asked for)" for name in self.channels if name not in channels)
        return Recording(
            samples,
            self.ticks,
            self.rate_hz,
            tuple(channels),
            self.source,
            self.start,
            self.left_out + unused,
        )


def read_recording(
    path: str | Path,
    unit: str | None = None,
    *,
    channels: Sequence[str] | None = None,
    uv_per_count: float | None = None,
    board: str | None = None,
    stream: str | None = None,
    keep_not_finite: bool = False,
) -> Recording:
    """Read a recording; the suffix of the file says how.

    Parameters
    ----------
    path : path
        ``.edf``, ``.bdf``, ``.xdf``, ``.npz``, ``.nwb``, or the ``.csv`` / ``.tsv`` /
        ``.txt`` that BrainFlow writes.
    unit : str, optional
        Unit of the values where the file does not say: uV, mV, V or nV.
    channels : sequence of str, optional
        Only these, in this order.
    uv_per_count : float, optional
        Microvolts in one step, for a file that holds converter counts.
    board : str, optional
        BrainFlow name of the board that wrote a ``.csv``: the file does not say.
    stream : str, optional
        Name of the stream, for an ``.xdf`` with more than one that is sampled; of the
        electrical series, for an ``.nwb``.
    keep_not_finite : bool
        Let NaN and infinities through, for whoever has a monitor that deals with them.

    Raises
    ------
    RecordingError
        The file cannot be read as asked. The message names the file, and the row
        where there is one; samples are counted from 0, lines of a text from 1.
    """
    path = Path(path)
    options = ReadOptions(board=board, stream=stream, channels=channels)
    try:
        if not path.is_file():
            raise RecordingError(f"{path}: no such file")
        raw = _reader(path)(path, options)
    except OSError as error:
        raise RecordingError(f"{path}: cannot be read ({error.strerror or error})") from error
    samples = _microvolts(raw, path, unit, uv_per_count)
    if not keep_not_finite:
        _check_finite(samples, raw, path)
    recording = Recording(
        samples=samples,
        ticks=np.arange(len(samples)) if raw.ticks is None else raw.ticks,
        rate_hz=raw.rate_hz,
        channels=_unique(raw.channels),
        source=path,
        start=raw.start,
        left_out=raw.left_out,
    )
    return recording if channels is None else recording.select(channels)


def _reader(path: Path) -> Callable[[Path, ReadOptions], RawRecording]:
    module = READERS.get(path.suffix.lower())
    if module is None:
        raise RecordingError(
            f"{path}: recordings end in {', '.join(sorted(READERS))}; this in {path.suffix!r}"
        )
    reader: Callable[[Path, ReadOptions], RawRecording] = import_module(module).read
    return reader


def _microvolts(
    raw: RawRecording, path: Path, unit: str | None, uv_per_count: float | None
) -> NDArray[np.float32]:
    if not len(raw.values):
        raise RecordingError(f"{path}: holds no samples")
    if not (np.isfinite(raw.rate_hz) and raw.rate_hz > 0.0):
        raise RecordingError(
            f"{path}: a sampling rate of {raw.rate_hz:g} Hz; only continuous samples at a "
            "constant rate can be used"
        )
    scale = [
        _scale(path, label, in_file, unit, uv_per_count)
        for label, in_file in zip(raw.channels, raw.units, strict=True)
    ]
    with np.errstate(over="ignore"):  # what overflows is found, and named, as not finite
        return np.ascontiguousarray(raw.values * np.array(scale), dtype=np.float32)


def _scale(
    path: Path, label: str, in_file: str, stated: str | None, uv_per_count: float | None
) -> float:
    """Microvolts in one step of a channel."""
    of_file, of_caller = microvolts_in(in_file), microvolts_in(stated) if stated else None
    if stated and of_caller is None:
        raise RecordingError(f"{path}: {stated!r} is no unit known here; use {KNOWN_UNITS}")
    if is_counts(in_file):
        if uv_per_count is None or not (np.isfinite(uv_per_count) and uv_per_count > 0.0):
            raise RecordingError(
                f"{path}: channel {label!r} holds converter counts ({in_file!r}). Give "
                "uv_per_count, the microvolts in one step: input range in uV / gain / "
                "number of steps, from the amplifier's data sheet"
            )
        return uv_per_count
    if of_file is None and in_file.strip():
        raise RecordingError(
            f"{path}: channel {label!r} is in {in_file!r}, which is no voltage known here "
            f"({KNOWN_UNITS}, counts)"
        )
    if of_file is None and of_caller is None:
        raise RecordingError(
            f"{path}: nothing says the unit of channel {label!r}; state it with "
            f"unit = one of {KNOWN_UNITS}"
        )
    if of_file is not None and of_caller is not None and of_file != of_caller:
        raise RecordingError(
            f"{path}: channel {label!r} is in {in_file!r} by the file and in {stated!r} by you; "
            "leave unit out, or correct it"
        )
    return of_file if of_file is not None else of_caller or 1.0


def _check_finite(samples: NDArray[np.float32], raw: RawRecording, path: Path) -> None:
    bad = ~np.isfinite(samples)
    if bad.any():
        row, column = (int(i) for i in np.argwhere(bad)[0])
        raise RecordingError(
            f"{path}: {raw.place(row)}, channel {raw.channels[column]!r} is "
            f"{raw.values[row, column]} ({int(bad.any(axis=1).sum())} such rows). Cut them out, "
            "or repair them where you know how"
        )


def _unique(labels: Sequence[str]) -> tuple[str, ...]:
    """Labels made different: an empty one is numbered, a second ``Fz`` becomes ``Fz-2``."""
    out: list[str] = []
    for position, label in enumerate(labels, start=1):
        wanted = label.strip() or f"ch{position}"
        name, count = wanted, 1
        while name in out:
            count += 1
            name = f"{wanted}-{count}"
        out.append(name)
    return tuple(out)
