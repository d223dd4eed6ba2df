"""Twin of the ripple detector."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bci_core.bench.accuracy.cost_bands import Filter, Floats, OnePoles, butterworth
from bci_core.chunk import StreamInfo
from bci_core.detection.ripple import PATIENCE_S, Ripple
from bci_core.detection.ripple_bank import (
    LEAST_MUSCLE,
    MOST_DOUBT,
    MUSCLE_ORDER,
    MUSCLE_TREND_S,
    centres_hz,
    pole_distance_hz,
)
from bci_core.detection.ripple_settings import RippleSettings
from bci_core.detection.robust_baseline import (
    _HEAD_START,
    _LARGEST_STEP,
    _MEANS,
    _ONE_SIDED,
    _PATIENCE_MEMORIES,
    SD_PER_MAD,
    robust_settings,
)


class RobustBaseline:
    """`bci_core.detection.robust_baseline` of many values at once, value by value in time."""

    def __init__(self, settings: Floats, shape: tuple[int, ...]) -> None:
        self._gain, self._floor, self._learning, patience = settings.tolist()
        self._memory = _PATIENCE_MEMORIES / patience
        self._count, self._level, self._mad, self._balance = (np.zeros(shape) for _ in range(4))

    @property
    def learnt(self) -> NDArray[np.bool_]:
        """Where there is something to compare with."""
        return np.asarray(self._count >= self._learning)

    @property
    def level(self) -> Floats:
        """Running medians."""
        return np.asarray(np.maximum(self._level, self._floor))

    def heights(self, values: Floats) -> Floats:
        """In standard deviations."""
        deviations = np.maximum(SD_PER_MAD * self._mad, self._floor)
        return np.asarray((values - self._level) / deviations)

    def follow(self, values: Floats) -> None:
        """Take one value of each in."""
        side = np.where(values > self._level, 1.0, -1.0)
        self._balance += self._memory * (side - self._balance)
        self._count += 1.0
        distance = values - self._level
        far = np.where(np.abs(distance) > self._mad, 1.0, -1.0)
        step = np.maximum(self._gain, np.minimum(_HEAD_START / self._count, _LARGEST_STEP))
        first = self._count <= _MEANS * self._learning
        wider = (np.abs(distance) - self._mad) / self._count
        move = np.where(first, distance / self._count, step * self._mad * side)
        grow = np.where(first, wider, step * self._mad * far)
        self._level += move
        self._mad = np.maximum(self._mad + grow, self._floor)
        anew = (np.abs(self._balance) > _ONE_SIDED) | (self._count == 1.0)
        self._count[anew], self._balance[anew] = 1.0, 0.0
        self._level[anew] = values[anew]
        self._mad[anew] = np.maximum(0.5 * np.abs(values[anew]), self._floor)


class RippleTwin:
    """Strength of each channel, (n_channels,)."""

    def __init__(self, settings: RippleSettings, info: StreamInfo) -> None:
        n, rate_hz = len(info.channels), info.rate_hz
        asked = Ripple(settings, info, 0.0)
        width_hz = settings.criteria.width_hz
        centres = 2.0 * np.pi * centres_hz(asked.band_hz, width_hz) / rate_hz
        pole = math.exp(-2.0 * math.pi * pole_distance_hz(width_hz) / rate_hz)
        self._bands = [OnePoles(complex(pole * np.exp(1j * c)), 2, n) for c in centres]
        self._gains = 2.0 * (1.0 - pole) ** 2 / (2.0 * np.sin(centres / 2.0))
        if asked.muscle_band_hz is None:
            raise ValueError("the twin has a muscle veto; choose settings and a rate that have one")
        self._ratio = settings.muscle_ratio
        self._above = Filter(butterworth(asked.muscle_band_hz, MUSCLE_ORDER, rate_hz))
        self._smooth = OnePoles(pole * pole, 2, n)
        self._trend, self._trend_gain = np.ones(n), -math.expm1(-1.0 / (MUSCLE_TREND_S * rate_hz))
        normal = robust_settings(
            settings.baseline_s, settings.learning_s, PATIENCE_S, settings.min_sd_uv, rate_hz
        )
        self._muscles = RobustBaseline(normal, (n,))
        self._normal = RobustBaseline(normal, (len(centres), n))
        self._last: Any = None

    def step(self, samples: NDArray[np.float32]) -> Floats:
        """Take a chunk in."""
        values = samples.astype(np.float64)
        before = values[:1] if self._last is None else self._last
        steps = np.diff(values, axis=0, prepend=before)
        self._last = values[-1:]
        above = self._above.step(values)
        muscles = np.sqrt(self._smooth.step(above * above))
        envelopes = np.stack(
            [
                gain * np.abs(band.step(steps))
                for gain, band in zip(self._gains, self._bands, strict=True)
            ],
            axis=1,
        )
        for muscle, envelope in zip(muscles, envelopes, strict=True):
            strength = self._strength(muscle, envelope)
        return strength

    def _strength(self, muscle: Floats, envelope: Floats) -> Floats:
        relative_muscle = muscle / self._muscles.level
        self._muscles.follow(muscle)
        if self._muscles.learnt[0]:
            self._trend += self._trend_gain * (relative_muscle - self._trend)
        heights = np.where(self._normal.learnt, self._normal.heights(envelope), 0.0)
        best = np.maximum(heights.max(axis=0), 0.0)
        which, every = heights.argmax(axis=0), np.arange(len(best))
        relative = (envelope / self._normal.level)[which, every] * (best > 0.0)
        self._normal.follow(envelope)
        muscular = relative_muscle > np.maximum(LEAST_MUSCLE, self._ratio * relative)
        return np.where(muscular, 0.0, best / np.clip(self._trend, 1.0, MOST_DOUBT))
