import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bci_core.detection.ring import delayed, moving_sum, ring_size


def sums(n, values):
    ring = np.zeros(ring_size(n))
    return np.array([moving_sum(ring, value) for value in values])


@given(
    n=st.integers(1, 40),
    values=st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=200),
)
def test_sum_of_the_last_n(n, values):
    expected = [math.fsum(values[max(0, i + 1 - n) : i + 1]) for i in range(len(values))]
    np.testing.assert_allclose(sums(n, values), expected, atol=1e-8)


@pytest.mark.parametrize("n", [1, 3, 50])
def test_the_value_n_calls_ago(n):
    ring = np.zeros(ring_size(n))
    out = [delayed(ring, float(i)) for i in range(1, 200)]
    assert out == [0.0] * n + [float(i) for i in range(1, 200 - n)]


def test_a_huge_value_is_forgotten_after_two_rounds():
    # A step of 1 V, squared, in microvolts: its rounding error would outweigh 1 uV for good.
    values = np.ones(1000)
    values[100] = 1e16
    assert sums(50, values)[-1] == 50.0
    assert np.all(sums(50, values)[100 + 2 * 50 :] == 50.0)
