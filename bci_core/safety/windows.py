"""What was stimulated within the last hour, or day: sums that slide.

An entry counts in full until its end has left the window, so no window, wherever it
begins, holds more than was counted. Room is made once: nothing grows while stimulating.
"""

from array import array
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
    room : int
        Entries there is room for. One more becomes part of the last, which then ends with it.
    grain_s : float
        Entries whose ends fall into the same grain are kept as one, that ends with the grain:
        what is kept stays small, and counts a little longer.
    """

    def __init__(self, span_s: float, n_amounts: int, room: int, grain_s: float = 0.0) -> None:
        self.sums = [0.0] * n_amounts
        self._span_s = span_s
        self._grain_s = grain_s
        self._n = n_amounts
        self._room = room
        self._ends_s = array("d", bytes(8 * room))
        self._amounts = array("d", bytes(8 * room * n_amounts))
        self._first = 0
        self._count = 0

    def gone(self, at_s: float) -> list[float] | None:
        """Sums of what will have left the window by a time; None when nothing has.

        Changes nothing: the time may be ahead, and what happens then is not settled.
        """
        before_s = at_s - self._span_s
        if not self._has_left(before_s):
            return None
        gone = [0.0] * self._n
        for entry in range(self._count):
            slot = (self._first + entry) % self._room
            if self._ends_s[slot] > before_s:
                break
            for i in range(self._n):
                gone[i] += self._amounts[slot * self._n + i]
        return gone

    def add(self, start_s: float, end_s: float, amounts: "array[float]") -> None:
        """Take in an entry that starts at a time, and let go of what has left by then.

        Entries come in the order of their ends.
        """
        before_s = start_s - self._span_s
        while self._has_left(before_s):
            self._let_go()
        if not self._count:
            self.sums = [0.0] * self._n  # and with it what rounding has left
        if self._grain_s:
            end_s = self._grained(end_s)
        last = self._last()
        if self._count and self._grain_s and self._ends_s[last] >= end_s:
            self.add_to_last(amounts)
        elif self._count == self._room:
            self._ends_s[last] = max(self._ends_s[last], end_s)
            self.add_to_last(amounts)
        else:
            self._count += 1
            last = self._last()
            self._ends_s[last] = end_s
            self._amounts[last * self._n : (last + 1) * self._n] = amounts
            self.sums = [total + amount for total, amount in zip(self.sums, amounts, strict=True)]

    def lasted(self, end_s: float, until_s: float) -> None:
        """The entry that was to end at a time ended later, and counts for longer."""
        end_s, until_s = self._grained(end_s), self._grained(until_s)
        for entry in range(self._count - 1, -1, -1):
            slot = (self._first + entry) % self._room
            ends_s = self._ends_s[slot]
            if ends_s == end_s:
                self._ends_s[slot] = max(ends_s, until_s)
            if ends_s <= end_s:
                return

    def forget(self, now_s: float) -> None:
        """Let go of some of what has left by now, so that little is left to do at a trigger."""
        before_s = now_s - self._span_s
        for _ in range(AT_ONCE):
            if not self._has_left(before_s):
                break
            self._let_go()

    def add_to_last(self, amounts: Sequence[float]) -> None:
        """More of the entry that came last: it turned out to be larger than was counted."""
        if not self._count:
            return
        at = self._last() * self._n
        for i, amount in enumerate(amounts):
            if amount:
                self._amounts[at + i] += amount
                self.sums[i] += amount

    def _has_left(self, before_s: float) -> bool:
        return self._count > 0 and self._ends_s[self._first] <= before_s

    def _last(self) -> int:
        return (self._first + self._count - 1) % self._room

    def _let_go(self) -> None:
        """Of the oldest entry."""
        for i in range(self._n):
            self.sums[i] -= self._amounts[self._first * self._n + i]
        self._first = (self._first + 1) % self._room
        self._count -= 1

    def _grained(self, end_s: float) -> float:
        return ceil(end_s / self._grain_s) * self._grain_s if self._grain_s else end_s
