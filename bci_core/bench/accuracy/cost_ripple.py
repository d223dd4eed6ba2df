"""Twin of the ripple detector."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bci_core.bench.accuracy.cost_bands import Filter, Floats, OnePoles, butterworth
from bci_core.bench.accuracy.cost_robust import RobustBaseline
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
from bci_core.detection.robust_baseline import robust_settings


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
