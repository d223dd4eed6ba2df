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
from bci_core.errors import ConfigError
from bci_core.testing.check_detector import RULES, STREAM_RULES, trial_chunk

RATE_HZ = 250.0
INFO = StreamInfo("bench", RATE_HZ, ("Fz", "Cz", "Pz"), "bench-1")


def band_power(**changes):
    return BandPower(
        BandPowerSettings(**({"channel": "Cz", "band_hz": (8, 13)} | changes)), INFO, 0
    )


def quiet(seconds, seed=0, spread_uv=5.0):
    return np.random.default_rng(seed).normal(0.0, spread_uv, round(seconds * RATE_HZ))


def with_bursts(samples, bursts_s, amplitude_uv=40.0):
    """The samples with a 10 Hz oscillation in each (start, end)."""
    loud = samples.copy()
    times_s = np.arange(len(samples)) / RATE_HZ
    for start_s, end_s in bursts_s:
        inside = (times_s >= start_s) & (times_s < end_s)
        loud[inside] += amplitude_uv * np.sin(2 * np.pi * 10.0 * times_s[inside])
    return loud


def envelope(asked, samples):
    sos = signal.butter(asked.order, asked.band_hz, btype="bandpass", output="sos", fs=RATE_HZ)
    in_band, _ = signal.sosfilt(sos, samples, zi=signal.sosfilt_zi(sos) * samples[0])
    keep = math.exp(-1 / (asked.smoothing_s * RATE_HZ))
    return np.sqrt(signal.lfilter([1 - keep], [1, -keep], in_band**2))


def twin(asked, samples):
    """(sample index, height) of each event, by scipy and a plain loop."""
    patience, learning = asked.baseline_s * RATE_HZ, asked.learning_s * RATE_HZ
    enough = round(asked.min_duration_s * RATE_HZ)
    count = mean = variance = 0
    run, side = 0, None
    above, in_event, found = 0, False, []
    for i, value in enumerate(envelope(asked, samples)):
        sd = max(math.sqrt(variance), asked.min_sd_uv)
        height, learnt = (value - mean) / sd, count >= learning
        above = above + 1 if learnt and height >= asked.threshold_sd else 0
        if in_event:
            in_event = learnt and height >= asked.release_sd
        elif above >= enough:
            in_event = True
            found.append((i, height))

        run, side = (run + 1 if (value > mean) == side else 1), bool(value > mean)
        if run > patience:
            count = mean = variance = run = 0
            side = None
        reach = 2 * sd if learnt and count else math.inf
        count += 1
        weight = max(1 - math.exp(-1 / patience), 1 / count)
        step = min(max(value - mean, -reach), reach)
        mean += weight * step
        variance = (1 - weight) * (variance + weight * step**2)
    return found


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"order": 4, "smoothing_s": 0.03, "min_duration_s": 0.02, "threshold_sd": 2.0},
        {"baseline_s": 8.0, "learning_s": 2.0, "release_sd": 0.0},
    ],
)
def test_agrees_with_its_twin(on_cz, changes):
    level = np.concatenate([quiet(40), quiet(30, 1, spread_uv=40.0), quiet(30, 2)])
    wave = 30_000.0 + with_bursts(level, [(12, 13), (20, 24), (33, 33.5), (90, 91)])
    asked = BandPowerSettings(channel="Cz", band_hz=(8, 13), **changes)
    found = BandPower(asked, INFO, 0.0).update(on_cz(wave))
    expected = twin(asked, wave.astype(np.float32).astype(float))
    assert len(expected) >= 4
    assert [d.sample_index for d in found] == [index for index, _ in expected]
    np.testing.assert_allclose([d.value for d in found], [h for _, h in expected], rtol=1e-6)


def test_outputs_are_the_envelope_and_its_height(on_cz):
    wave = with_bursts(quiet(20), [(15, 16)])
    trace = band_power().trace(on_cz(wave))
    asked = BandPowerSettings(channel="Cz", band_hz=(8, 13))
    np.testing.assert_allclose(trace[:, 0], envelope(asked, wave.astype(np.float32)), atol=1e-4)
    assert (trace[: round(5 * RATE_HZ) - 1, 1] == 0.0).all()
    (found,) = band_power(threshold_sd=4.0).update(on_cz(wave))
    assert trace[found.sample_index, 1] == found.value


def test_one_detection_an_event(on_cz):
    bursts_s = [(12, 13), (20, 22), (30, 31)]
    found = band_power(threshold_sd=4.0).update(on_cz(with_bursts(quiet(40), bursts_s)))
    assert len(found) == len(bursts_s)
    for d, (start_s, end_s) in zip(found, bursts_s, strict=True):
        assert start_s < d.sample_s < end_s
        assert d.target_s == d.sample_s
        assert d.value >= 4.0


def test_minimum_duration_is_reached_on_the_sample(on_cz):
    wave = with_bursts(quiet(30), [(20, 25)])
    (early,) = band_power(threshold_sd=4.0, min_duration_s=0.0).update(on_cz(wave))
    (late,) = band_power(threshold_sd=4.0, min_duration_s=0.3).update(on_cz(wave))
    assert late.sample_index - early.sample_index == 0.3 * RATE_HZ - 1


def test_shorter_than_the_minimum_is_no_event(on_cz):
    wave = with_bursts(quiet(30), [(20, 20.2)])
    assert band_power(threshold_sd=4.0, min_duration_s=0.05).update(on_cz(wave))
    assert not band_power(threshold_sd=4.0, min_duration_s=1.0).update(on_cz(wave))


def test_a_dip_above_the_release_does_not_end_the_event(on_cz):
    wave = with_bursts(quiet(30), [(20, 21), (21.1, 22)])
    assert len(band_power(threshold_sd=6.0, release_sd=1.0).update(on_cz(wave))) == 1
    wave = with_bursts(quiet(30), [(20, 21), (23, 24)])
    assert len(band_power(threshold_sd=6.0, release_sd=1.0).update(on_cz(wave))) == 2


def test_the_delay_is_as_stated():
    # The twin's envelope of a slow swell: its middle comes out `delay_s` late.
    times_s = np.arange(round(40 * RATE_HZ)) / RATE_HZ
    swell = np.exp(-(((times_s - 20.0) / 2.0) ** 2))
    power = (
        envelope(
            BandPowerSettings(channel="Cz", band_hz=(8, 13)),
            swell * np.sin(2 * np.pi * math.sqrt(8 * 13) * times_s),
        )
        ** 2
    )
    late_s = (times_s * power).sum() / power.sum() - 20.0
    assert band_power().delay_s == pytest.approx(late_s, abs=0.005)
    assert late_s > 0.1


def test_nothing_before_the_first_baseline_is_learnt(on_cz):
    wave = with_bursts(quiet(20), [(1, 2), (15, 16)])
    found = band_power(learning_s=8.0).update(on_cz(wave))
    assert found
    assert all(d.sample_s >= 8.0 for d in found)


@pytest.mark.parametrize("offset_uv", [61_379.0, -21_309.0])
def test_an_electrode_offset_costs_nothing(on_cz, offset_uv):
    wave = with_bursts(quiet(20), [(15, 16)])
    plain = band_power(threshold_sd=4.0).update(on_cz(wave))
    offset = band_power(threshold_sd=4.0).update(on_cz(offset_uv + wave))
    assert [d.sample_index for d in offset] == [d.sample_index for d in plain]


@pytest.mark.parametrize("factor", [10.0, 1000.0, 0.01])
def test_a_lasting_step_in_level_is_the_new_normal(on_cz, factor):
    before, after = quiet(20), factor * quiet(60, seed=1)
    again_s = 20 + 10 + 3 + 10  # the step, baseline_s, learning_s, and some
    burst = with_bursts(after, [(again_s - 20, again_s - 19)], amplitude_uv=8 * factor * 5)
    wave = np.concatenate([before, burst])
    found = band_power(baseline_s=10.0, learning_s=3.0, threshold_sd=5.0).update(on_cz(wave))
    at_s = [d.sample_s for d in found]
    if factor > 1:
        # The step is an event, and only one.
        assert sum(20 <= s < 33 for s in at_s) == 1
    assert sum(33 <= s < again_s for s in at_s) == 0
    assert sum(again_s <= s < again_s + 1.5 for s in at_s) == 1


def test_one_hundred_splits_give_the_same_to_the_bit():
    chunk = trial_chunk(INFO)
    whole = band_power().update(chunk)
    assert whole
    for seed in range(100):
        rng = np.random.default_rng(seed)
        detector = band_power()
        found, start = [], 0
        while start < len(chunk):
            end = start + int(rng.choice([0, 1, 2, 7, 50, 333, 2000]))
            found += detector.update(Chunk(chunk.samples[start:end], chunk.times_s[start:end]))
            start = end
        assert found == whole


@settings(max_examples=50, deadline=None)
@given(
    cuts=st.lists(st.integers(0, 3000), max_size=30),
    seed=st.integers(0, 2**32 - 1),
    spread_uv=st.floats(0.01, 1e4),
)
def test_any_split_gives_the_same_to_the_bit(cuts, seed, spread_uv):
    wave = with_bursts(quiet(12, seed, spread_uv), [(8, 9)], 10 * spread_uv)
    samples = wave.astype(np.float32)[:, np.newaxis].repeat(3, axis=1)
    times_s = np.arange(3000) / RATE_HZ
    edges = [0, *sorted(cuts), 3000]
    whole, split, found = band_power(), band_power(), []
    for start, end in pairwise(edges):
        found += split.update(Chunk(samples[start:end], times_s[start:end]))
    assert found == whole.update(Chunk(samples, times_s))
    np.testing.assert_array_equal(split.state, whole.state)
    assert np.isfinite(whole.state).all()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_keeps_the_contract(rule):
    rule(band_power, trial_chunk(INFO))


@pytest.mark.parametrize("rule", STREAM_RULES, ids=lambda rule: rule.__name__)
def test_fits_any_stream(rule):
    def make_for(info):
        asked = BandPowerSettings(channel=info.channels[-1], band_hz=(8, 13))
        return BandPower(asked, info, 0.0)

    rule(make_for, INFO, trial_chunk(INFO))


def test_finds_alpha_in_a_real_recording(recording):
    samples, rate_hz = recording("openbci_blink_jaw_alpha_90s", 7)
    info = StreamInfo("openbci", rate_hz, ("8",), "openbci")
    asked = BandPowerSettings(channel="8", band_hz=(8, 13), threshold_sd=2.0, min_duration_s=0.3)
    chunk = Chunk(samples.astype(np.float32)[:, np.newaxis], np.arange(len(samples)) / rate_hz)
    at_s = np.array([d.sample_s for d in BandPower(asked, info, 0.0).update(chunk)])
    assert ((at_s > 38) & (at_s < 82)).sum() >= 4  # eyes closed, by the recording's README
    assert (at_s < 20).sum() == 0  # blinks


def test_all_mistakes_at_once():
    asked = BandPowerSettings(
        channel="Oz",
        band_hz=(0.0, 125.0),
        threshold_sd=2.0,
        release_sd=3.0,
        min_duration_s=9.0,
        baseline_s=5.0,
    )
    with pytest.raises(ConfigError) as caught:
        BandPower(asked, INFO, math.nan)
    where = [problem.where for problem in caught.value.problems]
    assert where == ["channel", "band_hz", "band_hz", "release_sd", "min_duration_s", "lead_s"]


@pytest.mark.parametrize(
    "changes", [{"threshold_sd": 0.0}, {"baseline_s": math.inf}, {"order": 0}, {"treshold_sd": 3}]
)
def test_settings_refuse_what_makes_no_sense(changes):
    with pytest.raises(ValidationError):
        band_power(**changes)
