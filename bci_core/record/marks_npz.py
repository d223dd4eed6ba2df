"""Marks beside the samples of an ``.npz``.

``ev_onset`` and ``ev_dur`` (seconds) with ``ev_type``: what stands after the first
underscore of a type is the channel, so ``ripple_AHR3-4`` is a ``ripple`` on
``AHR3-4``. Or arrays of (n, 2) whose names begin with ``spindles_``: start and end
of each, in seconds; the whole name is the type.
"""

import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bci_core.errors import InputError
from bci_core.record.marks import Mark, PlacedMark, RawMarks

_DAMAGE = (ValueError, EOFError, KeyError, TypeError, zipfile.BadZipFile, zlib.error)


def read(path: Path) -> RawMarks:
    """Read every mark array.

    Raises
    ------
    InputError
        Damaged, or without mark arrays, or arrays that do not belong together.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            names = archive.files
            arrays = {
                name: archive[name]
                for name in names
                if name in ("ev_onset", "ev_dur", "ev_type") or name.startswith("spindles_")
            }
    except _DAMAGE as error:
        raise InputError(f"{path}: damaged, or no archive of arrays ({error})") from error
    placed: list[PlacedMark] = []
    if "ev_onset" in arrays:
        placed += _events(arrays, path)
    for name in sorted(arrays):
        if name.startswith("spindles_"):
            placed += _intervals(arrays[name], name, path)
    if not placed and "ev_onset" not in arrays:
        raise InputError(
            f"{path}: no marks: neither 'ev_onset' (with 'ev_dur', 'ev_type') nor 'spindles_…' "
            f"among {', '.join(sorted(names)) or 'nothing'}"
        )
    return RawMarks(tuple(placed))


def _events(arrays: dict[str, NDArray[Any]], path: Path) -> list[PlacedMark]:
    onsets_s = _numbers(arrays["ev_onset"], "ev_onset", path).ravel()
    n = len(onsets_s)
    durations_s = _numbers(arrays.get("ev_dur", np.zeros(n)), "ev_dur", path).ravel()
    kinds = [str(kind) for kind in np.atleast_1d(arrays.get("ev_type", np.full(n, "")))]
    for name, length in (("ev_dur", len(durations_s)), ("ev_type", len(kinds))):
        if length != n:
            raise InputError(
                f"{path}: {name!r} ends after row {length}, 'ev_onset' after row {n}; "
                "they must be equally long"
            )
    placed = []
    for row, kind in enumerate(kinds):
        sort, _, channel = kind.partition("_")
        mark = Mark(float(onsets_s[row]), float(durations_s[row]), sort, channel)
        placed.append(PlacedMark(mark, f"'ev_onset' row {row}"))
    return placed


def _intervals(intervals: NDArray[Any], name: str, path: Path) -> list[PlacedMark]:
    values = _numbers(intervals, name, path)
    if values.ndim != 2 or values.shape[1] != 2:
        raise InputError(f"{path}: {name!r} is {values.shape}; it must be (n, 2): start and end")
    return [
        PlacedMark(Mark(start_s, end_s - start_s, name), f"{name!r} row {row}")
        for row, (start_s, end_s) in enumerate(values.tolist())
    ]


def _numbers(values: NDArray[Any], name: str, path: Path) -> NDArray[np.float64]:
    if values.dtype.kind not in "fiu":
        raise InputError(f"{path}: {name!r} holds {values.dtype}, not numbers of seconds")
    return values.astype(np.float64)
