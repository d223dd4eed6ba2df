"""What every reader of a file format returns, before units and values are checked."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

LATE_PERIODS = 1.5
"""A step between two time stamps longer than this many periods is a gap."""


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """What the caller knows and a file does not say; see `read_recording`."""

    board: str | None = None
    stream: str | None = None
    channels: Sequence[str] | None = None


@dataclass(frozen=True, slots=True)
class RawRecording:
    """Values as a file has them.

    Attributes
    ----------
    values : ndarray, (n_samples, n_channels)
        Any numeric type.
    rate_hz : float
    channels, units : tuple of str
        Of each column; a unit is ``""`` where the file does not say.
    ticks : ndarray or None
        See `Recording.ticks`; None when no sample was lost.
    first_line : int or None
        For texts: the line of sample 0, counted from 1.
    start : datetime or None
    left_out : tuple of str
    """

    values: NDArray[Any]
    rate_hz: float
    channels: tuple[str, ...]
    units: tuple[str, ...]
    ticks: NDArray[np.int64] | None = None
    first_line: int | None = None
    start: datetime | None = None
    left_out: tuple[str, ...] = ()

    def place(self, row: int) -> str:
        """Where a sample is, in words."""
        if self.first_line is not None:
            return f"line {self.first_line + row} (sample {row})"
        return f"sample {row} (at {row / self.rate_hz:.3f} s)"


def ticks_of(times_s: NDArray[np.float64], rate_hz: float) -> NDArray[np.int64]:
    """Position of each sample in sampling periods, from time stamps with gaps.

    Stamps that are as even as a sample clock show a single lost sample. Where they
    scatter, as stamps of arrival do, a gap has to be longer than anything that the
    scatter explains: ten periods, and a quarter of a second.

    Parameters
    ----------
    times_s : ndarray, (n_samples,)
        Increasing.
    rate_hz : float
    """
    steps = np.diff(times_s) * rate_hz
    even = len(steps) == 0 or float(np.quantile(np.abs(steps - 1.0), 0.9)) < 0.25
    limit = LATE_PERIODS if even else max(10.0, 0.25 * rate_hz)
    advance = np.where(steps > limit, np.rint(steps), 1.0).astype(np.int64)
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(advance)])
