import numpy as np
import pytest

from bci_core.detection.vote import hold_best, kth_largest


@pytest.mark.parametrize("k", [1, 2, 5, 7])
def test_the_kth_largest_is_what_sorting_gives(k):
    for seed in range(20):
        values = np.random.default_rng(seed).integers(-3, 4, 7).astype(float)  # with ties
        assert kth_largest(values, np.zeros(k)) == np.sort(values)[-k]


def test_k_channels_agree_exactly_where_the_kth_largest_passes():
    values = np.array([6.0, 1.0, 5.5, 7.0])
    assert kth_largest(values, np.zeros(3)) >= 5.5
    assert kth_largest(values, np.zeros(4)) < 5.5


def test_too_few_channels_never_agree():
    assert kth_largest(np.array([9.0, 9.0]), np.zeros(3)) == -np.inf


def held_over(rows, window):
    held, left = np.zeros(2), np.zeros(2)
    seen = []
    for row in rows:
        hold_best(np.array(row), held, left, window)
        seen.append(held.tolist())
    return seen


def test_a_best_is_remembered_for_the_window_and_no_longer():
    rows = [[5.0, 0.0], [1.0, 0.0], [2.0, 6.0], [2.0, 0.0]]
    assert held_over(rows, 2.0) == [[5.0, 0.0], [5.0, 0.0], [5.0, 6.0], [2.0, 6.0]]


def test_without_a_window_nothing_is_remembered():
    rows = [[5.0, 0.0], [1.0, 3.0], [2.0, -1.0]]
    assert held_over(rows, 0.0) == rows


def test_a_better_one_is_remembered_anew():
    rows = [[1.0, 0.0], [4.0, 0.0], [0.0, 0.0], [0.0, 0.0], [0.0, 0.0]]
    assert [row[0] for row in held_over(rows, 2.0)] == [1.0, 4.0, 4.0, 4.0, 0.0]
