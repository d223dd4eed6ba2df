"""Extensible Data Format, as LabRecorder writes it."""

import gzip
import logging
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
import pyxdf
from numpy.typing import NDArray

from bci_core.errors import RecordingError
from bci_core.record.raw import RawRecording, ReadOptions, ticks_of

RATE_TOLERANCE = 0.01
"""By how much the rate of the time stamps may differ from the nominal one."""


# What damaged chunks come to in pyxdf; the XML parser's ParseError is a SyntaxError.
_DAMAGE = (
    ValueError,
    EOFError,
    KeyError,
    IndexError,
    TypeError,
    OverflowError,
    RuntimeError,
    SyntaxError,
    MemoryError,
    struct.error,
    zlib.error,
)


def read(path: Path, options: ReadOptions) -> RawRecording:
    """Read the one stream that is sampled at a constant rate, or the one that is named.

    Raises
    ------
    RecordingError
        Damaged, no such stream or more than one, or a rate that the time stamps deny.
    """
    header, streams, damage = _load(path)
    stream = _chosen(streams, options, path)
    info = stream["info"]
    name = info["name"][0]
    values = np.asarray(stream["time_series"])
    if damage.found is not None:
        message, rows = damage.found
        row = rows.get(info["stream_id"], 0)
        raise RecordingError(f"{path}: damaged after sample {row} of {name!r} ({message})")
    if _is_cut_short(path):
        raise RecordingError(f"{path}: cut short, {name!r} ends before sample {len(values)}")
    if not len(values):
        raise RecordingError(f"{path}: stream {name!r} holds no samples")
    labels, units = _labels(info, values.shape[1] if values.ndim == 2 else 0)
    rate_hz = float(info["nominal_srate"][0])
    return RawRecording(
        values=values,
        rate_hz=rate_hz,
        channels=labels,
        units=units,
        ticks=_ticks(np.asarray(stream["time_stamps"], dtype=np.float64), rate_hz, path),
        start=_start(header),
    )


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    """The file, unpacked where it is packed. pyxdf leaves open what it cannot read."""
    with path.open("rb") as file:
        if path.suffix.lower() != ".xdfz":
            yield file
            return
        with gzip.open(file) as unpacked:
            yield cast("IO[bytes]", unpacked)


class _Damage(logging.Handler):
    """Takes note of what pyxdf passes over, and of how many samples it had by then."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.rows: dict[int, int] = {}
        self.found: tuple[str, dict[int, int]] | None = None

    def emit(self, record: logging.LogRecord) -> None:
        if self.found is None:
            self.found = record.getMessage(), dict(self.rows)

    def count(self, values: Any, stamps: Any, info: Any, stream_id: int) -> tuple[Any, Any, Any]:
        self.rows[stream_id] = self.rows.get(stream_id, 0) + len(stamps)
        return values, stamps, info


def _load(path: Path) -> tuple[Any, list[Any], _Damage]:
    logger = logging.getLogger("pyxdf")
    damage = _Damage()
    logger.addHandler(damage)
    logger.propagate = False
    try:
        with _opened(path) as file:
            streams, header = pyxdf.load_xdf(
                file,
                on_chunk=damage.count,
                dejitter_timestamps=False,  # the stamps as recorded: it smooths small gaps away
                verbose=False,
            )
    except (*_DAMAGE, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise RecordingError(f"{path}: not readable as XDF ({error or 'it is empty'})") from error
    finally:
        logger.removeHandler(damage)
        logger.propagate = True
    return header, streams, damage


def _is_cut_short(path: Path) -> bool:
    """Whether the last chunk announces more bytes than there are (XDF 1.0: tag, length)."""
    with _opened(path) as file:
        size = file.seek(0, 2)
        position = file.seek(len(b"XDF:"))
        while position < size:
            width = file.read(1)[0]
            length = int.from_bytes(file.read(width), "little")
            position += 1 + width + length
            file.seek(min(position, size))
    return position > size


def _chosen(streams: list[Any], options: ReadOptions, path: Path) -> Any:
    sampled = [
        stream
        for stream in streams
        if float(stream["info"]["nominal_srate"][0]) > 0.0
        and stream["info"]["channel_format"][0] != "string"
    ]
    names = [stream["info"]["name"][0] for stream in sampled]
    if options.stream is not None:
        fitting = [s for s, name in zip(sampled, names, strict=True) if name == options.stream]
    else:
        fitting = sampled
    listed = ", ".join(map(repr, names)) or "none"
    if not fitting:
        wanted = f"stream {options.stream!r} is not" if options.stream else "nothing is"
        raise RecordingError(f"{path}: {wanted} sampled at a constant rate; there is {listed}")
    if len(fitting) > 1:
        raise RecordingError(f"{path}: has several sampled streams; name one of {listed}")
    return fitting[0]


def _labels(info: Any, n_channels: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Labels and units from the metadata (github.com/sccn/xdf/wiki/EEG-Meta-Data)."""
    try:
        channels = info["desc"][0]["channels"][0]["channel"]
    except (KeyError, TypeError, IndexError):
        channels = []
    if len(channels) != n_channels:
        return tuple(f"ch{i}" for i in range(1, n_channels + 1)), ("",) * n_channels

    def field(channel: Any, key: str) -> str:
        found = channel.get(key) if channel else None
        return str(found[0] or "") if found else ""

    return (
        tuple(field(channel, "label") for channel in channels),
        tuple(field(channel, "unit") for channel in channels),
    )


def _ticks(times_s: NDArray[np.float64], rate_hz: float, path: Path) -> NDArray[np.int64] | None:
    if len(times_s) < 2:
        return None
    back = np.flatnonzero(np.diff(times_s) < 0.0)
    if len(back):
        raise RecordingError(
            f"{path}: time runs backwards at sample {back[0] + 1}; was the stream recorded twice?"
        )
    ticks = ticks_of(times_s, rate_hz)
    span_s = times_s[-1] - times_s[0]
    found_hz = ticks[-1] / span_s if span_s > 0.0 else np.inf
    if abs(found_hz / rate_hz - 1.0) > RATE_TOLERANCE + 2.0 / len(times_s):
        raise RecordingError(
            f"{path}: the time stamps from sample 0 to {len(times_s) - 1} say {found_hz:.2f} Hz, "
            f"the header {rate_hz:g} Hz"
        )
    return ticks


def _start(header: Any) -> datetime | None:
    try:
        start = datetime.fromisoformat(header["info"]["datetime"][0])
    except (KeyError, TypeError, ValueError, IndexError):
        return None
    return start if start.tzinfo else start.replace(tzinfo=UTC)
