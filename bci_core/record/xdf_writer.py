"""Writes XDF without LabRecorder, for sessions on a virtual clock.

Chunks, tags and lengths as in the XDF specification
(github.com/sccn/xdf/wiki/Specifications); metadata as in the XDF conventions.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self
from xml.sax.saxutils import escape

import numpy as np
from numpy.typing import NDArray

_FILE_HEADER, _STREAM_HEADER, _SAMPLES, _STREAM_FOOTER = 1, 2, 3, 6
_XML = "<?xml version='1.0'?>"


@dataclass(frozen=True, slots=True)
class XdfStream:
    """What a stream's header says.

    Attributes
    ----------
    name, kind : str
        LSL name and content type.
    value_format : str
        ``float32``, ``double64`` or ``string``.
    labels, units : tuple of str
        Of the channels.
    rate_hz : float
        0 for irregular streams.
    manufacturer : str
    """

    name: str
    kind: str
    value_format: str
    labels: tuple[str, ...]
    units: tuple[str, ...]
    rate_hz: float = 0.0
    manufacturer: str = ""

    def header(self) -> str:
        """The header as XML."""
        channels = "".join(
            f"<channel><label>{escape(label)}</label><unit>{escape(unit)}</unit>"
            f"<type>{escape(self.kind)}</type></channel>"
            for label, unit in zip(self.labels, self.units, strict=True)
        )
        maker = (
            f"<acquisition><manufacturer>{escape(self.manufacturer)}</manufacturer></acquisition>"
        )
        return (
            f"{_XML}<info><name>{escape(self.name)}</name><type>{escape(self.kind)}</type>"
            f"<channel_count>{len(self.labels)}</channel_count>"
            f"<nominal_srate>{self.rate_hz}</nominal_srate>"
            f"<channel_format>{self.value_format}</channel_format>"
            f"<source_id>{escape(self.name)}</source_id>"
            f"<desc><channels>{channels}</channels>"
            f"{maker if self.manufacturer else ''}</desc></info>"
        )


class XdfWriter:
    """Appends samples of several streams to one file.

    Parameters
    ----------
    path : Path
    streams : sequence of XdfStream
        Named by their position from here on.
    """

    def __init__(self, path: Path, streams: Sequence[XdfStream]) -> None:
        self._file = path.open("wb")
        self._n_streams = len(streams)
        self._file.write(b"XDF:")
        self._chunk(_FILE_HEADER, f"{_XML}<info><version>1.0</version></info>".encode())
        for number, stream in enumerate(streams):
            self._chunk(_STREAM_HEADER, struct.pack("<I", number + 1) + stream.header().encode())

    def numbers(self, stream: int, times_s: NDArray[np.float64], rows: NDArray[np.generic]) -> None:
        """Append rows of numbers, already of the stream's format."""
        content = [struct.pack("<I", stream + 1), _length(len(times_s))]
        for when_s, row in zip(times_s.tolist(), rows, strict=True):
            content += [struct.pack("<Bd", 8, when_s), row.tobytes()]
        self._chunk(_SAMPLES, b"".join(content))

    def marker(self, stream: int, when_s: float, text: str) -> None:
        """Append one string."""
        encoded = text.encode()
        stamp = struct.pack("<Bd", 8, when_s)
        content = struct.pack("<I", stream + 1) + _length(1) + stamp
        self._chunk(_SAMPLES, content + _length(len(encoded)) + encoded)

    def close(self) -> None:
        """Write the footers and close the file."""
        for number in range(self._n_streams):
            self._chunk(_STREAM_FOOTER, struct.pack("<I", number + 1) + f"{_XML}<info/>".encode())
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.close()

    def _chunk(self, tag: int, content: bytes) -> None:
        self._file.write(_length(len(content) + 2) + struct.pack("<H", tag) + content)


def _length(n: int) -> bytes:
    return struct.pack("<BB", 1, n) if n < 256 else struct.pack("<BI", 4, n)
