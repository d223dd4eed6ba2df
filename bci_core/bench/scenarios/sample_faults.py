"""The loop's end of a sample stream that the bench can break."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from math import floor, nan
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bci_core.bench.scenarios.plan import FaultPlan, Truth
from bci_core.bench.scenarios.scenario import FaultKind
from bci_core.chunk import Chunk
from bci_core.clock import Clock
from bci_core.contracts import Amplifier
from bci_core.events import Detection

RAILED_UV = 200_000.0
TONE_NA = 6.0
"""Peak current of the simulated lead-off tone, the least of an ADS1299."""

Record = Callable[[NDArray[np.float64], NDArray[np.float32]], None]


@dataclass(frozen=True, slots=True)
class Wake:
    """What one wait has brought, as an inlet tells its loop."""

    n_samples: int = 0
    first_sample_s: float = nan
    last_sample_s: float = nan
    received_s: float = nan
    detected_s: float = nan
    detections: list[Detection] = field(default_factory=list)
    alarms: list[Detection] = field(default_factory=list)


class FaultyInlet:
    """An amplifier on a virtual clock, as the loop's inlet, with faults on its samples.

    Parameters
    ----------
    amplifier : Amplifier
    clock : Clock
    plan : FaultPlan
    truth : Truth
    record : callable (times_s, samples)
        Takes what arrives, as a recorder beside the loop would.
    tone_hz : float
        Of the lead-off tone; 0 where the rig watches for none.
    """

    def __init__(
        self,
        amplifier: Amplifier,
        clock: Clock,
        plan: FaultPlan,
        truth: Truth,
        record: Record,
        tone_hz: float = 0.0,
    ) -> None:
        self.info = amplifier.open()
        self._amplifier = amplifier
        self._clock = clock
        self._plan = plan
        self._truth = truth
        self._record = record
        self._tone_hz = tone_hz
        self._seen = 0
        self._held: NDArray[np.float32] | None = None
        self._queue: deque[tuple[float, NDArray[np.float64], Chunk]] = deque()

    def clock_offset_s(self) -> float:
        return 0.0

    def received_s(self) -> float:
        return self._clock.now_s()

    def begin(self) -> None:
        """What came while connecting is not the loop's."""

    def read(self, wait_s: float) -> Chunk | None:
        """What arrives within `wait_s`, all of which passes."""
        self._clock.sleep_until(self._clock.now_s() + wait_s)
        return self._take()

    def wait(self, sensing: Any, until_s: float) -> Wake:
        """Sleep to the end of the slice, and detect on what has come."""
        self._clock.sleep_until(until_s)
        chunk = self._take()
        received_s = self._clock.now_s()
        if chunk is None:
            return Wake()
        self._truth.counts["handed"] += len(chunk)
        found = sensing.update(chunk)
        slow = self._plan.active(FaultKind.SLOW, received_s)
        if slow is not None and slow.delay_s is not None:
            self._clock.sleep_until(received_s + slow.delay_s)
        return Wake(
            len(chunk),
            float(chunk.times_s[0]),
            float(chunk.times_s[-1]),
            received_s,
            self._clock.now_s(),
            found,
            list(sensing.alarms),
        )

    def close(self) -> None:
        self._amplifier.close()

    def acquire(self) -> None:
        """Take over what the amplifier has by now; also while nobody reads."""
        while (chunk := self._amplifier.read(0.0)) is not None:
            self._acquire(chunk)

    def _take(self) -> Chunk | None:
        self.acquire()
        now_s = self._clock.now_s()
        taken = []
        while self._queue and self._queue[0][0] <= now_s:
            _, true_s, chunk = self._queue.popleft()
            taken.append(chunk)
            self._truth.arrivals.append((now_s, float(true_s.max())))
            self._truth.true_s += true_s.tolist()
        if not taken:
            return None
        samples = np.concatenate([chunk.samples for chunk in taken])
        times_s = np.concatenate([chunk.times_s for chunk in taken])
        self._record(times_s, samples)
        return Chunk(samples, times_s)

    def _acquire(self, chunk: Chunk) -> None:
        now_s = self._clock.now_s()
        index = self._seen + np.arange(len(chunk))
        self._seen += len(chunk)
        samples = self._spoilt(chunk, now_s)
        times_s = self._stamped(chunk.times_s, now_s)
        order = self._order(index, now_s)
        if not len(order):
            return
        arrival_s = self._arrival_s(now_s)
        if self._queue:  # a stream keeps its order
            arrival_s = max(arrival_s, self._queue[-1][0])
        true_s = chunk.times_s[order]
        self._queue.append((arrival_s, true_s, Chunk(samples[order], times_s[order])))

    def _spoilt(self, chunk: Chunk, now_s: float) -> NDArray[np.float32]:
        active = self._plan.active
        samples = np.array(chunk.samples, dtype=np.float32)
        tone = active(FaultKind.LEAD_OFF, now_s)
        if tone is not None and tone.impedance_kohm is not None:
            peak_uv = tone.impedance_kohm * TONE_NA
            wave = np.sin(2.0 * np.pi * self._tone_hz * chunk.times_s)
            samples += (peak_uv * wave[:, np.newaxis]).astype(np.float32)
        if active(FaultKind.NOT_FINITE, now_s):
            samples[:] = np.nan
        if active(FaultKind.RAILED, now_s):
            samples[:] = RAILED_UV
        if active(FaultKind.FLAT, now_s):
            if self._held is None:
                self._held = samples[0].copy()
            samples[:] = self._held
        else:
            self._held = None
        return samples

    def _stamped(self, times_s: NDArray[np.float64], now_s: float) -> NDArray[np.float64]:
        stamped = times_s.copy()
        step = self._plan.active(FaultKind.CLOCK_STEP, now_s)
        if step is not None and step.step_s is not None:
            stamped += step.step_s
        drift = self._plan.active(FaultKind.CLOCK_DRIFT, now_s)
        if drift is not None and drift.drift is not None:
            stamped += drift.drift * np.maximum(times_s - self._plan.begin_s(drift), 0.0)
        return stamped

    def _order(self, index: NDArray[np.int64], now_s: float) -> NDArray[np.int64]:
        """Which samples come, in which order."""
        active = self._plan.active
        order = np.arange(len(index))
        if active(FaultKind.GONE, now_s):
            self._truth.counts["lost"] += len(index)
            return order[:0]
        swapped = active(FaultKind.REORDERED, now_s)
        if swapped is not None and swapped.every_n is not None:
            at = np.flatnonzero(index[:-1] % swapped.every_n == 0)
            order[at], order[at + 1] = order[at + 1], order[at].copy()
        twice = active(FaultKind.DUPLICATED, now_s)
        if twice is not None and twice.every_n is not None:
            order = np.repeat(order, 1 + (index % twice.every_n == 0))
        dropped = active(FaultKind.DROPPED, now_s)
        if dropped is not None and dropped.every_n is not None:
            kept = index[order] % dropped.every_n != 0
            self._truth.counts["lost"] += int(np.sum(~kept))
            order = order[kept]
        return order

    def _arrival_s(self, now_s: float) -> float:
        late = self._plan.active(FaultKind.LATE, now_s)
        if late is not None and late.delay_s is not None:
            return now_s + late.delay_s
        bursty = self._plan.active(FaultKind.BURSTY, now_s)
        if bursty is not None and bursty.delay_s is not None:
            begin_s = self._plan.begin_s(bursty)
            n = floor((now_s - begin_s) / bursty.delay_s) + 1
            return begin_s + n * bursty.delay_s
        return now_s
