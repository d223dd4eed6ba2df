"""Plays a recording as if it were being recorded now."""

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from bci_core.chunk import Chunk, StreamInfo
from bci_core.clock import Clock
from bci_core.contracts import AmplifierCounters
from bci_core.errors import DeviceError, RecordingError
from bci_core.record.recording import Recording, read_recording

MAX_CHUNK = 1024
"""Most samples of one `read`; what is due beyond that comes with the next."""


class RecordingSettings(BaseModel):
    """Section ``[amplifier]`` of a rig with ``driver = "recording"``.

    Attributes
    ----------
    file : str
        The recording; a relative path starts from the working directory.
    channels : tuple of str
        Those to play, in this order; empty plays all.
    start_s : float
        Where in the recording to begin.
    loop : bool
        Begin again from `start_s` at the end. Time goes on, the signal jumps.
    unit, uv_per_count, board, stream
        What the file does not say; see `bci_core.record.recording.read_recording`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: str = Field(min_length=1)
    channels: tuple[str, ...] = ()
    start_s: float = Field(default=0.0, ge=0.0, allow_inf_nan=False)
    loop: bool = False
    unit: str | None = None
    uv_per_count: float | None = Field(default=None, gt=0.0, allow_inf_nan=False)
    board: str | None = None
    stream: str | None = None


class RecordingPlayer:
    """Releases sample *k* at *t0* + *k* / rate, and stamps it with that time.

    The schedule is absolute, so no error adds up however long it plays and however
    late it is read. Where the recording says that samples were lost, nothing is
    released, the times skip and `counters.lost` grows.
    """

    Settings: ClassVar[type[BaseModel]] = RecordingSettings
    publishes_itself: ClassVar[bool] = False
    any_clock: ClassVar[bool] = True

    def __init__(self, settings: Any, clock: Clock) -> None:
        self._settings: RecordingSettings = settings
        self._clock = clock
        self._recording: Recording | None = None
        self._is_open = False
        self._t0_s = 0.0
        self._first_row = 0
        self._row = 0
        self._tick_of_row_0 = 0
        self._last_tick = -1
        self.counters = AmplifierCounters()
        self.exhausted = False

    def describe(self) -> StreamInfo:
        recording = self._load()
        name = recording.source.name
        return StreamInfo(
            name=recording.source.stem,
            rate_hz=recording.rate_hz,
            channels=recording.channels,
            source_id=f"recording:{name}",
            manufacturer=f"recording {name}",
        )

    def open(self) -> StreamInfo:
        info = self.describe()
        recording = self._load()
        self._row = self._first_row
        self._tick_of_row_0 = -int(recording.ticks[self._first_row])
        self._last_tick = -1
        self.exhausted = False
        self._t0_s = self._clock.now_s()
        self._is_open = True
        return info

    def read(self, wait_s: float) -> Chunk | None:
        """The samples that are due, at most `MAX_CHUNK`; the rest comes with the next call."""
        if not self._is_open:
            raise DeviceError(f"recording {self._settings.file!r} is not open; open it first")
        if self.exhausted:
            return None
        until_s = self._clock.now_s() + wait_s
        due_s = float(self._times_s(self._row, self._row + 1)[0])
        if due_s > until_s:
            self._clock.sleep_until(until_s)
            return None
        self._clock.sleep_until(due_s)
        return self._release(self._clock.now_s())

    def close(self) -> None:
        self._is_open = False

    def _release(self, now_s: float) -> Chunk:
        recording = self._load()
        times_s = self._times_s(self._row, min(self._row + MAX_CHUNK, len(recording)))
        # The first has been waited for, even where the clock rounds to just before it.
        n = max(1, int(np.searchsorted(times_s, now_s, side="right")))
        stop = self._row + n
        samples = recording.samples[self._row : stop].copy()
        last_tick = self._tick_of_row_0 + int(recording.ticks[stop - 1])
        self.counters.samples += n
        self.counters.lost += last_tick - self._last_tick - n
        self._last_tick = last_tick
        self._row = stop
        if stop == len(recording):
            self._end_of_file(recording)
        return Chunk(samples, times_s[:n])

    def _end_of_file(self, recording: Recording) -> None:
        if not self._settings.loop:
            self.exhausted = True
            return
        self._row = self._first_row
        self._tick_of_row_0 = self._last_tick + 1 - int(recording.ticks[self._first_row])

    def _times_s(self, start: int, stop: int) -> NDArray[np.float64]:
        recording = self._load()
        ticks = self._tick_of_row_0 + recording.ticks[start:stop]
        return self._t0_s + ticks / recording.rate_hz

    def _load(self) -> Recording:
        if self._recording is None:
            s = self._settings
            recording = read_recording(
                s.file,
                s.unit,
                channels=s.channels or None,
                uv_per_count=s.uv_per_count,
                board=s.board,
                stream=s.stream,
            )
            first_tick = np.ceil(s.start_s * recording.rate_hz)
            self._first_row = int(np.searchsorted(recording.ticks, first_tick))
            if self._first_row >= len(recording):
                raise RecordingError(
                    f"{s.file}: start_s = {s.start_s:g} s is not inside the recording, which is "
                    f"{recording.duration_s:g} s long"
                )
            self._recording = recording
        return self._recording
