"""A short window against the long trend, as implanted responsive stimulators look at seizures.

What `line_length`, `area`, `half_wave` and `after_discharge` share. A quantity is
averaged in bins of an eighth of a second; the mean of the last few bins is the short
window, a slow average of all bins the long trend. The trend follows no bin further
than the threshold, stands still during an event, and takes nothing from bins with
flagged samples. It is learnt anew when an event lasts longer than any, and when the
short window stays below a quarter of it for `long_s`; so whatever happened, there is
a trend that fits after `long_s` or `max_duration_s`, and `learning_s`.

Method: the line-length, area and half-wave tools of the RNS neurostimulator (Sun &
Morrell 2014, Neurotherapeutics 11:553).
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bci_core.chunk import StreamInfo
from bci_core.detection.compiled import (
    END,
    ONSET,
    OUT_CHANNEL,
    OUT_KIND,
    CompiledDetector,
    announce,
)
from bci_core.detection.filter_bank import filter_each, gather, settle_each
from bci_core.detection.filters import COEFFICIENTS, MEMORIES, band_pass
from bci_core.detection.short_and_long_settings import ShortAndLongSettings, check
from bci_core.detection.short_and_long_trend import (
    AGAIN,
    BIN_SAMPLES,
    ENOUGH,
    HEAD_SIZE,
    LONGEST_EVENT,
    MIN_CHANNELS,
    MISSING,
    N_CHANNELS,
    OVER,
    ROWS,
    block_size,
    close_bin,
    forget,
    head_of,
    is_above,
    ratio_of,
)
from bci_core.errors import Problem
from bci_core.jit import compiled

# settings: the head, the band-pass, the columns of the channels, then what a detector adds
_BAND_PASS = HEAD_SIZE
COLUMNS = _BAND_PASS + COEFFICIENTS

# state: rows of one number a channel, the ratios first; then the event; then the block
_RATIOS, VALUES, _RAW, _HELD, _MEMORY = range(5)
_ROWS = _MEMORY + MEMORIES
_SEEN, _IN_BIN, _LASTED, _BELOW, _STRONGEST, _STRENGTH, _SINCE = range(7)
_EVENT_SIZE = 7

NOTHING, BEGAN, GOES_ON, ENDED, CUT_OFF = range(5)
"""What `conclude` may say; an event is cut off when it lasts longer than any."""


class ShortAndLong(CompiledDetector):
    """What the detectors with a short window and a long trend have in common.

    Parameters
    ----------
    name : str
        Of the detector, for errors.
    quantity : str
        What it looks at, for the labels of the outputs.
    kernel : callable
    settings : ShortAndLongSettings
    info : StreamInfo
    lead_s : float
        Not used: nothing is predicted.
    factor, offset : float
        The threshold is trend * (1 + `factor`) + `offset`.
    extra : tuple of float
        Further settings of the kernel, behind the columns.
    extra_state : int
        Further numbers of state, behind the block, for all channels together.
    problems : sequence of Problem
        What the detector itself found wrong with its settings.

    Raises
    ------
    ConfigError
        The stream lacks a channel, the band does not fit its rate, or the settings
        contradict each other.
    """

    def __init__(
        self,
        name: str,
        quantity: str,
        kernel: Callable[..., Any],
        settings: ShortAndLongSettings,
        info: StreamInfo,
        lead_s: float,
        factor: float,
        offset: float,
        extra: tuple[float, ...] = (),
        extra_state: int = 0,
        problems: Sequence[Problem] = (),
    ) -> None:
        check(name, settings, info, lead_s, problems)
        columns = tuple(info.index_of(channel) for channel in settings.channels)
        n = len(columns)
        head = head_of(settings, info.rate_hz, factor, offset)
        band = band_pass(settings.band_hz, info.rate_hz, 1)
        super().__init__(
            kernel,
            np.concatenate([head, band, columns, extra]),
            np.zeros(_ROWS * n + _EVENT_SIZE + block_size(head) + extra_state),
            columns,
            tuple(f"{channel} {quantity} over threshold" for channel in settings.channels),
        )


@compiled("float64[::1](float64[::1], float64[::1], int64)")
def row_of(
    settings: NDArray[np.float64], state: NDArray[np.float64], row: int
) -> NDArray[np.float64]:
    """One row of the state: a number a channel."""
    n = int(settings[N_CHANNELS])
    return state[row * n : (row + 1) * n]


@compiled("float64[::1](float64[::1], float64[::1])")
def _event_of(settings: NDArray[np.float64], state: NDArray[np.float64]) -> NDArray[np.float64]:
    at = _ROWS * int(settings[N_CHANNELS])
    return state[at : at + _EVENT_SIZE]


@compiled("float64[::1](float64[::1], float64[::1])")
def blocks_of(settings: NDArray[np.float64], state: NDArray[np.float64]) -> NDArray[np.float64]:
    """The block, and behind it what the detector has added."""
    return state[_ROWS * int(settings[N_CHANNELS]) + _EVENT_SIZE :]


@compiled("boolean(float64[::1], float64[::1], float32[::1])")
def sense(
    settings: NDArray[np.float64], state: NDArray[np.float64], sample: NDArray[np.float32]
) -> bool:
    """One sample of all channels into VALUES, in the band; whether it is the last of its bin."""
    n = int(settings[N_CHANNELS])
    event = _event_of(settings, state)
    values = row_of(settings, state, VALUES)
    raw, held = row_of(settings, state, _RAW), row_of(settings, state, _HELD)
    sections = settings[_BAND_PASS:COLUMNS]
    memory = state[_MEMORY * n : _ROWS * n]
    columns = settings[COLUMNS : COLUMNS + n]
    gather(sample, columns, values)
    if event[_SEEN] == 0.0:
        event[_SEEN] = 1.0
        settle_each(sections, memory, values)
        gather(sample, columns, values)
    for c in range(n):
        held[c] = 1.0 if values[c] == raw[c] else 0.0
        raw[c] = values[c]
    filter_each(sections, memory, values)
    event[_IN_BIN] += 1.0
    if event[_IN_BIN] < settings[BIN_SAMPLES]:
        return False
    event[_IN_BIN] = 0.0
    return True


@compiled("void(float64[::1], float64[::1], float64[::1], float64[::1], boolean)")
def take(
    settings: NDArray[np.float64],
    state: NDArray[np.float64],
    block: NDArray[np.float64],
    quantity: NDArray[np.float64],
    flagged: bool,
) -> None:
    """One sample of the quantity, of all channels.

    A flagged sample is not learnt from. Where it also repeats the sample before it, as
    one held through a stimulation blank does, it says nothing of the tissue and is left out.
    """
    n = quantity.shape[0]
    if not flagged:
        for c in range(n):
            block[c] += quantity[c]
        return
    block[ROWS * n] += 1.0
    held = row_of(settings, state, _HELD)
    for c in range(n):
        block[c] += quantity[c] * (1.0 - held[c])
        block[MISSING * n + c] += held[c]


@compiled("boolean(float64[::1], float64[::1])")
def is_announced(settings: NDArray[np.float64], state: NDArray[np.float64]) -> bool:
    """Whether an event is under way."""
    return bool(_event_of(settings, state)[_LASTED] >= settings[ENOUGH])


@compiled("int64(float64[::1], float64[::1], int64)")
def conclude(settings: NDArray[np.float64], state: NDArray[np.float64], n_above: int) -> int:
    """One bin further, from the ratios and from how many are above."""
    n = int(settings[N_CHANNELS])
    event = _event_of(settings, state)
    event[_STRENGTH] = -1.0
    for c in range(n):
        if state[c] > event[_STRENGTH]:
            event[_STRENGTH] = state[c]
            event[_STRONGEST] = c
    enough = n_above >= settings[MIN_CHANNELS]
    if event[_LASTED] < settings[ENOUGH]:
        event[_LASTED] = event[_LASTED] + 1.0 if enough else 0.0
        event[_BELOW] = event[_SINCE] = 0.0
        return BEGAN if event[_LASTED] >= settings[ENOUGH] else NOTHING
    event[_LASTED] += 1.0
    event[_SINCE] += 1.0
    event[_BELOW] = 0.0 if enough else event[_BELOW] + 1.0
    if (
        event[_BELOW] < settings[OVER]
        and event[_LASTED] - settings[ENOUGH] < settings[LONGEST_EVENT]
    ):
        if not enough or event[_SINCE] < settings[AGAIN]:
            return NOTHING
        event[_SINCE] = 0.0
        return GOES_ON
    event[_LASTED] = 0.0
    return ENDED if event[_BELOW] >= settings[OVER] else CUT_OFF


@compiled("int64(float64[::1], float64[::1])")
def judge(settings: NDArray[np.float64], state: NDArray[np.float64]) -> int:
    """Close the bin of a detector with one block, and conclude."""
    announced = is_announced(settings, state)
    block = blocks_of(settings, state)
    close_bin(settings, block, announced)
    n_above = 0
    for c in range(int(settings[N_CHANNELS])):
        n_above += is_above(settings, block, c, announced)
        state[c] = ratio_of(settings, block, c)
    said = conclude(settings, state, n_above)
    if said == CUT_OFF:
        forget(settings, block)
    return said


@compiled("int64(float64[::1], float64[::1], float64[:, ::1], int64, int64, float64, int64)")
def tell(
    settings: NDArray[np.float64],
    state: NDArray[np.float64],
    out: NDArray[np.float64],
    n_found: int,
    row: int,
    time_s: float,
    said: int,
) -> int:
    """Write what `conclude` said as a detection, if anything; how many there are then."""
    if said == NOTHING:
        return n_found
    event = _event_of(settings, state)
    n_found = announce(out, n_found, row, time_s, event[_STRENGTH])
    out[n_found - 1, OUT_KIND] = END if said >= ENDED else ONSET
    out[n_found - 1, OUT_CHANNEL] = settings[COLUMNS + int(event[_STRONGEST])]
    return n_found
