"""What was stimulated within the last hour, or day: sums that slide.

An entry counts in full until its end has left the window, so no window, wherever it
begins, holds more than was counted.
"""

from collections import deque
from collections.abc import Sequence
from math import ceil

AT_ONCE = 64
"""Entries that one call of `Window.forget` lets go of at most."""


class Window:
    """Sums of several amounts over the entries that ended within a span.

    Parameters
    ----------
    span_s : float
    n_amounts : int
        How many amounts an entry has.
    grain_s : float
        Entries whose ends fall into the same grain are kept as one, that ends with the grain:
        what is kept stays small, and counts a little longer.
    """

    def __init__(self, span_s: float, n_amounts: int, grain_s: float = 0.0) -> None:
        self.sums = [0.0] * n_amounts
        self._span_s = span_s
        self._grain_s = grain_s
        self._entries: deque[tuple[float, list[float]]] = deque()

    def gone(self, at_s: float) -> list[float] | None:
        """Sums of what will have left the window by a time; None when nothing has.

        Changes nothing: the time may be ahead, and what happens then is not settled.
        """
        entries = self._entries
        before_s = at_s - self._span_s
        if not entries or entries[0][0] > before_s:
            return None
        gone = [0.0] * len(self.sums)
        for end_s, amounts in entries:
            if end_s > before_s:
                break
            for i, amount in enumerate(amounts):
                gone[i] += amount
        return gone

    def add(self, start_s: float, end_s: float, amounts: Sequence[float]) -> None:
        """Take in an entry that starts at a time, and let go of what has left by then.

        Entries come in the order of their ends.
        """
        entries = self._entries
        before_s = start_s - self._span_s
        while entries and entries[0][0] <= before_s:
            self._subtract(entries.popleft()[1])
        end_s = self._grained(end_s)
        if not entries:
            self.sums = [0.0] * len(self.sums)  # and with it what rounding has left
        if self._grain_s and entries and entries[-1][0] >= end_s:
            self._into(entries[-1][1], amounts)
            return
        entries.append((end_s, [0.0] * len(self.sums)))
        self._into(entries[-1][1], amounts)

    def lasted(self, end_s: float, until_s: float) -> None:
        """The entry that was to end at a time ended later, and counts for longer."""
        end_s, until_s = self._grained(end_s), self._grained(until_s)
        entries = self._entries
        for i in range(len(entries) - 1, -1, -1):
            ends_s, amounts = entries[i]
            if ends_s == end_s:
                entries[i] = (max(ends_s, until_s), amounts)
            if ends_s <= end_s:
                return

    def _grained(self, end_s: float) -> float:
        return ceil(end_s / self._grain_s) * self._grain_s if self._grain_s else end_s

    def forget(self, now_s: float) -> None:
        """Let go of some of what has left by now, so that little is left to do at a trigger."""
        entries = self._entries
        before_s = now_s - self._span_s
        for _ in range(min(len(entries), AT_ONCE)):
            if entries[0][0] > before_s:
                break
            self._subtract(entries.popleft()[1])

    def add_to_last(self, amounts: Sequence[float]) -> None:
        """More of the entry that came last: it turned out to be larger than was counted."""
        if self._entries:
            self._into(self._entries[-1][1], amounts)

    def _subtract(self, gone: Sequence[float]) -> None:
        for i, amount in enumerate(gone):
            self.sums[i] -= amount

    def _into(self, entry: list[float], amounts: Sequence[float]) -> None:
        for i, amount in enumerate(amounts):
            entry[i] += amount
            self.sums[i] += amount
