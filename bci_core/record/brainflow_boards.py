"""What BrainFlow's boards deliver: rows, labels, rates and package numbers.

A board is named as in BrainFlow's own list (``BoardIds``), such as
``CYTON_BOARD``. Nothing is opened to look one up.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import numpy as np
from brainflow.board_shim import BoardIds, BoardShim, BrainFlowPresets
from brainflow.exit_codes import BrainFlowError
from numpy.typing import NDArray

from bci_core.errors import InputError, UnknownNameError

BORROWING = ("PLAYBACK_FILE_BOARD", "STREAMING_BOARD")
"""Boards that deliver what another one, their ``master_board``, delivered."""

PRESETS = ("default", "auxiliary", "ancillary")


@dataclass(frozen=True, slots=True)
class PackageNumbers:
    """How a board numbers its samples: from `first` to `last` by `step`, then again.

    Only boards with a number of its own for each sample are described so.
    """

    first: int
    last: int
    step: int = 1

    @property
    def count(self) -> int:
        return (self.last - self.first) // self.step + 1

    def advance(self, numbers: NDArray[np.float64]) -> NDArray[np.int64]:
        """Samples from each number to the next: 1 in order, 0 repeated, more is a gap."""
        return np.mod(np.rint(np.diff(numbers) / self.step).astype(np.int64), self.count)

    def number(self, tick: NDArray[np.int64]) -> NDArray[np.int64]:
        """The number of the sample at each tick, when tick 0 has `first`."""
        return self.first + self.step * np.mod(tick, self.count)


_BYTE = PackageNumbers(0, 255)
_COUNTER = PackageNumbers(0, 2**32 - 1)

# From the board sources of BrainFlow 5.23 (src/board_controller). A Daisy's numbers are those
# of its even packages. Boards with several samples to a number (Ganglion, Muse) and those
# whose firmware numbers are not documented are not here: gaps show in their times alone.
_NUMBERS: Mapping[str, PackageNumbers] = {
    "SYNTHETIC_BOARD": _BYTE,
    "CYTON_BOARD": _BYTE,
    "CYTON_WIFI_BOARD": _BYTE,
    "CYTON_DAISY_BOARD": PackageNumbers(0, 254, 2),
    "FREEEEG32_BOARD": _BYTE,
    "NEUROPAWN_KNIGHT_BOARD": _BYTE,
    "NEUROPAWN_KNIGHT_BOARD_IMU": _BYTE,
    "NTL_WIFI_BOARD": _BYTE,
    "PIEEG_BOARD": _COUNTER,
    "UNICORN_BOARD": _COUNTER,
}


@dataclass(frozen=True, slots=True)
class BoardLayout:
    """Where a board puts what.

    Attributes
    ----------
    name : str
        BrainFlow's name of the board.
    board_id : int
    device : str
        The maker's name of it.
    rate_hz : float
    n_rows : int
        Rows of BrainFlow's table, columns of its file.
    exg_rows : tuple of int
        Rows with biopotentials, in microvolts.
    labels : tuple of str
        Of these rows.
    timestamp_row : int
        Unix time, in seconds.
    package_row : int or None
    numbers : PackageNumbers or None
        None when its package numbers tell nothing about single samples.
    """

    name: str
    board_id: int
    device: str
    rate_hz: float
    n_rows: int
    exg_rows: tuple[int, ...]
    labels: tuple[str, ...]
    timestamp_row: int
    package_row: int | None
    numbers: PackageNumbers | None


def board_id(name: str) -> int:
    """BrainFlow's number of a board.

    Raises
    ------
    UnknownNameError
        There is no such board; the message lists names that are close.
    """
    known = [board.name for board in BoardIds if board is not BoardIds.NO_BOARD]
    if name not in known:
        close = get_close_matches(name.upper(), known, n=4, cutoff=0.5)
        wanted = name.upper().removesuffix("_BOARD")
        close += [k for k in known if wanted and wanted in k and k not in close]
        hint = f"close names: {', '.join(close)}" if close else "such as SYNTHETIC_BOARD"
        raise UnknownNameError(f"BrainFlow has no board {name!r}; {hint}")
    return int(BoardIds[name])


def board_layout(name: str, preset: str = "default") -> BoardLayout:
    """Look up a board.

    Parameters
    ----------
    name : str
        Of a board with rows of its own, not one of `BORROWING`.
    preset : str
        One of `PRESETS`: some boards deliver several tables at several rates.

    Raises
    ------
    UnknownNameError
        There is no such board.
    InputError
        It has no such table, or no biopotentials in it.
    """
    number = board_id(name)
    BoardShim.disable_board_logger()  # it writes to stderr, whatever the exit code says
    try:
        descr = BoardShim.get_board_descr(number, BrainFlowPresets(PRESETS.index(preset)))
    except (BrainFlowError, ValueError) as error:
        raise InputError(f"{name} has no preset {preset!r} ({error})") from error
    if "num_rows" not in descr:
        raise InputError(f"{name} delivers what its master_board does; name that one")
    rows, labels = _biopotentials(descr)
    if not rows or "timestamp_channel" not in descr:
        raise InputError(f"{name} delivers no biopotentials with times in preset {preset!r}")
    return BoardLayout(
        name=name,
        board_id=number,
        device=str(descr.get("name", name)),
        rate_hz=float(descr["sampling_rate"]),
        n_rows=int(descr["num_rows"]),
        exg_rows=rows,
        labels=labels,
        timestamp_row=int(descr["timestamp_channel"]),
        package_row=descr.get("package_num_channel"),
        numbers=_NUMBERS.get(name) if preset == "default" else None,
    )


def boards_at(rate_hz: float) -> list[str]:
    """Boards that run at a rate, with their number of channels: ``"CYTON_BOARD (8)"``."""
    found = []
    for board in BoardIds:
        try:
            layout = board_layout(board.name)
        except InputError:
            continue
        if layout.rate_hz == rate_hz:
            found.append(f"{layout.name} ({len(layout.exg_rows)})")
    return found


def _biopotentials(descr: Mapping[str, Any]) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """ExG rows and their labels: the board's EEG names, else EEG1, EMG1, or ExG1 if several."""
    kinds = {
        kind: descr.get(f"{kind.lower()}_channels", []) for kind in ("EEG", "EMG", "ECG", "EOG")
    }
    names = [name for name in str(descr.get("eeg_names", "")).split(",") if name]
    named = dict(zip(kinds["EEG"], names, strict=False))
    rows = tuple(sorted({int(row) for of_kind in kinds.values() for row in of_kind}))
    labels: list[str] = []
    counts: dict[str, int] = {}
    for row in rows:
        of_row = [kind for kind, of_kind in kinds.items() if row in of_kind]
        kind = of_row[0] if len(of_row) == 1 else "ExG"
        counts[kind] = counts.get(kind, 0) + 1
        labels.append(named.get(row, f"{kind}{counts[kind]}"))
    return rows, tuple(labels)
