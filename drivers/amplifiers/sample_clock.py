"""Tells which sample this is, and when it was taken."""

import numpy as np
from numpy.typing import NDArray

from bci_core.record.brainflow_boards import PackageNumbers
from drivers.amplifiers.dejitter import Dejitter
from drivers.amplifiers.device_time import UnixAnchoredClock, UnixToLsl

_SCATTER_S = 0.1
"""Arrivals scatter by this much; a loss that package numbers claim has to fit within."""

_OUT_OF_ORDER = 8
"""A number that is this little behind is one seen before, not a board that started anew."""


class SampleClock:
    """Counts a board's samples and stamps them on the LSL clock.

    Parameters
    ----------
    rate_hz : float
        Nominal.
    numbers : PackageNumbers or None
        How the board numbers its samples; None when it does not.
    clock : UnixAnchoredClock

    Attributes
    ----------
    lost, duplicates : int
        Samples that never came, and samples that came again (and are left out).
    """

    def __init__(
        self, rate_hz: float, numbers: PackageNumbers | None, clock: UnixAnchoredClock
    ) -> None:
        self._numbers = numbers
        self._wall = UnixToLsl(clock)
        self._dejitter = Dejitter(rate_hz, find_losses=numbers is None)
        self._index = -1
        self._number = 0
        self.lost = 0
        self.duplicates = 0

    @property
    def clock_steps(self) -> int:
        """Steps of the wall clock that were taken out, and of the arrivals that were followed."""
        return self._wall.steps + self._dejitter.steps

    @property
    def period_s(self) -> float:
        """As found so far."""
        return self._dejitter.period_s

    def next_s(self) -> float:
        """When the next sample is due."""
        return self._dejitter.predict(self._index + 1)

    def seed(
        self, numbers: NDArray[np.float64], unix_s: NDArray[np.float64]
    ) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """Begin with the samples of the first moments; like `stamp`, in hindsight."""
        arrival_s = unix_s + self._wall.offset_s
        kept: list[int] = []
        index: list[int] = []
        for row, (number, when_s) in enumerate(zip(numbers.tolist(), arrival_s, strict=True)):
            expected_s = arrival_s[0] + (self._index + 1) * self.period_s
            if self._take(round(number), when_s - expected_s):
                kept.append(row)
                index.append(self._index)
        rows = np.array(kept, dtype=np.intp)
        return rows, self._dejitter.seed(np.array(index, dtype=np.int64), arrival_s[rows])

    def stamp(
        self, numbers: NDArray[np.float64], unix_s: NDArray[np.float64]
    ) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """Times of the samples of one read.

        Parameters
        ----------
        numbers, unix_s : ndarray, (n_samples,)
            Package number and wall-clock time of arrival, as the board has them.

        Returns
        -------
        rows : ndarray of int
            Samples that are new; duplicates are left out.
        times_s : ndarray
            Of these, on the LSL clock.
        """
        self._wall.follow()
        arrival_s = self._wall.to_lsl(unix_s, self.next_s())
        kept: list[int] = []
        times_s: list[float] = []
        for row, (number, when_s) in enumerate(
            zip(numbers.tolist(), arrival_s.tolist(), strict=True)
        ):
            if not self._take(round(number), when_s - self.next_s()):
                continue
            time_s, missing = self._dejitter.update(self._index, when_s)
            self._index += missing
            self.lost += missing
            kept.append(row)
            times_s.append(time_s)
        return np.array(kept, dtype=np.intp), np.array(times_s)

    def _take(self, number: int, late_s: float) -> bool:
        """Count one sample that came `late_s` after the next was due; False to leave it out."""
        advance = 1
        if self._numbers is not None and self._index >= 0:
            advance = self._advance(self._numbers, number, late_s)
        if advance == 0:
            self.duplicates += 1
            return False
        self._number = number
        self._index += advance
        self.lost += advance - 1
        return True

    def _advance(self, numbers: PackageNumbers, number: int, late_s: float) -> int:
        """Samples since the last one, by the numbers, as far as time can bear them out."""
        advance = (number - self._number) // numbers.step % numbers.count
        by_time = 1 + max(0, round(late_s / self.period_s))
        # Numbers repeat, so a long loss is known only up to whole turns.
        turns = round((by_time - advance) / numbers.count)
        if turns > 0:
            return advance + turns * numbers.count
        if (advance - by_time) * self.period_s <= _SCATTER_S:
            return advance
        # On time, and yet far ahead: one from before, or the board began to count anew.
        return 0 if numbers.count - advance <= _OUT_OF_ORDER else by_time
