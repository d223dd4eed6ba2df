"""Twins of detectors of one channel that are more than a band-pass."""

import math

import numpy as np
from numpy.typing import NDArray

from bci_core.bench.accuracy.cost_bands import Filter, Floats, butterworth
from bci_core.bench.accuracy.cost_robust import OneRobustBaseline
from bci_core.chunk import StreamInfo
from bci_core.detection import phase_follow as follow
from bci_core.detection import phase_oscillator as oscillator
from bci_core.detection.phase import Phase, PhaseSettings
from bci_core.detection.robust_baseline import robust_settings
from bci_core.detection.spindle import PATIENCE_S, SpindleSettings, alignment

N_SUMS = 7


class SpindleTwin:
    """Root mean square, its height, relative power, correlation and frequency, (1, 5)."""

    def __init__(self, settings: SpindleSettings, info: StreamInfo) -> None:
        rate_hz = info.rate_hz
        designs = [(settings.filter_hz, 2), (settings.broad_hz, 1), (settings.total_hz, 2)]
        sos = [butterworth(band_hz, order, rate_hz) for band_hz, order in designs]
        self._filters = [Filter(s) for s in sos]
        flat = [np.ascontiguousarray(s[:, [0, 1, 2, 4, 5]]).ravel() for s in sos]
        self._delay = alignment(flat[0], flat[1], settings.filter_hz, rate_hz)
        self._window, self._rate_hz = max(2, round(settings.window_s * rate_hz)), rate_hz
        self._broad, self._sums = np.zeros(self._delay), np.zeros(N_SUMS)
        self._held = np.zeros((self._window, N_SUMS))
        self._last, self._seen = 0.0, 0
        self._short = max(2, round(settings.envelope_s * rate_hz))
        self._baseline = OneRobustBaseline(
            robust_settings(
                settings.baseline_s, settings.learning_s, PATIENCE_S, settings.min_sd_uv, rate_hz
            )
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
        squares = self._held[:, 0]

        n = self._window
        ss, tt, bb, sb, s1, b1, dd = sums.T
        envelope = [
            math.sqrt(squares[n - k - self._short : n - k].mean()) for k in range(len(s))[::-1]
        ]
        spread = (ss - s1 * s1 / n) * (bb - b1 * b1 / n)
        relative = ss / np.maximum(tt, 1e-12)
        match = (sb - s1 * b1 / n) / np.sqrt(np.maximum(spread, 1e-12))
        turn = np.minimum(np.sqrt(dd / np.maximum(ss, 1e-12)) / 2.0, 1.0)
        frequency_hz = np.arcsin(turn) * self._rate_hz / math.pi
        for value in envelope:
            self._seen += 1
            height = self._baseline.height(value)
            if self._seen >= n:
                self._baseline.follow(value)
        return np.array([[envelope[-1], height, relative[-1], match[-1], frequency_hz[-1]]])


class PhaseTwin:
    """Amplitude and frequency, (1, 2). Bias and spread are not followed, nothing is announced.

    Kalman filter and band-pass are one linear system, a matrix product a sample; what
    follows is in plain numbers.
    """

    def __init__(self, settings: PhaseSettings, info: StreamInfo) -> None:
        asked = Phase(settings, info, 0.0)
        head = asked.settings
        self._low, self._high = float(head[follow.LOWEST]), float(head[follow.HIGHEST])
        self._memory, self._step = float(head[follow.MEMORY]), float(head[follow.AMPLITUDE_STEP])
        table = head[int(head[follow.TABLE_AT]) : int(head[follow.CHECK_AT])]
        self._table = table.reshape(-1, 2, 2)
        model = head[int(head[follow.MODEL_AT]) :]
        n = oscillator.STATE_SIZE
        self._system = np.zeros((n, n + 1))
        for k, unit in enumerate(np.eye(n + 1)):
            state = unit[:n].copy()
            oscillator.track(model, state, float(unit[n]))
            self._system[:, k] = state
        self._state = np.zeros(n + 1)
        self._shown = np.zeros(2)
        self._offset: float | None = None
        self._omega = float(asked.state[follow.OMEGA])
        self._rotation = complex(np.exp(1j * self._omega))
        self._n = self._learnt = 0
        self._median, self._rate_hz, self._quantile = 0.0, info.rate_hz, 0.0
        self._share = settings.min_amplitude_quantile

    def step(self, samples: NDArray[np.float32]) -> Floats:
        """Take a chunk in. Nothing in it may be as large as a step of the electrode."""
        if self._offset is None:
            self._offset = float(samples[0, 0])
        for value in samples[:, 0].tolist():
            amplitude_uv = self._follow(value - self._offset)
        return np.array([[amplitude_uv, self._omega * self._rate_hz / (2.0 * math.pi)]])

    def _follow(self, value: float) -> float:
        self._state[-1] = value
        self._state[:-1] = self._system @ self._state
        shown = self._state[[follow.RE, follow.IM]]
        place = (self._omega - self._low) / (self._high - self._low) * (follow.POINTS - 1)
        at = min(int(place), follow.POINTS - 2)
        way = self._table[at] + (place - at) * (self._table[at + 1] - self._table[at])
        now, was = complex(*(way @ shown).tolist()), complex(*(way @ self._shown).tolist())
        self._shown = shown
        amplitude_uv = abs(now)
        if amplitude_uv == 0.0:
            return 0.0
        self._n += 1
        if self._n * self._omega < follow.FILLING_RAD:
            self._median = self._quantile = max(self._median, amplitude_uv)
        step = max(self._step, 2.0 / self._n)
        self._median *= math.exp(step * (0.5 if amplitude_uv > self._median else -0.5))
        up = self._share if amplitude_uv > self._quantile else self._share - 1.0
        self._quantile *= math.exp(step * up)
        rotation = now * was.conjugate()
        is_open = self._share == 0.0 or amplitude_uv >= self._quantile
        if is_open and abs(rotation) > 0.0:
            self._learnt += 1
            start = follow.HEAD_START / (self._learnt + follow.HEAD_START - 1.0)
            gain = min(1.0, amplitude_uv / self._median) * max(self._memory, start)
            self._rotation += gain * (rotation / abs(rotation) - self._rotation)
            turn = math.atan2(self._rotation.imag, self._rotation.real)
            self._omega = min(max(turn, self._low), self._high)
        return amplitude_uv
