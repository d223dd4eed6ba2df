"""Watches the samples themselves, before any detector sees them.

Lost, non-finite, flat and railed samples, line noise and loose electrodes are counted and
flagged, sample by sample; a flag becomes the veto of a detection made on that sample. A
non-finite or railed value is replaced by the last good one: a recursive filter that has
once seen NaN never forgets it, and rings for long after a volt.

After a gap, a non-finite, flat or railed sample or a loose electrode, and at the start,
samples are `settling` for `settle_s` while filters ring down. After line noise they are
not: what was in the samples was what the filters saw.

Samples within a stimulus and shortly after it are blanked: the detectors see the last
value before it, and a flag. Nothing else is asked of such a sample, so an amplifier that
the stimulus drives into its rail is no fault. Afterwards there is nothing to settle from:
the signal goes on where it was held, and the step is given back little by little
(`BlankingSettings.fill`).
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bci_core.detection.blanking import BLANK_STATE, blank, is_blank, overflow
from bci_core.detection.blanking_settings import BlankingSettings
from bci_core.detection.monitor_channel import (
    LAST,
    LINE_HZ,
    RAIL_UV,
    RUN,
    TONE_HZ,
    WATCH_SETTINGS,
    WATCH_STATE,
    turning,
    watch_problems,
    watch_settings,
    watched,
)
from bci_core.detection.monitor_flags import (
    FLAG_BLANK,
    FLAG_FLAT,
    FLAG_GAP,
    FLAG_LEAD_OFF,
    FLAG_LINE_NOISE,
    FLAG_NOT_FINITE,
    FLAG_RAILED,
    FLAG_SETTLING,
)
from bci_core.detection.monitor_mask import MASK_STATE, lost_changes, note_flags, take_changes
from bci_core.detection.monitor_settings import MonitorSettings
from bci_core.errors import ConfigError
from bci_core.jit import MONITOR, compiled, inlined

_HELD = FLAG_NOT_FINITE | FLAG_RAILED
"""Not what tissue gave: the last good value stands in its place."""
_FAULTS = FLAG_GAP | FLAG_NOT_FINITE | FLAG_FLAT | FLAG_RAILED | FLAG_LEAD_OFF
"""Filters have to settle from these."""

# settings; those of `watched` follow, then the columns. A bridge of 0 samples is none.
_PERIOD_S, _SETTLE_S, _BRIDGE_N, _WATCH = range(4)
_COLUMNS = _WATCH + WATCH_SETTINGS
# state; that of the blanks, of the mask and of each channel follow
_LAST_S, _SETTLED_AT_S, _SAMPLES, _LOST, _GAPS = range(5)
_NOT_FINITE, _FLAT, _RAILED, _BLANKED, _LINE_NOISE, _LEAD_OFF, _BLANKS = range(5, 12)
_MASK = _BLANKS + BLANK_STATE
_PER_CHANNEL = _MASK + MASK_STATE
# of one channel: what `watched` keeps, what was handed on last, the step to be given back,
# which is NaN while that is held, and the samples since
_OUT, _STEP, _SINCE = range(WATCH_STATE, WATCH_STATE + 3)
_CHANNEL_STATE = WATCH_STATE + 3


@dataclass(frozen=True, slots=True)
class SampleCounts:
    """What the monitor has counted since the start.

    Attributes
    ----------
    samples, lost, gaps : int
        Received; missing between their times; breaks at which they are missing.
    not_finite, flat, railed, line_noise, lead_off : int
        Values, each watched channel by itself.
    blanked : int
        Samples.
    blank_overflow : int
        Stimuli blanked together with another for want of room.
    mask_overflow : int
        Changes of the flags that the mask lacks, since nobody took them in time.
    """

    samples: int
    lost: int
    gaps: int
    not_finite: int
    flat: int
    railed: int
    blanked: int = 0
    line_noise: int = 0
    lead_off: int = 0
    blank_overflow: int = 0
    mask_overflow: int = 0


class SampleMonitor:
    """Runs the monitor kernel and reads its counters.

    Parameters
    ----------
    settings : MonitorSettings
    rate_hz : float
        Nominal rate of the stream.
    channels : tuple of int
        Columns to watch: those the detectors read.
    blanking : BlankingSettings, optional

    Raises
    ------
    ConfigError
        A tone to be watched is not below half the rate.
    """

    def __init__(
        self,
        settings: MonitorSettings,
        rate_hz: float,
        channels: tuple[int, ...],
        blanking: BlankingSettings | None = None,
    ) -> None:
        problems = watch_problems(settings, rate_hz)
        if problems:
            raise ConfigError("monitor", problems)
        blanking = blanking or BlankingSettings()
        bridge_n = math.ceil(blanking.bridge_s * rate_hz) if blanking.fill == "bridge" else 0
        head = np.array([1.0 / rate_hz, settings.settle_s, bridge_n])
        self.settings = np.concatenate([head, watch_settings(settings, rate_hz), channels])
        self.state = np.zeros(_PER_CHANNEL + _CHANNEL_STATE * len(channels))
        self.state[_LAST_S] = np.nan
        self._blanks = self.state[_BLANKS:_MASK]
        self._mask = self.state[_MASK:_PER_CHANNEL]

    def update(
        self, samples: NDArray[np.float32], times_s: NDArray[np.float64]
    ) -> NDArray[np.uint8]:
        """Count and flag; `samples` is repaired and blanked in place.

        Returns
        -------
        ndarray, (n_samples,), uint8
            ``FLAG_…`` bits of each sample.
        """
        flags = np.zeros(len(times_s), dtype=np.uint8)
        monitor_kernel(samples, times_s, self.settings, self.state, flags)
        return flags

    def blank(self, seq: int, start_s: float, end_s: float) -> None:
        """Ignore the samples from `start_s` to before `end_s`, among those still to come.

        Parameters
        ----------
        seq : int
            Of the stimulus, from 1. What was said of the same one before no longer holds.
        start_s, end_s : float
            In sample time. An `end_s` not after `start_s` ignores none.
        """
        blank(self._blanks, seq, start_s, end_s, self.last_s)

    @property
    def samples(self) -> int:
        """Samples seen so far; the index of the next."""
        return int(self.state[_SAMPLES])

    @property
    def last_s(self) -> float:
        """Time of the last sample; NaN before the first."""
        return float(self.state[_LAST_S])

    def take_changes(self) -> NDArray[np.float64]:
        """Changes of the flags since the last call, oldest first; the first sample is one.

        Returns
        -------
        ndarray, (n_changes, 3)
            Time in seconds and index of the sample from which on, and its ``FLAG_…`` bits.
        """
        return take_changes(self._mask)

    def counts(self) -> SampleCounts:
        s = self.state
        return SampleCounts(
            samples=int(s[_SAMPLES]),
            lost=int(s[_LOST]),
            gaps=int(s[_GAPS]),
            not_finite=int(s[_NOT_FINITE]),
            flat=int(s[_FLAT]),
            railed=int(s[_RAILED]),
            blanked=int(s[_BLANKED]),
            line_noise=int(s[_LINE_NOISE]),
            lead_off=int(s[_LEAD_OFF]),
            blank_overflow=overflow(self._blanks),
            mask_overflow=lost_changes(self._mask),
        )


@inlined
def _count(state: NDArray[np.float64], wrong: int) -> None:
    """What is wrong with one channel's value."""
    if wrong & FLAG_NOT_FINITE:
        state[_NOT_FINITE] += 1.0
    if wrong & FLAG_FLAT:
        state[_FLAT] += 1.0
    if wrong & FLAG_RAILED:
        state[_RAILED] += 1.0
    if wrong & FLAG_LINE_NOISE:
        state[_LINE_NOISE] += 1.0
    if wrong & FLAG_LEAD_OFF:
        state[_LEAD_OFF] += 1.0


@inlined
def _bridged(
    state: NDArray[np.float64], at: int, value: float, was_good: bool, bridge_n: float
) -> float:
    """What is handed on for a good value: after a blank, from where it was held.

    The step goes back along half a cosine, which begins and ends without a corner.
    """
    step, since = state[at + _STEP], state[at + _SINCE]
    if np.isnan(step):
        # Nothing good was there to be held when the first samples of all were blank.
        step = state[at + _OUT] - value if bridge_n > 0.0 and was_good else 0.0
        since = 0.0
    if since >= bridge_n:
        step = 0.0
    state[at + _STEP], state[at + _SINCE] = step, since + 1.0
    if step == 0.0:
        return value
    return float(value + 0.5 * step * (1.0 + math.cos(math.pi * since / bridge_n)))


@compiled(MONITOR)
def monitor_kernel(
    samples: NDArray[np.float32],
    times_s: NDArray[np.float64],
    settings: NDArray[np.float64],
    state: NDArray[np.float64],
    flags: NDArray[np.uint8],
) -> None:
    """Flag each sample; repair and blank the watched channels."""
    period_s = settings[_PERIOD_S]
    blanks = state[_BLANKS:_MASK]
    mask = state[_MASK:_PER_CHANNEL]
    plain = settings[_WATCH + LINE_HZ] + settings[_WATCH + TONE_HZ] == 0.0
    for i in range(samples.shape[0]):
        time_s = times_s[i]
        bits = 0
        if np.isnan(state[_LAST_S]):
            state[_SETTLED_AT_S] = time_s + settings[_SETTLE_S]
        else:
            missing = np.rint((time_s - state[_LAST_S]) / period_s) - 1.0
            # A time that stands still or goes back is a fault of the clock; nothing is lost by it.
            if missing >= 1.0 or time_s <= state[_LAST_S]:
                state[_GAPS] += 1.0
                state[_LOST] += max(missing, 0.0)
                bits |= FLAG_GAP
        state[_LAST_S] = time_s
        state[_SAMPLES] += 1.0
        spoilt = is_blank(blanks, time_s)
        if spoilt:
            state[_BLANKED] += 1.0
            bits |= FLAG_BLANK
        line = turning(settings[_WATCH + LINE_HZ], time_s)
        tone = turning(settings[_WATCH + TONE_HZ], time_s)
        for c in range(settings.shape[0] - _COLUMNS):
            column = int(settings[_COLUMNS + c])
            at = _PER_CHANNEL + _CHANNEL_STATE * c
            if spoilt:
                state[at + _STEP] = np.nan
                samples[i, column] = np.float32(state[at + _OUT])
                continue
            value = float(samples[i, column])
            if (
                plain
                and value != state[at + LAST]
                and abs(value) < settings[_WATCH + RAIL_UV]
                and state[at + _STEP] == 0.0
            ):
                # What the rest would come to, at a twentieth of its cost.
                state[at + LAST] = state[at + _OUT] = value
                state[at + RUN] = 1.0
                continue
            was_good = state[at + RUN] > 0.0
            wrong = watched(settings, _WATCH, state, at, value, line, tone)
            if wrong & _HELD:
                samples[i, column] = np.float32(state[at + _OUT])
            else:
                bridged = _bridged(state, at, value, was_good, settings[_BRIDGE_N])
                samples[i, column] = np.float32(bridged)
                state[at + _OUT] = samples[i, column]
            if wrong:
                _count(state, wrong)
                bits |= wrong
        if bits & _FAULTS:
            state[_SETTLED_AT_S] = time_s + settings[_SETTLE_S]
        elif time_s < state[_SETTLED_AT_S]:
            bits |= FLAG_SETTLING
        flags[i] = bits
        note_flags(mask, time_s, state[_SAMPLES] - 1.0, bits)
