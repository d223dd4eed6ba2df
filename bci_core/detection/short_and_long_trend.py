"""The short window and the long trend of one quantity, for kernels; see `short_and_long`.

A block of state holds them for all channels: rows of one number a channel, how many
samples of the bin were flagged, and the ring of each channel's last bins.
"""

import math

import numpy as np
from numpy.typing import NDArray

from bci_core.detection.ring import moving_sum, ring_size
from bci_core.detection.short_and_long_settings import ShortAndLongSettings
from bci_core.jit import compiled

BIN_S = 0.125

LOW = 0.25
"""A short window below this part of its trend, for `long_s`: the trend is learnt anew."""

# settings
BIN_SAMPLES, _N_BINS, _FACTOR, _OFFSET, _RELEASE, _GAIN, _LEARNING = range(7)
ENOUGH, OVER, LONGEST_EVENT, MIN_CHANNELS, _LOW, RATE, N_CHANNELS, AGAIN = range(7, 15)
HEAD_SIZE = 15

# rows of a block
_SUM, MISSING, SHORT, TREND, _LEARNT, _PUSHED, _LOW_FOR, ROWS = range(8)


def head_of(
    settings: ShortAndLongSettings, rate_hz: float, factor: float, offset: float
) -> NDArray[np.float64]:
    """Settings of one short window and trend, (HEAD_SIZE,).

    The threshold is trend * (1 + `factor`) + `offset`.
    """
    bin_samples = max(1, round(BIN_S * rate_hz))
    bins_hz = rate_hz / bin_samples
    head = np.zeros(HEAD_SIZE)
    head[BIN_SAMPLES] = bin_samples
    head[_N_BINS] = max(1, round(settings.short_s * bins_hz))
    head[_FACTOR], head[_OFFSET] = factor, offset
    head[_RELEASE] = settings.release_ratio
    head[_GAIN] = -math.expm1(-1.0 / (settings.long_s * bins_hz))
    # Less a hair, so that what is a whole number of bins stays one, whatever the rounding.
    head[_LEARNING] = max(1, math.ceil(settings.learning_s * bins_hz - 1e-6))
    head[ENOUGH] = max(1, math.ceil(settings.min_duration_s * bins_hz - 1e-6))
    head[OVER] = max(1, math.ceil(settings.end_s * bins_hz - 1e-6))
    head[LONGEST_EVENT] = math.ceil(settings.max_duration_s * bins_hz - 1e-6)
    head[AGAIN] = math.inf
    if settings.again_s is not None:
        head[AGAIN] = math.ceil(settings.again_s * bins_hz - 1e-6)
    head[MIN_CHANNELS] = settings.min_channels
    # A rate of its own (factor -1) may well be nothing for long; a size may not.
    head[_LOW] = LOW if factor >= 0.0 else 0.0
    head[RATE] = rate_hz
    head[N_CHANNELS] = len(settings.channels)
    return head


def block_size(head: NDArray[np.float64]) -> int:
    """Numbers of state for one quantity of all channels."""
    ring = ring_size(int(head[_N_BINS]))
    return int(head[N_CHANNELS]) * (ROWS + ring) + 1


@compiled("boolean(float64[::1], float64[::1], int64)")
def is_learnt(settings: NDArray[np.float64], block: NDArray[np.float64], c: int) -> bool:
    """Whether channel `c`, counted from 0, has a trend and a full short window to compare."""
    n = int(settings[N_CHANNELS])
    return bool(
        block[_LEARNT * n + c] >= settings[_LEARNING]
        and block[_PUSHED * n + c] >= settings[_N_BINS]
    )


@compiled("float64(float64[::1], float64[::1], int64, float64)")
def bound(settings: NDArray[np.float64], block: NDArray[np.float64], c: int, part: float) -> float:
    """The threshold of channel `c`, or a part of the way from its trend to it."""
    trend = block[TREND * int(settings[N_CHANNELS]) + c]
    return float(trend + part * (trend * settings[_FACTOR] + settings[_OFFSET]))


@compiled("void(float64[::1], float64[::1], int64)")
def learn_anew(settings: NDArray[np.float64], block: NDArray[np.float64], c: int) -> None:
    """Forget the trend of channel `c`."""
    n = int(settings[N_CHANNELS])
    block[TREND * n + c] = block[_LEARNT * n + c] = block[_LOW_FOR * n + c] = 0.0


@compiled("void(float64[::1], float64[::1], int64, float64)")
def _follow(
    settings: NDArray[np.float64], block: NDArray[np.float64], c: int, value: float
) -> None:
    n = int(settings[N_CHANNELS])
    low = block[SHORT * n + c] < settings[_LOW] * block[TREND * n + c]
    block[_LOW_FOR * n + c] = block[_LOW_FOR * n + c] + 1.0 if low else 0.0
    if block[_LOW_FOR * n + c] * settings[_GAIN] > 1.0:
        learn_anew(settings, block, c)
    if is_learnt(settings, block, c):
        value = min(value, bound(settings, block, c, 1.0))
    block[_LEARNT * n + c] += 1.0
    weight = max(settings[_GAIN], 1.0 / block[_LEARNT * n + c])
    block[TREND * n + c] += weight * (value - block[TREND * n + c])


@compiled("void(float64[::1], float64[::1], boolean)")
def close_bin(settings: NDArray[np.float64], block: NDArray[np.float64], frozen: bool) -> None:
    """The bin is full: renew the short window and the trend of every channel.

    A bin that was mostly held leaves the short window as it is.
    """
    n = int(settings[N_CHANNELS])
    size = 3 + int(settings[_N_BINS])
    flagged = block[ROWS * n] > 0.0
    rings = block[ROWS * n + 1 :]
    for c in range(n):
        taken = settings[BIN_SAMPLES] - block[MISSING * n + c]
        if 2.0 * taken >= settings[BIN_SAMPLES]:
            value = block[c] / taken
            total = moving_sum(rings[c * size : (c + 1) * size], value)
            block[SHORT * n + c] = total / settings[_N_BINS]
            block[_PUSHED * n + c] += 1.0
            if not (flagged or frozen):
                _follow(settings, block, c, value)
        block[c] = block[MISSING * n + c] = 0.0
    block[ROWS * n] = 0.0


@compiled("boolean(float64[::1], float64[::1], int64, boolean)")
def is_above(
    settings: NDArray[np.float64], block: NDArray[np.float64], c: int, announced: bool
) -> bool:
    """Whether channel `c` is above the threshold; above the release, once announced."""
    short = block[SHORT * int(settings[N_CHANNELS]) + c]
    part = settings[_RELEASE] if announced else 1.0
    return bool(
        is_learnt(settings, block, c) and short > 0.0 and short >= bound(settings, block, c, part)
    )


@compiled("float64(float64[::1], float64[::1], int64)")
def ratio_of(settings: NDArray[np.float64], block: NDArray[np.float64], c: int) -> float:
    """The short window of channel `c` over its threshold; 0 before there is one."""
    threshold = bound(settings, block, c, 1.0)
    if threshold > 0.0 and is_learnt(settings, block, c):
        return float(block[SHORT * int(settings[N_CHANNELS]) + c] / threshold)
    return 0.0


@compiled("void(float64[::1], float64[::1])")
def forget(settings: NDArray[np.float64], block: NDArray[np.float64]) -> None:
    """Forget the trends of all channels."""
    for c in range(int(settings[N_CHANNELS])):
        learn_anew(settings, block, c)
