"""Samples that a stimulus spoils: which they are, and what detectors see in their place."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy import signal

from bci_core.chunk import Chunk, StreamInfo
from bci_core.detection.band_power import BandPower, BandPowerSettings
from bci_core.detection.blanking import BLANK_STATE, BLANKS, blank, is_blank, overflow
from bci_core.detection.blanking_settings import BlankingSettings
from bci_core.detection.monitor import SampleMonitor
from bci_core.detection.monitor_flags import FLAG_BLANK, FLAG_FLAT, FLAG_GAP, FLAG_SETTLING
from bci_core.detection.monitor_settings import MonitorSettings
from bci_core.detection.sensing import Sensing

RATE_HZ = 1000.0
INFO = StreamInfo("bench", RATE_HZ, ("Fz", "Cz"), "bench-1")
SETTLED = MonitorSettings(settle_s=0.0)


def monitor(asked=SETTLED, **blanking):
    return SampleMonitor(asked, RATE_HZ, (0, 1), BlankingSettings(**blanking))


def wave(n, seed=0):
    times_s = np.arange(n) / RATE_HZ
    noise = np.random.default_rng(seed).normal(0.0, 1.0, (n, 2))
    sines = np.sin(2 * np.pi * np.outer(times_s, [8.0, 20.0]))
    return (1000.0 + 20.0 * sines + noise).astype(np.float32), times_s


def test_what_is_blank_is_what_was_said_last_of_each_stimulus():
    state, said = np.zeros(BLANK_STATE), {}
    random = np.random.default_rng(0)
    for seq in random.integers(1, 9, 200):
        start_s = random.uniform(0.0, 10.0)
        end_s = start_s + random.uniform(-0.5, 1.0)
        said[seq] = (start_s, end_s)
        blank(state, int(seq), start_s, end_s, math.nan)
        for time_s in random.uniform(0.0, 11.0, 20):
            expected = any(start <= time_s < end for start, end in said.values())
            assert is_blank(state, time_s) == expected
    assert overflow(state) == 0


def test_a_slot_is_free_again_once_its_stimulus_has_passed():
    state = np.zeros(BLANK_STATE)
    for seq in range(1, 10 * BLANKS):
        blank(state, seq, seq + 0.0, seq + 0.5, passed_s=seq - 0.1)
    assert overflow(state) == 0


def test_too_many_at_a_time_are_counted_and_blanked_all_the_same():
    state = np.zeros(BLANK_STATE)
    for seq in range(1, BLANKS + 3):
        blank(state, seq, seq + 0.0, seq + 0.5, passed_s=0.0)
    assert overflow(state) == 2
    assert all(is_blank(state, seq + 0.25) for seq in range(1, BLANKS + 3))
    # What was blanked as one stays so.
    blank(state, BLANKS + 2, 0.0, 0.0, passed_s=0.0)
    assert is_blank(state, BLANKS + 2.25)


@pytest.mark.parametrize("fill", ["hold", "bridge"])
def test_blanked_samples_are_flagged_and_hold_the_value_before(fill):
    samples, times_s = wave(200)
    before = samples.copy()
    watch = monitor(fill=fill)
    watch.blank(1, 0.1, 0.12)
    flags = watch.update(samples, times_s)
    assert np.flatnonzero(flags).tolist() == list(range(100, 120))
    assert (flags[100:120] == FLAG_BLANK).all()
    assert (samples[100:120] == before[99]).all()
    np.testing.assert_array_equal(samples[:100], before[:100])
    assert watch.counts().blanked == 20


def test_hold_goes_on_with_the_samples_as_they_are():
    samples, times_s = wave(200)
    before = samples.copy()
    watch = monitor(fill="hold")
    watch.blank(1, 0.1, 0.12)
    watch.update(samples, times_s)
    np.testing.assert_array_equal(samples[120:], before[120:])


def test_bridge_takes_the_step_off_and_gives_it_back():
    samples, times_s = wave(2000)
    samples[110:] += 500.0  # the electrode has another offset since the stimulus
    before = samples.astype(float)
    watch = monitor(bridge_s=0.05)
    watch.blank(1, 0.1, 0.12)
    watch.update(samples, times_s)
    left = samples[120:] - before[120:]
    weight = 0.5 * (1.0 + np.cos(np.pi * np.arange(50) / 50))
    expected = (before[99] - before[120]) * weight[:, np.newaxis]
    np.testing.assert_allclose(left[:50], expected, atol=2e-3)
    assert (samples[120] == before[99]).all()
    # Then a sample is again as it came, to the bit.
    np.testing.assert_array_equal(samples[170:], before[170:].astype(np.float32))


@pytest.mark.parametrize(("fill", "most_uv"), [("hold", 400.0), ("bridge", 4.0)])
def test_no_step_reaches_a_ripple_filter(fill, most_uv):
    samples, times_s = np.zeros((2000, 2), np.float32), np.arange(2000) / RATE_HZ
    samples[500:] = 1000.0
    watch = monitor(fill=fill)
    watch.blank(1, 0.498, 0.52)
    watch.update(samples, times_s)
    sections = signal.butter(2, (100.0, 250.0), "bandpass", output="sos", fs=RATE_HZ)
    in_band = abs(signal.sosfilt(sections, samples[:, 0])).max()
    assert most_uv / 3 < in_band < most_uv


def test_nothing_is_held_or_bridged_before_the_first_sample():
    samples, times_s = wave(100)
    before = samples.copy()
    watch = monitor()
    watch.blank(1, -1.0, 0.01)
    watch.update(samples, times_s)
    np.testing.assert_array_equal(samples[10:], before[10:])


def test_an_amplifier_driven_into_its_rail_by_the_stimulus_is_no_fault():
    samples, times_s = wave(1000)
    samples[100:105] = 2e5
    samples[105:110] = math.nan
    watch = monitor(MonitorSettings(settle_s=0.05))
    watch.blank(1, 0.1, 0.12)
    flags = watch.update(samples, times_s)
    assert not flags[120:].any()
    assert (flags[100:120] == FLAG_BLANK).all()
    assert (watch.counts().railed, watch.counts().not_finite) == (0, 0)


def test_a_gap_in_a_blank_is_a_gap_and_settled_from():
    samples, times_s = wave(1000)
    times_s[105:] += 0.005
    watch = monitor(MonitorSettings(settle_s=0.05))
    watch.blank(1, 0.1, 0.12)
    flags = watch.update(samples, times_s)
    assert flags[105] == FLAG_GAP | FLAG_BLANK
    assert flags[106] == FLAG_SETTLING | FLAG_BLANK
    assert flags[130] == FLAG_SETTLING
    assert not flags[160:].any()


def test_a_flat_channel_is_found_between_stimuli():
    samples, times_s = wave(1000)
    samples[:, 0] = 3.0
    watch = monitor(MonitorSettings(settle_s=0.0, flat_s=0.3))
    for seq in range(1, 20):
        watch.blank(seq, 0.05 * seq, 0.05 * seq + 0.02)
    flags = watch.update(samples, times_s)
    assert flags[999] == FLAG_FLAT


def test_a_blank_holds_from_the_next_sample_on_only():
    samples, times_s = wave(200)
    watch = monitor()
    first = watch.update(samples[:110], times_s[:110])
    assert watch.samples == 110
    watch.blank(1, 0.1, 0.12)
    assert not first.any()
    assert np.flatnonzero(watch.update(samples[110:], times_s[110:])).tolist() == list(range(10))


@settings(max_examples=50, deadline=None)
@given(
    cuts=st.lists(st.integers(0, 600), max_size=12),
    stimuli=st.lists(
        st.tuples(st.integers(0, 600), st.integers(1, 4), st.floats(-0.05, 0.2), st.floats(0, 0.1)),
        max_size=8,
    ),
    fill=st.sampled_from(["hold", "bridge"]),
)
def test_any_split_gives_the_same_where_blanks_are_laid_at_the_same_samples(cuts, stimuli, fill):
    """What a replay rests on."""
    laid = sorted(stimuli, key=lambda stimulus: stimulus[0])

    def run(at):
        samples, times_s = wave(600)
        watch, flags, waiting = monitor(fill=fill), [], list(laid)
        edges = sorted({0, 600, *at, *(sample for sample, *_ in laid)})
        for start, stop in pairwise(edges):
            while waiting and waiting[0][0] <= start:
                sample, seq, ahead_s, lasts_s = waiting.pop(0)
                start_s = sample / RATE_HZ + ahead_s
                watch.blank(seq, start_s, start_s + lasts_s)
            flags += watch.update(samples[start:stop], times_s[start:stop]).tolist()
        return samples, flags, watch.counts()

    whole, cut = run([]), run(cuts)
    np.testing.assert_array_equal(whole[0], cut[0])
    assert whole[1:] == cut[1:]


def artefacts(n, onsets, peak_uv):
    """A biphasic pulse that rails, a slow way back, and a new electrode offset each time."""
    made = np.zeros(n)
    tail = np.exp(-np.arange(20) / 2.0)
    for onset in onsets:
        made[onset : onset + 20] += peak_uv * tail * np.where(np.arange(20) == 0, -1.0, 1.0)
        made[onset:] += 0.01 * peak_uv * (-1.0) ** (onset % 2)
    return made


def ripple_band():
    asked = BandPowerSettings(
        channel="Cz",
        band_hz=(100.0, 250.0),
        threshold_sd=8.0,
        min_duration_s=0.0,
        smoothing_s=0.01,
        learning_s=2.0,
    )
    return BandPower(asked, INFO, 0.0)


@pytest.mark.parametrize(("fill", "most"), [("bridge", 0), ("hold", 1200)])
def test_artefacts_of_60_db_are_not_detected(fill, most):
    """1200 pulses; with the steps that `hold` leaves many are found, so they could be."""
    n = 130_000
    samples, times_s = wave(n, seed=3)
    # Every 90 to 110 ms, after the baseline is learnt.
    onsets = 5000 + np.cumsum(np.random.default_rng(4).integers(90, 111, 1200))
    samples[:, 1] += artefacts(n, onsets, 20_000.0)
    sensing = Sensing(ripple_band(), INFO, SETTLED, blanking=BlankingSettings(fill=fill))
    found = []
    for seq, (start, stop) in enumerate(zip([0, *onsets], [*onsets, n], strict=True)):
        if seq:
            onset_s = start / RATE_HZ
            sensing.monitor.blank(seq, onset_s - 0.002, onset_s + 0.0005 + 0.02)
        found += sensing.update(Chunk(samples[start:stop], times_s[start:stop]))
    assert 0.5 * most <= len(found) <= most
    assert not any(d.veto for d in found)
    assert sensing.counts().blanked == 1200 * 21


@pytest.mark.parametrize(
    "changes", [{"guard_s": -1}, {"blanking_s": 11}, {"fill": "cubic"}, {"bridge_s": 0}, {"x": 1}]
)
def test_settings_refuse_what_makes_no_sense(changes):
    with pytest.raises(ValidationError):
        BlankingSettings(**changes)
