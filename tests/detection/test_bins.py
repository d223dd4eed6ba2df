import numpy as np
import pytest

from bci_core.detection.bins import FILLING, GOOD, SPOILT, STATE_SIZE, bin_sample, samples_in


def test_the_last_sample_of_a_bin_tells():
    state = np.zeros(STATE_SIZE)
    told = [bin_sample(3.0, state, good) for good in (1, 1, 1, 1, 0, 1, 1, 1, 1, 1, 1, 0)]
    empty = [FILLING, FILLING]
    assert told == [*empty, GOOD, *empty, SPOILT, *empty, GOOD, *empty, SPOILT]


def test_one_sample_may_be_a_bin():
    state = np.zeros(STATE_SIZE)
    assert [bin_sample(1.0, state, good) for good in (True, False, True)] == [GOOD, SPOILT, GOOD]


@pytest.mark.parametrize(
    ("bin_s", "rate_hz", "expected"), [(0.025, 30_000.0, 750), (0.025, 10.0, 1), (0.07, 100.0, 7)]
)
def test_samples_in_a_bin(bin_s, rate_hz, expected):
    assert samples_in(bin_s, rate_hz) == expected
