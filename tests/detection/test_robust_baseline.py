import math

import numpy as np
import pytest

from bci_core.detection.robust_baseline import (
    ROBUST_STATE,
    robust_follow,
    robust_heights,
    robust_learnt,
    robust_ratios,
    robust_settings,
)

RATE_HZ = 1000.0
FLOOR = 1e-5
SETTINGS = robust_settings(5.0, 1.0, 2.0, FLOOR, RATE_HZ)


def followed(values, state=None):
    """State after these values, (n,) of one baseline or (n, n_baselines)."""
    rows = np.atleast_2d(values.T).T.astype(float)
    state = np.zeros(ROBUST_STATE * rows.shape[1]) if state is None else state
    for row in rows:
        robust_follow(SETTINGS, state, np.ascontiguousarray(row))
    return state


def level_and_sd(state):
    """Read from the outside: heights are (value - level) / sd."""
    n = len(state) // ROBUST_STATE
    heights = np.zeros((2, n))
    for height, value in zip(heights, (0.0, 1.0), strict=True):
        robust_heights(SETTINGS, state, np.full(n, value), height)
    sd = 1.0 / (heights[1] - heights[0])
    return -heights[0] * sd, sd


def envelope(seconds, seed=0, size=1.0):
    """Rayleigh, as the envelope of noise is."""
    return np.random.default_rng(seed).rayleigh(size, round(seconds * RATE_HZ))


def twin(values):
    """(level, median absolute deviation) after each value: the docstring, in plain Python."""
    gain, floor, learning, patience = SETTINGS
    count = 0
    level = mad = balance = 0.0
    out = []
    for value in values:
        above = value > level
        balance += math.log(10.0) / patience * ((1 if above else -1) - balance)
        if count == 0 or abs(balance) > 0.9:
            count, level, mad, balance = 1, value, max(0.5 * abs(value), floor), 0.0
        else:
            count += 1
            distance = abs(value - level)
            step = max(gain, min(3.0 / count, 0.1))
            if count <= 0.25 * learning:
                level, mad = level + (value - level) / count, mad + (distance - mad) / count
            else:
                level += step * mad if above else -step * mad
                mad *= 1 + step if distance > mad else 1 - step
            mad = max(mad, floor)
        out.append((level, mad))
    return out


def test_agrees_with_its_twin():
    values = np.concatenate([envelope(3), envelope(5, 1, 30.0), np.zeros(3000), envelope(3, 2)])
    state = np.zeros(ROBUST_STATE)
    for value, (level, mad) in zip(values, twin(values), strict=True):
        robust_follow(SETTINGS, state, np.array([value]))
        np.testing.assert_allclose(state[1:3], [level, mad], rtol=1e-9)


def test_several_side_by_side_are_as_each_alone():
    waves = np.stack([envelope(4, seed, 10.0**seed) for seed in range(3)], axis=1)
    waves[2000:, 1] *= 100.0
    together = followed(waves).reshape(ROBUST_STATE, 3)
    for c in range(3):
        np.testing.assert_array_equal(together[:, c], followed(waves[:, c]))


def test_finds_the_median_and_the_spread():
    values = envelope(30)
    level, sd = level_and_sd(followed(values))
    median = np.median(values)
    assert level[0] == pytest.approx(median, rel=0.05)
    assert sd[0] == pytest.approx(1.4826 * np.median(np.abs(values - median)), rel=0.07)


@pytest.mark.parametrize("height", [10.0, 1e6])
def test_events_hardly_move_it_however_high(height):
    values = envelope(30)
    plain = level_and_sd(followed(values))
    for start in range(0, len(values), 1000):
        values[start : start + 50] = height  # a twentieth of the time
    level, sd = level_and_sd(followed(values))
    assert level[0] == pytest.approx(plain[0][0], rel=0.1)
    assert sd[0] == pytest.approx(plain[1][0], rel=0.15)


@pytest.mark.parametrize("factor", [1e-3, 0.1, 10.0, 1e6])
def test_a_lasting_step_is_normal_after_patience_and_learning(factor):
    after = factor * envelope(3.5, seed=1)  # patience_s and learning_s, and some
    state = followed(np.concatenate([envelope(10), after]))
    level, sd = level_and_sd(state)
    assert robust_learnt(SETTINGS, state, 0)
    assert level[0] == pytest.approx(np.median(after), rel=0.2)
    true_sd = 1.4826 * np.median(np.abs(after - np.median(after)))
    assert sd[0] == pytest.approx(true_sd, rel=0.3)


@pytest.mark.parametrize("factor", [1 / 3, 3.0])
def test_a_smaller_step_takes_two_time_constants(factor):
    after = factor * envelope(10, seed=1)
    level, _ = level_and_sd(followed(np.concatenate([envelope(10), after])))
    assert level[0] == pytest.approx(np.median(after), rel=0.2)


def test_says_nothing_before_it_has_learnt():
    state, height = np.zeros(ROBUST_STATE), np.ones(1)
    followed(envelope(0.9), state)
    robust_heights(SETTINGS, state, np.array([100.0]), height)
    assert not robust_learnt(SETTINGS, state, 0)
    assert height[0] == 0.0
    followed(envelope(0.2), state)
    robust_heights(SETTINGS, state, np.array([100.0]), height)
    assert height[0] > 50.0


def test_survives_silence_and_steps():
    values = np.repeat([0.0, 1e6, -1e6, 0.0, 1e6], 1500)
    state = followed(values)
    ratio = np.zeros(1)
    robust_ratios(SETTINGS, state, np.array([1.0]), ratio)
    assert np.isfinite(state).all()
    assert np.isfinite(ratio).all()
