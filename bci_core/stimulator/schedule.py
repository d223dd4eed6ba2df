"""The programs a device has accepted: which may still be added, and what they leave behind."""

from bisect import bisect_right, insort
from collections.abc import Collection
from dataclasses import replace
from math import isfinite
from typing import Generic, Protocol, TypeVar

from bci_core.events import Refusal, Trigger
from bci_core.stimulator.settings import StimulatorSettings
from bci_core.stimulator.ticks import Ticks

MAX_SCHEDULED = 16
"""Programs accepted and not ended, at most."""

_RATE_WINDOW_S = 60.0


class Scheduled(Protocol):
    """A program that takes its time from one tick to another."""

    @property
    def onset(self) -> int: ...

    @property
    def end(self) -> int: ...


S = TypeVar("S", bound=Scheduled)


class Schedule(Generic[S]):
    """Accepted programs, in the order of their onsets.

    Parameters
    ----------
    ticks : Ticks
    limits : StimulatorSettings
    before : int
        A tick before any program.

    Attributes
    ----------
    running : list
        The first may be under way, the others wait.
    """

    def __init__(self, ticks: Ticks, limits: StimulatorSettings, before: int) -> None:
        self.running: list[S] = []
        self._ticks = ticks
        self._limits = limits
        self._lockout = ticks.after(limits.min_lockout_s)
        self._window = ticks.after(_RATE_WINDOW_S)
        self._onsets: list[int] = []  # of the last minute and of what is scheduled, sorted
        self._free_from = before
        self._last_seq = 0

    def restart(self) -> None:
        """Count triggers anew."""
        self._last_seq = 0

    def trigger_refusal(
        self, trigger: Trigger, slots: Collection[int], against: Refusal | None, now_s: float
    ) -> Refusal | None:
        """What a trigger itself has against it, sham or not; its number is used up.

        Parameters
        ----------
        trigger : Trigger
        slots : collection of int
            Those that hold a program.
        against : Refusal or None
            Why nothing may be triggered.
        now_s : float
        """
        where = f"trigger {trigger.seq}"
        if trigger.seq <= self._last_seq:
            return Refusal("sequence", trigger.seq, self._last_seq + 1, "seq", where)
        self._last_seq = trigger.seq
        if against is not None:
            return replace(against, where=f"{where}: {against.where}" if against.where else where)
        if trigger.program_id not in slots:
            where = f"{where}: empty slot"
            return Refusal("program", trigger.program_id, max(slots), "slot", where)
        if not (isfinite(trigger.at_s) and isfinite(trigger.deadline_s)):
            return Refusal("not_finite", trigger.at_s, trigger.deadline_s, "s", where)
        ahead_s = trigger.at_s - now_s
        if ahead_s > self._limits.max_ahead_s:
            return Refusal("ahead", ahead_s, self._limits.max_ahead_s, "s", where)
        return None

    def refusal(self, new: S, now: int, where: str) -> Refusal | None:
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
        most = self._limits.max_trains_per_min
        if within >= most:
            return Refusal("train_rate", within + 1, most, "trains/min", where)
        return None

    def add(self, new: S) -> None:
        """Take a program that `refusal` had nothing against."""
        insort(self.running, new, key=lambda running: running.onset)
        insort(self._onsets, new.onset)

    def finish(self) -> S:
        """The first has come to its end."""
        done = self.running.pop(0)
        self._free_from = done.end
        return done

    def stop(self, at: int) -> list[S]:
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
        least_s = self._limits.min_lockout_s
        return Refusal("lockout", self._ticks.seconds(gap), least_s, "s", where)


def late(start_s: float, trigger: Trigger, where: str) -> Refusal | None:
    """Whether a start comes after the trigger's deadline."""
    late_s = start_s - trigger.deadline_s
    return Refusal("deadline", late_s, 0.0, "s late", where) if late_s > 0.0 else None
