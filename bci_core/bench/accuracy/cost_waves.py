"""Twins of the detectors that count half-waves."""

import math

import numpy as np
from numpy.typing import NDArray

from bci_core.bench.accuracy.cost_bands import Filter, Floats, butterworth
from bci_core.chunk import StreamInfo
from bci_core.detection.after_discharge import AfterDischargeSettings
from bci_core.detection.half_wave import SWING, HalfWaveFields, HalfWaveSettings
from bci_core.detection.short_and_long_trend import BIN_S


class ShortAndLongTwin:
    """Short window and trend of one quantity, (n_channels,); no event is followed.

    Parameters
    ----------
    factor, offset : float
        The threshold is trend * (1 + `factor`) + `offset`.
    """

    def __init__(
        self, settings: HalfWaveFields, info: StreamInfo, factor: float, offset: float
    ) -> None:
        n, self.size = len(info.channels), round(BIN_S * info.rate_hz)
        bins_hz = info.rate_hz / self.size
        self._factor, self._offset = factor, offset
        self._gain = -math.expm1(-1.0 / (settings.long_s * bins_hz))
        self._learning = math.ceil(settings.learning_s * bins_hz - 1e-6)
        self._bins = np.zeros((round(settings.short_s * bins_hz), n))
        self._sum, self.trend, self.ratio = np.zeros((3, n))
        self._pushed = 0

    def take(self, quantity: Floats) -> None:
        """Samples of one bin, (n_samples, n_channels)."""
        self._sum += quantity.sum(axis=0)

    def close(self) -> None:
        """The bin is full. Nothing falls so low here that a trend would be learnt anew."""
        value = self._sum / self.size
        self._sum = np.zeros_like(value)
        self._bins = np.roll(self._bins, -1, axis=0)
        self._bins[-1] = value
        learnt, self._pushed = self._pushed, self._pushed + 1
        full = self._pushed >= len(self._bins)
        if learnt >= self._learning and full:
            value = np.minimum(value, self._bound())
        self.trend = self.trend + max(self._gain, 1.0 / self._pushed) * (value - self.trend)
        if self._pushed >= self._learning and full:
            self.ratio = self._bins.mean(axis=0) / self._bound()

    def _bound(self) -> Floats:
        return np.asarray(self.trend + (self.trend * self._factor + self._offset))


class HalfWavesTwin:
    """Where large half-waves of the right duration are over, sample by sample."""

    def __init__(self, settings: HalfWaveFields, info: StreamInfo) -> None:
        low_hz, high_hz = settings.half_wave_hz
        self._shortest, self._longest = 0.5 * info.rate_hz / high_hz, 0.5 * info.rate_hz / low_hz
        self._per_trend = (1.0 + settings.above_trend_percent / 100.0) * SWING
        self._hysteresis = settings.hysteresis_percent / 100.0
        self._last_turn, self._since_turn, self._extreme, self._rested = np.zeros(
            (4, len(info.channels))
        )
        self._falling = np.zeros(len(info.channels), dtype=bool)

    def step(self, value: Floats, trend: Floats) -> NDArray[np.bool_]:
        """One sample of each channel, in the band."""
        least = self._per_trend * trend
        back = np.where(self._falling, value - self._extreme, self._extreme - value)
        turned = back > self._hysteresis * least
        moved = turned | (back <= 0.0)
        ran, rested = self._since_turn + 1.0, self._rested + 1.0
        lasted = ran - rested
        fits = turned & (lasted >= self._shortest) & (lasted <= self._longest) & (least > 0.0)
        fits &= np.abs(self._extreme - self._last_turn) >= least
        self._last_turn = np.where(turned, self._extreme, self._last_turn)
        self._since_turn = np.where(turned, rested, ran)
        self._extreme = np.where(moved, value, self._extreme)
        self._rested = np.where(moved, 0.0, rested)
        self._falling ^= turned
        return fits


class HalfWaveTwin:
    """Rate over the least one, (n_channels,)."""

    def __init__(self, settings: HalfWaveSettings, info: StreamInfo) -> None:
        self._rate_hz, self._in_bin = info.rate_hz, 0
        self._filter = Filter(butterworth(settings.band_hz, 1, info.rate_hz))
        self._waves = HalfWavesTwin(settings, info)
        self._rate = ShortAndLongTwin(settings, info, -1.0, settings.min_rate_hz)
        self._area = ShortAndLongTwin(settings, info, settings.above_trend_percent / 100.0, 0.0)

    def step(self, samples: NDArray[np.float32]) -> Floats:
        """Take a chunk in; a bin has a whole number of them."""
        in_band = self._filter.step(samples.astype(np.float64))
        counts = np.array([self._waves.step(row, self._area.trend) for row in in_band])
        self._rate.take(counts * self._rate_hz)
        self._area.take(np.abs(in_band))
        self._in_bin += len(samples)
        if self._in_bin == self._rate.size:
            self._in_bin = 0
            self._area.close()
            self._rate.close()
        return self._rate.ratio


class AfterDischargeTwin:
    """The smaller of occupancy and line length over their thresholds, (n_channels,)."""

    def __init__(self, settings: AfterDischargeSettings, info: StreamInfo) -> None:
        self._rate_hz, self._in_bin = info.rate_hz, 0
        self._filter = Filter(butterworth(settings.band_hz, 1, info.rate_hz))
        self._waves = HalfWavesTwin(settings, info)
        self._hold = info.rate_hz / settings.min_repeat_hz
        self._filled = ShortAndLongTwin(settings, info, -1.0, settings.min_occupancy)
        self._area = ShortAndLongTwin(settings, info, settings.above_trend_percent / 100.0, 0.0)
        self._length = ShortAndLongTwin(settings, info, settings.line_length_percent / 100.0, 0.0)
        self._left, self._last = np.zeros((2, len(info.channels)))

    def step(self, samples: NDArray[np.float32]) -> Floats:
        """Take a chunk in; a bin has a whole number of them."""
        in_band = self._filter.step(samples.astype(np.float64))
        filled = np.zeros_like(in_band)
        for i, row in enumerate(in_band):
            over = self._waves.step(row, self._area.trend)
            self._left = np.where(over, self._hold, np.maximum(self._left - 1.0, 0.0))
            filled[i] = self._left > 0.0
        steps = np.abs(np.diff(in_band, axis=0, prepend=self._last[np.newaxis]))
        self._last = in_band[-1]
        self._filled.take(filled)
        self._area.take(np.abs(in_band))
        self._length.take(steps * self._rate_hz)
        self._in_bin += len(samples)
        if self._in_bin == self._area.size:
            self._in_bin = 0
            for each in (self._filled, self._area, self._length):
                each.close()
        return np.minimum(self._filled.ratio, self._length.ratio)
