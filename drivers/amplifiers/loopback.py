"""A simulated amplifier with a mark on one channel and a cable from the stimulator on another.

It stands for the bench of a lab: a function generator on one input, whose step the loop is to
answer, and the stimulator's output, attenuated, on another. So the whole path from a marked
sample to the pulse that answers it can be read off one recording, on one clock.
"""

from collections.abc import Sequence
from math import ceil
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from bci_core.chunk import Chunk, StreamInfo
from bci_core.clock import Clock
from bci_core.contracts import AmplifierCounters
from bci_core.errors import DeviceError
from bci_core.events import Emission
from drivers.amplifiers.schedule import wait_for_due

MARK, RETURN = "mark", "return"
SCATTER = 0.2
"""Share of `every_s` by which intervals between marks are shorter or longer."""

ROUNDING = 1e-6
"""Samples: an onset this close after a sample belongs to it."""


class LoopbackSettings(BaseModel):
    """Section ``[amplifier]`` of a rig with ``driver = "loopback"``.

    Attributes
    ----------
    rate_hz : float
    mark_uv, mark_s, every_s : float
        Height and length of the marks, and their mean distance; it scatters by a fifth, so
        that nothing can run in step with them.
    noise_uv : float
        Standard deviation of the noise on both channels.
    uv_per_ua : float
        What a microampere of the stimulator is on the return channel.
    transport_s : float
        How long a sample takes from being taken to being handed out, as in any amplifier. It
        must outlast the way of the current's report, or a pulse comes too late for its sample.
    seed : int
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    rate_hz: float = Field(default=2000.0, gt=0.0, le=30_000.0)
    mark_uv: float = Field(default=500.0, gt=0.0, le=1e6)
    mark_s: float = Field(default=0.002, gt=0.0, le=1.0)
    every_s: float = Field(default=0.06, gt=0.0, le=3600.0)
    noise_uv: float = Field(default=2.0, ge=0.0, le=1e6)
    uv_per_ua: float = Field(default=100.0, gt=0.0, le=1e6)
    transport_s: float = Field(default=0.005, ge=0.0, le=1.0)
    seed: int = Field(default=0, ge=0)


class Loopback:
    """Channels `MARK` and `RETURN`. Sample *k* is of *t0* + *k* / rate, and is handed out later.

    A phase of current is on the first sample at or after its onset, and on those it lasts for.
    """

    Settings: ClassVar[type[BaseModel]] = LoopbackSettings
    publishes_itself: ClassVar[bool] = False
    any_clock: ClassVar[bool] = True

    def __init__(self, settings: Any, clock: Clock) -> None:
        self._settings: LoopbackSettings = settings
        self._clock = clock
        self._t0_s: float | None = None
        self.counters = AmplifierCounters()
        self.exhausted = False

    def describe(self) -> StreamInfo:
        return StreamInfo(
            name="loopback",
            rate_hz=self._settings.rate_hz,
            channels=(MARK, RETURN),
            source_id=f"loopback-{self._settings.seed}",
            manufacturer="simulated",
        )

    def open(self) -> StreamInfo:
        self._noise, self._scatter = (
            np.random.default_rng((self._settings.seed, each)) for each in range(2)
        )
        self._mark = self._next_mark(0)
        self._felt: dict[int, float] = {}
        self.counters = AmplifierCounters()
        self._t0_s = self._clock.now_s()
        return self.describe()

    def read(self, wait_s: float) -> Chunk | None:
        t0_s, s, given = self._opened_s(), self._settings, self.counters.samples
        n = wait_for_due(self._clock, t0_s + s.transport_s, s.rate_hz, given, wait_s)
        if not n:
            return None
        self.counters.samples += n
        return Chunk(self._samples(given, n), t0_s + (given + np.arange(n)) / s.rate_hz)

    def feel(self, emissions: Sequence[Emission]) -> None:
        """Take what has left the stimulator. What comes too late is on the next sample.

        Raises
        ------
        DeviceError
            It is not open.
        """
        t0_s, rate_hz = self._opened_s(), self._settings.rate_hz
        for emission in emissions:
            first = ceil((emission.onset_s - t0_s) * rate_hz - ROUNDING)
            last = ceil((emission.offset_s - t0_s) * rate_hz - ROUNDING)
            uv = self._settings.uv_per_ua * emission.amplitude
            given = self.counters.samples
            for index in range(max(first, given), max(last, first, given) + 1):
                # Of the phases within one sample the larger, and of equals the first.
                if abs(uv) > abs(self._felt.get(index, 0.0)):
                    self._felt[index] = uv

    def close(self) -> None:
        self._t0_s = None

    def _samples(self, given: int, n: int) -> NDArray[np.float32]:
        s = self._settings
        uv = s.noise_uv * self._noise.standard_normal((n, 2))
        length = max(1, round(s.mark_s * s.rate_hz))
        while self._mark < given + n:
            uv[max(0, self._mark - given) : self._mark + length - given, 0] += s.mark_uv
            if self._mark + length > given + n:
                break
            self._mark = self._next_mark(self._mark)
        for index in [index for index in self._felt if index < given + n]:
            uv[index - given, 1] += self._felt.pop(index)
        return np.ascontiguousarray(uv, dtype=np.float32)

    def _next_mark(self, last: int) -> int:
        s = self._settings
        apart_s = s.every_s * (1.0 + self._scatter.uniform(-SCATTER, SCATTER))
        length = max(1, round(s.mark_s * s.rate_hz))
        return last + max(length + 1, round(apart_s * s.rate_hz))

    def _opened_s(self) -> float:
        if self._t0_s is None:
            raise DeviceError("the loopback amplifier is not open; open it first")
        return self._t0_s
