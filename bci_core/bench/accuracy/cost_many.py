"""Twins of the detectors that read many channels."""

import math

import numpy as np
from numpy.typing import NDArray

from bci_core.bench.accuracy.cost_bands import Filter, Floats, butterworth
from bci_core.chunk import StreamInfo
from bci_core.detection.area import AreaSettings
from bci_core.detection.line_length import LineLengthSettings
from bci_core.detection.short_and_long_trend import BIN_S, LOW
from bci_core.detection.spike_threshold import HEAD_START, MEDIAN_OF_NORMAL, PULL
from bci_core.detection.spikes import SpikesSettings


class LineLengthTwin:
    """Short window over threshold, (n_channels,). An event is not followed."""

    def __init__(self, settings: LineLengthSettings | AreaSettings, info: StreamInfo) -> None:
        n, self._rate_hz = len(info.channels), info.rate_hz
        self._bin = round(BIN_S * info.rate_hz)
        bins_hz = info.rate_hz / self._bin
        self._filter = Filter(butterworth(settings.band_hz, 1, info.rate_hz))
        self._gain = -math.expm1(-1.0 / (settings.long_s * bins_hz))
        self._learning = math.ceil(settings.learning_s * bins_hz - 1e-6)
        self._factor = settings.above_trend_percent / 100.0
        self._bins = np.zeros((round(settings.short_s * bins_hz), n))
        self._last, self._sum, self._trend, self._ratio = np.zeros((4, n))
        self._low_for, self._learnt = np.zeros((2, n))
        self._in_bin = self._pushed = 0

    def step(self, samples: NDArray[np.float32]) -> Floats:
        """Take a chunk in; a bin has a whole number of them."""
        in_band = self._filter.step(samples.astype(np.float64))
        self._sum += self._quantity(in_band).sum(axis=0)
        self._in_bin += len(samples)
        if self._in_bin == self._bin:
            self._close()
        return self._ratio

    def _quantity(self, in_band: Floats) -> Floats:
        steps = np.diff(in_band, axis=0, prepend=self._last[np.newaxis])
        self._last = in_band[-1]
        return np.abs(steps) * self._rate_hz

    def _close(self) -> None:
        value = self._sum / self._bin
        self._bins = np.roll(self._bins, -1, axis=0)
        self._bins[-1] = value
        self._pushed += 1
        self._sum[:], self._in_bin = 0.0, 0
        short = self._bins.mean(axis=0)
        low = short < LOW * self._trend
        self._low_for = np.where(low, self._low_for + 1.0, 0.0)
        anew = self._low_for * self._gain > 1.0
        for part in (self._trend, self._learnt, self._low_for):
            part[anew] = 0.0
        full = self._pushed >= len(self._bins)
        bound = self._trend * (1.0 + self._factor)
        value = np.where((self._learnt >= self._learning) & full, np.minimum(value, bound), value)
        self._learnt += 1.0
        weight = np.maximum(self._gain, 1.0 / self._learnt)
        self._trend += weight * (value - self._trend)
        learnt = (self._learnt >= self._learning) & full
        self._ratio = np.where(learnt, short / (self._trend * (1.0 + self._factor)), 0.0)


class AreaTwin(LineLengthTwin):
    """The same of the area under the signal."""

    def _quantity(self, in_band: Floats) -> Floats:
        return np.abs(in_band)


class SpikesTwin:
    """Standard deviation of the noise, (n_channels,); crossings are counted too."""

    def __init__(self, settings: SpikesSettings, info: StreamInfo) -> None:
        from scipy import signal

        n, rate_hz = len(info.channels), info.rate_hz
        sos = signal.butter(
            settings.order, settings.high_pass_hz, btype="highpass", output="sos", fs=rate_hz
        )
        self._filter = Filter(np.asarray(sos))
        self._gain = 1.0 / (PULL * settings.noise_s * rate_hz)
        self._least = settings.min_noise_uv * MEDIAN_OF_NORMAL
        self._factor = settings.threshold_noise_sd / MEDIAN_OF_NORMAL
        self._dead_for = round(settings.dead_time_s * rate_hz) - 1.0
        self._enough = math.ceil(settings.learning_s * rate_hz - 1e-6)
        self._median = np.full(n, self._least)
        self._dead, self.counts, self._learnt = np.zeros(n), np.zeros(n), 0

    def step(self, samples: NDArray[np.float32]) -> Floats:
        """Take a chunk in."""
        for row in self._filter.step(samples.astype(np.float64)):
            gain = max(self._gain, HEAD_START / (self._learnt + 2.0 * HEAD_START))
            self._learnt += 1
            factor = self._factor if self._learnt >= self._enough else math.inf
            beyond = -row > factor * self._median
            crosses = beyond & (self._dead <= 0.0)
            self.counts += crosses
            self._dead = np.maximum(np.where(crosses, self._dead_for, self._dead - 1.0), beyond)
            factor_up = math.exp(gain)
            moved = np.where(np.abs(row) > self._median, factor_up, 1.0 / factor_up)
            self._median = np.maximum(self._median * moved, self._least)
        return self._median / MEDIAN_OF_NORMAL
