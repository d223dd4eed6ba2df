"""Twins of detectors of one channel that are more than a band-pass."""

import math

import numpy as np
from numpy.typing import NDArray

from bci_core.bench.accuracy.cost_bands import Filter, Floats, OneBaseline, butterworth
from bci_core.chunk import StreamInfo
from bci_core.detection import phase_oscillator
from bci_core.detection.phase import PhaseSettings
from bci_core.detection.phase_follow import IM, RE
from bci_core.detection.spindle import SpindleSettings, alignment

N_SUMS = 7


class SpindleTwin:
    """Root mean square, its height, relative power, correlation and frequency, (1, 5)."""

    def __init__(self, settings: SpindleSettings, info: StreamInfo) -> None:
        rate_hz = info.rate_hz
        designs = [(settings.band_hz, 2), (settings.broad_hz, 1), (settings.total_hz, 2)]
        sos = [butterworth(band_hz, order, rate_hz) for band_hz, order in designs]
        self._filters = [Filter(s) for s in sos]
        flat = [np.ascontiguousarray(s[:, [0, 1, 2, 4, 5]]).ravel() for s in sos]
        self._delay = alignment(flat[0], flat[1], settings.band_hz, rate_hz)
        self._window, self._rate_hz = max(2, round(settings.window_s * rate_hz)), rate_hz
        self._broad, self._sums = np.zeros(self._delay), np.zeros(N_SUMS)
        self._held = np.zeros((self._window, N_SUMS))
        self._last, self._seen = 0.0, 0
        self._baseline = OneBaseline(
            settings.baseline_s * rate_hz, settings.learning_s * rate_hz, settings.min_sd_uv
        )

    def step(self, samples: NDArray[np.float32]) -> Floats:
        """Take a chunk in."""
        values = samples.astype(np.float64)
        s, broad, t = (each.step(values)[:, 0] for each in self._filters)
        self._broad = np.concatenate([self._broad, broad])
        b, self._broad = self._broad[: len(s)], self._broad[len(s) :]
        d = np.diff(s, prepend=self._last)
        self._last = float(s[-1])
        new = np.stack([s * s, t * t, b * b, s * b, s, b, d * d], axis=1)
        sums = self._sums + np.cumsum(new - self._held[: len(s)], axis=0)
        self._sums = sums[-1]
        self._held = np.concatenate([self._held[len(s) :], new])

        n = self._window
        ss, tt, bb, sb, s1, b1, dd = sums.T
        rms = np.sqrt(np.maximum(ss, 0.0) / n)
        spread = (ss - s1 * s1 / n) * (bb - b1 * b1 / n)
        relative = ss / np.maximum(tt, 1e-12)
        match = (sb - s1 * b1 / n) / np.sqrt(np.maximum(spread, 1e-12))
        turn = np.minimum(np.sqrt(dd / np.maximum(ss, 1e-12)) / 2.0, 1.0)
        frequency_hz = np.arcsin(turn) * self._rate_hz / math.pi
        height = 0.0
        for i in range(len(s)):
            self._seen += 1
            if self._seen >= n:
                height = float(self._baseline.step(rms[i : i + 1])[0])
        return np.array([[rms[-1], height, relative[-1], match[-1], frequency_hz[-1]]])


class OscillatorTwin:
    """The two numbers the phase is read from, (1, 2); no frequency, no gate, no check.

    The steady-state Kalman filter and band-pass as one linear system, a matrix product a
    sample: less than the kernel does.
    """

    def __init__(self, settings: PhaseSettings, info: StreamInfo) -> None:
        model = phase_oscillator.oscillator_model(
            settings.band_hz,
            info.rate_hz,
            settings.linewidth_ratio,
            settings.background_ratio,
            settings.white_ratio,
            settings.drift_ratio,
        )
        n = phase_oscillator.STATE_SIZE
        self._system = np.zeros((n, n + 1))
        for k, unit in enumerate(np.eye(n + 1)):
            state = unit[:n].copy()
            phase_oscillator.track(model, state, float(unit[n]))
            self._system[:, k] = state
        self._state = np.zeros(n + 1)
        self._offset: float | None = None

    def step(self, samples: NDArray[np.float32]) -> Floats:
        """Take a chunk in."""
        if self._offset is None:
            self._offset = float(samples[0, 0])
        for value in samples[:, 0].astype(np.float64) - self._offset:
            self._state[-1] = value
            self._state[:-1] = self._system @ self._state
        return self._state[[[RE, IM]]]
