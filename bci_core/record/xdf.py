"""Reads a session's XDF as it was stored: no clock correction, no smoothing of times.

Format: https://github.com/sccn/xdf/wiki/Specifications. What the recorder wrote
up to its last whole chunk is read, so the file of a killed session is readable.
"""

import io
import logging
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO
from xml.etree.ElementTree import ParseError

import numpy as np
import pyxdf
from numpy.typing import NDArray

from bci_core.chunk import StreamInfo
from bci_core.errors import SessionError

_MAGIC = b"XDF:"
_LENGTH_BYTES = {1: "<B", 4: "<I", 8: "<Q"}
_FAILURES = (
    OSError,
    EOFError,
    ValueError,
    LookupError,
    TypeError,
    RuntimeError,
    MemoryError,
    ParseError,
    struct.error,
)  # what pyxdf lets through when a chunk is not what it says


@dataclass(frozen=True, slots=True)
class Marker:
    """One string of the ``NAME-events`` stream and its time on the LSL clock."""

    when_s: float
    text: str


@dataclass(frozen=True, slots=True)
class SessionRecording:
    """What the recorder kept of a session.

    Attributes
    ----------
    info : StreamInfo
        Of the sample stream.
    samples : ndarray, (n_samples, n_channels), float32
        In `info.unit`.
    times_s : ndarray, (n_samples,), float64
        As stored: the clock of the machine that sent the samples.
    markers : tuple of Marker
        The ``NAME-events`` stream.
    loop : dict of str to ndarray, (n_triggers,), float64
        The ``NAME-loop`` stream: its columns by label.
    mask : dict of str to ndarray, (n_changes,), float64
        The ``NAME-mask`` stream: its columns by label. Empty where there is none.
    mask_s : ndarray, (n_changes,), float64
        When each of its rows begins to hold, on the clock of the loop's machine.
    truncated_bytes : int
        Length of the unfinished chunk at the end, which was not read; 0 for a file
        that was closed.
    complaints : tuple of str
        What was found damaged within the part that was read.
    """

    info: StreamInfo
    samples: NDArray[np.float32]
    times_s: NDArray[np.float64]
    markers: tuple[Marker, ...]
    loop: dict[str, NDArray[np.float64]]
    truncated_bytes: int = 0
    complaints: tuple[str, ...] = ()
    mask: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    mask_s: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))


def read_session_xdf(path: Path, name: str | None = None) -> SessionRecording:
    """Read the three streams of a session.

    Parameters
    ----------
    path : Path
    name : str or None
        Name of the sample stream. None takes the one that ``-events`` and ``-loop``
        streams are named after, or else the only regularly sampled one.

    Raises
    ------
    SessionError
        There is no such file, it is not XDF, or it has no such stream.
    """
    try:
        with path.open("rb") as file:
            size = file.seek(0, io.SEEK_END)
            end = _end_of_whole_chunks(file, size)
            file.seek(0)
            source = file if end == size else io.BytesIO(file.read(end))
            with _quiet_pyxdf() as complaints:
                streams, _ = pyxdf.load_xdf(
                    source,
                    synchronize_clocks=False,
                    dejitter_timestamps=False,
                    handle_clock_resets=False,
                )
    except FileNotFoundError:
        raise SessionError(f"{path}: there is no recording") from None
    except _FAILURES as error:
        raise SessionError(f"{path}: cannot be read as XDF ({error})") from error
    names = [_first(stream, "name") or "" for stream in streams]
    by_name = dict(zip(names, streams, strict=True))
    complaints += [
        f"{names.count(each)} streams are called {each!r}; only the last was read"
        for each in by_name
        if names.count(each) > 1
    ]
    name = name or _sample_stream(path, by_name)
    if name not in by_name:
        raise SessionError(
            f"{path}: has no stream {name!r}; it has: {', '.join(by_name) or 'none'}"
        )
    stream = by_name[name]
    info = _info(name, stream)
    samples = np.asarray(stream["time_series"], dtype=np.float32).reshape(-1, len(info.channels))
    mask = _beside(by_name, name, "-mask")
    return SessionRecording(
        info=info,
        samples=np.ascontiguousarray(samples),
        times_s=np.asarray(stream["time_stamps"], dtype=np.float64),
        markers=_markers(_beside(by_name, name, "-events")),
        loop=_columns(_beside(by_name, name, "-loop")),
        truncated_bytes=size - end,
        complaints=tuple(complaints),
        mask=_columns(mask),
        mask_s=np.zeros(0) if mask is None else np.asarray(mask["time_stamps"], dtype=np.float64),
    )


def _end_of_whole_chunks(file: BinaryIO, size: int) -> int:
    """Position after the last chunk that is all there."""
    if file.seek(0) or file.read(len(_MAGIC)) != _MAGIC:
        raise ValueError("it does not begin with 'XDF:'")
    end = len(_MAGIC)
    while end < size:
        file.seek(end)
        width = file.read(1)[0]
        if width not in _LENGTH_BYTES:
            break
        length = file.read(width)
        if len(length) < width:
            break
        after = end + 1 + width + int(struct.unpack(_LENGTH_BYTES[width], length)[0])
        if after > size:
            break
        end = after
    return end


@contextmanager
def _quiet_pyxdf() -> Iterator[list[str]]:
    """Collect what pyxdf would log, instead of letting it reach the terminal."""
    said: list[str] = []

    class Collect(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(record.getMessage())

    logger = logging.getLogger(pyxdf.load_xdf.__module__)
    handler = Collect(logging.WARNING)
    propagate = logger.propagate
    logger.addHandler(handler)
    logger.propagate = False
    try:
        yield said
    finally:
        logger.removeHandler(handler)
        logger.propagate = propagate


def _sample_stream(path: Path, by_name: dict[str, Any]) -> str:
    for name in by_name:
        if f"{name}-events" in by_name or f"{name}-loop" in by_name:
            return name
    regular = [name for name, stream in by_name.items() if _rate_hz(stream) > 0.0]
    if len(regular) == 1:
        return regular[0]
    raise SessionError(
        f"{path}: cannot tell which stream has the samples; streams: {', '.join(by_name) or 'none'}"
    )


def _beside(by_name: dict[str, Any], name: str, suffix: str) -> Any:
    """The stream named after the samples, or after the rig where the samples are a device's own."""
    if name + suffix in by_name:
        return by_name[name + suffix]
    ending = [stream for each, stream in by_name.items() if each.endswith(suffix)]
    return ending[0] if len(ending) == 1 else None


def _info(name: str, stream: Any) -> StreamInfo:
    n_channels = int(_first(stream, "channel_count") or 0)
    described = _below(stream, "desc", "channels").get("channel", [])
    if len(described) != n_channels:
        described = [{}] * n_channels
    labels = [_text(channel, "label") or f"ch{i}" for i, channel in enumerate(described, start=1)]
    units = {_text(channel, "unit") for channel in described}
    return StreamInfo(
        name=name,
        rate_hz=_rate_hz(stream),
        channels=tuple(labels),
        source_id=_first(stream, "source_id") or "",
        manufacturer=_text(_below(stream, "desc", "acquisition"), "manufacturer") or "unknown",
        kind=_first(stream, "type") or "",
        unit=units.pop() or "unknown" if len(units) == 1 else "unknown",
    )


def _markers(stream: Any) -> tuple[Marker, ...]:
    if stream is None:
        return ()
    rows = zip(stream["time_stamps"], stream["time_series"], strict=True)
    return tuple(Marker(float(when_s), str(row[0])) for when_s, row in rows)


def _columns(stream: Any) -> dict[str, NDArray[np.float64]]:
    if stream is None:
        return {}
    labels = _info("", stream).channels
    rows = np.asarray(stream["time_series"], dtype=np.float64).reshape(-1, len(labels))
    return {label: rows[:, i].copy() for i, label in enumerate(labels)}


def _rate_hz(stream: Any) -> float:
    return float(_first(stream, "nominal_srate") or 0.0)


def _first(stream: Any, key: str) -> str | None:
    """Text of an element of the stream header; XML elements come as lists."""
    return _text(stream["info"], key) or None


def _text(element: Any, key: str) -> str:
    values = element.get(key) if isinstance(element, dict) else None
    return values[0] if values and isinstance(values[0], str) else ""


def _below(stream: Any, *keys: str) -> dict[str, Any]:
    """An element further down, empty where the header does not have it."""
    element = stream["info"]
    for key in keys:
        values = element.get(key) if isinstance(element, dict) else None
        element = values[0] if values else None
    return element if isinstance(element, dict) else {}
