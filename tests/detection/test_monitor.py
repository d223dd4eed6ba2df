import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from bci_core.detection.monitor import (
    FLAG_FLAT,
    FLAG_GAP,
    FLAG_NOT_FINITE,
    FLAG_RAILED,
    FLAG_SETTLING,
    MonitorSettings,
    SampleCounts,
    SampleMonitor,
    veto_of,
)

RATE_HZ = 100.0
ASKED = MonitorSettings(settle_s=0.2, flat_s=0.05, rail_uv=1000.0)
CHANNELS = (0, 2)


def monitor():
    return SampleMonitor(ASKED, RATE_HZ, CHANNELS)


def good(n, seed=0):
    samples = np.random.default_rng(seed).normal(0.0, 50.0, (n, 3)).astype(np.float32)
    return samples, np.arange(n) / RATE_HZ


def twin(samples, times_s):
    """(flags, repaired samples, counts), one plain sentence after the other."""
    repaired = samples.copy()
    flags = []
    counts = dict.fromkeys(["lost", "gaps", "not_finite", "flat", "railed"], 0)
    settled_at_s = times_s[0] + ASKED.settle_s if len(times_s) else 0.0
    last_good = dict.fromkeys(CHANNELS, 0.0)
    alike = dict.fromkeys(CHANNELS, 0)
    for i, time_s in enumerate(times_s):
        bits = 0
        if i > 0:
            lost = round((time_s - times_s[i - 1]) * RATE_HZ) - 1
            if lost >= 1 or time_s <= times_s[i - 1]:
                bits |= FLAG_GAP
                counts["gaps"] += 1
                counts["lost"] += max(lost, 0)
        for c in CHANNELS:
            value = float(samples[i, c])
            if not math.isfinite(value):
                bits |= FLAG_NOT_FINITE
                counts["not_finite"] += 1
                repaired[i, c] = last_good[c]
                continue
            alike[c] = alike[c] + 1 if alike[c] and value == last_good[c] else 1
            last_good[c] = value
            if alike[c] >= ASKED.flat_s * RATE_HZ:
                bits |= FLAG_FLAT
                counts["flat"] += 1
            if abs(value) >= ASKED.rail_uv:
                bits |= FLAG_RAILED
                counts["railed"] += 1
        if bits:
            settled_at_s = time_s + ASKED.settle_s
        elif time_s < settled_at_s:
            bits = FLAG_SETTLING
        flags.append(bits)
    return flags, repaired, SampleCounts(samples=len(times_s), **counts)


@st.composite
def troubled(draw):
    """Samples with every kind of trouble, and a way to cut them."""
    n = draw(st.integers(1, 120))
    samples, times_s = good(n, draw(st.integers(0, 2**32 - 1)))
    for _ in range(draw(st.integers(0, 6))):
        start, length = draw(st.integers(0, n - 1)), draw(st.integers(1, 20))
        column = draw(st.integers(0, 2))
        values = [math.nan, math.inf, -math.inf, 0.0, 12.5, 1000.0, -5000.0]
        samples[start : start + length, column] = draw(st.sampled_from(values))
    for _ in range(draw(st.integers(0, 3))):
        times_s[draw(st.integers(0, n - 1)) :] += draw(st.integers(-3, 50)) / RATE_HZ
    return samples, times_s, sorted(draw(st.lists(st.integers(0, n), max_size=8)))


@settings(max_examples=200, deadline=None)
@given(case=troubled())
def test_agrees_with_its_twin_however_it_is_cut(case):
    samples, times_s, cuts = case
    expected_flags, expected_samples, expected_counts = twin(samples, times_s)
    watch = monitor()
    repaired, flags = samples.copy(), []
    for start, end in zip([0, *cuts], [*cuts, len(times_s)], strict=True):
        flags += watch.update(repaired[start:end], times_s[start:end]).tolist()
    assert flags == expected_flags
    np.testing.assert_array_equal(repaired, expected_samples)
    assert watch.counts() == expected_counts


def test_good_samples_settle_and_are_then_clean():
    samples, times_s = good(100)
    flags = monitor().update(samples, times_s)
    assert (flags[:20] == FLAG_SETTLING).all()
    assert not flags[20:].any()


def test_a_gap_is_counted_and_settled_from():
    samples, times_s = good(100)
    times_s[50:] += 7 / RATE_HZ
    watch = monitor()
    flags = watch.update(samples, times_s)
    assert flags[50] == FLAG_GAP
    assert (flags[51:70] == FLAG_SETTLING).all()
    assert not flags[71:].any()
    assert (watch.counts().gaps, watch.counts().lost) == (1, 7)


@pytest.mark.parametrize("step_s", [-1000.0, -1 / RATE_HZ])
def test_a_clock_that_goes_back_or_stands_still_is_a_gap_that_loses_nothing(step_s):
    samples, times_s = good(100)
    times_s[50:] += step_s
    watch = monitor()
    flags = watch.update(samples, times_s)
    assert flags[50] == FLAG_GAP
    assert not flags[71:].any()
    assert (watch.counts().gaps, watch.counts().lost) == (1, 0)


def test_jitter_of_less_than_half_a_period_is_no_gap():
    samples, times_s = good(1000)
    times_s += np.random.default_rng(1).uniform(-0.24, 0.24, 1000) / RATE_HZ
    watch = monitor()
    watch.update(samples, times_s)
    assert watch.counts().gaps == 0


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_replaced_by_the_last_good_value(bad):
    samples, times_s = good(100)
    before = samples.copy()
    samples[40:45, 2] = bad
    flags = monitor().update(samples, times_s)
    assert (flags[40:45] & FLAG_NOT_FINITE).all()
    assert (samples[40:45, 2] == before[39, 2]).all()
    np.testing.assert_array_equal(samples[45:], before[45:])


def test_a_channel_nobody_reads_is_not_watched():
    samples, times_s = good(100)
    samples[40:, 1] = math.nan
    watch = monitor()
    assert not watch.update(samples, times_s)[20:].any()
    assert np.isnan(samples[40:, 1]).all()
    assert watch.counts().not_finite == 0


def test_flat_from_the_sample_on_which_it_has_lasted():
    samples, times_s = good(100)
    samples[40:60, 0] = 3.0
    flags = monitor().update(samples, times_s)
    assert not (flags[:44] & FLAG_FLAT).any()
    assert (flags[44:60] & FLAG_FLAT).all()
    assert not (flags[60:] & FLAG_FLAT).any()


def test_the_gravest_veto_is_named():
    assert veto_of(0) == ""
    assert veto_of(FLAG_SETTLING) == "settling"
    assert veto_of(FLAG_FLAT | FLAG_RAILED) == "railed"
    assert veto_of(FLAG_GAP | FLAG_NOT_FINITE | FLAG_FLAT) == "gap"


@pytest.mark.parametrize("changes", [{"settle_s": -1}, {"flat_s": 0}, {"rail_uv": 0}, {"rail": 1}])
def test_settings_refuse_what_makes_no_sense(changes):
    with pytest.raises(ValidationError):
        MonitorSettings(**changes)
