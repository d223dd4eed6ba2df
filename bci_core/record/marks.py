"""Marks: when the events of a recording were, by an expert or another program.

Times are seconds after the first sample of the recording. Read from a table
(CSV, TSV, BIDS ``events.tsv``), EDF+ or BDF+ annotations, or an ``.npz``; every
mistake of a file is named with its line.
"""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from importlib import import_module
from math import isfinite
from pathlib import Path

from bci_core.errors import InputError

READERS = {
    ".bdf": "bci_core.record.marks_edf",
    ".csv": "bci_core.record.marks_table",
    ".edf": "bci_core.record.marks_edf",
    ".npz": "bci_core.record.marks_npz",
    ".tsv": "bci_core.record.marks_table",
    ".txt": "bci_core.record.marks_table",
}
"""Suffix, and the module whose ``read`` understands such a file."""

MOST_MISTAKES = 20
"""As many are listed; the rest are counted."""


@dataclass(frozen=True, slots=True)
class Mark:
    """One event.

    Attributes
    ----------
    onset_s : float
        Seconds after the first sample of the recording.
    duration_s : float
        0 where only a moment was marked.
    kind : str
        What sort of event it is, "" where the file does not say.
    channel : str
        Where it was seen, "" where the file does not say.
    """

    onset_s: float
    duration_s: float = 0.0
    kind: str = ""
    channel: str = ""

    @property
    def end_s(self) -> float:
        return self.onset_s + self.duration_s


@dataclass(frozen=True, slots=True)
class PlacedMark:
    """A mark as read, and where in its file it stands (``"line 7"``)."""

    mark: Mark
    where: str


@dataclass(frozen=True, slots=True)
class RawMarks:
    """What every reader of marks returns, before times are checked.

    Attributes
    ----------
    placed : tuple of PlacedMark
    mistakes : tuple of str
        Lines that cannot be read, each beginning with its place.
    """

    placed: tuple[PlacedMark, ...]
    mistakes: tuple[str, ...] = ()


def read_marks(
    path: str | Path,
    *,
    duration_s: float | None = None,
    kinds: Collection[str] = (),
    lasting: bool = False,
) -> tuple[Mark, ...]:
    """Read the marks of a recording; the suffix of the file says how.

    Parameters
    ----------
    path : path
        ``.csv``, ``.tsv`` or ``.txt`` (see `bci_core.record.marks_table` for the names of
        columns), ``.edf`` or ``.bdf`` with annotations, or ``.npz``.
    duration_s : float, optional
        Of the recording; a mark beyond it is a mistake.
    kinds : collection of str
        Only marks of these kinds; empty takes all.
    lasting : bool
        They are of states, so that one without a duration is a mistake.

    Returns
    -------
    tuple of Mark
        In order of onset.

    Raises
    ------
    InputError
        The file cannot be read, or does not match the recording. The message names it,
        and every line that is wrong.
    """
    path = Path(path)
    module = READERS.get(path.suffix.lower())
    if module is None:
        raise InputError(f"{path}: marks end in {', '.join(sorted(READERS))}")
    try:
        if not path.is_file():
            raise InputError(f"{path}: no such file")
        raw: RawMarks = import_module(module).read(path)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read as marks ({error})") from error
    chosen = [p for p in raw.placed if not kinds or p.mark.kind in kinds]
    mistakes = [*raw.mistakes]
    for placed in chosen:
        wrong = _mistakes(placed.mark, duration_s)
        if lasting and not wrong and placed.mark.duration_s == 0.0:
            wrong = ["no duration; a state lasts: give its duration or end"]
        mistakes += [f"{placed.where}: {m}" for m in wrong]
    if mistakes:
        raise InputError(_listed(path, mistakes))
    if not raw.placed:
        raise InputError(f"{path}: line 1: holds no marks")
    if not chosen:
        there = Counter(p.mark.kind or "(no type)" for p in raw.placed)
        listed = ", ".join(f"{kind} ({n})" for kind, n in there.most_common(MOST_MISTAKES))
        raise InputError(f"{path}: no mark of type {', '.join(kinds)}; it has {listed}")
    return tuple(sorted((p.mark for p in chosen), key=lambda m: (m.onset_s, m.end_s)))


def _mistakes(mark: Mark, duration_s: float | None) -> list[str]:
    if not isfinite(mark.onset_s) or not isfinite(mark.duration_s):
        return [f"onset {mark.onset_s:g} s, duration {mark.duration_s:g} s: not finite"]
    if mark.duration_s < 0.0:
        return [f"a duration of {mark.duration_s:g} s; it must be 0 s or more"]
    if mark.onset_s < 0.0:
        return [f"begins at {mark.onset_s:g} s, before the recording"]
    if duration_s is not None and mark.end_s > duration_s + 0.001:
        return [
            f"lasts from {mark.onset_s:g} s to {mark.end_s:g} s; the recording ends at "
            f"{duration_s:g} s"
        ]
    return []


def _listed(path: Path, mistakes: list[str]) -> str:
    count = len(mistakes)
    more = [f"and {count - MOST_MISTAKES} more"] if count > MOST_MISTAKES else []
    head = f"{path}: {count} mistake{'s' if count != 1 else ''} in the marks"
    return "\n  ".join([head, *mistakes[:MOST_MISTAKES], *more])
