import math

import numpy as np
import pytest

from bci_core.detection.baseline import (
    STATE_SIZE,
    baseline_settings,
    deviations,
    follow,
    is_learnt,
)

RATE_HZ = 100.0


class Twin:
    """The same baseline, written to be read."""

    def __init__(self, time_constant_s, learning_s, floor):
        self.n_constant = time_constant_s * RATE_HZ
        self.n_learning = learning_s * RATE_HZ
        self.floor = floor
        self.start()

    def start(self):
        self.count, self.mean, self.variance, self.sides = 0, 0.0, 0.0, []

    def height(self, value):
        return (value - self.mean) / max(math.sqrt(self.variance), self.floor)

    def follow(self, value):
        side = value > self.mean
        self.sides = [*self.sides, side] if not self.sides or self.sides[-1] == side else [side]
        if len(self.sides) > self.n_constant:
            self.start()
        clipped = value
        if self.count >= self.n_learning:
            reach = 2.0 * max(math.sqrt(self.variance), self.floor)
            clipped = np.clip(value, self.mean - reach, self.mean + reach)
        self.count += 1
        weight = max(1.0 - math.exp(-1.0 / self.n_constant), 1.0 / self.count)
        old = self.mean
        self.mean = (1.0 - weight) * old + weight * clipped
        self.variance = (1.0 - weight) * self.variance + weight * (1.0 - weight) * (
            clipped - old
        ) ** 2


def heights(values, time_constant_s=10.0, learning_s=2.0, floor=0.01):
    settings = baseline_settings(time_constant_s, learning_s, floor, RATE_HZ)
    state = np.zeros(STATE_SIZE)
    found = []
    for value in values:
        found.append(deviations(settings, state, value))
        follow(settings, state, value)
    return np.array(found)


def noise(seconds, level=10.0, spread=2.0, seed=0):
    return np.random.default_rng(seed).normal(level, spread, round(seconds * RATE_HZ))


def test_agrees_with_its_twin():
    values = np.concatenate([noise(20), noise(5, level=60.0), noise(20), noise(30, level=1e4)])
    twin = Twin(10.0, 2.0, 0.01)
    expected = []
    for value in values:
        expected.append(twin.height(value))
        twin.follow(value)
    np.testing.assert_allclose(heights(values), expected, rtol=1e-6, atol=1e-6)


def test_learns_mean_and_deviation():
    values = noise(60)
    late = heights(values)[-3000:]
    assert late.mean() == pytest.approx(0.0, abs=0.15)
    # Clipping at 2 SD makes the deviation a little too small, so the heights a little too large.
    assert late.std() == pytest.approx(1.1, abs=0.1)


def test_is_learnt_only_after_the_learning_time():
    settings = baseline_settings(10.0, 2.0, 0.01, RATE_HZ)
    state = np.zeros(STATE_SIZE)
    learnt = []
    for value in noise(3):
        learnt.append(is_learnt(settings, state))
        follow(settings, state, value)
    assert learnt.index(True) == 2.0 * RATE_HZ


def test_a_short_event_hardly_moves_it():
    quiet = noise(61)
    event = quiet.copy()
    event[30 * 100 : 31 * 100] += 1000.0  # 500 SD for a tenth of the time constant
    moved = heights(quiet)[31 * 100 :] - heights(event)[31 * 100 :]
    assert abs(moved).max() < 1.0


@pytest.mark.parametrize("level", [30.0, 1e3, 1e6, 0.0])
def test_a_lasting_step_is_normal_after_one_time_constant_and_learning(level):
    values = np.concatenate([noise(30), noise(40, level=level, seed=1)])
    found = heights(values)
    back = (30 + 10 + 2) * 100
    assert abs(found[30 * 100 + 50]) > 3.0
    assert abs(found[back:]).max() < 6.0


def test_silence_is_survived():
    found = heights(np.concatenate([np.zeros(3000), noise(30)]))
    assert np.isfinite(found).all()
    assert abs(found[-1000:]).max() < 6.0
