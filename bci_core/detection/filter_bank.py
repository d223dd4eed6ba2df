"""The same second-order sections on many channels at once, for kernels.

Designed by `bci_core.detection.filters`. The memories lie channel after channel, so
that the loop over the channels of one sample is one the compiler turns into vector
instructions; each channel gets exactly what `filters.filtered` would give it.
"""

import numpy as np
from numpy.typing import NDArray

from bci_core.chunk import StreamInfo
from bci_core.detection.filters import COEFFICIENTS, MEMORIES
from bci_core.detection.requirements import channel_problems
from bci_core.errors import Problem
from bci_core.jit import compiled


def columns_problems(channels: tuple[str, ...], info: StreamInfo) -> list[Problem]:
    """Every channel is one of the stream's, and named once."""
    repeated = sorted({channel for channel in channels if channels.count(channel) > 1})
    problems = [
        Problem("channels", f"{channel!r} is named more than once; name it once")
        for channel in repeated
    ]
    for channel in channels:
        problems += channel_problems(channel, info, "channels")
    return problems


def bank_size(sections: NDArray[np.float64], n_channels: int) -> int:
    """Numbers in the state of a bank."""
    return MEMORIES * len(sections) // COEFFICIENTS * n_channels


@compiled("void(float32[::1], float64[::1], float64[::1])")
def gather(
    sample: NDArray[np.float32], columns: NDArray[np.float64], values: NDArray[np.float64]
) -> None:
    """Take these columns of a sample, in float64."""
    for c in range(values.shape[0]):
        values[c] = sample[int(columns[c])]


@compiled("void(float64[::1], float64[::1], float64[::1])")
def settle_each(
    sections: NDArray[np.float64], state: NDArray[np.float64], values: NDArray[np.float64]
) -> None:
    """Put the state where a constant input of `values` would have left it. Changes `values`."""
    n = values.shape[0]
    for k in range(sections.shape[0] // COEFFICIENTS):
        s = COEFFICIENTS * k
        b0, b1, b2 = sections[s], sections[s + 1], sections[s + 2]
        a1, a2 = sections[s + 3], sections[s + 4]
        above, below = b0 + b1 + b2, 1.0 + a1 + a2
        older = MEMORIES * k * n
        for c in range(n):
            settled = values[c] * above / below
            state[older + c] = settled - b0 * values[c]
            state[older + n + c] = b2 * values[c] - a2 * settled
            values[c] = settled


@compiled("void(float64[::1], float64[::1], float64[::1])")
def filter_each(
    sections: NDArray[np.float64], state: NDArray[np.float64], values: NDArray[np.float64]
) -> None:
    """Advance every channel by one sample; `values` goes in and comes out."""
    n = values.shape[0]
    for k in range(sections.shape[0] // COEFFICIENTS):
        s = COEFFICIENTS * k
        b0, b1, b2 = sections[s], sections[s + 1], sections[s + 2]
        a1, a2 = sections[s + 3], sections[s + 4]
        first = state[MEMORIES * k * n : (MEMORIES * k + 1) * n]
        second = state[(MEMORIES * k + 1) * n : (MEMORIES * k + 2) * n]
        for c in range(n):
            value = values[c]
            out = b0 * value + first[c]
            first[c] = b1 * value - a1 * out + second[c]
            second[c] = b2 * value - a2 * out
            values[c] = out
