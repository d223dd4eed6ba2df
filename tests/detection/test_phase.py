import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from bci_core.chunk import Chunk, StreamInfo
from bci_core.detection.phase import Phase, PhaseSettings
from bci_core.errors import ConfigError
from bci_core.testing.check_detector import RULES, trial_chunk

RATE_HZ = 250.0
INFO = StreamInfo("bench", RATE_HZ, ("Fz", "Cz", "Pz"), "bench-1")
SETTLED_S = 1.0


def phase(lead_s=0.0, **changes):
    asked = {
        "channel": "Cz",
        "band_hz": (4.0, 8.0),
        "target_deg": 180.0,
        "min_amplitude_uv": 3.0,
    }
    return Phase(PhaseSettings(**(asked | changes)), INFO, lead_s)


def sine(frequency_hz=5.0, start_deg=0.0, seconds=20.0, amplitude_uv=14.2, seed=0):
    """What BrainFlow's synthetic board gives on its first channel, without the offset."""
    times_s = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    wave = amplitude_uv * np.cos(2 * np.pi * frequency_hz * times_s + math.radians(start_deg))
    return wave + np.random.default_rng(seed).normal(0.0, 0.29, len(times_s))


def errors_deg(found, frequency_hz, start_deg, target_deg=180.0):
    """Phase of the true sine at each announced target, less the target, in ±180 degrees."""
    at_deg = 360.0 * frequency_hz * np.array([d.target_s for d in found]) + start_deg
    return (at_deg - target_deg + 180.0) % 360.0 - 180.0


def cycles(found, frequency_hz, start_deg, target_deg=180.0):
    """Number of the true cycle each announced target is nearest to."""
    at_deg = 360.0 * frequency_hz * np.array([d.target_s for d in found]) + start_deg
    return np.rint((at_deg - target_deg) / 360.0).astype(int)


def settled(found, after_s=SETTLED_S):
    return [d for d in found if d.sample_s >= after_s]


def resultant(deg):
    mean = np.exp(1j * np.radians(deg)).mean()
    return np.degrees(np.angle(mean)), abs(mean)


def test_brainflow_sine_at_the_trough(on_cz):
    found = settled(phase(lead_s=0.01).update(on_cz(10.0 + sine(seconds=60.0))))
    mean_deg, length = resultant(errors_deg(found, 5.0, 0.0))
    assert abs(mean_deg) < 0.5
    assert length > 0.999
    assert set(np.diff(cycles(found, 5.0, 0.0))) == {1}
    assert len(found) == pytest.approx(59 * 5, abs=1)


@pytest.mark.parametrize("frequency_hz", [4.0, 4.3, 5.0, 6.1, 7.7, 8.0])
@pytest.mark.parametrize("lead_s", [0.0, 0.004, 0.021, 0.3])
def test_any_frequency_of_the_band_and_any_lead(on_cz, frequency_hz, lead_s):
    for seed, (start_deg, target_deg) in enumerate([(0.0, 0.0), (77.0, 180.0), (200.0, -90.0)]):
        wave = 10.0 + sine(frequency_hz, start_deg, seed=seed)
        found = settled(phase(lead_s, target_deg=target_deg).update(on_cz(wave)))
        mean_deg, length = resultant(errors_deg(found, frequency_hz, start_deg, target_deg))
        assert abs(mean_deg) < 1.0
        assert length > 0.999
        # No cycle missed, none announced twice.
        assert set(np.diff(cycles(found, frequency_hz, start_deg, target_deg))) == {1}
        # As late as can be, give and take the sample that noise may cost.
        ahead = (np.array([d.target_s - d.sample_s for d in found]) - lead_s) * RATE_HZ
        assert ahead.min() > -1.0
        assert ahead.max() < 1.0 + 1e-6
        assert np.median(ahead) > 0.0


def test_value_is_the_amplitude(on_cz):
    found = settled(phase().update(on_cz(sine(7.3))))
    assert np.mean([d.value for d in found]) == pytest.approx(14.2, abs=0.2)


def test_target_is_finer_than_a_sample(on_cz):
    found = settled(phase(0.01).update(on_cz(sine(5.3))))
    error_s = errors_deg(found, 5.3, 0.0) / 360.0 / 5.3
    assert np.std(error_s) < 0.25 / RATE_HZ


@pytest.mark.parametrize("offset_uv", [61_379.0, -21_309.0])
def test_an_electrode_offset_costs_nothing(on_cz, offset_uv):
    found = settled(phase().update(on_cz(offset_uv + sine(seconds=5.0))))
    assert abs(errors_deg(found, 5.0, 0.0)).max() < 5.0


def test_a_step_of_a_tenth_of_a_volt_is_got_over(on_cz):
    wave = sine(5.5, seconds=12.0)
    wave[1250:] += 1e5
    found = phase().update(on_cz(wave))
    after_1_s = [d for d in found if d.sample_s > 6.5]
    assert set(np.diff(cycles(after_1_s, 5.5, 0.0))) == {1}
    # The filter has rung down after a second; what it taught about the frequency fades later.
    assert abs(errors_deg(settled(found, 7.0), 5.5, 0.0)).max() < 30.0
    assert abs(errors_deg(settled(found, 10.0), 5.5, 0.0)).max() < 5.0


def test_follows_a_change_of_frequency(on_cz):
    times_s = np.arange(5000) / RATE_HZ
    frequency_hz = np.where(times_s < 10.0, 5.0, 7.0)
    turned_deg = np.cumsum(frequency_hz) * 360.0 / RATE_HZ
    wave = 14.2 * np.cos(np.radians(turned_deg))
    found = phase().update(on_cz(wave))
    late = [d for d in found if d.target_s > 15.0]
    at_deg = np.interp([d.target_s for d in late], times_s, turned_deg)
    assert abs((at_deg % 360.0) - 180.0).max() < 5.0


def test_nothing_is_announced_below_the_amplitude_gate(on_cz):
    wave = np.concatenate([sine(amplitude_uv=2.0), sine(amplitude_uv=14.2), np.zeros(1000)])
    found = phase(min_amplitude_uv=7.0).update(on_cz(wave))
    assert all(20.0 <= d.sample_s < 41.0 for d in found)
    assert len(found) == pytest.approx(100, abs=3)
    assert all(d.value >= 7.0 for d in found)


def test_mains_hum_ten_times_the_signal_is_taken_out(on_cz):
    times_s = np.arange(5000) / RATE_HZ
    wave = sine(6.1) + 140.0 * np.cos(2 * np.pi * 60.0 * times_s + 1.0)
    with_notch = settled(phase(mains_hz=60.0).update(on_cz(wave)), after_s=2.5)
    without = settled(phase().update(on_cz(wave)), after_s=2.5)
    mean_deg, length = resultant(errors_deg(with_notch, 6.1, 0.0))
    assert abs(mean_deg) < 1.0
    assert length > 0.999
    assert set(np.diff(cycles(with_notch, 6.1, 0.0))) == {1}
    assert abs(errors_deg(with_notch, 6.1, 0.0)).max() < 3.0
    assert abs(errors_deg(without, 6.1, 0.0)).max() > 10.0


def test_times_are_those_of_the_stream(on_cz):
    wave = sine()
    here = phase(0.01).update(on_cz(wave))
    there = phase(0.01).update(on_cz(wave, start_s=1e5))
    for a, b in zip(here, there, strict=True):
        assert b.sample_index == a.sample_index
        assert b.target_s == pytest.approx(a.target_s + 1e5, abs=1e-6)


def test_a_clock_that_steps_back_does_not_silence_it(on_cz):
    wave = sine()
    chunk = on_cz(wave)
    times_s = chunk.times_s.copy()
    times_s[2500:] -= 1000.0
    found = phase().update(Chunk(chunk.samples, times_s))
    assert sum(d.sample_index >= 2500 for d in found) == pytest.approx(50, abs=1)


@settings(max_examples=50, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    spread_uv=st.floats(0.1, 100.0),
    lead_s=st.floats(0.0, 0.5),
    low_hz=st.floats(0.5, 40.0),
    width_hz=st.floats(0.5, 60.0),
)
def test_never_in_the_past_never_twice_a_cycle(seed, spread_uv, lead_s, low_hz, width_hz):
    samples = np.random.default_rng(seed).normal(0.0, spread_uv, (2000, 3)).cumsum(axis=0)
    band_hz = (low_hz, low_hz + width_hz)
    detector = phase(lead_s, band_hz=band_hz, min_amplitude_uv=0.01)
    found = detector.update(Chunk(samples.astype(np.float32), np.arange(2000) / RATE_HZ))
    ahead_s = np.array([d.target_s - d.sample_s for d in found])
    assert (ahead_s >= 0.0).all()
    assert (abs(ahead_s - lead_s) <= 1.0 / RATE_HZ + 1e-9).all()
    # Half the shortest cycle the band allows.
    assert (np.diff([d.target_s for d in found]) > 0.5 / band_hz[1] - 1e-9).all()
    assert np.isfinite([d.value for d in found]).all()


def test_one_hundred_splits_give_the_same_to_the_bit():
    chunk = trial_chunk(INFO)
    whole = phase(0.01, mains_hz=50.0).update(chunk)
    assert len(whole) > 20
    for seed in range(100):
        rng = np.random.default_rng(seed)
        detector = phase(0.01, mains_hz=50.0)
        found, start = [], 0
        while start < len(chunk):
            end = start + int(rng.choice([0, 1, 2, 7, 50, 333, 2000]))
            found += detector.update(Chunk(chunk.samples[start:end], chunk.times_s[start:end]))
            start = end
        assert found == whole


@settings(max_examples=50, deadline=None)
@given(cuts=st.lists(st.integers(0, 2500), max_size=30), seed=st.integers(0, 2**32 - 1))
def test_any_split_gives_the_same_to_the_bit(cuts, seed):
    wave = sine(6.5, seconds=10.0, seed=seed)[:, np.newaxis].repeat(3, axis=1)
    chunk = Chunk(wave.astype(np.float32), np.arange(2500) / RATE_HZ)
    edges = [0, *sorted(cuts), 2500]
    whole, split = phase(), phase()
    found = []
    for start, end in pairwise(edges):
        found += split.update(Chunk(chunk.samples[start:end], chunk.times_s[start:end]))
    assert found == whole.update(chunk)
    np.testing.assert_array_equal(split.state, whole.state)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_keeps_the_contract(rule):
    rule(lambda: phase(0.01), trial_chunk(INFO))


def test_all_mistakes_at_once():
    asked = PhaseSettings(
        channel="Oz", band_hz=(130.0, 8.0), target_deg=0.0, min_amplitude_uv=1.0, mains_hz=200.0
    )
    with pytest.raises(ConfigError) as caught:
        Phase(asked, INFO, -1.0)
    where = [problem.where for problem in caught.value.problems]
    assert where == ["channel", "band_hz", "band_hz", "mains_hz", "lead_s"]
    assert "Fz, Cz, Pz" in str(caught.value)
    assert "125 Hz" in str(caught.value)


def test_a_notch_in_the_band_is_refused():
    with pytest.raises(ConfigError, match="50 Hz, in or within 4 Hz of the band of 30 to 80 Hz"):
        phase(band_hz=(30.0, 80.0), mains_hz=50.0)


@pytest.mark.parametrize(
    "changes",
    [
        {"target_deg": math.nan},
        {"min_amplitude_uv": -1.0},
        {"min_amplitude_quantile": 1.0},
        {"max_uncertainty_deg": 0.0},
        {"estimator": "pll"},
        {"min_amplitude_uv": math.inf},
        {"memory_cycles": 0.0},
        {"band": (4.0, 8.0)},
    ],
)
def test_settings_refuse_what_makes_no_sense(changes):
    with pytest.raises(ValidationError):
        phase(**changes)
