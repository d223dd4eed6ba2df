"""The text that BrainFlow writes: a line a sample, a column a row of the board."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bci_core.errors import InputError, RecordingError
from bci_core.record.brainflow_boards import BoardLayout, board_layout
from bci_core.record.raw import RawRecording, ReadOptions, ticks_of

RATE_TOLERANCE = 0.01
"""By how much the rate of the time stamps may differ from the board's."""


def read(path: Path, options: ReadOptions) -> RawRecording:
    """Read what ``DataFilter.write_file`` or a file streamer of BrainFlow wrote.

    BrainFlow's ExG values are microvolts (brainflow.readthedocs.io, "Data format").

    Raises
    ------
    RecordingError
        No board named, a line with the wrong number of columns, a value that is no
        number, or a rate that is not the board's.
    """
    if options.board is None:
        raise RecordingError(
            f"{path}: a BrainFlow file does not say which board wrote it; give board = its "
            "BrainFlow name, such as CYTON_BOARD"
        )
    try:
        layout = board_layout(options.board)
    except InputError as error:
        raise RecordingError(f"{path}: {error}") from error
    table = _table(path, layout)
    times_s = table[:, layout.timestamp_row]
    return RawRecording(
        values=table[:, list(layout.exg_rows)],
        rate_hz=layout.rate_hz,
        channels=layout.labels,
        units=("uV",) * len(layout.exg_rows),
        ticks=_ticks(table, layout, path),
        first_line=1,
        start=datetime.fromtimestamp(times_s[0], UTC) if 0.0 < times_s[0] < 4e9 else None,
    )


def _table(path: Path, layout: BoardLayout) -> NDArray[np.float64]:
    """All lines as numbers; the first line that is wrong is named."""
    rows: list[NDArray[np.float64]] = []
    separator = "\t"
    with path.open(encoding="utf-8", errors="replace") as file:
        for line, text in enumerate(file, start=1):
            if line == 1 and "\t" not in text:
                separator = ","
            fields = text.rstrip("\r\n").rstrip(separator).split(separator)
            if not text.endswith("\n"):
                raise RecordingError(
                    f"{path}: cut short in line {line}: BrainFlow ends each line, and this has "
                    f"{len(fields)} columns of {layout.n_rows} and no end"
                )
            if len(fields) != layout.n_rows:
                raise RecordingError(
                    f"{path}: line {line} has {len(fields)} columns, {layout.name} writes "
                    f"{layout.n_rows}"
                )
            try:
                rows.append(np.array(fields, dtype=np.float64))
            except ValueError as error:
                raise RecordingError(f"{path}: line {line}: {error}") from error
    if not rows:
        raise RecordingError(f"{path}: holds no samples")
    return np.array(rows)


def _ticks(table: NDArray[np.float64], layout: BoardLayout, path: Path) -> NDArray[np.int64] | None:
    """Gaps by the package numbers, or by the time stamps where there are none to go by."""
    times_s = table[:, layout.timestamp_row]
    if len(times_s) < 2:
        return None
    bad = np.flatnonzero(~np.isfinite(times_s))
    if len(bad):
        raise RecordingError(f"{path}: line {bad[0] + 1} has the time stamp {times_s[bad[0]]}")
    if layout.numbers is not None and layout.package_row is not None:
        advance = layout.numbers.advance(table[:, layout.package_row])
        repeated = np.flatnonzero(advance == 0)
        if len(repeated):
            raise RecordingError(
                f"{path}: line {repeated[0] + 2} repeats the package number of the line before; "
                f"is {layout.name} the board that wrote it?"
            )
        ticks = np.concatenate([np.zeros(1, np.int64), np.cumsum(advance)])
    else:
        ticks = ticks_of(times_s, layout.rate_hz)
    span_s = times_s[-1] - times_s[0]
    rate_hz = ticks[-1] / span_s if span_s > 0.0 else np.inf
    # The ends of a short file scatter by more than the tolerance.
    slack = RATE_TOLERANCE + 2.0 / len(times_s)
    if abs(rate_hz / layout.rate_hz - 1.0) > slack:
        raise RecordingError(
            f"{path}: the time stamps from line 1 to line {len(times_s)} say {rate_hz:.2f} Hz, "
            f"{layout.name} runs at {layout.rate_hz:g} Hz; name the board that wrote it"
        )
    return ticks
