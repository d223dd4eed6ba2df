"""half_wave and after_discharge against the same in plain Python, sample by sample."""

import math

import numpy as np
import pytest
from scipy import signal

from bci_core.chunk import Chunk, StreamInfo
from bci_core.detection.after_discharge import AfterDischarge
from bci_core.detection.half_wave import HalfWave
from bci_core.events import EventKind

RATE_HZ = 250.0
INFO = StreamInfo("grid", RATE_HZ, ("G1",), "grid-1")
BIN = 31
BINS_HZ = RATE_HZ / BIN


class Size:
    """Short window and trend of a size, which is learnt until the threshold cuts it."""

    def __init__(self, asked, percent):
        self.asked, self.factor = asked, 1.0 + percent / 100.0
        self.window = round(asked.short_s * BINS_HZ)
        self.learning = math.ceil(asked.learning_s * BINS_HZ - 1e-6)
        self.gain = 1.0 - math.exp(-1.0 / (asked.long_s * BINS_HZ))
        self.bins, self.samples, self.trend, self.learnt = [], [], 0.0, 0

    def close(self, frozen):
        value = float(np.mean(self.samples))
        self.samples = []
        self.bins.append(value)
        if frozen:
            return
        if self.is_learnt():
            value = min(value, self.factor * self.trend)
        self.learnt += 1
        self.trend += max(self.gain, 1.0 / self.learnt) * (value - self.trend)

    def is_learnt(self):
        return self.learnt >= self.learning and len(self.bins) >= self.window

    def short(self):
        return sum(self.bins[-self.window :]) / self.window

    def is_above(self, announced):
        part = self.asked.release_ratio if announced else 1.0
        return self.is_learnt() and self.short() >= self.trend * (1 + part * (self.factor - 1))


class Rate(Size):
    """Short window and trend of a rate, with a threshold of its own."""

    def __init__(self, asked, least):
        super().__init__(asked, 0.0)
        self.least = least

    def close(self, frozen):
        value = float(np.mean(self.samples))
        self.samples = []
        self.bins.append(value)
        if frozen:
            return
        if self.is_learnt():
            value = min(value, self.least)
        self.learnt += 1
        self.trend += max(self.gain, 1.0 / self.learnt) * (value - self.trend)

    def is_above(self, announced):
        part = self.asked.release_ratio if announced else 1.0
        bound = self.trend + part * (self.least - self.trend)
        return self.is_learnt() and self.short() > 0.0 and self.short() >= bound


class HalfWaves:
    """Cuts a signal at its turning points."""

    def __init__(self, asked):
        self.asked = asked
        self.turn, self.peak, self.rising = (-1, 0.0), (-1, 0.0), True

    def count(self, i, value, least_uv):
        peak = self.peak
        if value >= peak[1] if self.rising else value <= peak[1]:
            self.peak = (i, value)
            return False
        if abs(value - peak[1]) <= self.asked.hysteresis_percent / 100.0 * least_uv:
            return False
        lasted = peak[0] - self.turn[0]
        swing_uv = abs(peak[1] - self.turn[1])
        self.turn, self.peak, self.rising = peak, (i, value), not self.rising
        low_hz, high_hz = self.asked.half_wave_hz
        in_time = 0.5 * RATE_HZ / high_hz <= lasted <= 0.5 * RATE_HZ / low_hz
        return in_time and swing_uv >= least_uv > 0.0


def twin(kind, asked, wave):
    """(sample index, kind) of each event on one channel."""
    sos = signal.butter(1, asked.band_hz, btype="bandpass", output="sos", fs=RATE_HZ)
    band = signal.sosfilt(sos, wave, zi=signal.sosfilt_zi(sos) * wave[0])[0]
    discharge = kind is AfterDischarge
    waves, area = HalfWaves(asked), Size(asked, asked.above_trend_percent)
    length = Size(asked, asked.line_length_percent) if discharge else None
    rate = Rate(asked, asked.min_occupancy if discharge else asked.min_rate_hz)
    hold = RATE_HZ / asked.min_repeat_hz if discharge else 0.0
    enough = max(1, math.ceil(asked.min_duration_s * BINS_HZ - 1e-6))
    over = max(1, math.ceil(asked.end_s * BINS_HZ - 1e-6))
    lasted = below = 0
    last, left, found = 0.0, 0.0, []
    for i, value in enumerate(band):
        least_uv = (1 + asked.above_trend_percent / 100.0) * math.pi * area.trend
        counts = waves.count(i, value, least_uv)
        left = hold if counts else max(left - 1.0, 0.0)
        rate.samples.append(float(left > 0.0) if discharge else RATE_HZ * counts)
        area.samples.append(abs(value))
        if discharge:
            length.samples.append(abs(value - last) * RATE_HZ)
        last = value
        if (i + 1) % BIN:
            continue
        announced = lasted >= enough
        for size in filter(None, (area, rate, length)):
            size.close(announced)
        is_on = rate.is_above(announced) and (not discharge or length.is_above(announced))
        if not announced:
            lasted, below = lasted + 1 if is_on else 0, 0
            if lasted >= enough:
                found.append((i, EventKind.ONSET))
            continue
        lasted, below = lasted + 1, 0 if is_on else below + 1
        if below >= over:
            found.append((i, EventKind.END))
            lasted = 0
    return found


def ill(seed):
    """A minute and a half of noise with two discharges."""
    rng = np.random.default_rng(seed)
    n = round(90 * RATE_HZ)
    spectrum = np.fft.rfft(rng.normal(size=n))
    spectrum /= np.maximum(np.fft.rfftfreq(n, 1 / RATE_HZ), 1.0)
    noise = np.fft.irfft(spectrum, n)
    wave = 20.0 * noise / noise.std()
    for start_s, end_s, hz in ((35.0, 45.0, 5.0), (65.0, 75.0, 8.0)):
        for at_s in np.arange(start_s, end_s, 1.0 / hz):
            at = round(at_s * RATE_HZ)
            wave[at : at + 20] += rng.uniform(150.0, 300.0) * np.hanning(20)
    return wave.astype(np.float32)


@pytest.mark.parametrize("kind", [HalfWave, AfterDischarge])
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"above_trend_percent": 80.0, "half_wave_hz": (1.0, 40.0), "hysteresis_percent": 5.0},
        {"short_s": 1.5, "end_s": 0.0, "release_ratio": 1.0, "long_s": 30.0},
    ],
)
def test_agrees_with_its_twin(kind, changes):
    asked = kind.Settings(channels=("G1",), **changes)
    wave = ill(3)
    chunk = Chunk(wave[:, np.newaxis], np.arange(len(wave)) / RATE_HZ)
    found = kind(asked, INFO, 0.0).update(chunk)
    expected = twin(kind, asked, wave.astype(float))
    assert len(expected) >= 2
    assert [(d.sample_index, d.kind) for d in found] == expected
