"""Writes small XDF files: enough of the format for what a session records.

Chunks, tags and lengths as in https://github.com/sccn/xdf/wiki/Specifications.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import numpy as np

HEADER, STREAM, SAMPLES, OFFSET, BOUNDARY, FOOTER = 1, 2, 3, 4, 5, 6
BOUNDARY_UUID = bytes.fromhex("43a546dccbf5410fb30ed5467383cbe4")


@dataclass
class Stream:
    name: str
    kind: str
    fmt: str
    times_s: Any
    rows: Any
    labels: Sequence[str]
    rate_hz: float = 0.0
    unit: str = "microvolts"
    manufacturer: str = "BrainFlow"
    described: bool = True
    offsets: Sequence[tuple[float, float]] = field(default_factory=tuple)


def write_xdf(path: Path, streams: Sequence[Stream], rows_per_chunk: int = 50) -> Path:
    content = b"XDF:" + chunk(HEADER, b"<?xml version='1.0'?><info><version>1.0</version></info>")
    for number, stream in enumerate(streams, start=1):
        content += chunk(STREAM, struct.pack("<I", number) + header(stream).encode())
    for number, stream in enumerate(streams, start=1):
        for start in range(0, len(stream.times_s), rows_per_chunk):
            part = slice(start, start + rows_per_chunk)
            content += chunk(SAMPLES, struct.pack("<I", number) + samples(stream, part))
        for when_s, offset_s in stream.offsets:
            content += chunk(OFFSET, struct.pack("<Idd", number, when_s, offset_s))
        content += chunk(BOUNDARY, BOUNDARY_UUID)
    for number, _ in enumerate(streams, start=1):
        content += chunk(FOOTER, struct.pack("<I", number) + b"<?xml version='1.0'?><info/>")
    path.write_bytes(content)
    return path


def header(stream: Stream) -> str:
    channels = "".join(
        f"<channel><label>{escape(label)}</label><unit>{stream.unit}</unit></channel>"
        for label in stream.labels
    )
    desc = (
        f"<desc><channels>{channels}</channels>"
        f"<acquisition><manufacturer>{stream.manufacturer}</manufacturer></acquisition></desc>"
    )
    return (
        f"<?xml version='1.0'?><info><name>{escape(stream.name)}</name><type>{stream.kind}</type>"
        f"<channel_count>{len(stream.labels)}</channel_count>"
        f"<nominal_srate>{stream.rate_hz}</nominal_srate>"
        f"<channel_format>{stream.fmt}</channel_format><source_id>{escape(stream.name)}-1</source_id>"
        f"{desc if stream.described else ''}</info>"
    )


def samples(stream: Stream, part: slice) -> bytes:
    content = length(len(stream.times_s[part]))
    for when_s, row in zip(stream.times_s[part], stream.rows[part], strict=True):
        content += b"\x08" + struct.pack("<d", when_s)
        if stream.fmt == "string":
            content += b"".join(length(len(t.encode())) + t.encode() for t in row)
        else:
            kind = {"float32": "<f4", "double64": "<f8"}[stream.fmt]
            content += np.asarray(row, dtype=kind).tobytes()
    return content


def chunk(tag: int, content: bytes) -> bytes:
    return length(len(content) + 2) + struct.pack("<H", tag) + content


def length(n: int) -> bytes:
    return struct.pack("<BB", 1, n) if n < 256 else struct.pack("<BI", 4, n)
