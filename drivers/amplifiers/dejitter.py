"""From times of arrival to times of sampling.

A sample's time of arrival is the time it was taken plus a delay that is never
negative and often long. The fit therefore goes along the lower edge of the
arrivals: of each short block only the least delayed sample counts (the
minimum filter of NTP's clock filter, RFC 5905, section 10), and a line through
these is tracked by recursive least squares with forgetting (as liblsl's own
``proc_dejitter``; Ljung & Söderström 1983, Theory and Practice of Recursive
Identification). It uses the past only.
"""

from collections import deque

import numpy as np
from numpy.typing import NDArray

_RATE_PRIOR = 2e-3
"""How far a board's rate is taken to be from its nominal one before anything is known."""

_LEAST_SPREAD_S = 2e-5
_LATE_SPREADS = 4.0
_LATE_PERIODS = 0.6
_LATE_BLOCKS = 5
_FAR_S = 2e-3
"""Off the line by this much, or by `_LATE_PERIODS`, is a step: never evidence about the rate."""

_RATE_LIMIT = 5e-3
"""No board's clock is further from its nominal rate."""


class Dejitter:
    """Times of samples, evenly spaced, from their indices and times of arrival.

    Parameters
    ----------
    rate_hz : float
        Nominal; the real rate is found.
    find_losses : bool
        Take samples that stay late by whole periods for a loss in between. For
        boards whose samples carry no number.
    memory_s : float
        Time constant of forgetting.
    block_s : float
        Of which the least delayed sample counts.

    Attributes
    ----------
    period_s : float
        As found so far.
    steps : int
        How often the arrivals moved for good: a board that stalled, or a host that did
        while the line was first drawn.
    """

    def __init__(
        self,
        rate_hz: float,
        find_losses: bool = False,
        memory_s: float = 10.0,
        block_s: float = 0.2,
    ) -> None:
        self.period_s = 1.0 / rate_hz
        self.steps = 0
        self._nominal_s = 1.0 / rate_hz
        self._block_n = max(4, round(block_s * rate_hz))
        self._keep = float(np.exp(-self._block_n * self.period_s / memory_s))
        self._find_losses = find_losses
        # The line: it passes `_at_s` at index `_at`. Covariance in units of the spread.
        self._at = 0
        self._at_s = 0.0
        self._p00, self._p01, self._p11 = 1.0, 0.0, 0.0
        self._spread_s = _LEAST_SPREAD_S
        # Block in progress.
        self._start: int | None = None
        self._best = 0
        self._best_s = np.inf
        self._late: deque[float] = deque(maxlen=_LATE_BLOCKS)
        # What is left of the last correction, and over how many samples it fades.
        self._step_s = 0.0
        self._step_from = 0
        self._step_n = 1

    def seed(self, index: NDArray[np.int64], arrival_s: NDArray[np.float64]) -> NDArray[np.float64]:
        """Begin with the samples of the first moments, and stamp them.

        Parameters
        ----------
        index : ndarray, (n_samples,), int64
            Counts the samples taken, lost ones included.
        arrival_s : ndarray, (n_samples,)

        Returns
        -------
        ndarray, (n_samples,)
            Times on one line, fitted to all of them.
        """
        self._at = int(index[0])
        nominal_s = (index - index[0]) * self._nominal_s
        late_s = arrival_s - nominal_s
        blocks = np.array_split(late_s, max(1, len(late_s) // self._block_n))
        least_s = np.array([block.min() for block in blocks])
        self._at_s = float(least_s.min())
        scatter_s = float(np.ptp(least_s)) / 2.0
        self._spread_s = max(_LEAST_SPREAD_S, scatter_s)
        self._p00 = 1.0
        self._p01 = 0.0
        self._p11 = (_RATE_PRIOR * self._nominal_s / self._spread_s) ** 2
        for k, when_s in zip(index.tolist(), arrival_s.tolist(), strict=True):
            self._observe(k, when_s)
        self._step_s = 0.0
        return np.array([self.predict(k) for k in index.tolist()])

    def update(self, index: int, arrival_s: float) -> tuple[float, int]:
        """The time of the next sample.

        Returns
        -------
        time_s : float
        n_lost : int
            Samples found missing before this one, when `find_losses` is on. The
            caller counts on from `index` + `n_lost`.
        """
        n_lost = self._missing()
        if n_lost:
            index += n_lost
            self._late.clear()
            self._start, self._best_s = None, np.inf
        time_s = self.predict(index)
        self._observe(index, arrival_s)
        return time_s, n_lost

    def predict(self, index: int) -> float:
        """The time that the sample with this index has or will have."""
        faded = 1.0 - (index - self._step_from) / self._step_n
        rest_s = self._step_s * faded if 0.0 < faded <= 1.0 else 0.0
        return self._at_s + (index - self._at) * self.period_s + rest_s

    def _observe(self, index: int, arrival_s: float) -> None:
        if self._start is None:
            self._start = index
        delay_s = arrival_s - (self._at_s + (index - self._at) * self.period_s)
        if delay_s < self._best_s:
            self._best, self._best_s = index, delay_s
        if index - self._start + 1 >= self._block_n:
            was_s = self.predict(index)
            self._correct(self._best, self._best_s)
            self._fade(index, was_s)
            self._start, self._best_s = None, np.inf

    def _fade(self, index: int, was_s: float) -> None:
        """Go over to the corrected line gently: stamps stay 3/4 of a period apart or more."""
        line_s = self._at_s + (index - self._at) * self.period_s
        self._step_s = was_s - line_s
        self._step_from = index
        self._step_n = max(self._block_n, int(np.ceil(4.0 * abs(self._step_s) / self.period_s)))

    def _correct(self, index: int, delay_s: float) -> None:
        """Move the line by this sample, the least delayed of its block, `delay_s` after it."""
        m = index - self._at
        self._at = index
        self._at_s += m * self.period_s
        p00 = (self._p00 + 2.0 * m * self._p01 + m * m * self._p11) / self._keep
        p01 = (self._p01 + m * self._p11) / self._keep
        p11 = self._p11 / self._keep
        late = delay_s > _LATE_PERIODS * self.period_s
        self._late.append(delay_s if late else 0.0)
        far_s = max(_FAR_S, _LATE_PERIODS * self.period_s, _LATE_SPREADS * self._spread_s)
        if abs(delay_s) > far_s:
            self._p00, self._p01, self._p11 = p00, p01, p11
            self._step(delay_s)
            return
        # Early is evidence, late is only late: a whole block of delayed samples says little.
        used_s = min(delay_s, _LATE_SPREADS * self._spread_s)
        if not late:
            seen_s = min(abs(delay_s), 3.0 * _LATE_SPREADS * self._spread_s)
            self._spread_s = max(_LEAST_SPREAD_S, 0.9 * self._spread_s + 0.1 * seen_s)
        gain0, gain1 = p00 / (p00 + 1.0), p01 / (p00 + 1.0)
        self._at_s += gain0 * used_s
        least_s, most_s = self._nominal_s * (1 - _RATE_LIMIT), self._nominal_s * (1 + _RATE_LIMIT)
        self.period_s = min(max(self.period_s + gain1 * used_s, least_s), most_s)
        self._p00, self._p01, self._p11 = p00 - gain0 * p00, p01 - gain0 * p01, p11 - gain1 * p01

    def _step(self, delay_s: float) -> None:
        """Shift the line, at once for an early block, for late ones when they stay late."""
        if delay_s > 0.0:
            if len(self._late) < _LATE_BLOCKS or min(self._late) <= 0.0 or self._missing():
                return
            delay_s = min(self._late)
        self._at_s += delay_s
        self._late.clear()
        self.steps += 1

    def _missing(self) -> int:
        """Whole periods by which the last blocks all came late, 0 when they did not."""
        if not self._find_losses or len(self._late) < _LATE_BLOCKS or min(self._late) <= 0.0:
            return 0
        if max(self._late) - min(self._late) > _LATE_PERIODS * self.period_s:
            return 0
        return round(min(self._late) / self.period_s)
