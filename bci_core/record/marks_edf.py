"""Annotations of EDF+ and BDF+ files; the text of an annotation is its type."""

import warnings
from pathlib import Path
from typing import Any

from edfio import read_bdf, read_edf

from bci_core.errors import InputError
from bci_core.record.marks import Mark, PlacedMark, RawMarks


def read(path: Path) -> RawMarks:
    """Read every annotation; times are from the start of the file's own recording.

    Raises
    ------
    InputError
        Not EDF, or without annotations.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # edfio warns of a date given twice
            edf: Any = (read_bdf if path.suffix.lower() == ".bdf" else read_edf)(path)
            annotations = edf.annotations
    except (ValueError, IndexError, KeyError, EOFError) as error:
        raise InputError(f"{path}: not readable as EDF ({error})") from error
    if not annotations:
        raise InputError(f"{path}: no marks: it has no annotations (EDF+ has them, EDF has not)")
    return RawMarks(
        tuple(
            PlacedMark(
                Mark(float(a.onset), float(a.duration or 0.0), a.text.strip()),
                f"annotation {number} ({a.text.strip()!r})",
            )
            for number, a in enumerate(annotations, start=1)
        )
    )
