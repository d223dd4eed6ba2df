import math

import numpy as np
import pytest
from pydantic import ValidationError
from scipy import signal

from bci_core.chunk import Chunk, StreamInfo
from bci_core.detection.phase import Phase, PhaseSettings
from bci_core.detection.slow_oscillation import (
    DRIFT_RATIO,
    SlowOscillation,
    SlowOscillationSettings,
)
from bci_core.errors import ConfigError
from bci_core.testing.check_detector import RULES, trial_chunk

RATE_HZ = 250.0
INFO = StreamInfo("bench", RATE_HZ, ("Fz", "Cz", "Pz"), "bench-1")


def slow_oscillation(lead_s=0.02, **changes):
    asked = {"channel": "Cz", "pause_s": 0.0, "min_amplitude_quantile": 0.0}
    return SlowOscillation(SlowOscillationSettings(**(asked | changes)), INFO, lead_s)


def sleep(seconds=60.0, frequency_hz=0.8, amplitude_uv=60.0, seed=0):
    """A slow oscillation, down-states negative, on 1/f noise; and its phase in turns."""
    times_s = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    rng = np.random.default_rng(seed)
    noise = signal.lfilter([1.0], [1.0, -0.98], rng.normal(0.0, 1.0, len(times_s)))
    turns = frequency_hz * times_s
    return amplitude_uv * np.cos(2 * np.pi * turns) + noise, turns


def phase_deg(found, frequency_hz=0.8):
    """Of the true oscillation at each announced moment, in ±180 degrees; 0 is positive."""
    at_deg = 360.0 * frequency_hz * np.array([d.target_s for d in found])
    return (at_deg + 180.0) % 360.0 - 180.0


@pytest.mark.parametrize("frequency_hz", [0.6, 0.8, 1.2])
@pytest.mark.parametrize(("target", "at_deg"), [("up", 0.0), ("down", 180.0)])
@pytest.mark.parametrize("lead_s", [0.0, 0.05, 0.2])
def test_announces_each_oscillation_in_time(on_cz, frequency_hz, target, at_deg, lead_s):
    wave, _ = sleep(frequency_hz=frequency_hz)
    found = slow_oscillation(lead_s, target=target).update(on_cz(wave))
    late = [d for d in found if d.sample_s > 10.0]
    assert len(late) == pytest.approx(50 * frequency_hz, abs=2)
    off_deg = (phase_deg(late, frequency_hz) - at_deg + 180.0) % 360.0 - 180.0
    assert abs(off_deg).max() < 25.0
    assert abs(off_deg.mean()) < 5.0
    assert min(d.target_s - d.sample_s for d in late) > lead_s - 1.0 / RATE_HZ - 1e-9
    assert np.mean([d.value for d in late]) == pytest.approx(60.0, abs=8.0)


@pytest.mark.parametrize(("target", "at_deg"), [("up", 180.0), ("down", 0.0)])
def test_polarity_is_what_the_derivation_makes_it(on_cz, target, at_deg):
    wave, _ = sleep()
    found = slow_oscillation(target=target, polarity=-1).update(on_cz(wave))
    late = [d for d in found if d.sample_s > 10.0]
    assert len(late) > 35
    assert abs((phase_deg(late) - at_deg + 180.0) % 360.0 - 180.0).max() < 25.0


def test_an_up_state_without_a_deep_down_state_is_none(on_cz):
    shallow, _ = sleep(amplitude_uv=15.0)
    deep, _ = sleep(amplitude_uv=60.0)
    assert not slow_oscillation(threshold_uv=30.0).update(on_cz(shallow))
    assert slow_oscillation(threshold_uv=30.0).update(on_cz(deep))
    assert not slow_oscillation(threshold_uv=30.0, max_depth_uv=45.0).update(on_cz(deep))[2:]


def test_down_states_too_short_or_too_long_are_none(on_cz):
    wave, _ = sleep(frequency_hz=0.8)  # half-waves of 0.625 s
    assert len(slow_oscillation().update(on_cz(wave))) > 40
    for bounds in ({"min_half_wave_s": 0.8}, {"max_half_wave_s": 0.4, "min_half_wave_s": 0.1}):
        assert len(slow_oscillation(**bounds).update(on_cz(wave))) <= 3


def test_two_and_then_a_pause(on_cz):
    wave, _ = sleep()
    found = slow_oscillation(stimuli_before_pause=2, pause_s=2.5).update(on_cz(wave))
    gaps_s = np.diff([d.target_s for d in found])
    assert len(found) > 15
    np.testing.assert_allclose(gaps_s[0::2], 1.25, atol=0.15)
    assert (gaps_s[1::2] >= 2.5 - 0.1).all()
    assert (gaps_s[1::2] < 2.5 + 1.5).all()


def test_the_quantile_keeps_to_the_larger_oscillations(on_cz):
    small, _ = sleep(90.0, amplitude_uv=25.0)
    large, _ = sleep(30.0, amplitude_uv=80.0, seed=1)
    wave = np.concatenate([small, large])
    found = slow_oscillation(min_amplitude_quantile=0.7).update(on_cz(wave))
    assert sum(d.sample_s > 95.0 for d in found) >= 17
    assert sum(60.0 < d.sample_s < 89.0 for d in found) < 15


def test_phase_is_that_of_the_phase_detector():
    wave, _ = sleep(40.0)
    samples = np.repeat(wave[:, np.newaxis], 3, axis=1).astype(np.float32)
    chunk = Chunk(samples, np.arange(len(wave)) / RATE_HZ)
    asked = PhaseSettings(channel="Cz", band_hz=(0.5, 2.0), target_deg=0.0, drift_ratio=DRIFT_RATIO)
    every = Phase(asked, INFO, 0.02)
    announced = {(d.sample_index, d.target_s) for d in every.update(chunk)}
    chosen = slow_oscillation()
    found = chosen.update(chunk)
    assert {(d.sample_index, d.target_s) for d in found} <= announced
    np.testing.assert_array_equal(chosen.output(), every.output())


def test_a_flagged_down_state_is_not_acted_on():
    wave, _ = sleep(40.0)
    samples = np.repeat(wave[:, np.newaxis], 3, axis=1).astype(np.float32)
    times_s = np.arange(len(wave)) / RATE_HZ
    flags = np.zeros(len(wave), dtype=np.uint8)
    clean = slow_oscillation().update(Chunk(samples, times_s, flags))
    trough_s = next(d.target_s for d in clean if d.sample_s > 20.0) - 0.625
    flags[round(trough_s * RATE_HZ)] = 1
    flagged = slow_oscillation().update(Chunk(samples, times_s, flags))
    assert len(flagged) == len(clean) - 1
    assert not any(abs(d.target_s - trough_s - 0.625) < 0.3 for d in flagged)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_keeps_the_contract(rule):
    rule(slow_oscillation, trial_chunk(INFO))


def test_one_hundred_splits_give_the_same_to_the_bit(on_cz):
    wave, _ = sleep(40.0)
    chunk = on_cz(wave)
    whole = slow_oscillation(pause_s=2.5)
    expected = whole.update(chunk)
    assert len(expected) > 10
    for seed in range(100):
        rng = np.random.default_rng(seed)
        split, found, start = slow_oscillation(pause_s=2.5), [], 0
        while start < len(chunk):
            end = start + int(rng.choice([0, 1, 2, 7, 50, 333, 2000]))
            found += split.update(Chunk(chunk.samples[start:end], chunk.times_s[start:end]))
            start = end
        assert found == expected
        np.testing.assert_array_equal(split.state, whole.state)


@pytest.mark.parametrize(("name", "row"), [("yasa_n3_30s", 0), ("mcsleep_30s", 2)])
@pytest.mark.parametrize("target", ["up", "down"])
def test_real_up_states(recording, name, row, target):
    samples, rate_hz = recording(name, row)
    taps = signal.firwin(int(6 * rate_hz) | 1, (0.5, 2.0), pass_zero=False, fs=rate_hz)
    truth = signal.hilbert(signal.fftconvolve(samples - samples.mean(), taps, mode="same"))
    times_s = np.arange(len(samples)) / rate_hz
    info = StreamInfo(name, rate_hz, ("a",), name)
    asked = SlowOscillationSettings(channel="a", target=target, pause_s=0.0)
    chunk = Chunk(samples.astype(np.float32)[:, np.newaxis], times_s)
    targets_s = np.array([d.target_s for d in SlowOscillation(asked, info, 0.02).update(chunk)])
    targets_s = targets_s[(targets_s > 3.0) & (targets_s < times_s[-1] - 3.0)]
    up = np.cos(np.interp(targets_s, times_s, np.unwrap(np.angle(truth)))) > 0.0
    assert len(up) >= 4
    assert (up if target == "up" else ~up).mean() >= 0.85


def test_all_mistakes_at_once():
    asked = SlowOscillationSettings(
        channel="Oz",
        band_hz=(0.0, 125.0),
        min_half_wave_s=1.5,
        threshold_uv=600.0,
    )
    with pytest.raises(ConfigError) as caught:
        SlowOscillation(asked, INFO, math.nan)
    where = [problem.where for problem in caught.value.problems]
    assert where == [
        "channel", "band_hz", "band_hz", "lead_s", "min_half_wave_s", "threshold_uv",
    ]  # fmt: skip
    assert "detector slow_oscillation" in str(caught.value)


@pytest.mark.parametrize(
    "changes",
    [
        {"target": "middle"},
        {"polarity": 0},
        {"threshold_uv": 0.0},
        {"stimuli_before_pause": 0},
        {"pause": 1.0},
    ],
)
def test_settings_refuse_what_makes_no_sense(changes):
    with pytest.raises(ValidationError):
        slow_oscillation(**changes)
