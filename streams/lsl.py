"""Lab Streaming Layer: the ends of sample, event and row streams.

Stream metadata follow the XDF metadata conventions (github.com/sccn/xdf/wiki),
so that recordings open in the tools people already have.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pylsl
from numpy.typing import NDArray

from bci_core.chunk import Chunk, StreamInfo
from bci_core.clock import Clock
from bci_core.detection.compiled import MAX_ROWS
from bci_core.detection.monitor import monitor_kernel
from bci_core.detection.sensing import Sensing
from bci_core.errors import StreamLostError
from bci_core.events import Detection
from streams.lsl_hot import (
    WAKE_BEFORE,
    WAKE_DETECTED_S,
    WAKE_ERROR,
    WAKE_FIRST_S,
    WAKE_FOUND,
    WAKE_LAST_S,
    WAKE_RECEIVED_S,
    WAKE_ROWS,
    WAKE_SLOTS,
    pull_block,
    wait_and_detect,
)

MAX_BUFFERED_S = 2
"""Seconds an end keeps for a slow reader. Short, so that lag becomes loss and is seen."""


@dataclass(frozen=True, slots=True)
class Wake:
    """What one wait brought.

    Attributes
    ----------
    n_samples : int
    first_sample_s, last_sample_s : float
        Times of the oldest and the newest sample; NaN when there was none.
    received_s, detected_s : float
        When the block with the detections had been pulled, and gone through.
    detections : list of Detection
    """

    n_samples: int
    first_sample_s: float
    last_sample_s: float
    received_s: float
    detected_s: float
    detections: list[Detection] = field(default_factory=list)


class LslInlet:
    """Receives one stream of samples on this machine's clock.

    Parameters
    ----------
    source_id : str
        Of the stream to open.
    clock : Clock
    timeout_s : float
        How long to look for it.

    Raises
    ------
    StreamLostError
        It does not appear in time.
    """

    def __init__(self, source_id: str, clock: Clock, timeout_s: float = 10.0) -> None:
        found = pylsl.resolve_byprop("source_id", source_id, 1, timeout_s)
        if not found:
            raise StreamLostError(
                f"no LSL stream with source_id {source_id!r} within {timeout_s:g} s; "
                "is its amplifier running, and on this machine?"
            )
        self._clock = clock
        # recover=False: a stream that comes back by itself hides that it was lost.
        self._inlet = pylsl.StreamInlet(found[0], max_buflen=MAX_BUFFERED_S, recover=False)
        try:
            self.info = info_from_lsl(self._inlet.info(timeout_s))
            self._inlet.open_stream(timeout_s)
        except (pylsl.util.TimeoutError, pylsl.util.LostError) as error:
            raise StreamLostError(f"LSL stream {source_id!r} does not answer: {error}") from error
        self._handle = self._inlet.obj.value
        self._samples = np.zeros((MAX_ROWS, len(self.info.channels)), dtype=np.float32)
        self._times_s = np.zeros(MAX_ROWS)
        self._wake = np.zeros(WAKE_SLOTS)

    def clock_offset_s(self, timeout_s: float = 5.0) -> float:
        """Seconds to add to the stream's times to get this machine's LSL time.

        Zero within the error of the measurement when the stream is from this machine.
        """
        try:
            return float(self._inlet.time_correction(timeout_s))
        except (pylsl.util.TimeoutError, pylsl.util.LostError) as error:
            raise StreamLostError(f"the stream's clock does not answer: {error}") from error

    def wait(self, sensing: Sensing, until_s: float) -> Wake:
        """Return on a detection, at the latest at `until_s`.

        Raises
        ------
        StreamLostError
            The stream ended.
        """
        if sensing.compiled is None:
            return self._wait_plain(sensing, until_s)
        detector = sensing.compiled
        monitor = sensing.monitor
        wake = self._wake
        wait_and_detect(
            self._handle,
            self._samples,
            self._times_s,
            monitor_kernel,
            monitor.settings,
            monitor.state,
            sensing.flags,
            detector.kernel,
            detector.settings,
            detector.state,
            detector.out,
            until_s,
            wake,
        )
        rows = int(wake[WAKE_ROWS])
        before = int(wake[WAKE_BEFORE])
        found = sensing.collect(before, int(wake[WAKE_FOUND]), self._times_s[:rows])
        self._raise_if_lost(before + rows)
        n = before + rows
        return Wake(
            n_samples=n,
            first_sample_s=float(wake[WAKE_FIRST_S]) if n else float("nan"),
            last_sample_s=float(wake[WAKE_LAST_S]) if n else float("nan"),
            received_s=float(wake[WAKE_RECEIVED_S]),
            detected_s=float(wake[WAKE_DETECTED_S]),
            detections=found,
        )

    def read(self, wait_s: float) -> Chunk | None:
        """The samples that are there, waiting up to `wait_s` for the first.

        Raises
        ------
        StreamLostError
            The stream ended.
        """
        self._wake[:] = 0.0
        n = pull_block(self._handle, self._samples, self._times_s, wait_s, self._wake)
        self._raise_if_lost(n)
        return Chunk(self._samples[:n].copy(), self._times_s[:n].copy()) if n else None

    def received_s(self) -> float:
        """When the last block had been pulled."""
        return float(self._wake[WAKE_RECEIVED_S])

    def close(self) -> None:
        self._inlet.close_stream()

    def _wait_plain(self, sensing: Sensing, until_s: float) -> Wake:
        """The same for a detector in plain Python, at its own speed."""
        total = 0
        first_s = last_s = detected_s = float("nan")
        found: list[Detection] = []
        while not found and (wait_s := until_s - self._clock.now_s()) > 0.0:
            chunk = self.read(wait_s)
            if chunk is None:
                continue
            first_s = float(chunk.times_s[0]) if total == 0 else first_s
            last_s = float(chunk.times_s[-1])
            total += len(chunk)
            found = sensing.update(chunk)
            detected_s = self._clock.now_s()
        return Wake(total, first_s, last_s, self.received_s(), detected_s, found)

    def _raise_if_lost(self, n_samples: int) -> None:
        # Samples that came with the error are handed out first; it comes again.
        if self._wake[WAKE_ERROR] != 0.0 and n_samples == 0:
            raise StreamLostError(
                f"stream {self.info.name!r} ended (liblsl error {int(self._wake[WAKE_ERROR])})"
            )


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


def info_from_lsl(info: pylsl.StreamInfo) -> StreamInfo:
    """The other way round; labels and unit of a stream without them are made up and "unknown"."""
    labels = []
    units = set()
    channel = info.desc().child("channels").child("channel")
    for index in range(info.channel_count()):
        labels.append(channel.child_value("label") or f"ch{index + 1}")
        units.add(channel.child_value("unit") or "unknown")
        channel = channel.next_sibling("channel")
    return StreamInfo(
        name=info.name(),
        rate_hz=float(info.nominal_srate()),
        channels=tuple(labels),
        source_id=info.source_id(),
        manufacturer=info.desc().child("acquisition").child_value("manufacturer") or "unknown",
        kind=info.type(),
        unit=units.pop() if len(units) == 1 else "mixed",
    )


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


def confinement(scope: str, listen_address: str, known_peers: Sequence[str]) -> str:
    """liblsl configuration text that keeps discovery where the rig says.

    Handed to processes through the environment variable LSLAPICFG.
    """
    peers = ", ".join(known_peers)
    return (
        "[ports]\nIPv6 = disable\n"
        f"[multicast]\nResolveScope = {scope}\nListenAddress = {listen_address}\n"
        f"[lab]\nKnownPeers = {{{peers}}}\n"
        "[log]\nlevel = -2\n"
    )


def confine_this_process(configuration: str) -> None:
    """The same for this process; it has to come before any other use of liblsl."""
    pylsl.util.set_config_content(configuration)
