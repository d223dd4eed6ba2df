"""Extensible Data Format, as LabRecorder writes it."""

import gzip
import logging
import struct
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyxdf
from numpy.typing import NDArray

from bci_core.errors import RecordingError
from bci_core.record.raw import RawRecording, ReadOptions, ticks_of

RATE_TOLERANCE = 0.01
"""By how much the rate of the time stamps may differ from the nominal one."""


def read(path: Path, options: ReadOptions) -> RawRecording:
    """Read the one stream that is sampled at a constant rate, or the one that is named.

    Raises
    ------
    RecordingError
        Damaged, no such stream or more than one, or a rate that the time stamps deny.
    """
    header, streams = _load(path)
    stream = _chosen(streams, options, path)
    info = stream["info"]
    values = np.asarray(stream["time_series"])
    rate_hz = float(info["nominal_srate"][0])
    labels, units = _labels(info, values.shape[1] if values.ndim == 2 else 0)
    if not len(values):
        raise RecordingError(f"{path}: stream {info['name'][0]!r} holds no samples")
    if _is_cut_short(path):
        raise RecordingError(
            f"{path}: cut short: stream {info['name'][0]!r} ends before sample {len(values)}, "
            "in the middle of a chunk. Copy it again, or have an XDF tool write what is whole"
        )
    return RawRecording(
        values=values,
        rate_hz=rate_hz,
        channels=labels,
        units=units,
        ticks=_ticks(np.asarray(stream["time_stamps"], dtype=np.float64), rate_hz, path),
        start=_start(header),
    )


def _load(path: Path) -> tuple[Any, list[Any]]:
    logger = logging.getLogger("pyxdf")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        # The stamps as recorded: dejittering would smooth small gaps away.
        streams, header = pyxdf.load_xdf(path, dejitter_timestamps=False, verbose=False)
    except (ValueError, EOFError, KeyError, IndexError, struct.error, OverflowError) as error:
        raise RecordingError(f"{path}: not readable as XDF ({error})") from error
    except Exception as error:
        # XML of a damaged header arrives as whatever parser pyxdf uses.
        if type(error).__name__ not in {"ParseError", "XMLSyntaxError", "error"}:
            raise
        raise RecordingError(f"{path}: damaged XDF header ({error})") from error
    finally:
        logger.setLevel(before)
    return header, streams


def _is_cut_short(path: Path) -> bool:
    """Whether the last chunk announces more bytes than there are (XDF 1.0: tag, length)."""
    size = path.stat().st_size
    with (gzip.open if path.suffix.lower() == ".xdfz" else open)(path, "rb") as file:
        if path.suffix.lower() == ".xdfz":
            size = file.seek(0, 2)
        position = file.seek(len(b"XDF:"))
        while position < size:
            width = file.read(1)[0]
            length = int.from_bytes(file.read(width), "little")
            position += 1 + width + length
            file.seek(position)
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
