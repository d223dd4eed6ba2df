"""Marks and the pulses that answer them, read off two channels of a recording."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bci_core.bench.floor import Floats
from bci_core.errors import InputError

FROM_NOISE = 8.0
"""The threshold that is chosen must stand this many times above the channel's noise."""

NOISE_OF_MEDIAN = 1.4826
"""A standard deviation, from the median distance to the median of normal noise."""


@dataclass(frozen=True, slots=True)
class Edges:
    """Where a channel leaves its rest.

    Attributes
    ----------
    index : ndarray of int, (n,)
        First sample of each.
    threshold_uv : float
        Distance from the median that was asked of it.
    noise_uv : float
        Standard deviation at rest, by the median.
    """

    index: NDArray[np.intp]
    threshold_uv: float
    noise_uv: float


def edges_of(
    samples_uv: NDArray[np.float32], channel: str, dead: int, threshold_uv: float | None = None
) -> Edges:
    """First samples beyond a threshold, after `dead` samples within it.

    Parameters
    ----------
    samples_uv : ndarray, (n,)
    channel : str
        For messages.
    dead : int
        Samples that a channel must have been at rest: a pulse of several phases is one.
    threshold_uv : float, optional
        Distance from the median, either way. None takes half of the largest.

    Raises
    ------
    InputError
        Nothing on the channel stands out from its noise.
    """
    away_uv = np.abs(samples_uv - np.median(samples_uv))
    noise_uv = NOISE_OF_MEDIAN * float(np.median(away_uv))
    limit_uv = 0.5 * float(away_uv.max(initial=0.0)) if threshold_uv is None else threshold_uv
    if threshold_uv is None and not limit_uv > FROM_NOISE * noise_uv:
        raise InputError(
            f"channel {channel!r}: its largest sample is {2.0 * limit_uv:.3g} uV from the median, "
            f"its noise {noise_uv:.3g} uV, limit {2.0 * FROM_NOISE:g} times the noise: is the "
            "cable in, and the channel the right one? A threshold may be given too"
        )
    beyond = np.flatnonzero(away_uv > limit_uv)
    first = np.diff(beyond, prepend=-dead - 1) > dead
    return Edges(beyond[first], limit_uv, noise_uv)


@dataclass(frozen=True, slots=True)
class Pairs:
    """Each mark with the first pulse after it.

    Attributes
    ----------
    mark_s, pulse_s : ndarray, (n,)
        Times of marks that were answered, and of their pulses.
    unanswered : int
        Marks with no pulse before the next mark, nor within the limit.
    stray : int
        Pulses that answer no mark.
    """

    mark_s: Floats
    pulse_s: Floats
    unanswered: int
    stray: int

    @property
    def delay_ms(self) -> Floats:
        """Mark to pulse."""
        return (self.pulse_s - self.mark_s) * 1e3


def pair(mark_s: Floats, pulse_s: Floats, within_s: float) -> Pairs:
    """Answer each mark by the first pulse after it, within a time and before the next mark.

    Parameters
    ----------
    mark_s, pulse_s : ndarray
        In order.
    within_s : float
    """
    after = np.searchsorted(pulse_s, mark_s, side="left")
    next_s = np.append(mark_s[1:], np.inf)[: len(mark_s)]
    answer_s = np.append(pulse_s, np.inf)[after]
    answered = (answer_s - mark_s <= within_s) & (answer_s < next_s)
    return Pairs(
        mark_s=mark_s[answered],
        pulse_s=answer_s[answered],
        unanswered=int(np.sum(~answered)),
        stray=len(pulse_s) - int(np.sum(answered)),
    )
