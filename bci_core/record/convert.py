"""Writes recordings as other programs read them."""

from pathlib import Path

import numpy as np

from bci_core.errors import RecordingError
from bci_core.record.brainflow_boards import BoardLayout, board_layout, boards_at
from bci_core.record.recording import Recording

_EPOCH_UNIX_S = 946_684_800.0
"""2000-01-01, for a recording that does not say when it was made."""


def to_brainflow(recording: Recording, board: str, out_path: str | Path) -> BoardLayout:
    """Write the file that BrainFlow's PLAYBACK_FILE_BOARD plays as one of its boards.

    A line a sample and a column a row of the board, separated by tabs, as
    ``DataFilter.write_file`` does it; package numbers count as the board counts,
    time stamps follow the sample clock, rows the recording does not fill are zero.
    Values keep the nine digits that float32 needs to come back the same.

    Parameters
    ----------
    recording : Recording
        Of the board's sampling rate, with at most as many channels.
    board : str
        BrainFlow name of the master board.
    out_path : path

    Returns
    -------
    BoardLayout
        Of the board: channel *i* of the recording plays under label *i* of it.

    Raises
    ------
    UnknownNameError
        There is no such board.
    RecordingError
        Rate or channels do not fit the board, or the file cannot be written.
    InputError
        The board has no rows of its own.
    """
    layout = board_layout(board)
    _check_fit(recording, layout)
    n_channels = len(recording.channels)
    table = np.zeros((len(recording), layout.n_rows))
    table[:, list(layout.exg_rows[:n_channels])] = recording.samples
    if layout.package_row is not None:
        numbers = layout.numbers
        table[:, layout.package_row] = (
            recording.ticks if numbers is None else numbers.number(recording.ticks)
        )
    started_s = recording.start.timestamp() if recording.start else _EPOCH_UNIX_S
    table[:, layout.timestamp_row] = started_s + recording.ticks / recording.rate_hz
    formats = ["%.9g"] * layout.n_rows
    formats[layout.timestamp_row] = "%.6f"
    try:
        np.savetxt(out_path, table, fmt=formats, delimiter="\t")
    except OSError as error:
        raise RecordingError(f"{out_path}: cannot be written ({error.strerror})") from error
    return layout


def _check_fit(recording: Recording, layout: BoardLayout) -> None:
    problems = []
    if layout.rate_hz != recording.rate_hz:
        others = ", ".join(boards_at(recording.rate_hz))
        problems.append(
            f"it runs at {recording.rate_hz:g} Hz, {layout.name} at {layout.rate_hz:g} Hz. "
            + (
                f"Boards at {recording.rate_hz:g} Hz (channels): {others}"
                if others
                else f"No BrainFlow board runs at {recording.rate_hz:g} Hz; play it with the "
                "amplifier driver 'recording', which keeps any rate"
            )
        )
    if len(recording.channels) > len(layout.exg_rows):
        problems.append(
            f"it has {len(recording.channels)} channels, {layout.name} has "
            f"{len(layout.exg_rows)}; name those that are wanted"
        )
    if problems:
        raise RecordingError(f"{recording.source}: " + "; ".join(problems))
