"""Lab Streaming Layer: where the loop receives its samples."""

import socket
from dataclasses import dataclass, field, replace

import numpy as np
import pylsl

from bci_core.chunk import Chunk, StreamInfo
from bci_core.clock import Clock
from bci_core.detection.compiled import MAX_ROWS
from bci_core.detection.monitor import monitor_kernel
from bci_core.detection.sensing import Sensing
from bci_core.errors import StreamLostError
from bci_core.events import Detection
from streams.lsl_hot import (
    WAKE_ERROR,
    WAKE_RECEIVED_S,
    WAKE_SLOTS,
    pull_block,
    wait_and_detect,
)
from streams.lsl_outlets import MAX_BUFFERED_S

SAME_CLOCK_S = 0.05
"""A stream of this machine whose clock seems to be off by less is on its clock."""


@dataclass(frozen=True, slots=True)
class Wake:
    """What one wait brought.

    Attributes
    ----------
    n_samples : int
    first_sample_s, last_sample_s : float
        Times of the oldest and the newest sample; NaN when there was none.
    received_s, detected_s : float
        When the block with the detections had been pulled, and gone through; NaN when
        there was none.
    detections : list of Detection
    alarms : list of Detection
        Of the guard.
    """

    n_samples: int
    first_sample_s: float
    last_sample_s: float
    received_s: float
    detected_s: float
    detections: list[Detection] = field(default_factory=list)
    alarms: list[Detection] = field(default_factory=list)


class LslInlet:
    """Receives one stream of samples on this machine's clock.

    Parameters
    ----------
    source_id : str
        Of the stream to open.
    clock : Clock
    timeout_s : float
        How long to look for it.
    channels : tuple of str
        Labels to use instead of the stream's own.

    Raises
    ------
    StreamLostError
        It does not appear in time, or has another number of channels.
    """

    def __init__(
        self,
        source_id: str,
        clock: Clock,
        timeout_s: float = 10.0,
        channels: tuple[str, ...] = (),
    ) -> None:
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
        if channels:
            if len(channels) != len(self.info.channels):
                raise StreamLostError(
                    f"LSL stream {source_id!r} has {len(self.info.channels)} channels, and had "
                    f"{len(channels)} when it was described; is it another stream by now?"
                )
            self.info = replace(self.info, channels=channels)
        self._hostname = found[0].hostname()
        self._handle = self._inlet.obj.value
        self._samples = np.zeros((MAX_ROWS, len(self.info.channels)), dtype=np.float32)
        self._times_s = np.zeros(MAX_ROWS)
        self._wake = np.zeros(WAKE_SLOTS)

    def clock_offset_s(self, timeout_s: float = 5.0) -> float:
        """Seconds to add to the stream's times to get this machine's LSL time.

        Exactly zero when the stream is from this machine, whose programs share a clock: a
        measurement would only add its error, milliseconds when the machine is busy.
        """
        try:
            measured_s = float(self._inlet.time_correction(timeout_s))
        except (pylsl.util.TimeoutError, pylsl.util.LostError) as error:
            raise StreamLostError(f"the stream's clock does not answer: {error}") from error
        # Machines of one name would differ by far more: each counts from when it was started.
        here = self._hostname == socket.gethostname() and abs(measured_s) < SAME_CLOCK_S
        return 0.0 if here else measured_s

    def wait(self, sensing: Sensing, until_s: float) -> Wake:
        """Return on a detection, at the latest at `until_s`.

        Raises
        ------
        StreamLostError
            The stream ended.
        """
        detector, guard = sensing.compiled, sensing.compiled_guard
        if detector is None or guard is None:
            return self._wait_plain(sensing, until_s)
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
            guard.kernel,
            guard.settings,
            guard.state,
            guard.out,
            until_s,
            wake,
        )
        # All slots at once: numpy hands them out one by one far more slowly.
        n_found, n_alarms, n_rows, n_before, _, first_s, last_s, received_s, detected_s = (
            wake.tolist()
        )
        block_s = self._times_s[: int(n_rows)]
        found = sensing.collect(int(n_before), int(n_found), int(n_alarms), block_s)
        n_samples = int(n_before + n_rows)
        self._raise_if_lost(n_samples)
        return Wake(n_samples, first_s, last_s, received_s, detected_s, found, sensing.alarms)

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
        """The same for a detector or guard in plain Python, at its own speed."""
        total = 0
        first_s = last_s = detected_s = float("nan")
        found: list[Detection] = []
        alarms: list[Detection] = []
        while not (found or alarms) and (wait_s := until_s - self._clock.now_s()) > 0.0:
            chunk = self.read(wait_s)
            if chunk is None:
                continue
            first_s = float(chunk.times_s[0]) if total == 0 else first_s
            last_s = float(chunk.times_s[-1])
            total += len(chunk)
            found = sensing.update(chunk)
            alarms = sensing.alarms
            detected_s = self._clock.now_s()
        return Wake(total, first_s, last_s, self.received_s(), detected_s, found, alarms)

    def _raise_if_lost(self, n_samples: int) -> None:
        # Samples that came with the error are handed out first; it comes again.
        if n_samples == 0 and self._wake[WAKE_ERROR] != 0.0:
            raise StreamLostError(
                f"stream {self.info.name!r} ended (liblsl error {int(self._wake[WAKE_ERROR])})"
            )


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
