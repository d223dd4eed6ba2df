"""Lab Streaming Layer: what a session publishes.

Stream metadata follow the XDF metadata conventions (github.com/sccn/xdf/wiki),
so that recordings open in the tools people already have.
"""

from collections.abc import Sequence

import numpy as np
import pylsl
from numpy.typing import NDArray

from bci_core.chunk import Chunk, StreamInfo

MAX_BUFFERED_S = 2
"""Seconds an end keeps for a slow reader. Short, so that lag becomes loss and is seen."""


class SampleOutlet:
    """Publishes an amplifier's samples.

    Parameters
    ----------
    info : StreamInfo
    """

    def __init__(self, info: StreamInfo) -> None:
        self._outlet = pylsl.StreamOutlet(
            info_to_lsl(info),
            chunk_size=1,
            max_buffered=MAX_BUFFERED_S,
            # Writes straight to the sockets from this thread: the cheapest tail win there is.
            transport_flags=pylsl.transp_sync_blocking,
        )

    def push(self, chunk: Chunk) -> None:
        for sample, when_s in zip(chunk.samples, chunk.times_s, strict=True):
            self._outlet.push_sample(sample, float(when_s))

    def have_consumers(self) -> bool:
        return bool(self._outlet.have_consumers())


class EventOutlet:
    """Publishes markers: short strings, irregular, as MNE and EEGLAB expect them."""

    def __init__(self, name: str, source_id: str) -> None:
        info = pylsl.StreamInfo(name, "Markers", 1, pylsl.IRREGULAR_RATE, "string", source_id)
        _describe_channels(info, ["marker"], "none", "Marker")
        self._outlet = pylsl.StreamOutlet(info)

    def push(self, marker: str, when_s: float) -> None:
        self._outlet.push_sample([marker], when_s)

    def have_consumers(self) -> bool:
        return bool(self._outlet.have_consumers())


class RowOutlet:
    """Publishes rows of labelled numbers, double precision, irregular."""

    def __init__(self, name: str, source_id: str, labels: Sequence[str], units: Sequence[str]):
        info = pylsl.StreamInfo(
            name, "ClosedLoop", len(labels), pylsl.IRREGULAR_RATE, "double64", source_id
        )
        _describe_channels(info, labels, units, "Misc")
        self._outlet = pylsl.StreamOutlet(info)

    def push(self, row: NDArray[np.float64], when_s: float) -> None:
        self._outlet.push_sample(row, when_s)

    def have_consumers(self) -> bool:
        return bool(self._outlet.have_consumers())


def info_to_lsl(info: StreamInfo) -> pylsl.StreamInfo:
    """Stream metadata as the XDF conventions have them."""
    made = pylsl.StreamInfo(
        info.name, info.kind, len(info.channels), info.rate_hz, "float32", info.source_id
    )
    _describe_channels(made, info.channels, info.unit, info.kind)
    made.desc().append_child("acquisition").append_child_value("manufacturer", info.manufacturer)
    return made


def _describe_channels(
    info: pylsl.StreamInfo, labels: Sequence[str], units: str | Sequence[str], kind: str
) -> None:
    channels = info.desc().append_child("channels")
    each = [units] * len(labels) if isinstance(units, str) else units
    for label, unit in zip(labels, each, strict=True):
        channel = channels.append_child("channel")
        channel.append_child_value("label", label)
        channel.append_child_value("unit", unit)
        channel.append_child_value("type", kind)
