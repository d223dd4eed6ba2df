"""Marks from a table: CSV, TSV, BIDS ``events.tsv``.

The first line names the columns, unless there is but one column of numbers, which
are onsets. Case does not matter, nor do spaces, ``-``, ``.`` and brackets, which
are read as ``_``; so ``Onset (s)`` is ``onset_s``. Times are seconds, or
milliseconds where a name ends in ``_ms``.

========  ==========================================================================
onset     onset, start, begin, time, timestamp, t
duration  duration, dur, length
end       end, stop, offset, finish
type      trial_type, event_type, type, kind, label, description, annotation, event
channel   channel, channels, ch, electrode
========  ==========================================================================

A name of the first three rows may also end in ``_s``, ``_sec``, ``_seconds`` or
``_time``. Other columns are passed over. Columns stand apart by tabs, semicolons
or commas; lines that begin with ``#`` are remarks; ``n/a`` (as BIDS writes) or
nothing is no duration, type or channel.
"""

import csv
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from bci_core.errors import InputError
from bci_core.record.marks import Mark, PlacedMark, RawMarks

_TIMES = {
    "onset": ("onset", "start", "begin", "time", "timestamp", "t"),
    "duration": ("duration", "dur", "length"),
    "end": ("end", "stop", "offset", "finish"),
}
_WORDS = {
    "kind": (
        "trial_type", "event_type", "type", "kind", "label", "description", "annotation", "event",
    ),
    "channel": ("channel", "channels", "ch", "electrode"),
}  # fmt: skip
_SECONDS = ("", "_s", "_sec", "_seconds", "_time", "_time_s")
_ABSENT = frozenset({"", "n/a", "na"})

_Column = tuple[int, float]  # its place, and seconds in one of its units


def read(path: Path) -> RawMarks:
    """Read every line.

    Raises
    ------
    InputError
        There is no line at all, or no column of onsets.
    """
    text = path.read_text("utf-8-sig")
    lines = [
        (number, line)
        for number, line in enumerate(text.splitlines(), start=1)
        if line.strip() and not line.lstrip().startswith("#")
    ]
    if not lines:
        raise InputError(f"{path}: line 1: holds no marks")
    first, head = lines[0]
    separator = next((s for s in "\t;," if s in head), ",")
    # Line by line, so that a quote nobody closed spoils its own line only.
    rows = [(number, _fields(line, separator)) for number, line in lines]
    names = rows[0][1]
    columns: Mapping[str, _Column] = {"onset": (0, 1.0)}
    if not _is_number(names[0]):
        columns = _columns(names)
        rows = rows[1:]
    elif len(names) > 1:
        raise InputError(
            f"{path}: line {first}: {len(names)} columns without names; begin the file with "
            "a line such as onset_s,duration_s or start,end"
        )
    if "onset" not in columns:
        raise InputError(
            f"{path}: line {first}: no column of onsets among {', '.join(names)}; call it "
            "onset_s (or onset, start), and another duration_s or end_s"
        )
    placed: list[PlacedMark] = []
    mistakes: list[str] = []
    for number, row in rows:
        try:
            placed.append(PlacedMark(_mark(row, columns, len(names)), f"line {number}"))
        except ValueError as error:
            mistakes.append(f"line {number}: {error}")
    return RawMarks(tuple(placed), tuple(mistakes))


def _fields(line: str, separator: str) -> list[str]:
    return next(csv.reader([line], delimiter=separator))


def _columns(names: Sequence[str]) -> dict[str, _Column]:
    """Where what stands; of several columns that fit, the one whose name comes first above."""
    plain = [re.sub(r"[^a-z0-9]+", "_", name.strip().lower()).strip("_") for name in names]
    found: dict[str, _Column] = {}
    for what, known in _TIMES.items():
        wanted = {name + s: 1.0 for name in known for s in _SECONDS}
        wanted |= {f"{name}_ms": 1e-3 for name in known}
        for name, scale in wanted.items():
            if name in plain and what not in found:
                found[what] = (plain.index(name), scale)
    for what, known in _WORDS.items():
        for name in known:
            if name in plain and what not in found:
                found[what] = (plain.index(name), 1.0)
    return found


def _mark(row: Sequence[str], columns: Mapping[str, _Column], n_columns: int) -> Mark:
    if len(row) < n_columns or any(field.strip() for field in row[n_columns:]):
        raise ValueError(f"{len(row)} columns, the first line has {n_columns}")
    onset_s = _seconds(row, columns["onset"], "onset")
    duration_s = 0.0
    if "duration" in columns and _given(row, columns["duration"]):
        duration_s = _seconds(row, columns["duration"], "duration")
    elif "end" in columns and _given(row, columns["end"]):
        end_s = _seconds(row, columns["end"], "end")
        if end_s < onset_s:
            raise ValueError(f"ends at {end_s:g} s, before it begins at {onset_s:g} s")
        duration_s = end_s - onset_s
    kind, channel = (
        row[columns[what][0]].strip() if what in columns and _given(row, columns[what]) else ""
        for what in ("kind", "channel")
    )
    return Mark(onset_s, duration_s, kind, channel)


def _given(row: Sequence[str], column: _Column) -> bool:
    return row[column[0]].strip().lower() not in _ABSENT


def _seconds(row: Sequence[str], column: _Column, what: str) -> float:
    place, scale = column
    try:
        return float(row[place]) * scale
    except ValueError:
        raise ValueError(f"{what} {row[place].strip()!r} is not a number") from None


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
