"""Time in seconds on the LSL clock, handed to whoever needs it.

This is the only module that imports `time`. Everything else is given a
`Clock`; tests and simulations give a `VirtualClock`, which moves only when
told to.
"""

import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import psutil
import pylsl


class Clock(Protocol):
    """What a part of the system may know about time."""

    def now_s(self) -> float:
        """Seconds on the LSL clock (monotonic, arbitrary origin)."""
        ...

    def sleep_until(self, when_s: float) -> None:
        """Return at `when_s` or, if that has passed, at once."""
        ...

    def utc(self) -> datetime:
        """Wall-clock time, for people; never for arithmetic."""
        ...


class LslClock:
    """The machine's monotonic clock, as liblsl stamps samples with."""

    def now_s(self) -> float:
        return float(pylsl.local_clock())

    def sleep_until(self, when_s: float) -> None:
        wait_s = when_s - self.now_s()
        if wait_s > 0.0:
            time.sleep(wait_s)

    def utc(self) -> datetime:
        return datetime.now(UTC)

    def unix_offset_s(self, tries: int = 9) -> float:
        """LSL time minus Unix time, for devices that stamp with the wall clock.

        Parameters
        ----------
        tries : int
            Readings taken; the one with the least time between its two LSL
            readings is kept, since a reading can be split by the scheduler.

        Returns
        -------
        float
            Seconds to add to a Unix time to get LSL time.
        """
        best_width_s = float("inf")
        offset_s = 0.0
        for _ in range(tries):
            before_s = self.now_s()
            unix_s = time.time()
            after_s = self.now_s()
            if after_s - before_s < best_width_s:
                best_width_s = after_s - before_s
                offset_s = (before_s + after_s) / 2.0 - unix_s
        return offset_s


def process_age_s() -> float:
    """Seconds since this process was started, to a hundredth where the kernel tells.

    Elsewhere as psutil has it, which reckons from the wall clock.
    """
    try:
        # After the name, which may hold anything: field 22, in ticks since the machine started.
        started = Path("/proc/self/stat").read_text("ascii", "replace").rpartition(")")[2].split()
        started_s = int(started[19]) / os.sysconf("SC_CLK_TCK")
        return float(time.clock_gettime(time.CLOCK_BOOTTIME) - started_s)
    except (OSError, AttributeError, ValueError, IndexError):
        return float(time.time() - psutil.Process().create_time())


class VirtualClock:
    """A clock that stands still until it is moved.

    Parameters
    ----------
    start_s : float
        First reading.
    epoch : datetime
        Wall-clock time at `start_s`, so that simulated records are reproducible.
    """

    def __init__(
        self, start_s: float = 0.0, epoch: datetime = datetime(2000, 1, 1, tzinfo=UTC)
    ) -> None:
        self._now_s = start_s
        self._unix_at_zero_s = epoch.timestamp() - start_s

    def now_s(self) -> float:
        return self._now_s

    def sleep_until(self, when_s: float) -> None:
        self._now_s = max(self._now_s, when_s)

    def utc(self) -> datetime:
        return datetime.fromtimestamp(self._unix_at_zero_s + self._now_s, UTC)
