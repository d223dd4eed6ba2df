"""Tells when a channel's signal turns bad, and when it is good again."""

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from bci_core.chunk import StreamInfo
from bci_core.detection.compiled import END, OUT_CHANNEL, OUT_KIND, CompiledDetector, announce
from bci_core.detection.monitor_channel import (
    LAST,
    LINE_HZ,
    TONE_HZ,
    WATCH_SETTINGS,
    WATCH_STATE,
    line_noise,
    tone_uv,
    turning,
    watch_problems,
    watch_settings,
    watched,
)
from bci_core.detection.monitor_flags import FLAG_BLANK, FLAG_GAP, FLAG_NOT_FINITE
from bci_core.detection.monitor_settings import MonitorSettings
from bci_core.detection.requirements import channel_problems, lead_problems
from bci_core.errors import ConfigError, Problem
from bci_core.jit import KERNEL, compiled

# settings; those of `watched` follow, then the columns
_PERIOD_S, _GOOD_N, _TONE_NA, _WATCH = range(4)
_COLUMNS = _WATCH + WATCH_SETTINGS
# state; the outputs follow, in blocks of one number a channel, then each channel's own
_SEEN, _LAST_S, _OUTPUTS = range(3)
_BLOCKS = 3
# state of one channel: what `watched` keeps, samples since the last bad one, what was wrong,
# whether that has been told
_SINCE, _WRONG, _TOLD = range(WATCH_STATE, WATCH_STATE + 3)
_CHANNEL_STATE = WATCH_STATE + 3


class SignalQualitySettings(MonitorSettings):
    """Section ``[detector]`` of a rig with ``kind = "signal_quality"``: as ``[monitor]``.

    Attributes
    ----------
    channels : tuple of str
        Labels of the channels to judge.
    settle_s : float
        How long a channel has to be good before its end is announced.
    """

    channels: tuple[str, ...] = Field(min_length=1)


class SignalQuality(CompiledDetector):
    """Judges each channel as the sample monitor does, and says which one it is.

    The onset of a channel is announced on the first bad sample, its end on the sample
    that completes `settle_s` of good ones. At most one channel is announced a sample:
    where several turn at once, the others follow on the next samples.

    How long each fault lasts, before those `settle_s` begin: a sample that is missing, not
    finite or railed, until the next that is not; a flat channel, until its value changes;
    line noise, at most ``quality_s * ln(1 / max_line_noise)`` after it has gone; an
    electrode of Z kilohm, ``quality_s * ln(Z / max_impedance_kohm)`` after its impedance
    has fallen to far below the limit.

    Where the sample monitor has already put the last good value in the place of one that
    is not finite, its flag says so, and it counts for the channels that repeat their
    last value there. Blanked samples are left out.

    `value` is what is (at an end: was) wrong, as a sum of the monitor's ``FLAG_…`` bits;
    `channel` the column; `target_s` is `sample_s`. Outputs: of each channel that sum at the
    last sample, the share of its power that is line noise, and its impedance in kilohm
    (0 where they are not watched).

    Parameters
    ----------
    settings : SignalQualitySettings
    info : StreamInfo
    lead_s : float
        Not used: nothing is predicted.

    Raises
    ------
    ConfigError
        The stream lacks a channel, one is named twice, or a tone does not fit its rate.
    """

    Settings: ClassVar[type[BaseModel]] = SignalQualitySettings

    def __init__(self, settings: SignalQualitySettings, info: StreamInfo, lead_s: float) -> None:
        problems = [
            *(p for channel in settings.channels for p in channel_problems(channel, info)),
            *watch_problems(settings, info.rate_hz),
            *lead_problems(lead_s),
        ]
        if len(set(settings.channels)) < len(settings.channels):
            problems.append(Problem("channels", "names a channel twice"))
        if problems:
            raise ConfigError("detector signal_quality", problems)
        columns = tuple(info.index_of(channel) for channel in settings.channels)
        good_n = max(1.0, np.ceil(settings.settle_s * info.rate_hz - 1e-6))
        head = np.array([1.0 / info.rate_hz, good_n, settings.lead_off_na])
        all_settings = np.concatenate([head, watch_settings(settings, info.rate_hz), columns])
        state = np.zeros(_OUTPUTS + (_BLOCKS + _CHANNEL_STATE) * len(columns))
        outputs = tuple(
            f"{channel} {what}"
            for what in ("flags", "line noise (share)", "impedance (kohm)")
            for channel in settings.channels
        )
        super().__init__(
            signal_quality_kernel, all_settings, state, columns, outputs, outputs_at=_OUTPUTS
        )


@compiled(KERNEL)
def signal_quality_kernel(
    samples: NDArray[np.float32],
    times_s: NDArray[np.float64],
    flags: NDArray[np.uint8],
    settings: NDArray[np.float64],
    state: NDArray[np.float64],
    out: NDArray[np.float64],
) -> int:
    """See `SignalQuality`."""
    n = settings.shape[0] - _COLUMNS
    n_found = 0
    for i in range(samples.shape[0]):
        if flags[i] & FLAG_BLANK:
            state[_LAST_S] = times_s[i]
            state[_SEEN] = 1.0
            continue
        since_s = times_s[i] - state[_LAST_S]
        gap = state[_SEEN] > 0.0 and (
            since_s <= 0.0 or np.rint(since_s / settings[_PERIOD_S]) > 1.0
        )
        state[_LAST_S] = times_s[i]
        state[_SEEN] = 1.0
        line = turning(settings[_WATCH + LINE_HZ], times_s[i])
        tone = turning(settings[_WATCH + TONE_HZ], times_s[i])
        announced = False
        for c in range(n):
            at = _OUTPUTS + _BLOCKS * n + _CHANNEL_STATE * c
            value = float(samples[i, int(settings[_COLUMNS + c])])
            if flags[i] & FLAG_NOT_FINITE and value == state[at + LAST]:
                value = np.nan
            wrong = watched(settings, _WATCH, state, at, value, line, tone)
            if gap:
                wrong |= FLAG_GAP
            state[_OUTPUTS + c] = wrong
            if wrong:
                state[at + _SINCE] = 0.0
                state[at + _WRONG] = wrong
            elif state[at + _WRONG] > 0.0:
                state[at + _SINCE] += 1.0
            bad = state[at + _WRONG] > 0.0 and state[at + _SINCE] < settings[_GOOD_N]
            if announced or bad == (state[at + _TOLD] > 0.0):
                continue
            announced = True
            n_found = announce(out, n_found, i, times_s[i], state[at + _WRONG])
            out[n_found - 1, OUT_CHANNEL] = settings[_COLUMNS + c]
            state[at + _TOLD] = 1.0 if bad else 0.0
            if not bad:
                out[n_found - 1, OUT_KIND] = END
                state[at + _WRONG] = 0.0
    # Read after a chunk, of its last sample: a division and a root for each, not for every sample.
    for c in range(n):
        at = _OUTPUTS + _BLOCKS * n + _CHANNEL_STATE * c
        state[_OUTPUTS + n + c] = line_noise(state, at)
        state[_OUTPUTS + 2 * n + c] = tone_uv(state, at) / settings[_TONE_NA]
    return n_found
