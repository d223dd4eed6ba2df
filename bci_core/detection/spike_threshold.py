"""Threshold crossings on many channels: high-pass, robust noise, dead time.

The noise of a channel is the median of its magnitude over 0.6745, which spikes hardly
move (Quiroga, Nadasdy and Ben-Shaul 2004, Neural Computation 16:1661). The median is
tracked with one number a channel: up by a small factor when a magnitude lies above
it, down by the same factor when below, so that it comes to rest where half lie on
either side, whatever their unit (stochastic approximation: Robbins and Monro 1951,
Annals of Mathematical Statistics 22:400). The factor begins large and shrinks as
samples come in, to that of `noise_s`.

Where the noise changes by a factor f, the estimate has followed to within a tenth of
its logarithm after about ``noise_s * (ln f + 2)``.
"""

import math
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from bci_core.chunk import StreamInfo
from bci_core.detection.filter_bank import bank_size, filter_each, gather, settle_each
from bci_core.detection.filters import high_pass
from bci_core.errors import Problem
from bci_core.jit import compiled

MEDIAN_OF_NORMAL = 0.6745
"""Median magnitude of normal noise, in its standard deviations."""

PULL = 0.857
"""How strongly the tracker is pulled to the median of normal noise: twice the density of
the magnitude's logarithm there."""

HEAD_START = 4.0
"""Gain of the tracker at sample n of the first: this over n. Must be above 1 / (2 PULL) to
settle as fast as a running median does; more, so that it can start far off."""

# settings; the high-pass follows
_LOWER, _UPPER, _FACTOR, _DEAD, _GAIN, _LEAST, _ENOUGH, _SECTIONS = range(8)
# state; three numbers a channel follow (value, median, dead), then the high-pass's
_SEEN, _LEARNT, _PER_CHANNEL = range(3)


class SpikeThresholdSettings(BaseModel):
    """How spikes are told from noise.

    Attributes
    ----------
    high_pass_hz : float
        Edge of the Butterworth high-pass.
    order : int
        Of the high-pass.
    threshold_noise_sd : float
        Distance of the threshold from zero, in standard deviations of the noise.
    polarity : str
        Which way a spike goes: ``"negative"``, as outside a cell; ``"positive"``; ``"both"``.
    dead_time_s : float
        After a crossing, none is counted on that channel for this long, nor until the
        signal has come back over the threshold.
    noise_s : float
        Time constant of the noise estimate.
    learning_s : float
        Good samples before the first crossing is counted.
    min_noise_uv : float
        The noise is never taken to be less than this.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    high_pass_hz: float = Field(default=300.0, gt=0.0)
    order: int = Field(default=2, ge=1, le=8)
    threshold_noise_sd: float = Field(default=4.5, gt=0.0, le=100.0)
    polarity: Literal["negative", "positive", "both"] = "negative"
    dead_time_s: float = Field(default=0.001, ge=0.0, le=1.0)
    noise_s: float = Field(default=5.0, gt=0.0, le=3600.0)
    learning_s: float = Field(default=1.0, gt=0.0, le=600.0)
    min_noise_uv: float = Field(default=0.1, gt=0.0, le=1e6)


def threshold_problems(settings: SpikeThresholdSettings, info: StreamInfo) -> list[Problem]:
    """The high-pass fits the stream's rate."""
    nyquist_hz = info.rate_hz / 2.0
    if settings.high_pass_hz < nyquist_hz:
        return []
    return [
        Problem(
            "high_pass_hz",
            f"is {settings.high_pass_hz:g} Hz; it must be below {nyquist_hz:g} Hz, half the "
            f"sampling rate of {info.rate_hz:g} Hz",
        )
    ]


def threshold_settings(settings: SpikeThresholdSettings, rate_hz: float) -> NDArray[np.float64]:
    """Settings of `find_crossings`."""
    head = np.zeros(_SECTIONS)
    head[_LOWER] = 1.0 if settings.polarity == "positive" else -1.0
    head[_UPPER] = -1.0 if settings.polarity == "negative" else 1.0
    head[_FACTOR] = settings.threshold_noise_sd / MEDIAN_OF_NORMAL
    head[_DEAD] = round(settings.dead_time_s * rate_hz)
    head[_GAIN] = 1.0 / (PULL * settings.noise_s * rate_hz)
    head[_LEAST] = settings.min_noise_uv * MEDIAN_OF_NORMAL
    head[_ENOUGH] = math.ceil(settings.learning_s * rate_hz - 1e-6)
    return np.concatenate([head, high_pass(settings.high_pass_hz, rate_hz, settings.order)])


def threshold_state(settings: NDArray[np.float64], n_channels: int) -> NDArray[np.float64]:
    """State of `find_crossings` to begin with."""
    size = _PER_CHANNEL + 3 * n_channels + bank_size(settings[_SECTIONS:], n_channels)
    state = np.zeros(size)
    state[_PER_CHANNEL + n_channels : _PER_CHANNEL + 2 * n_channels] = settings[_LEAST]
    return state


def noise_uv(state: NDArray[np.float64], n_channels: int) -> NDArray[np.float64]:
    """Standard deviation of the noise on each channel, in microvolts, (n_channels,)."""
    medians = state[_PER_CHANNEL + n_channels : _PER_CHANNEL + 2 * n_channels]
    return np.asarray(medians / MEDIAN_OF_NORMAL)


@compiled("boolean(float64[::1], float64[::1])")
def noise_is_learnt(settings: NDArray[np.float64], state: NDArray[np.float64]) -> bool:
    """Whether crossings are counted yet."""
    return bool(state[_LEARNT] >= settings[_ENOUGH])


@compiled("UniTuple(float64, 2)(float64[::1], int64)")
def furthest(state: NDArray[np.float64], n_channels: int) -> tuple[float, float]:
    """Which channel crossed furthest on the last sample, and how far, in SD of its noise.

    -1 and 0 where none crossed.
    """
    channel, most = -1.0, 0.0
    for c in range(n_channels):
        height_uv = state[_PER_CHANNEL + c]
        if height_uv > 0.0:
            height_sd = height_uv * MEDIAN_OF_NORMAL / state[_PER_CHANNEL + n_channels + c]
            if height_sd > most:
                channel, most = float(c), height_sd
    return channel, most


@compiled("void(float64[::1], float64[::1], float64[::1], float32[::1], boolean, float64[::1])")
def find_crossings(
    settings: NDArray[np.float64],
    state: NDArray[np.float64],
    columns: NDArray[np.float64],
    sample: NDArray[np.float32],
    good: bool,
    counts: NDArray[np.float64],
) -> None:
    """Advance by one sample; add one to `counts` where a channel crosses.

    From a sample that is not `good` the noise learns nothing.
    """
    n = counts.shape[0]
    values = state[_PER_CHANNEL : _PER_CHANNEL + n]
    medians = state[_PER_CHANNEL + n : _PER_CHANNEL + 2 * n]
    dead = state[_PER_CHANNEL + 2 * n : _PER_CHANNEL + 3 * n]
    sections = settings[_SECTIONS:]
    memories = state[_PER_CHANNEL + 3 * n :]
    gather(sample, columns, values)
    if state[_SEEN] == 0.0:
        settle_each(sections, memories, values)
        gather(sample, columns, values)
    state[_SEEN] = 1.0
    filter_each(sections, memories, values)

    up = down = 1.0
    if good:
        gain = max(settings[_GAIN], HEAD_START / (state[_LEARNT] + 2.0 * HEAD_START))
        up = math.exp(gain)
        down = 1.0 / up
        state[_LEARNT] += 1.0
    factor = settings[_FACTOR] if noise_is_learnt(settings, state) else math.inf
    lower, upper, least = settings[_LOWER], settings[_UPPER], settings[_LEAST]
    dead_for = settings[_DEAD] - 1.0
    # No branches and few arrays, so that this becomes vector instructions.
    for c in range(n):
        value, median, waits = values[c], medians[c], dead[c]
        height = max(lower * value, upper * value)
        beyond = 1.0 if height > factor * median else 0.0
        crosses = beyond if waits <= 0.0 else 0.0
        counts[c] += crosses
        dead[c] = max(dead_for if crosses > 0.0 else waits - 1.0, beyond)
        medians[c] = max(median * (up if abs(value) > median else down), least)
        values[c] = crosses * height


def threshold_crossings(
    samples: NDArray[np.float32],
    rate_hz: float,
    settings: SpikeThresholdSettings,
    flags: NDArray[np.uint8] | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Every crossing in a recording, exactly as the detectors count them.

    Parameters
    ----------
    samples : ndarray, (n_samples, n_channels), float32
        Microvolts.
    rate_hz : float
    settings : SpikeThresholdSettings
        `high_pass_hz` must be below half of `rate_hz`.
    flags : ndarray, (n_samples,), uint8, optional
        Of the sample monitor; nothing is learnt where it is not 0.

    Returns
    -------
    sample_index, channel : ndarray, (n_crossings,), int64
        In the order of time; on one sample, of channels.
    """
    n_samples, n_channels = samples.shape
    numbers = threshold_settings(settings, rate_hz)
    state = threshold_state(numbers, n_channels)
    good = np.ones(n_samples, dtype=np.bool_) if flags is None else np.asarray(flags) == 0
    samples = np.ascontiguousarray(samples, dtype=np.float32)
    rows = max(1, _ROOM // n_channels)
    found = np.zeros((rows * n_channels, 2), dtype=np.int64)
    parts = [np.zeros((0, 2), dtype=np.int64)]
    for start in range(0, n_samples, rows):
        block = slice(start, start + rows)
        n_found = _list_crossings(numbers, state, samples[block], good[block], start, found)
        parts.append(found[:n_found].copy())
    joined = np.concatenate(parts)
    return joined[:, 0], joined[:, 1]


_ROOM = 1 << 18
"""Values looked at between two calls of the kernel, so that no list of crossings overflows."""


@compiled("int64(float64[::1], float64[::1], float32[:, ::1], boolean[::1], int64, int64[:, ::1])")
def _list_crossings(
    settings: NDArray[np.float64],
    state: NDArray[np.float64],
    samples: NDArray[np.float32],
    good: NDArray[np.bool_],
    start: int,
    found: NDArray[np.int64],
) -> int:
    n = samples.shape[1]
    columns = np.arange(n).astype(np.float64)
    counts = np.zeros(n)
    n_found = 0
    for i in range(samples.shape[0]):
        find_crossings(settings, state, columns, samples[i], good[i], counts)
        for c in range(n):
            if state[_PER_CHANNEL + c] > 0.0:
                found[n_found, 0] = start + i
                found[n_found, 1] = c
                n_found += 1
    return n_found
