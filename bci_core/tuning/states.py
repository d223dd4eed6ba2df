"""Examples of a state, and of its absence, out of a marked recording."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from bci_core.chunk import Chunk
from bci_core.detection import morlet
from bci_core.detection.spectral_features import SpectralFeatures
from bci_core.errors import InputError
from bci_core.record.marks import Mark
from bci_core.scoring.stretch import Stretch
from bci_core.tuning.holdout import KeptAside

NEITHER, NEGATIVE, POSITIVE = -1, 0, 1


class ExampleSettings(BaseModel):
    """Which moments of a recording are examples.

    Attributes
    ----------
    every_s : float
        From one to the next.
    margin_s : float or None
        Left out after each change of state, and at the borders of the part kept aside: the
        power there is still that of before. None takes the delay of the slowest wavelet and
        the averaging.
    block_s : float
        Examples of one state that are so close are kept together, when the data are split
        and when labels are shuffled.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    every_s: float = Field(default=0.5, gt=0.0, le=60.0)
    margin_s: float | None = Field(default=None, ge=0.0, le=600.0)
    block_s: float = Field(default=5.0, gt=0.0, le=3600.0)


@dataclass(frozen=True, slots=True)
class Examples:
    """Moments of known state, with the features as a detector would have had them.

    Attributes
    ----------
    at_s : ndarray, (n,)
    rows : ndarray, (n, n_features)
    positive : ndarray of bool, (n,)
    block : ndarray of int, (n,)
        Those of one block follow one another and are of one state.
    aside : ndarray of bool, (n,)
        Kept aside.
    margin_s : float
        As it was used.
    flagged : int
        Moments left out for what the monitor thinks of their sample.
    """

    at_s: NDArray[np.float64]
    rows: NDArray[np.float64]
    positive: NDArray[np.bool_]
    block: NDArray[np.intp]
    aside: NDArray[np.bool_]
    margin_s: float
    flagged: int

    def count(self, positive: bool, aside: bool) -> tuple[int, int]:
        """Examples of a state in one part, and the blocks they are in."""
        chosen = (self.positive == positive) & (self.aside == aside)
        return int(chosen.sum()), len(np.unique(self.block[chosen]))


def examples_of(
    stretch: Stretch,
    flags: NDArray[np.uint8],
    samples: NDArray[np.float32],
    marks: Sequence[Mark],
    kinds: tuple[str, str],
    design: SpectralFeatures,
    settings: ExampleSettings,
    aside: KeptAside,
) -> Examples:
    """Cut a marked recording into examples.

    Parameters
    ----------
    stretch : Stretch
    flags : ndarray, (n_samples,)
        Of the monitor; no example is taken on a flagged sample.
    samples : ndarray, (n_samples, n_channels), float32
        As the monitor hands them on.
    marks : sequence of Mark
    kinds : (str, str)
        Type of the marks of the state, "" for every type; and of its opposite, "" for
        all time that is not marked with the state.
    design : SpectralFeatures
    settings : ExampleSettings
    aside : KeptAside

    Raises
    ------
    InputError
        Nothing is left.
    """
    margin_s = settings.margin_s
    if margin_s is None:
        margin_s = design.averaging_s + max(
            morlet.delays_s(design.frequencies_hz, design.cycles, stretch.info.rate_hz)
        )
    times_s = stretch.times_s
    state = _states(times_s, marks, kinds)
    step = max(1, round(settings.every_s * stretch.info.rate_hz))
    settled = np.cumsum(flags == 0) >= design.settled_s(stretch.info) * stretch.info.rate_hz
    rows = np.arange(step - 1, len(times_s), step)
    changed = np.flatnonzero(np.diff(state)) + 1
    begun = np.concatenate([[0], changed])[np.searchsorted(changed, rows, side="right")]
    at_s = times_s[rows]
    # The first state of a recording did not begin with it.
    since_s = np.where(begun > 0, at_s - times_s[begun], np.inf)
    known = (state[rows] != NEITHER) & settled[rows] & (since_s >= margin_s)
    known &= aside.holds(at_s) == aside.holds(at_s - margin_s)
    kept = known & (flags[rows] == 0)
    if not kept.any():
        raise InputError(
            f"no example of either state: of {len(rows)} moments, {int(known.sum())} are settled "
            f"and {margin_s:.2g} s from a change of state, and all of those are flagged; take "
            "longer marks, a smaller --margin or higher frequencies"
        )
    rows, at_s = rows[kept], at_s[kept]
    part = aside.holds(at_s)
    return Examples(
        at_s=at_s,
        rows=design.measured(Chunk(samples, times_s, flags), stretch.info, at_s),
        positive=state[rows] == POSITIVE,
        block=_blocks(begun[kept], part, at_s, settings.block_s),
        aside=part,
        margin_s=margin_s,
        flagged=int((known & ~kept).sum()),
    )


def _states(
    times_s: NDArray[np.float64], marks: Sequence[Mark], kinds: tuple[str, str]
) -> NDArray[np.int8]:
    """`POSITIVE`, `NEGATIVE` or `NEITHER` at each sample; what is marked as both is neither."""
    positive, negative = kinds
    is_positive, is_negative = np.zeros((2, len(times_s)), dtype=bool)
    for mark in marks:
        first, last = np.searchsorted(times_s, [mark.onset_s, mark.end_s])
        if positive in ("", mark.kind):
            is_positive[first:last] = True
        elif negative == mark.kind:
            is_negative[first:last] = True
    if not negative:
        is_negative = ~is_positive
    state = np.full(len(times_s), NEITHER, dtype=np.int8)
    state[is_positive & ~is_negative] = POSITIVE
    state[is_negative & ~is_positive] = NEGATIVE
    return state


def _blocks(
    begun: NDArray[np.intp], part: NDArray[np.bool_], at_s: NDArray[np.float64], block_s: float
) -> NDArray[np.intp]:
    """Numbers of the blocks: a run of one state in one part, cut after every `block_s`."""
    blocks: list[int] = []
    start_s, last = -np.inf, (-1, False)
    for run, when_s in zip(zip(begun.tolist(), part.tolist(), strict=True), at_s, strict=True):
        if run != last or when_s - start_s >= block_s:
            start_s, last = when_s, run
            blocks.append((blocks[-1] + 1) if blocks else 0)
        else:
            blocks.append(blocks[-1])
    return np.array(blocks, dtype=np.intp)
