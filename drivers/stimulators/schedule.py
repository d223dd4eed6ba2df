"""The programs a device has accepted: which may still be added, and what they leave behind."""

from bisect import bisect_right, insort

from bci_core.events import Refusal
from drivers.stimulators.running import Running
from drivers.stimulators.ticks import Ticks

MAX_SCHEDULED = 16
"""Programs accepted and not ended, at most."""

_RATE_WINDOW_S = 60.0


class Schedule:
    """Accepted programs, in the order of their onsets.

    Parameters
    ----------
    ticks : Ticks
    lockout_s : float
        Least pause between two programs.
    most_a_minute : int
        Programs that may start within any 60 s.
    before : int
        A tick before any program.

    Attributes
    ----------
    running : list of Running
        The first may be under way, the others wait.
    """

    def __init__(self, ticks: Ticks, lockout_s: float, most_a_minute: int, before: int) -> None:
        self.running: list[Running] = []
        self._ticks = ticks
        self._lockout_s = lockout_s
        self._lockout = ticks.after(lockout_s)
        self._most = most_a_minute
        self._window = ticks.after(_RATE_WINDOW_S)
        self._onsets: list[int] = []  # of the last minute and of what is scheduled, sorted
        self._free_from = before

    def refusal(self, new: Running, now: int, where: str) -> Refusal | None:
        """What the programs before and after it say to a new one."""
        if len(self.running) >= MAX_SCHEDULED:
            return Refusal("scheduled", len(self.running) + 1, MAX_SCHEDULED, "trains", where)
        for other in self.running:
            gap = max(new.onset - other.end, other.onset - new.end)
            if gap < 0:
                return Refusal("overlap", self._ticks.seconds(-gap), 0.0, "s", where)
            if gap < self._lockout:
                return self._locked_out(gap, where)
        if new.onset - self._free_from < self._lockout:
            return self._locked_out(new.onset - self._free_from, where)
        del self._onsets[: bisect_right(self._onsets, now - self._window)]
        # Trains scheduled later than this one count too, so no window around it overflows.
        within = len(self._onsets) - bisect_right(self._onsets, new.onset - self._window)
        if within >= self._most:
            return Refusal("train_rate", within + 1, self._most, "trains/min", where)
        return None

    def add(self, new: Running) -> None:
        """Take a program that `refusal` had nothing against."""
        insort(self.running, new, key=lambda running: running.onset)
        insort(self._onsets, new.onset)

    def finish(self) -> Running:
        """The first has come to its end."""
        done = self.running.pop(0)
        self._free_from = done.end
        return done

    def stop(self, at: int) -> list[Running]:
        """Drop all of them at a tick. What had not begun by then leaves nothing behind."""
        stopped, self.running = self.running, []
        if stopped and stopped[0].onset < at:
            self._free_from = at
        del self._onsets[bisect_right(self._onsets, at) :]
        return stopped

    def under_way(self, now: int) -> bool:
        """Whether a program has begun and not ended."""
        return bool(self.running) and self.running[0].onset <= now

    def recovering(self, now: int) -> bool:
        """Whether the lockout after the last program lasts."""
        return now - self._free_from < self._lockout

    def _locked_out(self, gap: int, where: str) -> Refusal:
        return Refusal("lockout", self._ticks.seconds(gap), self._lockout_s, "s", where)
