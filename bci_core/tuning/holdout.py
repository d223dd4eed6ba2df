"""The part of a recording that no setting is chosen on.

Detectors run over the whole recording, since they adapt to it as they would live,
and so do the marks they are matched with. Afterwards each event belongs to the
part that its onset lies in, together with the detection that found it; a false
alarm belongs to the part it lies in. An event on a border is so counted once, in
one part, and never torn from its detection.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bci_core.errors import InputError
from bci_core.scoring.match import Matching
from bci_core.scoring.score import Score

Mask = NDArray[np.bool_]

N_BLOCKS = 20
"""Parts of equal length that a random choice is made from."""


@dataclass(frozen=True, slots=True)
class KeptAside:
    """Which times are kept aside.

    Attributes
    ----------
    spans_s : tuple of (float, float)
        From, and up to; in order of time.
    seed : int or None
        Of the choice; None for the last part.
    """

    spans_s: tuple[tuple[float, float], ...]
    seed: int | None = None

    @property
    def total_s(self) -> float:
        return sum(end - start for start, end in self.spans_s)

    def __str__(self) -> str:
        spans = ", ".join(f"{start:.1f}–{end:.1f} s" for start, end in self.spans_s)
        return f"{spans} ({'the last part' if self.seed is None else f'seed {self.seed}'})"

    def holds(self, times_s: Sequence[float] | NDArray[np.float64]) -> Mask:
        """Whether each time is kept aside."""
        at_s = np.asarray(times_s, dtype=np.float64)
        inside = np.zeros(at_s.shape, dtype=np.bool_)
        for start, end in self.spans_s:
            inside |= (at_s >= start) & (at_s < end)
        return inside


def keep_aside(start_s: float, end_s: float, share: float, seed: int | None) -> KeptAside:
    """Choose the part to keep aside.

    Parameters
    ----------
    start_s, end_s : float
        Of the recording.
    share : float
        How much of it, between 0 and 1.
    seed : int or None
        Of a random choice among `N_BLOCKS` parts of equal length; None takes the last
        part, which also shows whether a setting holds as time goes on.

    Raises
    ------
    InputError
        The share leaves nothing on one side.
    """
    if not 0.0 < share < 1.0:
        raise InputError(f"--keep-aside {share:g}: give a share between 0 and 1, such as 0.3")
    if seed is None:
        return KeptAside(((end_s - share * (end_s - start_s), end_s),))
    n = min(max(round(share * N_BLOCKS), 1), N_BLOCKS - 1)
    chosen = np.sort(np.random.default_rng(seed).choice(N_BLOCKS, n, replace=False))
    borders = np.linspace(start_s, end_s, N_BLOCKS + 1)
    return KeptAside(tuple((float(borders[i]), float(borders[i + 1])) for i in chosen), seed)


def split(score: Score, aside: KeptAside) -> tuple[Score, Score]:
    """The scores of the part to tune on and of the part kept aside.

    Parameters
    ----------
    score : Score
        Of the whole recording, against marks.
    aside : KeptAside
    """
    marks = score.truth.marks if score.truth is not None else ()
    marks_aside = aside.holds([mark.onset_s for mark in marks])
    found_aside = aside.holds([found.sample_s for found in score.judged])
    for found, mark in enumerate(score.matching.mark_of):
        if mark is not None:
            found_aside[found] = marks_aside[mark]
    samples_aside = aside.holds(score.run.stretch.times_s)
    return (
        _part(score, ~samples_aside, ~marks_aside, ~found_aside),
        _part(score, samples_aside, marks_aside, found_aside),
    )


def _part(score: Score, samples: Mask, marks: Mask, found: Mask) -> Score:
    """The same score with some of its samples, events and detections only."""
    mark_at, found_at = _places(marks), _places(found)
    matching = score.matching
    taken = Matching(
        mark_of=tuple(
            None if mark is None else mark_at[mark]
            for i, mark in enumerate(matching.mark_of)
            if found[i]
        ),
        detection_of=tuple(
            None if i is None else found_at[i]
            for mark, i in enumerate(matching.detection_of)
            if marks[mark]
        ),
        duplicates=tuple(found_at[i] for i in matching.duplicates if found[i]),
        false_alarms=tuple(found_at[i] for i in matching.false_alarms if found[i]),
        shared=tuple(mark_at[i] for i in matching.shared if marks[i]),
    )
    truth = score.truth
    if truth is not None:
        truth = replace(
            truth, marks=tuple(m for m, take in zip(truth.marks, marks, strict=True) if take)
        )
    return replace(
        score,
        # Only the flags are counted, as time in which detections are trusted.
        run=replace(score.run, flags=score.run.flags[samples]),
        truth=truth,
        judged=tuple(d for d, take in zip(score.judged, found, strict=True) if take),
        matching=taken,
    )


def _places(taken: Mask) -> list[int]:
    """Where each taken one stands among those taken."""
    places: list[int] = (np.cumsum(taken) - 1).tolist()
    return places
