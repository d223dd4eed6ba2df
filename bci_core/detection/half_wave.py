"""Finds seizure onsets by counting large half-waves of the right duration."""

import math
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from bci_core.chunk import StreamInfo
from bci_core.detection.short_and_long import (
    COLUMNS,
    CUT_OFF,
    VALUES,
    ShortAndLong,
    blocks_of,
    is_announced,
    judge,
    row_of,
    sense,
    take,
    tell,
)
from bci_core.detection.short_and_long_settings import ShortAndLongSettings
from bci_core.detection.short_and_long_trend import (
    N_CHANNELS,
    RATE,
    TREND,
    block_size,
    close_bin,
    forget,
    head_of,
)
from bci_core.errors import Problem
from bci_core.jit import KERNEL, compiled

# settings of the half-waves, behind the columns; the head of the area's trend follows
PERCENT, FIXED_UV, HYSTERESIS, SHORTEST, LONGEST = range(5)
HALF_WAVES = 5
# state of the half-waves: rows of one number a channel
_LAST_TURN, _SINCE_TURN, _EXTREME, _SINCE_EXTREME, _FALLING = range(5)
WAVE_ROWS = 5

SWING = math.pi
"""Trough to peak of a sine, over the mean of its absolute value."""


class HalfWaveFields(ShortAndLongSettings):
    """What is asked of a half-wave; for `half_wave` and `after_discharge`.

    Attributes
    ----------
    above_trend_percent : float
        How far a half-wave must exceed the trend, from trough to peak, in percent of it.
        The trend is that of the mean absolute value, times `SWING`.
    min_amplitude_uv : float, optional
        Least amplitude, from trough to peak. Where it is given, it is used instead.
    half_wave_hz : (float, float)
        Its duration is half a period of a frequency between these.
    hysteresis_percent : float
        A wiggle of less than this part of the least amplitude is no turning point.
    """

    above_trend_percent: float = Field(default=200.0, gt=0.0, le=10_000.0)
    min_amplitude_uv: float | None = Field(default=None, gt=0.0, le=1e6)
    half_wave_hz: tuple[float, float] = (2.0, 25.0)
    hysteresis_percent: float = Field(default=20.0, ge=0.0, le=100.0)


class HalfWaveSettings(HalfWaveFields):
    """Section ``[detector]`` of a rig with ``kind = "half_wave"``.

    What it has in common with `line_length` and `area` is in `ShortAndLongSettings`,
    what is asked of a half-wave in `HalfWaveFields`.

    Attributes
    ----------
    min_rate_hz : float
        Least number of such half-waves a second, on average over the short window.
    """

    min_rate_hz: float = Field(default=6.0, gt=0.0, le=1000.0)


class HalfWave(ShortAndLong):
    """Announces the onset of a seizure once, and its end.

    The signal after the band-pass is cut at its turning points into half-waves (Gotman
    1982, Electroencephalography and Clinical Neurophysiology 54:530). Those that are
    large enough and neither too short nor too long are counted; how many there are a
    second, over the short window, is compared with `min_rate_hz`. How large is enough
    follows the trend of the signal's own size (`bci_core.detection.short_and_long`).

    `value` is that rate over `min_rate_hz`, on the channel where it is greatest
    (`channel`); `target_s` is `sample_s`: now. Decided every eighth of a second.

    Parameters
    ----------
    settings : HalfWaveSettings
    info : StreamInfo
    lead_s : float
        Not used: nothing is predicted.

    Raises
    ------
    ConfigError
        The stream lacks a channel, a band does not fit its rate, or the settings
        contradict each other.
    """

    Settings: ClassVar[type[BaseModel]] = HalfWaveSettings

    def __init__(self, settings: HalfWaveSettings, info: StreamInfo, lead_s: float) -> None:
        area = head_of(settings, info.rate_hz, settings.above_trend_percent / 100.0, 0.0)
        super().__init__(
            "half_wave",
            "half-wave rate",
            half_wave_kernel,
            settings,
            info,
            lead_s,
            # No multiple of a trend but a rate: trend * (1 - 1) + min_rate_hz.
            factor=-1.0,
            offset=settings.min_rate_hz,
            extra=(*half_wave_settings(settings, info.rate_hz), *area),
            extra_state=(2 + WAVE_ROWS) * len(settings.channels) + block_size(area),
            problems=half_wave_problems(settings),
        )


def half_wave_problems(settings: HalfWaveFields) -> list[Problem]:
    """What contradicts itself in the half-waves that are asked for."""
    low_hz, high_hz = settings.half_wave_hz
    if 0.0 < low_hz < high_hz:
        return []
    return [
        Problem(
            "half_wave_hz",
            f"goes from {low_hz:g} Hz to {high_hz:g} Hz; both must be above 0 Hz, "
            "the lower one first",
        )
    ]


def half_wave_settings(settings: HalfWaveFields, rate_hz: float) -> tuple[float, ...]:
    """Settings for `half_wave`, HALF_WAVES of them."""
    # Where it makes no sense, nothing is built of it: the problems are raised first.
    low_hz, high_hz = (max(hz, 1e-6) for hz in settings.half_wave_hz)
    return (
        1.0 + settings.above_trend_percent / 100.0,
        settings.min_amplitude_uv or 0.0,
        settings.hysteresis_percent / 100.0,
        0.5 * rate_hz / high_hz,
        0.5 * rate_hz / low_hz,
    )


@compiled("void(float64[::1], float64[::1], float64[::1], float64[::1], float64[::1])")
def half_waves(
    settings: NDArray[np.float64],
    state: NDArray[np.float64],
    trends_uv: NDArray[np.float64],
    values: NDArray[np.float64],
    counts: NDArray[np.float64],
) -> None:
    """One sample of all channels; where it shows a half-wave to be over that counts.

    Parameters
    ----------
    settings : ndarray, (HALF_WAVES,)
    state : ndarray, (WAVE_ROWS * n_channels,)
    trends_uv, values : ndarray, (n_channels,)
        Trend of the mean absolute value; the sample in the band.
    counts : ndarray, (n_channels,)
        Becomes 1 there, else 0.
    """
    n = values.shape[0]
    last_turn, since_turn = state[_LAST_TURN * n :][:n], state[_SINCE_TURN * n :][:n]
    extreme, since_extreme = state[_EXTREME * n :][:n], state[_SINCE_EXTREME * n :][:n]
    falling = state[_FALLING * n :][:n]
    fixed_uv, per_trend = settings[FIXED_UV], settings[PERCENT] * SWING
    # Without branches, so that the compiler does several channels at once.
    for c in range(n):
        least_uv = fixed_uv if fixed_uv > 0.0 else per_trend * trends_uv[c]
        value, peak = values[c], extreme[c]
        back = (peak - value) * (1.0 - 2.0 * falling[c])
        turned = back > settings[HYSTERESIS] * least_uv
        moved = turned or back <= 0.0
        ran, rested = since_turn[c] + 1.0, since_extreme[c] + 1.0
        # If it has turned, a half-wave went from the last turning point to the extreme.
        lasted = ran - rested
        swing_uv = abs(peak - last_turn[c])
        in_time = (lasted >= settings[SHORTEST]) & (lasted <= settings[LONGEST])
        fits = turned & in_time & (swing_uv >= least_uv) & (least_uv > 0.0)
        counts[c] = 1.0 if fits else 0.0
        last_turn[c] = peak if turned else last_turn[c]
        since_turn[c] = rested if turned else ran
        extreme[c] = value if moved else peak
        since_extreme[c] = 0.0 if moved else rested
        falling[c] = 1.0 - falling[c] if turned else falling[c]


@compiled(KERNEL)
def half_wave_kernel(
    samples: NDArray[np.float32],
    times_s: NDArray[np.float64],
    flags: NDArray[np.uint8],
    settings: NDArray[np.float64],
    state: NDArray[np.float64],
    out: NDArray[np.float64],
) -> int:
    """See `HalfWave`."""
    n = int(settings[N_CHANNELS])
    asked = settings[COLUMNS + n : COLUMNS + n + HALF_WAVES]
    level = settings[COLUMNS + n + HALF_WAVES :]
    values = row_of(settings, state, VALUES)
    block = blocks_of(settings, state)
    area_at = (block.shape[0] - (2 + WAVE_ROWS) * n) // 2
    area = block[area_at : 2 * area_at]
    mine = block[2 * area_at :]
    counts, sizes, waves = mine[:n], mine[n : 2 * n], mine[2 * n :]
    n_found = 0
    for i in range(samples.shape[0]):
        full = sense(settings, state, samples[i])
        half_waves(asked, waves, area[TREND * n : (TREND + 1) * n], values, counts)
        for c in range(n):
            counts[c] *= settings[RATE]
            sizes[c] = abs(values[c])
        take(settings, state, block, counts, flags[i] != 0)
        take(settings, state, area, sizes, flags[i] != 0)
        if full:
            close_bin(level, area, is_announced(settings, state))
            said = judge(settings, state)
            if said == CUT_OFF:
                forget(level, area)
            n_found = tell(settings, state, out, n_found, i, times_s[i], said)
    return n_found
