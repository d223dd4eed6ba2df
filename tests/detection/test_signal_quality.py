"""Which channel is bad, from when, and until when."""

import math

import numpy as np
import pytest

from bci_core.chunk import Chunk, StreamInfo
from bci_core.detection.compiled import CompiledDetector
from bci_core.detection.monitor_flags import (
    FLAG_BLANK,
    FLAG_FLAT,
    FLAG_GAP,
    FLAG_LEAD_OFF,
    FLAG_LINE_NOISE,
    FLAG_NOT_FINITE,
    FLAG_RAILED,
)
from bci_core.detection.monitor_settings import MonitorSettings
from bci_core.detection.sensing import Sensing
from bci_core.detection.signal_quality import SignalQuality, SignalQualitySettings
from bci_core.errors import ConfigError
from bci_core.events import EventKind
from bci_core.testing.check_detector import check_detector

RATE_HZ = 250.0
INFO = StreamInfo("bench", RATE_HZ, ("Fz", "Cz", "Pz"), "bench-1")
ONSET, END = EventKind.ONSET, EventKind.END


def quality(**changes) -> CompiledDetector:
    asked = {"channels": ("Cz", "Pz"), "settle_s": 0.4, "flat_s": 0.1} | changes
    return SignalQuality(SignalQualitySettings(**asked), INFO, 0.0)


def good(seconds=10.0, seed=0):
    n = round(seconds * RATE_HZ)
    samples = np.random.default_rng(seed).normal(100.0, 20.0, (n, 3)).astype(np.float32)
    return samples, 50.0 + np.arange(n) / RATE_HZ


def told(found):
    return [(d.sample_index, d.kind, d.channel, int(d.value)) for d in found]


def troubled():
    """Every fault that needs no tone, on one channel or another."""
    samples, times_s = good(20.0)
    samples[500:510, 1] = math.nan
    samples[1000:1100, 2] = 7.0
    samples[1500:1503, 1] = -2e5
    samples[2000:2200] = 0.0
    times_s[3000:] += 0.1
    return Chunk(samples, times_s)


def test_good_channels_are_not_announced():
    assert quality().update(Chunk(*good())) == []


def test_each_fault_begins_on_its_first_sample_and_ends_after_good_ones():
    assert told(quality().update(troubled())) == [
        (500, ONSET, 1, FLAG_NOT_FINITE),
        (609, END, 1, FLAG_NOT_FINITE),
        (1024, ONSET, 2, FLAG_FLAT),
        (1199, END, 2, FLAG_FLAT),
        (1500, ONSET, 1, FLAG_RAILED),
        (1602, END, 1, FLAG_RAILED),
        # One a sample, where several turn at once.
        (2024, ONSET, 1, FLAG_FLAT),
        (2025, ONSET, 2, FLAG_FLAT),
        (2299, END, 1, FLAG_FLAT),
        (2300, END, 2, FLAG_FLAT),
        (3000, ONSET, 1, FLAG_GAP),
        (3001, ONSET, 2, FLAG_GAP),
        (3100, END, 1, FLAG_GAP),
        (3101, END, 2, FLAG_GAP),
    ]


def test_a_fault_that_comes_again_before_it_has_ended_is_one():
    samples, times_s = good()
    samples[500:1000:50, 1] = math.nan
    found = told(quality().update(Chunk(samples, times_s)))
    assert [(i, kind) for i, kind, *_ in found] == [(500, ONSET), (950 + 100, END)]


def test_line_noise_and_impedance_are_told_and_published():
    samples, times_s = good(20.0)
    later = times_s >= 60.0
    samples[later, 1] += 200.0 * np.sin(2 * np.pi * 50.0 * times_s[later]).astype(np.float32)
    samples[:, 2] += 30.0 * np.sin(2 * np.pi * 31.2 * times_s).astype(np.float32)
    samples[later, 2] += 1500.0 * np.sin(2 * np.pi * 31.2 * times_s[later]).astype(np.float32)
    detector = quality(mains_hz=50.0, lead_off_hz=31.2)
    found = told(detector.update(Chunk(samples, times_s)))
    assert sorted((kind, channel, wrong) for _, kind, channel, wrong in found) == [
        (ONSET, 1, FLAG_LINE_NOISE),
        (ONSET, 2, FLAG_LEAD_OFF),
    ]
    assert all(2500 < i < 2700 for i, *_ in found)
    assert detector.outputs == (
        *("Cz flags", "Pz flags", "Cz line noise (share)", "Pz line noise (share)"),
        *("Cz impedance (kohm)", "Pz impedance (kohm)"),
    )
    *flags, cz_noise, pz_noise, cz_kohm, pz_kohm = detector.output()
    assert flags == [FLAG_LINE_NOISE, FLAG_LEAD_OFF]
    assert (cz_noise, pz_kohm) == (pytest.approx(0.98, abs=0.02), pytest.approx(255.0, rel=0.03))
    assert pz_noise < 0.1
    assert cz_kohm < 10.0


def test_it_says_which_channel_it_was_that_the_monitor_has_mended():
    chunk = troubled()
    found = Sensing(quality(), INFO, MonitorSettings()).update(chunk)
    assert told(found)[:2] == [(500, ONSET, 1, FLAG_NOT_FINITE), (609, END, 1, FLAG_NOT_FINITE)]
    assert [d.veto for d in found[:2]] == ["not_finite", "settling"]


def test_blanked_samples_are_left_out():
    samples, times_s = good()
    samples[500:560, 1] = 2e5
    flags = np.zeros(len(times_s), np.uint8)
    flags[500:560] = FLAG_BLANK
    assert quality().update(Chunk(samples, times_s, flags)) == []


def test_it_keeps_the_contract_of_every_detector():
    chunk = troubled()
    samples = np.nan_to_num(chunk.samples, nan=2e5)

    def make_for(info):
        return SignalQuality(SignalQualitySettings(channels=info.channels[:4]), info, 0.0)

    check_detector(quality, INFO, Chunk(samples, chunk.times_s), make_for)


def test_a_hundred_ways_to_cut_it_give_the_same_to_the_bit():
    chunk = troubled()
    whole = quality(mains_hz=50.0, lead_off_hz=31.2).update(chunk)
    for seed in range(100):
        cuts = np.sort(np.random.default_rng(seed).integers(0, len(chunk), 40)).tolist()
        detector, found = quality(mains_hz=50.0, lead_off_hz=31.2), []
        for start, stop in zip([0, *cuts], [*cuts, len(chunk)], strict=True):
            found += detector.update(Chunk(chunk.samples[start:stop], chunk.times_s[start:stop]))
        assert found == whole


def test_all_mistakes_come_at_once():
    with pytest.raises(ConfigError) as found:
        quality(channels=("Oz", "Oz"), lead_off_hz=125.0)
    assert {p.where for p in found.value.problems} == {"channel", "channels", "lead_off_hz"}


def test_many_channels_at_a_high_rate():
    labels = tuple(f"ch{k}" for k in range(1024))
    info = StreamInfo("array", 30_000.0, labels, "array-1")
    detector = SignalQuality(SignalQualitySettings(channels=labels), info, 0.0)
    samples = np.random.default_rng(0).normal(0.0, 5.0, (600, 1024)).astype(np.float32)
    samples[300, 1000] = math.inf
    found = detector.update(Chunk(samples, np.arange(600) / 30_000.0))
    assert told(found) == [(300, ONSET, 1000, FLAG_NOT_FINITE)]
