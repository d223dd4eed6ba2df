"""Watches the samples themselves, before any detector sees them.

Lost, non-finite, flat and railed samples are counted and flagged, sample by
sample; a flag becomes the veto of a detection made on that sample. A
non-finite value is replaced by the last good one, since a recursive filter
that has once seen NaN never forgets it. After each fault, and at the start,
samples are `settling` while filters ring down.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bci_core.detection.monitor_settings import MonitorSettings
from bci_core.events import Veto
from bci_core.jit import MONITOR, compiled

FLAG_GAP = 1
FLAG_NOT_FINITE = 2
FLAG_FLAT = 4
FLAG_RAILED = 8
FLAG_SETTLING = 16

_VETOES = (
    (FLAG_GAP, Veto.GAP),
    (FLAG_NOT_FINITE, Veto.NOT_FINITE),
    (FLAG_RAILED, Veto.RAILED),
    (FLAG_FLAT, Veto.FLAT),
    (FLAG_SETTLING, Veto.SETTLING),
)

# settings
_PERIOD_S, _SETTLE_S, _FLAT_N, _RAIL_UV, _FIRST_CHANNEL = range(5)
# state; from _PER_CHANNEL on, two slots a watched channel: last good value, its run length
_LAST_S, _SETTLED_AT_S, _SAMPLES, _LOST, _GAPS, _NOT_FINITE, _FLAT, _RAILED, _PER_CHANNEL = range(9)


@dataclass(frozen=True, slots=True)
class SampleCounts:
    """What the monitor has counted since the start."""

    samples: int
    lost: int
    gaps: int
    not_finite: int
    flat: int
    railed: int


class SampleMonitor:
    """Runs the monitor kernel and reads its counters.

    Parameters
    ----------
    settings : MonitorSettings
    rate_hz : float
        Nominal rate of the stream.
    channels : tuple of int
        Columns to watch: those the detector reads.
    """

    def __init__(
        self, settings: MonitorSettings, rate_hz: float, channels: tuple[int, ...]
    ) -> None:
        flat_n = max(2.0, np.ceil(settings.flat_s * rate_hz))
        self.settings = np.array(
            [1.0 / rate_hz, settings.settle_s, flat_n, settings.rail_uv, *channels],
            dtype=np.float64,
        )
        self.state = np.zeros(_PER_CHANNEL + 2 * len(channels))
        self.state[_LAST_S] = np.nan

    def update(
        self, samples: NDArray[np.float32], times_s: NDArray[np.float64]
    ) -> NDArray[np.uint8]:
        """Count and flag; `samples` is repaired in place.

        Returns
        -------
        ndarray, (n_samples,), uint8
            ``FLAG_…`` bits of each sample.
        """
        flags = np.zeros(len(times_s), dtype=np.uint8)
        monitor_kernel(samples, times_s, self.settings, self.state, flags)
        return flags

    def counts(self) -> SampleCounts:
        s = self.state
        return SampleCounts(
            samples=int(s[_SAMPLES]),
            lost=int(s[_LOST]),
            gaps=int(s[_GAPS]),
            not_finite=int(s[_NOT_FINITE]),
            flat=int(s[_FLAT]),
            railed=int(s[_RAILED]),
        )


def veto_of(flags: int) -> str:
    """The gravest veto among flag bits, or ""."""
    for bit, veto in _VETOES:
        if flags & bit:
            return str(veto)
    return ""


@compiled(MONITOR)
def monitor_kernel(
    samples: NDArray[np.float32],
    times_s: NDArray[np.float64],
    settings: NDArray[np.float64],
    state: NDArray[np.float64],
    flags: NDArray[np.uint8],
) -> None:
    """Flag each sample and repair the non-finite ones of the watched channels."""
    period_s = settings[_PERIOD_S]
    for i in range(samples.shape[0]):
        bits = 0
        if np.isnan(state[_LAST_S]):
            state[_SETTLED_AT_S] = times_s[i] + settings[_SETTLE_S]
        else:
            missing = np.rint((times_s[i] - state[_LAST_S]) / period_s) - 1.0
            # A time that stands still or goes back is a fault of the clock; nothing is lost by it.
            if missing >= 1.0 or times_s[i] <= state[_LAST_S]:
                state[_GAPS] += 1.0
                state[_LOST] += max(missing, 0.0)
                bits |= FLAG_GAP
        state[_LAST_S] = times_s[i]
        state[_SAMPLES] += 1.0
        for c in range(settings.shape[0] - _FIRST_CHANNEL):
            column = int(settings[_FIRST_CHANNEL + c])
            last = _PER_CHANNEL + 2 * c
            run = last + 1
            value = float(samples[i, column])
            if not np.isfinite(value):
                samples[i, column] = np.float32(state[last])
                state[_NOT_FINITE] += 1.0
                bits |= FLAG_NOT_FINITE
                continue
            if state[run] > 0.0 and value == state[last]:
                state[run] += 1.0
            else:
                state[run] = 1.0
            state[last] = value
            if state[run] >= settings[_FLAT_N]:
                state[_FLAT] += 1.0
                bits |= FLAG_FLAT
            if abs(value) >= settings[_RAIL_UV]:
                state[_RAILED] += 1.0
                bits |= FLAG_RAILED
        if bits != 0:
            state[_SETTLED_AT_S] = times_s[i] + settings[_SETTLE_S]
        elif times_s[i] < state[_SETTLED_AT_S]:
            bits = FLAG_SETTLING
        flags[i] = bits
