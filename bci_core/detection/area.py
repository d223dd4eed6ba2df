"""Finds seizure onsets by the area between the signal and its zero line."""

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from bci_core.chunk import StreamInfo
from bci_core.detection.short_and_long import (
    VALUES,
    ShortAndLong,
    blocks_of,
    judge,
    row_of,
    sense,
    take,
    tell,
)
from bci_core.detection.short_and_long_settings import ShortAndLongSettings
from bci_core.detection.short_and_long_trend import (
    N_CHANNELS,
)
from bci_core.jit import KERNEL, compiled


class AreaSettings(ShortAndLongSettings):
    """Section ``[detector]`` of a rig with ``kind = "area"``.

    What it has in common with `line_length` and `half_wave` is in `ShortAndLongSettings`.

    Attributes
    ----------
    above_trend_percent : float
        How far the short window must be above the trend, in percent of the trend.
    above_trend_uv : float, optional
        The same in microvolts. Where it is given, it is used instead.
    """

    above_trend_percent: float = Field(default=125.0, gt=0.0, le=10_000.0)
    above_trend_uv: float | None = Field(default=None, gt=0.0, le=1e6)


class Area(ShortAndLong):
    """Announces the onset of a seizure once, and its end.

    Area: the mean absolute value after the band-pass, in microvolts; it grows with
    amplitude, whatever the frequency. Its mean over the short window is compared with
    the trend (`bci_core.detection.short_and_long`).

    `value` is the short window over the threshold, on the channel where that is
    greatest (`channel`); `target_s` is `sample_s`: now. Decided every eighth of a second.

    Parameters
    ----------
    settings : AreaSettings
    info : StreamInfo
    lead_s : float
        Not used: nothing is predicted.

    Raises
    ------
    ConfigError
        The stream lacks a channel, the band does not fit its rate, or the settings
        contradict each other.
    """

    Settings: ClassVar[type[BaseModel]] = AreaSettings

    def __init__(self, settings: AreaSettings, info: StreamInfo, lead_s: float) -> None:
        percent = settings.above_trend_percent if settings.above_trend_uv is None else 0.0
        super().__init__(
            "area",
            "area",
            area_kernel,
            settings,
            info,
            lead_s,
            factor=percent / 100.0,
            offset=settings.above_trend_uv or 0.0,
            extra_state=len(settings.channels),
        )


@compiled(KERNEL)
def area_kernel(
    samples: NDArray[np.float32],
    times_s: NDArray[np.float64],
    flags: NDArray[np.uint8],
    settings: NDArray[np.float64],
    state: NDArray[np.float64],
    out: NDArray[np.float64],
) -> int:
    """See `Area`."""
    n = int(settings[N_CHANNELS])
    values = row_of(settings, state, VALUES)
    block = blocks_of(settings, state)
    quantity = state[-n:]
    n_found = 0
    for i in range(samples.shape[0]):
        full = sense(settings, state, samples[i])
        for c in range(n):
            quantity[c] = abs(values[c])
        take(settings, state, block, quantity, flags[i] != 0)
        if full:
            said = judge(settings, state)
            n_found = tell(settings, state, out, n_found, i, times_s[i], said)
    return n_found
