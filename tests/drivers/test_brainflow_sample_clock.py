"""Package numbers, and a wall clock that somebody sets."""

import numpy as np
import pytest
from numpy.typing import NDArray

from bci_core.record.brainflow_boards import PackageNumbers
from drivers.amplifiers.device_time import UnixToLsl
from drivers.amplifiers.sample_clock import SampleClock

RATE_HZ = 250.0
UNIX_S = 1.8e9
BYTE = PackageNumbers(0, 255)


class WallClock:
    """Says where the wall clock is: at `UNIX_S` at LSL time 0, and wherever it is put."""

    def __init__(self) -> None:
        self.offset_s = -UNIX_S
        self.hiccup_s = 0.0

    def unix_offset_s(self, tries: int = 9) -> float:
        split = self.hiccup_s if tries < 10 else 0.0
        return self.offset_s + split


class Board:
    """Samples with numbers, stamped with the wall clock 50 us after they were taken."""

    def __init__(self, numbers: PackageNumbers | None = BYTE) -> None:
        self.wall = WallClock()
        self.clock = SampleClock(RATE_HZ, numbers, self.wall)
        self._of = numbers or BYTE
        self.clock.seed(*self.rows(np.arange(125)))

    def rows(self, ticks: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        numbers = self._of.number(ticks).astype(np.float64)
        return numbers, ticks / RATE_HZ + 50e-6 - self.wall.offset_s

    def send(self, *ticks: int) -> list[float]:
        out: list[float] = []
        for tick in ticks:
            _, times_s = self.clock.stamp(*self.rows(np.array([tick])))
            out += times_s.tolist()
        return out


def true_s(*ticks: int) -> object:
    # Unix times of 1e9 s carry 0.2 us in float64.
    return pytest.approx([tick / RATE_HZ + 50e-6 for tick in ticks], abs=5e-6)


def test_numbers_wrap_without_a_loss() -> None:
    board = Board()
    assert board.send(*range(125, 700)) == true_s(*range(125, 700))
    assert (board.clock.lost, board.clock.duplicates) == (0, 0)


def test_a_gap_is_counted_and_the_times_skip_over_it() -> None:
    board = Board()
    assert board.send(125, 126, 130, 131) == true_s(125, 126, 130, 131)
    assert board.clock.lost == 3


def test_a_gap_across_the_wrap() -> None:
    board = Board()
    board.send(*range(125, 254))
    assert board.send(259) == true_s(259)
    assert board.clock.lost == 5


def test_a_gap_longer_than_the_numbers_is_told_by_time() -> None:
    board = Board()
    board.send(125)
    assert board.send(126 + 256 * 2 + 9) == true_s(126 + 256 * 2 + 9)
    assert board.clock.lost == 256 * 2 + 9


def test_a_gap_of_exactly_one_turn_is_no_duplicate() -> None:
    board = Board()
    board.send(125)
    board.send(125 + 256)
    assert (board.clock.lost, board.clock.duplicates) == (255, 0)


def test_a_duplicate_is_dropped_and_counted() -> None:
    board = Board()
    assert board.send(125, 125, 126) == true_s(125, 126)
    assert (board.clock.lost, board.clock.duplicates) == (0, 1)


def test_a_sample_out_of_order_is_dropped() -> None:
    board = Board()
    numbers, unix_s = board.rows(np.array([125, 124, 126]))
    unix_s.sort()
    rows, _ = board.clock.stamp(numbers, unix_s)
    assert rows.tolist() == [0, 2]
    assert board.clock.duplicates == 1


def test_a_board_that_counts_anew_has_lost_nothing() -> None:
    board = Board(PackageNumbers(0, 2**32 - 1))
    board.send(*range(125, 500))
    numbers, unix_s = board.rows(np.arange(500, 510))
    rows, times_s = board.clock.stamp(numbers - 500, unix_s)
    assert len(rows) == 10
    assert times_s.tolist() == true_s(*range(500, 510))
    assert board.clock.lost == 0


def test_numbers_of_a_daisy_count_by_two() -> None:
    board = Board(PackageNumbers(0, 254, 2))
    board.send(125, 126, 129)
    assert board.clock.lost == 2


@pytest.mark.parametrize("step_s", [3600.0, -0.25])
def test_a_step_of_the_wall_clock_is_counted_and_not_passed_on(step_s: float) -> None:
    board = Board()
    before = board.send(*range(125, 300))
    board.wall.offset_s -= step_s  # the wall clock moves on by step_s
    after = board.send(*range(300, 800))
    assert before + after == true_s(*range(125, 800))
    assert board.clock.clock_steps == 1


def test_samples_stamped_before_a_step_and_read_after_it() -> None:
    board = Board()
    numbers, unix_s = board.rows(np.arange(125, 135))
    board.wall.offset_s -= 60.0
    unix_s[5:] += 60.0
    _, times_s = board.clock.stamp(numbers, unix_s)
    assert times_s.tolist() == true_s(*range(125, 135))


def test_a_reading_split_by_the_scheduler_is_no_step() -> None:
    wall = WallClock()
    time = UnixToLsl(wall)
    wall.hiccup_s = 0.02
    time.follow()
    assert time.steps == 0
    assert time.offset_s == -UNIX_S


def test_slewing_is_followed() -> None:
    wall = WallClock()
    time = UnixToLsl(wall)
    for _ in range(5000):
        wall.offset_s += 1e-6
        time.follow()
    assert time.steps == 0
    assert abs(time.offset_s - wall.offset_s) < 1e-4
