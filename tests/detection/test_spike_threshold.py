import math

import numpy as np
import pytest
from scipy import signal

from bci_core.chunk import StreamInfo
from bci_core.detection.spike_threshold import (
    SpikeThresholdSettings,
    find_crossings,
    noise_uv,
    threshold_crossings,
    threshold_problems,
    threshold_settings,
    threshold_state,
)

RATE_HZ = 10_000.0


def noise(seconds, sd_uv=5.0, n_channels=1, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(0.0, sd_uv, (round(seconds * RATE_HZ), n_channels)).astype(np.float32)


def with_spikes(samples, at, height_uv, channel=0):
    """Spikes of 0.4 ms, down and up, that begin at these samples."""
    shape = np.array([-0.3, -1.0, -0.5, 0.3])
    spiky = samples.copy()
    for start in at:
        spiky[start : start + 4, channel] += np.float32(height_uv) * shape.astype(np.float32)
    return spiky


def run(asked, samples, good=None):
    """Noise in microvolts after each sample, by the compiled step itself."""
    settings = threshold_settings(asked, RATE_HZ)
    n_channels = samples.shape[1]
    state = threshold_state(settings, n_channels)
    columns, counts = np.arange(n_channels, dtype=float), np.zeros(n_channels)
    course = np.zeros(samples.shape)
    for i, sample in enumerate(samples):
        find_crossings(settings, state, columns, sample, good is None or good[i], counts)
        course[i] = noise_uv(state, n_channels)
    assert np.isfinite(state).all()
    return course


def twin(asked, samples, good):
    """(sample, channel) of each crossing, and the noise, by scipy and a plain loop."""
    sos = signal.butter(asked.order, asked.high_pass_hz, btype="highpass", output="sos", fs=RATE_HZ)
    samples = samples.astype(float)
    found, last = [], []
    for c in range(samples.shape[1]):
        high, _ = signal.sosfilt(sos, samples[:, c], zi=signal.sosfilt_zi(sos) * samples[0, c])
        median = asked.min_noise_uv * 0.6745
        learnt, free_from, held = 0, 0, False
        for i, value in enumerate(high):
            gain = max(1 / (0.857 * asked.noise_s * RATE_HZ), 4 / (learnt + 8))
            learnt += good[i]
            height = {"negative": -value, "positive": value, "both": abs(value)}[asked.polarity]
            ready = learnt >= asked.learning_s * RATE_HZ
            beyond = ready and height > asked.threshold_noise_sd * median / 0.6745
            if beyond and not held and i >= free_from:
                found.append((i, c))
                free_from = i + round(asked.dead_time_s * RATE_HZ)
                held = True
            held = beyond and (held or i < free_from)
            if good[i]:
                median *= math.exp(gain if abs(value) > median else -gain)
                median = max(median, asked.min_noise_uv * 0.6745)
        last.append(median / 0.6745)
    return sorted(found), last


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"threshold_noise_sd": 2.0},
        {"polarity": "positive", "threshold_noise_sd": 2.5, "dead_time_s": 0.0},
        {"polarity": "both", "order": 3, "high_pass_hz": 500.0, "dead_time_s": 0.003},
    ],
)
def test_agrees_with_its_twin(changes):
    asked = SpikeThresholdSettings(**({"learning_s": 0.3, "noise_s": 0.5} | changes))
    rng = np.random.default_rng(1)
    samples = 30_000 + with_spikes(
        noise(2, n_channels=3), rng.integers(5000, 19_990, 60), 80.0, channel=1
    )
    good = rng.random(len(samples)) > 0.1
    index, channel = threshold_crossings(samples, RATE_HZ, asked, (~good).astype(np.uint8))
    expected, last = twin(asked, samples, good)
    assert len(expected) > 40
    assert list(zip(index.tolist(), channel.tolist(), strict=True)) == expected
    np.testing.assert_allclose(run(asked, samples, good)[-1], last, rtol=1e-6)


@pytest.mark.parametrize("scale_uv", [0.5, 5.0, 5000.0])
def test_the_noise_is_learnt_in_its_unit_within_the_learning_time(scale_uv):
    course = run(SpikeThresholdSettings(high_pass_hz=1.0), noise(3, scale_uv))
    assert course[round(RATE_HZ) :, 0] / scale_uv == pytest.approx(1.0, abs=0.05)


def test_spikes_hardly_move_it():
    # 40 spikes a second of 30 SD would make the plain standard deviation 2.5 times too large.
    at = np.arange(100, 29_900, 250)
    spiky = with_spikes(noise(3), at, 150.0)
    course = run(SpikeThresholdSettings(high_pass_hz=1.0), spiky)
    assert spiky.std() > 1.8 * 5.0
    assert course[-1, 0] == pytest.approx(5.0, rel=0.1)


def test_a_change_of_noise_is_followed_within_the_stated_time():
    asked = SpikeThresholdSettings(noise_s=0.5, high_pass_hz=1.0)
    for factor in (10.0, 0.1):
        samples = np.concatenate([noise(3), noise(4, 5.0 * factor, seed=1)])
        course = run(asked, samples)[:, 0]
        followed = 3 + asked.noise_s * (abs(math.log(factor)) + 2.0)
        after = course[round(followed * RATE_HZ) :]
        assert len(after) > RATE_HZ
        assert after == pytest.approx(5.0 * factor, rel=0.2)


def test_nothing_is_learnt_from_flagged_samples():
    asked = SpikeThresholdSettings(noise_s=0.5)
    loud = np.concatenate([noise(2), noise(2, 500.0, seed=1), noise(1, seed=2)])
    good = np.ones(len(loud), dtype=bool)
    good[20_000:40_000] = False
    course = run(asked, loud, good)[:, 0]
    assert (course[20_000:40_000] == course[19_999]).all()
    assert run(asked, loud)[39_999, 0] > 10 * course[39_999]


def test_finds_the_spikes_that_are_there_and_little_else():
    rng = np.random.default_rng(3)
    at = 10_500 + np.cumsum(rng.integers(60, 400, 200))
    n = (at[-1] + 1000) / RATE_HZ
    index, channel = threshold_crossings(
        with_spikes(noise(n, n_channels=2), at, 60.0, channel=1), RATE_HZ, SpikeThresholdSettings()
    )
    spikes = index[channel == 1]
    late = spikes[np.searchsorted(spikes, at)] - at  # each has one, within its own width
    assert len(spikes) == pytest.approx(len(at), abs=3)
    assert ((late >= 0) & (late <= 3)).mean() > 0.97
    assert (channel == 0).sum() <= 3


def test_a_signal_that_stays_beyond_the_threshold_crosses_once():
    asked = SpikeThresholdSettings(high_pass_hz=1.0, dead_time_s=0.001, learning_s=0.5)
    samples = noise(2)
    samples[15_000:15_200] -= 200.0  # 20 dead times long
    index, _ = threshold_crossings(samples, RATE_HZ, asked)
    assert ((index >= 15_000) & (index < 15_200)).sum() == 1


def test_dead_time():
    samples = noise(2)
    at = [15_000, 15_008, 15_040]
    spiky = with_spikes(samples, at, 200.0)
    asked = {"learning_s": 0.5, "threshold_noise_sd": 6.0}

    def found(dead_time_s):
        index, _ = threshold_crossings(
            spiky, RATE_HZ, SpikeThresholdSettings(dead_time_s=dead_time_s, **asked)
        )
        return len(index)

    assert [found(s) for s in (0.0, 0.0005, 0.002, 0.01)] == [3, 3, 2, 1]


def test_nothing_is_found_before_the_noise_is_learnt():
    spiky = with_spikes(noise(2), range(100, 19_900, 200), 200.0)
    index, _ = threshold_crossings(spiky, RATE_HZ, SpikeThresholdSettings(learning_s=1.2))
    assert len(index) > 10
    assert index.min() >= 1.2 * RATE_HZ - 1


def test_a_step_of_a_volt_is_over_soon():
    samples = noise(4, n_channels=2)
    samples[20_000:] += 1e6
    asked = SpikeThresholdSettings()
    index, _ = threshold_crossings(samples, RATE_HZ, asked)
    assert ((index >= 20_000) & (index < 20_200)).any()
    assert not (index >= 20_200).any()  # 20 ms: the high-pass has rung down


def test_many_channels_do_not_overflow_the_list():
    # Every channel crosses on one sample, again and again.
    samples = noise(1.2, n_channels=300)
    samples[11_000:11_900:100] -= 500.0
    index, channel = threshold_crossings(samples, RATE_HZ, SpikeThresholdSettings(learning_s=0.5))
    times, n_channels = np.unique(index[index >= 11_000], return_counts=True)
    assert (n_channels[np.isin(times, range(11_000, 11_900, 100))] == 300).sum() == 9
    assert len(set(channel.tolist())) == 300


def test_an_empty_recording_has_none():
    index, channel = threshold_crossings(
        np.zeros((0, 4), dtype=np.float32), RATE_HZ, SpikeThresholdSettings()
    )
    assert len(index) == len(channel) == 0


def test_the_high_pass_must_fit_the_rate():
    info = StreamInfo("slow", 500.0, ("a",), "slow-1")
    (problem,) = threshold_problems(SpikeThresholdSettings(), info)
    assert problem.where == "high_pass_hz"
    assert "250 Hz" in problem.message
    assert not threshold_problems(SpikeThresholdSettings(high_pass_hz=249.0), info)
