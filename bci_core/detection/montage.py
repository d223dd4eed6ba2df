"""Channels that are differences of recorded ones, sample by sample.

They stand behind the recorded channels, so that a detector can read both. Each sample is
worked out from itself alone: however a recording is cut, the numbers are the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from bci_core.chunk import StreamInfo
from bci_core.detection.montage_settings import MontageSettings
from bci_core.errors import ConfigError, Problem

AVERAGE = "avg"
_DIGITS = "0123456789"
MOST_LISTED = 64
"""Channels that an error lists."""


@dataclass(frozen=True, slots=True)
class Montage:
    """Which derived channel is made of which recorded ones.

    Attributes
    ----------
    info : StreamInfo
        With the derived channels behind the recorded ones.
    n_recorded : int
    plus, minus : ndarray of int, (n_derived,)
        Columns that are added and taken off; `n_recorded` is the mean of all.
    """

    info: StreamInfo
    n_recorded: int
    plus: NDArray[np.intp]
    minus: NDArray[np.intp]

    @property
    def derived(self) -> tuple[str, ...]:
        """Labels of the derived channels."""
        return self.info.channels[self.n_recorded :]

    def sources(self, columns: Sequence[int]) -> tuple[int, ...]:
        """Recorded columns that some columns are made of."""
        made_of: list[int] = []
        for column in columns:
            if column < self.n_recorded:
                made_of.append(column)
                continue
            plus, minus = (int(side[column - self.n_recorded]) for side in (self.plus, self.minus))
            made_of += range(self.n_recorded) if minus == self.n_recorded else (plus, minus)
        return tuple(dict.fromkeys(made_of))

    def widened(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """A copy of the recorded columns, with room for the derived ones behind them.

        Parameters
        ----------
        samples : ndarray, (n_samples, n_recorded or more)
        """
        wide = np.zeros((len(samples), len(self.info.channels)), dtype=np.float32)
        wide[:, : self.n_recorded] = samples[:, : self.n_recorded]
        return wide

    def derive(self, wide: NDArray[np.float32]) -> None:
        """Work the derived columns out, in place.

        Parameters
        ----------
        wide : ndarray, (n_samples, n_recorded + n_derived)
        """
        n = self.n_recorded
        recorded = wide[:, :n].astype(np.float64)
        if (self.minus == n).any():
            # Added up column by column: the same for one sample as for many.
            mean = np.zeros(len(wide))
            for column in range(n):
                mean += recorded[:, column]
            recorded = np.column_stack([recorded, mean / n])
        wide[:, n:] = recorded[:, self.plus] - recorded[:, self.minus]


def montage_of(settings: MontageSettings, info: StreamInfo) -> Montage:
    """The montage of a stream.

    Raises
    ------
    ConfigError
        A channel is not there, or nothing can be derived; every mistake is named, with the
        channels that there are.
    """
    channels = info.channels
    problems: list[Problem] = []
    made: dict[str, tuple[int, int]] = {}
    if settings.reference == "bipolar":
        made = {f"{a}-{b}": (channels.index(a), channels.index(b)) for a, b in neighbours(channels)}
        if not made:
            problems.append(
                Problem(
                    "reference",
                    "is bipolar, and no two neighbouring channels are named as contacts of one "
                    f"electrode (A1, A2); there are {_listed(channels)}",
                )
            )
    elif settings.reference == "average":
        made = {f"{name}-{AVERAGE}": (i, len(channels)) for i, name in enumerate(channels)}
    for name in settings.derive:
        pair = pair_of(name, channels)
        if pair is None:
            problems.append(Problem("derive", _why_not(name, channels)))
        else:
            made[name] = (channels.index(pair[0]), channels.index(pair[1]))
    problems += [
        Problem("derive", f"{name!r} is a recorded channel already; leave it out")
        for name in made
        if name in channels
    ]
    if problems:
        raise ConfigError("montage", problems)
    plus, minus = (np.array([pair[k] for pair in made.values()], dtype=np.intp) for k in (0, 1))
    return Montage(replace(info, channels=(*channels, *made)), len(channels), plus, minus)


def neighbours(channels: Sequence[str]) -> list[tuple[str, str]]:
    """Channels that follow one another and are contacts of one electrode."""
    return [
        (a, b)
        for a, b in pairwise(channels)
        if a[-1:] in _DIGITS and b[-1:] in _DIGITS and _electrode(a) == _electrode(b)
    ]


def pair_of(name: str, channels: Sequence[str]) -> tuple[str, str] | None:
    """Channels that a difference is of: ``A1-A2``, or ``A1-2``; None where they are not there."""
    for first, second in _halves(name):
        for other in (second, _electrode(first) + second if second.isdigit() else second):
            if first in channels and other in channels and first != other:
                return first, other
    return None


def same_channel(name: str, other: str, channels: Sequence[str]) -> bool:
    """Whether two labels mean the same channel or difference of channels."""
    if name == other:
        return True
    pair = pair_of(name, channels)
    return pair is not None and pair == pair_of(other, channels)


def _halves(name: str) -> list[tuple[str, str]]:
    """Every way to read a label as a difference: labels may have a dash of their own."""
    parts = name.split("-")
    cuts = range(1, len(parts))
    return [("-".join(parts[:cut]).strip(), "-".join(parts[cut:]).strip()) for cut in cuts]


def _electrode(channel: str) -> str:
    return channel.rstrip(_DIGITS)


def _why_not(name: str, channels: Sequence[str]) -> str:
    halves = _halves(name)
    if not halves:
        return f"{name!r} is no difference; write it as 'A1-A2'"
    first, second = halves[0]
    if second.isdigit():
        second = _electrode(first) + second
    absent = [each for each in (first, second) if each not in channels]
    what = (
        f"there is no channel {' and no '.join(map(repr, absent))}"
        if absent
        else "a channel less itself is nothing"
    )
    return f"{name!r}: {what}; there are {_listed(channels)}"


def _listed(channels: Sequence[str]) -> str:
    more = f" and {len(channels) - MOST_LISTED} more" if len(channels) > MOST_LISTED else ""
    return ", ".join(channels[:MOST_LISTED]) + more
