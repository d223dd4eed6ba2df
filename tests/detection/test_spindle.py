import math

import numpy as np
import pytest
from pydantic import ValidationError
from scipy import signal

from bci_core.bench.accuracy.simulated_sleep import simulated_sleep
from bci_core.chunk import Chunk, StreamInfo
from bci_core.detection.spindle import Spindle, SpindleSettings, alignment
from bci_core.errors import ConfigError
from bci_core.events import EventKind
from bci_core.testing.check_detector import RULES, trial_chunk

RATE_HZ = 200.0
INFO = StreamInfo("night", RATE_HZ, ("Fz", "Cz", "Pz"), "night-1")


def spindle(**changes):
    return Spindle(SpindleSettings(**({"channel": "Cz"} | changes)), INFO, 0.0)


def eeg(seconds, seed=0, level_uv=10.0):
    """Noise whose power falls with the square of its frequency, above 1 Hz."""
    rng = np.random.default_rng(seed)
    n = round(seconds * RATE_HZ)
    spectrum = np.fft.rfft(rng.normal(size=n))
    spectrum /= np.maximum(np.fft.rfftfreq(n, 1 / RATE_HZ), 1.0)
    noise = np.fft.irfft(spectrum, n)
    return level_uv * noise / noise.std()


def with_burst(wave, start_s, length_s, hz=13.0, size_uv=25.0):
    loud = wave.copy()
    n = round(length_s * RATE_HZ)
    at = round(start_s * RATE_HZ)
    t = np.arange(n) / RATE_HZ
    loud[at : at + n] += size_uv * np.hanning(n) ** 0.5 * np.sin(2 * np.pi * hz * t)
    return loud


def chunk_of(wave, flags=None):
    samples = np.full((len(wave), 3), 7.0, dtype=np.float32)
    samples[:, 1] = wave
    return Chunk(samples, np.arange(len(wave)) / RATE_HZ, flags)


def found_late(wave, **changes):
    """What is found after the first 15 s, by when the threshold has come to rest."""
    return [d for d in spindle(**changes).update(chunk_of(wave)) if d.sample_s > 15.0]


def times_of(found, kind=EventKind.ONSET):
    return [d.sample_s for d in found if d.kind is kind]


def test_one_onset_while_it_lasts_and_one_end():
    found = found_late(with_burst(eeg(30), 20.0, 1.0))
    assert [d.kind for d in found] == [EventKind.ONSET, EventKind.END]
    onset, end = found
    assert 20.1 < onset.sample_s < 20.5
    assert 21.0 < end.sample_s < 21.7
    assert onset.target_s == onset.sample_s
    assert end.value >= onset.value >= 2.0


@pytest.mark.parametrize("hz", [11.7, 13.0, 15.3])
def test_any_frequency_of_the_band(hz):
    assert times_of(found_late(with_burst(eeg(30), 20.0, 1.0, hz)))


@pytest.mark.parametrize("hz", [6.0, 9.0, 10.0, 20.0, 25.0])
def test_no_other_frequency(hz):
    assert not found_late(with_burst(eeg(30), 20.0, 1.0, hz))


def test_too_small_is_not_found():
    assert not found_late(with_burst(eeg(30), 20.0, 1.0, size_uv=2.0))


def test_a_click_is_not_a_spindle():
    wave = eeg(60)
    for at_s in np.arange(10.0, 60.0, 3.0):
        wave[round(at_s * RATE_HZ)] += 500.0
    assert not found_late(wave)


def test_a_slow_wave_under_it_does_not_hide_it():
    wave = with_burst(eeg(30), 20.0, 1.0)
    t = np.arange(len(wave)) / RATE_HZ
    wave += 75.0 * np.sin(2 * np.pi * 0.8 * t)
    assert len(times_of(found_late(wave))) == 1


def test_what_lasts_too_long_is_cut_off_and_announced_once():
    found = found_late(with_burst(eeg(40), 20.0, 8.0), max_duration_s=2.0)
    assert [d.kind for d in found] == [EventKind.ONSET, EventKind.END]
    assert found[1].sample_index - found[0].sample_index == 2.0 * RATE_HZ
    again = with_burst(with_burst(eeg(40), 20.0, 8.0), 34.0, 1.0)
    assert len(times_of(found_late(again, max_duration_s=2.0))) == 2


def test_ready_after_a_few_seconds_and_not_before():
    wave = with_burst(with_burst(eeg(15, 2), 0.5, 1.0), 4.0, 1.0)
    at_s = times_of(spindle().update(chunk_of(wave)))
    assert len(at_s) == 1
    assert 4.0 < at_s[0] < 5.0


@pytest.mark.parametrize("factor", [0.1, 10.0])
def test_the_scale_and_the_offset_do_not_matter(factor):
    wave = with_burst(eeg(30), 20.0, 1.0)
    plain = [d.sample_index for d in found_late(wave)]
    scaled = [d.sample_index for d in found_late(factor * wave + 1000.0)]
    assert len(plain) == 2
    np.testing.assert_allclose(scaled, plain, atol=1)


def test_the_threshold_follows_a_level_that_drifts():
    """Two minutes at five times the level: spindles are found before and after, and few others."""
    wave = np.concatenate([eeg(120), eeg(180, 1, 50.0)])
    starts_s = np.arange(20.0, 290.0, 15.0)
    for start_s in starts_s:
        wave = with_burst(wave, start_s, 1.0, size_uv=25.0 if start_s < 119.0 else 125.0)
    at_s = np.array(times_of(spindle().update(chunk_of(wave))))
    hit = [np.any((at_s > s) & (at_s < s + 1.0)) for s in starts_s]
    assert sum(hit) >= len(starts_s) - 1
    assert len(at_s) <= len(starts_s) + 6


def test_nothing_is_learnt_from_flagged_samples():
    wave = eeg(40)
    wave[10 * 200 : 20 * 200] *= 50.0
    wave = with_burst(wave, 25.0, 1.0)
    flags = np.zeros(len(wave), dtype=np.uint8)
    flags[10 * 200 : 22 * 200] = 16
    assert len([s for s in times_of(spindle().update(chunk_of(wave, flags))) if s > 22.0]) == 1


def test_most_spindles_of_simulated_sleep_and_few_others():
    """Thirty minutes through all stages, with alpha, slow waves, muscle and pops."""
    night = simulated_sleep(30.0, RATE_HZ, seed=11)
    found = spindle().update(chunk_of(night.samples_uv))
    onsets = np.array(times_of(found))
    ends = np.array(times_of(found, EventKind.END))
    late_s = []
    wrong = len(onsets)
    for start_s, end_s in night.spindles_s:
        hits = np.flatnonzero((onsets >= start_s) & (onsets <= end_s))
        if len(hits):
            late_s.append(onsets[hits[0]] - start_s)
            wrong -= 1
    assert len(late_s) >= 0.9 * len(night.spindles_s)
    assert wrong <= 0.6 * 30.0
    assert np.median(late_s) < 0.3
    assert len(ends) == len(onsets)


def test_recovers_from_steps_of_a_volt():
    # Learnt from the steps, the baseline has a minute, and two seconds to learn another.
    steps = np.repeat([0.0, 1e6, -1e6, 1e6, 0.0], 400)
    detector = spindle()
    found = detector.update(chunk_of(with_burst(np.concatenate([steps, eeg(100)]), 80.0, 1.0)))
    assert [s for s in times_of(found) if 80.0 < s < 80.6]
    assert np.isfinite(detector.state).all()


def test_broadband_is_held_back_to_match_sigma():
    detector = spindle()
    wave = 30.0 * np.sin(2 * np.pi * 13.0 * np.arange(2000) / RATE_HZ)
    detector.update(chunk_of(wave))
    outputs = dict(zip(detector.outputs, detector.output(), strict=True))
    assert outputs["correlation"] > 0.95
    assert outputs["relative_power"] == pytest.approx(1.0, abs=0.1)
    assert outputs["frequency_hz"] == pytest.approx(13.0, abs=0.2)
    assert outputs["sigma_uv"] == pytest.approx(30.0 / math.sqrt(2.0), rel=0.05)


def twin(asked, wave):
    """Outputs of every sample, (n, 4), by scipy and windows that are cut out one by one."""

    def filtered(band_hz, order):
        sos = signal.butter(order, band_hz, btype="bandpass", output="sos", fs=RATE_HZ)
        return signal.sosfilt(sos, wave, zi=signal.sosfilt_zi(sos) * wave[0])[0], sos

    def flat(sos):
        return np.ascontiguousarray(sos[:, [0, 1, 2, 4, 5]]).ravel()

    sigma, narrow = filtered(asked.filter_hz, 2)
    broad, wide = filtered(asked.broad_hz, 1)
    total, _ = filtered(asked.total_hz, 2)
    delay = alignment(flat(narrow), flat(wide), asked.filter_hz, RATE_HZ)
    broad = np.concatenate([np.zeros(delay), broad[:-delay]])
    n, short = round(asked.window_s * RATE_HZ), round(asked.envelope_s * RATE_HZ)
    rows = np.zeros((len(wave), 4))
    for i in range(n, len(wave)):
        window = slice(i + 1 - n, i + 1)
        s, b, t = sigma[window], broad[window], total[window]
        slope = np.diff(sigma[i - n : i + 1])
        rows[i, 0] = np.sqrt(np.mean(sigma[i + 1 - short : i + 1] ** 2))
        rows[i, 1] = np.sum(s**2) / np.sum(t**2)
        rows[i, 2] = np.corrcoef(s, b)[0, 1]
        rows[i, 3] = np.arcsin(np.sqrt(np.sum(slope**2) / np.sum(s**2)) / 2) * RATE_HZ / np.pi
    return rows


@pytest.mark.parametrize(
    "changes", [{}, {"window_s": 0.3, "envelope_s": 0.1, "filter_hz": (10.0, 16.0)}]
)
def test_outputs_agree_with_the_twin(changes):
    asked = SpindleSettings(channel="Cz", **changes)
    wave = with_burst(eeg(12), 6.0, 1.0).astype(np.float32).astype(float)
    detector = Spindle(asked, INFO, 0.0)
    trace = detector.trace(chunk_of(wave))
    expected = twin(asked, wave)
    start = 100
    columns = [detector.outputs.index(name) for name in ("sigma_uv", "relative_power")]
    columns += [detector.outputs.index(name) for name in ("correlation", "frequency_hz")]
    np.testing.assert_allclose(trace[start:, columns], expected[start:], rtol=1e-6, atol=1e-9)


def test_criteria_decide_as_stated():
    """Onset: all three and the frequency for `min_duration_s`; end: fewer than two of them."""
    asked = SpindleSettings(channel="Cz", min_duration_s=0.1, end_s=0.2, max_duration_s=60.0)
    night = simulated_sleep(8.0, RATE_HZ, seed=4, stage_s=60.0)
    chunk = chunk_of(night.samples_uv)
    _, sd, relative, match, hz = Spindle(asked, INFO, 0.0).trace(chunk).T
    found = Spindle(asked, INFO, 0.0).update(chunk)
    held = (
        (relative >= asked.relative_power).astype(int)
        + (match >= asked.correlation)
        + (sd >= asked.envelope_sd)
    )
    ready = (held == 3) & (hz >= asked.band_hz[0]) & (hz <= asked.band_hz[1])
    run = weak = 0
    on, expected = False, []
    for i in range(len(held)):
        if not on:
            run = run + 1 if ready[i] else 0
            if run == 20:
                on, weak = True, 0
                expected.append((i, EventKind.ONSET))
            continue
        weak = weak + 1 if held[i] < 2 else 0
        if weak == 40:
            on, run = False, 0
            expected.append((i, EventKind.END))
    assert len(expected) > 8
    assert [(d.sample_index, d.kind) for d in found] == expected


def test_one_hundred_splits_give_the_same_to_the_bit():
    chunk = chunk_of(simulated_sleep(2.0, RATE_HZ, seed=1, stage_s=40.0).samples_uv)
    whole = spindle()
    expected = whole.update(chunk)
    assert expected
    for seed in range(100):
        rng = np.random.default_rng(seed)
        split, found, start = spindle(), [], 0
        while start < len(chunk):
            end = start + int(rng.choice([0, 1, 4, 50, 333, 2000]))
            found += split.update(Chunk(chunk.samples[start:end], chunk.times_s[start:end]))
            start = end
        assert found == expected
        np.testing.assert_array_equal(split.state, whole.state)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_keeps_the_contract(rule):
    rule(lambda: spindle(baseline_s=10.0, envelope_sd=2.0), trial_chunk(INFO))


@pytest.mark.parametrize("rate_hz", [100.0, 256.0, 2000.0, 30_000.0])
def test_any_rate(rate_hz):
    info = StreamInfo("night", rate_hz, ("Cz",), "night-1")
    times_s = np.arange(round(8.0 * rate_hz)) / rate_hz
    wave = 20.0 * np.sin(2 * np.pi * 2.3 * times_s) + 5.0 * np.sin(2 * np.pi * 6.1 * times_s)
    wave += np.where(abs(times_s - 5.5) < 0.5, 40.0 * np.sin(2 * np.pi * 13.0 * times_s), 0.0)
    detector = Spindle(SpindleSettings(channel="Cz"), info, 0.0)
    found = detector.update(Chunk(wave.astype(np.float32)[:, None], times_s))
    assert [d.kind for d in found] == [EventKind.ONSET, EventKind.END]
    assert 5.0 < found[0].sample_s < 5.5


def test_all_mistakes_at_once():
    asked = SpindleSettings(
        channel="Oz", band_hz=(11.0, 16.0), broad_hz=(1.0, 100.0), total_hz=(12.0, 30.0),
        min_duration_s=4.0, max_duration_s=3.0,
    )  # fmt: skip
    with pytest.raises(ConfigError) as caught:
        Spindle(asked, INFO, math.nan)
    where = [problem.where for problem in caught.value.problems]
    assert where == ["channel", "broad_hz", "total_hz", "min_duration_s", "lead_s"]


@pytest.mark.parametrize(
    "changes",
    [{"correlation": 1.0}, {"relative_power": 0.0}, {"window_s": math.inf}, {"sigma_hz": 13}],
)
def test_settings_refuse_what_makes_no_sense(changes):
    with pytest.raises(ValidationError):
        spindle(**changes)
