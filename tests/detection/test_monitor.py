import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from bci_core.detection.monitor import SampleCounts, SampleMonitor
from bci_core.detection.monitor_flags import (
    FLAG_FLAT,
    FLAG_GAP,
    FLAG_LEAD_OFF,
    FLAG_LINE_NOISE,
    FLAG_NOT_FINITE,
    FLAG_RAILED,
    FLAG_SETTLING,
    veto_of,
)
from bci_core.detection.monitor_mask import CHANGES
from bci_core.detection.monitor_settings import MonitorSettings
from bci_core.errors import ConfigError
from bci_core.events import Veto

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
    last = dict.fromkeys(CHANNELS, 0.0)
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
            alike[c] = alike[c] + 1 if alike[c] and value == last[c] else 1
            last[c] = value
            if alike[c] >= ASKED.flat_s * RATE_HZ:
                bits |= FLAG_FLAT
                counts["flat"] += 1
            if abs(value) >= ASKED.rail_uv:
                bits |= FLAG_RAILED
                counts["railed"] += 1
                repaired[i, c] = last_good[c]
            else:
                last_good[c] = value
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


def test_bits_and_names_stand_in_one_order():
    """What ``NAME-mask`` and whoever reads it rest on."""
    assert [veto_of(1 << bit) for bit in range(8)] == [str(veto) for veto in Veto]


def tones(seconds, **amplitudes_uv):
    """Noise of 10 uV on an offset, at 250 Hz, with line noise and a lead-off tone."""
    n = round(seconds * 250.0)
    times_s = 100.0 + np.arange(n) / 250.0
    samples = np.random.default_rng(5).normal(5000.0, 10.0, (n, 2))
    for frequency_hz, (amplitude_uv, start_s, end_s) in amplitudes_uv.items():
        on = (times_s - 100.0 >= start_s) & (times_s - 100.0 < end_s)
        tone = amplitude_uv * np.cos(2 * np.pi * float(frequency_hz[1:]) * times_s + 1.0)
        samples[:, 1] += np.where(on, tone, 0.0)
    return samples.astype(np.float32), times_s


def bad_from_to(flags, bit):
    """First sample with a bit, and the one after the last, in seconds at 250 Hz."""
    found = np.flatnonzero(flags & bit)
    return found[0] / 250.0, (found[-1] + 1) / 250.0


def test_line_noise_is_a_share_of_the_power_and_recovers_in_the_stated_time():
    asked = MonitorSettings(settle_s=0.1, mains_hz=50.0, max_line_noise=0.5, quality_s=0.5)
    samples, times_s = tones(20.0, f50=(140.0, 5.0, 10.0))
    watch = SampleMonitor(asked, 250.0, (0, 1))
    flags = watch.update(samples, times_s)
    begun_s, ended_s = bad_from_to(flags, FLAG_LINE_NOISE)
    assert 5.0 < begun_s < 6.0
    assert 10.0 < ended_s <= 10.0 + 0.5 * math.log(1 / 0.5) + 0.02
    assert not flags[round(ended_s * 250) :].any()  # nothing to settle from
    assert watch.counts().line_noise == (flags & FLAG_LINE_NOISE > 0).sum()


@pytest.mark.parametrize(("amplitude_uv", "share"), [(10.0, 0.33), (14.1, 0.5), (60.0, 0.95)])
def test_the_limit_of_line_noise_is_where_it_says(amplitude_uv, share):
    samples, times_s = tones(20.0, f60=(amplitude_uv, 0.0, 20.0))
    for limit, crossed in ((share - 0.12, True), (share + 0.04, False)):
        asked = MonitorSettings(mains_hz=60.0, max_line_noise=limit, quality_s=2.0)
        flags = SampleMonitor(asked, 250.0, (1,)).update(samples.copy(), times_s)
        assert bool((flags[-500:] & FLAG_LINE_NOISE).all()) == crossed


@pytest.mark.parametrize(("kohm", "off"), [(90.0, False), (110.0, True)])
def test_impedance_is_the_amplitude_of_the_lead_off_tone_over_its_current(kohm, off):
    """As on OpenBCI's boards: 6 nA at 31.2 Hz, Z = sqrt(2) V_rms / I."""
    samples, times_s = tones(20.0, f31_2=(0.0, 0.0, 0.0))
    samples[:, 1] += kohm * 6.0 * np.sin(2 * np.pi * 31.2 * times_s)
    asked = MonitorSettings(lead_off_hz=31.2, max_impedance_kohm=100.0)
    flags = SampleMonitor(asked, 250.0, (0, 1)).update(samples, times_s)
    assert bool((flags[2500:] & FLAG_LEAD_OFF).all()) == off
    assert bool((flags[2500:] & FLAG_LEAD_OFF).any()) == off


def test_an_electrode_that_is_on_again_recovers_in_the_stated_time_and_settles():
    samples, times_s = tones(20.0)
    kohm = np.where((times_s >= 105.0) & (times_s < 110.0), 1000.0, 10.0)
    samples[:, 1] += 6.0 * kohm * np.sin(2 * np.pi * 31.2 * times_s)
    asked = MonitorSettings(settle_s=0.4, lead_off_hz=31.2, max_impedance_kohm=100.0)
    watch = SampleMonitor(asked, 250.0, (0, 1))
    flags = watch.update(samples, times_s)
    begun_s, ended_s = bad_from_to(flags, FLAG_LEAD_OFF)
    assert 5.0 < begun_s < 5.2
    assert ended_s == pytest.approx(10.0 + 0.5 * math.log(990.0 / 90.0), abs=0.1)
    assert bad_from_to(flags, FLAG_SETTLING)[1] == pytest.approx(ended_s + 0.4, abs=0.01)
    assert watch.counts().lead_off == (flags & FLAG_LEAD_OFF > 0).sum()


def test_tones_are_measured_across_gaps_however_it_is_cut():
    samples, times_s = tones(20.0, f50=(140.0, 0.0, 20.0))
    keep = np.random.default_rng(1).random(len(times_s)) > 0.05
    samples, times_s = samples[keep], times_s[keep]
    asked = MonitorSettings(settle_s=0.0, mains_hz=50.0)
    whole = SampleMonitor(asked, 250.0, (1,)).update(samples.copy(), times_s)
    assert (whole[500:] & FLAG_LINE_NOISE).all()
    watch, cut = SampleMonitor(asked, 250.0, (1,)), []
    for start in range(0, len(times_s), 7):
        stop = start + 7
        cut += watch.update(samples[start:stop].copy(), times_s[start:stop]).tolist()
    assert cut == whole.tolist()


def test_a_tone_above_nyquist_is_a_mistake_of_the_rig():
    asked = MonitorSettings(mains_hz=50.0, lead_off_hz=60.0)
    with pytest.raises(ConfigError) as found:
        SampleMonitor(asked, 100.0, (0,))
    assert [p.where for p in found.value.problems] == ["mains_hz", "lead_off_hz"]
    assert "50 Hz, half the sampling rate" in str(found.value)


def test_changes_of_the_flags_are_handed_out_once():
    samples, times_s = good(100)
    samples[40:42, 2] = math.nan
    watch = monitor()
    watch.update(samples[:50], times_s[:50])
    nan, settling = FLAG_NOT_FINITE, FLAG_SETTLING
    expected = [[0.0, 0, settling], [0.2, 20, 0], [0.4, 40, nan], [0.42, 42, settling]]
    assert watch.take_changes().tolist() == expected
    assert watch.take_changes().tolist() == []
    watch.update(samples[50:], times_s[50:])
    assert watch.take_changes()[:, 1:].tolist() == [[61, 0]]
    assert watch.counts().mask_overflow == 0


def test_changes_that_nobody_took_in_time_are_counted_and_the_last_are_kept():
    samples, times_s = good(2000)
    samples[100::3, 0] = math.nan
    watch = SampleMonitor(MonitorSettings(settle_s=0.0), RATE_HZ, CHANNELS)
    flags = watch.update(samples, times_s)
    changes = watch.take_changes()
    all_of_them = 1 + np.count_nonzero(np.diff(flags))
    assert len(changes) == CHANGES
    assert watch.counts().mask_overflow == all_of_them - CHANGES
    assert (changes[-1, 1:] == [np.flatnonzero(np.diff(flags))[-1] + 1, flags[-1]]).all()


@pytest.mark.parametrize(
    "changes", [{"settle_s": -1}, {"flat_s": 0}, {"rail_uv": 0}, {"rail": 1}, {"mains_hz": 16.7}]
)
def test_settings_refuse_what_makes_no_sense(changes):
    with pytest.raises(ValidationError):
        MonitorSettings(**changes)


def test_a_step_of_a_volt_and_back_never_reaches_the_detector():
    samples, times_s = good(400, 3)
    jumped = samples.copy()
    jumped[150:200] += np.float32(1e6)
    watch = monitor()
    repaired = jumped.copy()
    flags = watch.update(repaired, times_s)
    assert watch.counts().railed == 50 * len(CHANNELS)
    assert (flags[150:200] & FLAG_RAILED).all()
    column = list(CHANNELS)
    np.testing.assert_array_equal(repaired[150:200, column], np.tile(samples[149, column], (50, 1)))
    np.testing.assert_array_equal(repaired[200:, column], samples[200:, column])
    settled = times_s >= times_s[199] + ASKED.settle_s - 1e-9
    assert (flags[200:][~settled[200:]] == FLAG_SETTLING).all()
    assert (flags[settled] == 0).all()
    assert settled.any()
