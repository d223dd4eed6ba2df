"""Watches for afterdischarges and seizures after stimulation. The safety monitor."""

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from bci_core.chunk import StreamInfo
from bci_core.detection.half_wave import (
    HALF_WAVES,
    WAVE_ROWS,
    HalfWaveFields,
    half_wave_problems,
    half_wave_settings,
    half_waves,
)
from bci_core.detection.short_and_long import (
    COLUMNS,
    CUT_OFF,
    VALUES,
    ShortAndLong,
    blocks_of,
    conclude,
    is_announced,
    row_of,
    sense,
    take,
    tell,
)
from bci_core.detection.short_and_long_trend import (
    HEAD_SIZE,
    N_CHANNELS,
    RATE,
    TREND,
    block_size,
    close_bin,
    forget,
    head_of,
    is_above,
    ratio_of,
)
from bci_core.jit import KERNEL, compiled

# settings behind the columns: the half-waves, for how many samples one counts, then the
# heads of the area's and of the line length's trends


# rows of its own behind the blocks, then those of the half-waves
_COUNTS, _SIZES, _STEPS, _LAST, _LEFT, _ROWS = range(6)


class AfterDischargeSettings(HalfWaveFields):
    """Section ``[guard]`` of a rig with ``kind = "after_discharge"``.

    Afterdischarges are rhythmic discharges of spikes and sharp waves that outlast the
    stimulation of the cortex (Lesser et al. 1984, Annals of Neurology 15:371; Blume et
    al. 2004, Epilepsia 45:1182). A pattern counts as rhythmic from six cycles on, such as
    3 Hz for 2 s (Hirsch et al. 2021, Journal of Clinical Neurophysiology 38:1); the
    defaults of `short_s`, `min_repeat_hz` and `min_occupancy` ask for about that, so that
    sleep spindles, which are shorter, are not enough. Half-waves faster than 16 Hz are those
    of a beta rhythm, which can go on for as long. The other defaults are ours, on the side of
    sensitivity: a false alarm costs a session, a miss may cost more.

    What is not named here is in `HalfWaveFields` and `ShortAndLongSettings`; some of
    their defaults differ.

    Attributes
    ----------
    line_length_percent : float
        How far the line length must be above its trend, in percent of it.
    min_repeat_hz : float
        A large half-wave counts for this part of a second: the slowest rhythm that
        leaves no gap.
    min_occupancy : float
        Least part of the short window that must be filled so.
    """

    short_s: float = Field(default=3.0, ge=0.25, le=60.0)
    learning_s: float = Field(default=10.0, gt=0.0, le=600.0)
    min_duration_s: float = Field(default=0.25, ge=0.0, le=600.0)
    above_trend_percent: float = Field(default=125.0, gt=0.0, le=10_000.0)
    half_wave_hz: tuple[float, float] = (2.0, 16.0)
    line_length_percent: float = Field(default=25.0, gt=0.0, le=10_000.0)
    min_repeat_hz: float = Field(default=3.0, gt=0.1, le=100.0)
    min_occupancy: float = Field(default=0.85, gt=0.0, le=1.0)


class AfterDischarge(ShortAndLong):
    """Announces rhythmic discharges on any channel, and their end.

    Both must hold on a channel, over the same short window: its line length is well
    above the trend, and large half-waves of the right duration (`half_wave`) fill
    `min_occupancy` of it. It needs no marker of the stimulus. Held samples of a
    stimulation blank, which are flagged and repeat one value, are left out as if time
    had stood still; flagged samples that still move, such as those that settle after a
    blank, are looked at, but not learnt from.

    It is blind until its trends are learnt: for `learning_s` of good samples. Responses
    evoked by pulses that follow each other at more than about 3 Hz look like what it
    finds, unless they are blanked.

    `value` is the smaller of the two measures over their thresholds, on the channel
    where that is greatest (`channel`); `target_s` is `sample_s`: now. Decided every
    eighth of a second.

    Parameters
    ----------
    settings : AfterDischargeSettings
    info : StreamInfo
    lead_s : float
        Not used: nothing is predicted.

    Raises
    ------
    ConfigError
        The stream lacks a channel, a band does not fit its rate, or the settings
        contradict each other.
    """

    Settings: ClassVar[type[BaseModel]] = AfterDischargeSettings

    def __init__(self, settings: AfterDischargeSettings, info: StreamInfo, lead_s: float) -> None:
        area = head_of(settings, info.rate_hz, settings.above_trend_percent / 100.0, 0.0)
        length = head_of(settings, info.rate_hz, settings.line_length_percent / 100.0, 0.0)
        asked = half_wave_settings(settings, info.rate_hz)
        super().__init__(
            "after_discharge",
            "discharges",
            after_discharge_kernel,
            settings,
            info,
            lead_s,
            # No multiple of a trend but a part: trend * (1 - 1) + min_occupancy.
            factor=-1.0,
            offset=settings.min_occupancy,
            extra=(*asked, info.rate_hz / settings.min_repeat_hz, *area, *length),
            extra_state=(_ROWS + WAVE_ROWS) * len(settings.channels) + 2 * block_size(area),
            problems=half_wave_problems(settings),
        )


@compiled(KERNEL)
def after_discharge_kernel(
    samples: NDArray[np.float32],
    times_s: NDArray[np.float64],
    flags: NDArray[np.uint8],
    settings: NDArray[np.float64],
    state: NDArray[np.float64],
    out: NDArray[np.float64],
) -> int:
    """See `AfterDischarge`."""
    n = int(settings[N_CHANNELS])
    at = COLUMNS + n
    asked = settings[at : at + HALF_WAVES]
    at += HALF_WAVES
    hold = settings[at]
    level = settings[at + 1 : at + 1 + HEAD_SIZE]
    steep = settings[at + 1 + HEAD_SIZE :]
    values = row_of(settings, state, VALUES)
    block = blocks_of(settings, state)
    size = (block.shape[0] - (_ROWS + WAVE_ROWS) * n) // 3
    area, length = block[size : 2 * size], block[2 * size : 3 * size]
    mine = block[3 * size :]
    counts, sizes = mine[_COUNTS * n :][:n], mine[_SIZES * n :][:n]
    steps, last = mine[_STEPS * n :][:n], mine[_LAST * n :][:n]
    left, waves = mine[_LEFT * n :][:n], mine[_ROWS * n :]
    n_found = 0
    for i in range(samples.shape[0]):
        full = sense(settings, state, samples[i])
        half_waves(asked, waves, area[TREND * n : (TREND + 1) * n], values, counts)
        for c in range(n):
            left[c] = hold if counts[c] > 0.0 else max(left[c] - 1.0, 0.0)
            counts[c] = 1.0 if left[c] > 0.0 else 0.0
            sizes[c] = abs(values[c])
            steps[c] = abs(values[c] - last[c]) * settings[RATE]
            last[c] = values[c]
        flagged = flags[i] != 0
        take(settings, state, block, counts, flagged)
        take(settings, state, area, sizes, flagged)
        take(settings, state, length, steps, flagged)
        if not full:
            continue
        announced = is_announced(settings, state)
        close_bin(settings, block, announced)
        close_bin(level, area, announced)
        close_bin(steep, length, announced)
        n_above = 0
        for c in range(n):
            fast = is_above(settings, block, c, announced)
            n_above += fast and is_above(steep, length, c, announced)
            state[c] = min(ratio_of(settings, block, c), ratio_of(steep, length, c))
        said = conclude(settings, state, n_above)
        if said == CUT_OFF:
            forget(settings, block)
            forget(level, area)
            forget(steep, length)
        n_found = tell(settings, state, out, n_found, i, times_s[i], said)
    return n_found
