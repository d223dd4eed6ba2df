"""Any board that BrainFlow drives, by its BrainFlow name."""

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from bci_core.chunk import Chunk, StreamInfo
from bci_core.clock import Clock, LslClock
from bci_core.config.rig import Part
from bci_core.contracts import AmplifierCounters
from bci_core.errors import DeviceError, InputError
from bci_core.record.brainflow_boards import BoardLayout
from bci_core.record.recording import read_recording
from drivers.amplifiers.brainflow_session import SILENCE_S, BrainFlowSession
from drivers.amplifiers.brainflow_settings import BrainFlowSettings
from drivers.amplifiers.sample_clock import SampleClock
from drivers.amplifiers.sine import SineSettings

SEED_S = 0.5
"""Samples of this long are waited for when opening, so that times are good from the first on."""


class BrainFlowBoard:
    """Polls a board in step with its sample clock, and stamps samples on the LSL clock.

    BrainFlow can only be polled. The fit of the sample clock says when the next sample
    is due; until shortly before, this sleeps, and then it polls finely. A board's own
    stamps are wall-clock times of arrival; `SampleClock` carries them over to the LSL
    clock and makes them even. Samples that are missing by the package number are
    counted and the times skip over them; on a board that does not number each sample,
    those that stay late by whole periods tell of the loss, after a second.
    """

    Settings: ClassVar[type[BaseModel]] = BrainFlowSettings
    publishes_itself: ClassVar[bool] = False
    any_clock: ClassVar[bool] = False

    def __init__(self, settings: Any, clock: Clock) -> None:
        self._settings: BrainFlowSettings = settings
        self._clock = clock
        self._layout: BoardLayout | None = None
        self._file_rows: int | None = None
        self._streaming: _Streaming | None = None
        self.counters = AmplifierCounters()
        self.exhausted = False

    @classmethod
    def stand_in(cls, settings: BrainFlowSettings) -> Part | None:
        """What plays this board in simulated time: sines, for the synthetic board only."""
        if settings.board != "SYNTHETIC_BOARD":
            return None
        layout = settings.layout()
        return Part("sine", SineSettings(rate_hz=layout.rate_hz, channels=layout.labels))

    def describe(self) -> StreamInfo:
        settings = self._settings
        layout = self._layout = self._layout or settings.layout()
        if settings.plays_file and self._file_rows is None:
            # BrainFlow passes over lines it cannot read; this finds them, and names them.
            self._file_rows = len(read_recording(settings.file, board=layout.name))
        labels = settings.channels or layout.labels
        absent = [label for label in labels if label not in layout.labels]
        if absent:
            raise InputError(
                f"{layout.name} has no channel {', '.join(map(repr, absent))}; "
                f"it has {', '.join(layout.labels)}"
            )
        address = Path(settings.file).name if settings.plays_file else settings.address
        return StreamInfo(
            name=settings.board,
            rate_hz=settings.rate_hz or layout.rate_hz,
            channels=tuple(labels),
            source_id=":".join(filter(None, ("brainflow", settings.board, address))),
            manufacturer=f"{layout.device} (BrainFlow)",
        )

    def open(self) -> StreamInfo:
        """Start streaming; returns once the first samples have come and their times are fitted.

        These samples are not lost: the first `read` hands them out.
        """
        info = self.describe()
        assert self._layout is not None  # noqa: S101 - describe has looked it up
        if not isinstance(self._clock, LslClock):
            raise InputError(
                f"{self._settings.board} runs in real time and cannot follow another clock; "
                'to simulate, play a recording (driver = "recording")'
            )
        self.close()
        self.counters = AmplifierCounters()
        self.exhausted = False
        n_rows = None if self._settings.loops else self._file_rows
        self._streaming = _Streaming(self._settings, self._layout, info, n_rows, self._clock)
        return info

    def read(self, wait_s: float) -> Chunk | None:
        if self._streaming is None:
            raise DeviceError(f"{self._settings.board} is not open; open it first")
        if self.exhausted:
            return None
        chunk = self._streaming.read(self._clock.now_s() + wait_s)
        self._streaming.count_into(self.counters)
        self.exhausted = self._streaming.n_rows_left == 0
        return chunk

    def close(self) -> None:
        if self._streaming is not None:
            self._streaming.session.close()
            self._streaming = None


class _Streaming:
    """What exists only while a board streams."""

    def __init__(
        self,
        settings: BrainFlowSettings,
        layout: BoardLayout,
        info: StreamInfo,
        n_rows: int | None,
        clock: LslClock,
    ) -> None:
        self._clock = clock
        self._timestamp_row = layout.timestamp_row
        self._columns = [layout.exg_rows[layout.labels.index(label)] for label in info.channels]
        # A file that begins again breaks the count; its length tells what is missing.
        numbers = None if settings.loops else layout.numbers
        self._number_row = layout.timestamp_row if numbers is None else layout.package_row or 0
        self._sample_clock = SampleClock(info.rate_hz, numbers, clock)
        self.n_rows_left = n_rows
        self._samples = 0
        self.session = BrainFlowSession(settings, info.rate_hz, clock)
        try:
            self._first: Chunk | None = self._seed(info.rate_hz)
        except DeviceError:
            self.session.close()
            raise

    def read(self, until_s: float) -> Chunk | None:
        if self._first is not None:
            chunk, self._first = self._first, None
            self._samples += len(chunk)
            return chunk
        rows = self.session.wait(self._sample_clock.next_s(), until_s)
        if rows is None:
            return None
        self._count_rows(rows)
        kept, times_s = self._sample_clock.stamp(rows[self._number_row], rows[self._timestamp_row])
        if len(kept) == 0:
            return None
        # A sample that came earlier than the fit has it is held back until its time.
        self._clock.sleep_until(min(times_s[-1], self._clock.now_s() + self._sample_clock.period_s))
        self._samples += len(kept)
        return self._chunk(rows, kept, times_s)

    def count_into(self, counters: AmplifierCounters) -> None:
        counters.samples = self._samples
        counters.lost = self._sample_clock.lost
        counters.duplicates = self._sample_clock.duplicates
        counters.clock_steps = self._sample_clock.clock_steps

    def _seed(self, rate_hz: float) -> Chunk:
        wanted = max(8, round(SEED_S * rate_hz))
        if self.n_rows_left is not None:
            wanted = min(wanted, self.n_rows_left)
        tables: list[NDArray[np.float64]] = []
        while (have := sum(table.shape[1] for table in tables)) < wanted:
            due_s = self._clock.now_s() + (wanted - have) / rate_hz
            # The session itself gives up on a board that stays silent.
            rows = self.session.wait(due_s, due_s + SILENCE_S)
            if rows is not None:
                tables.append(rows)
        table = np.concatenate(tables, axis=1)
        self._count_rows(table)
        kept, times_s = self._sample_clock.seed(table[self._number_row], table[self._timestamp_row])
        return self._chunk(table, kept, times_s)

    def _count_rows(self, rows: NDArray[np.float64]) -> None:
        if self.n_rows_left is not None:
            self.n_rows_left = max(0, self.n_rows_left - rows.shape[1])

    def _chunk(
        self, rows: NDArray[np.float64], kept: NDArray[np.intp], times_s: NDArray[np.float64]
    ) -> Chunk:
        samples = np.ascontiguousarray(rows[self._columns][:, kept].T, dtype=np.float32)
        return Chunk(samples, times_s)
