"""What a simulated amplifier knows to have really happened, in the session's records."""

import csv
from pathlib import Path
from typing import Any

from bci_core.config.rig import Rig
from bci_core.control.journal import Row
from bci_core.record.xdf_writer import XdfStream


def tells_truth(amplifier: Any, rig: Rig) -> bool:
    """Whether there is a truth, and it may be recorded: it would tell a blind session's arms."""
    return hasattr(amplifier, "truth") and not (rig.arms is not None and rig.arms.blind)


def truth_stream(name: str, amplifier: Any) -> XdfStream:
    """The stream ``NAME-truth`` of an amplifier that has a `truth`."""
    labels, units = amplifier.truth_labels, amplifier.truth_units
    return XdfStream(f"{name}-truth", "ClosedLoop", "double64", tuple(labels), tuple(units))


class TruthRecord:
    """Takes rows from an amplifier, and puts them into a table and a stream.

    Parameters
    ----------
    path : Path
        Of the table, ``truth.csv``: the stream's labels, and events by their names.
    amplifier : Amplifier
        With ``truth()``, see `bci_core.contracts.Amplifier`.
    stream : callable (row, when_s)
        Takes each row, stamped with its onset.
    """

    def __init__(self, path: Path, amplifier: Any, stream: Row) -> None:
        self._amplifier = amplifier
        self._stream = stream
        self._onset = tuple(amplifier.truth_labels).index("onset_s")
        # Ordinary buffering: on disk after each `take`, which is off the hot path.
        self._file = path.open("w", newline="", encoding="utf-8")
        self._table = csv.writer(self._file)
        self._table.writerow(amplifier.truth_labels)

    def take(self) -> None:
        """Write down what has come since the last call."""
        names = self._amplifier.truth_events
        for row in self._amplifier.truth():
            self._stream(row, float(row[self._onset]))
            event, *numbers = row.tolist()
            self._table.writerow([names.get(int(event), int(event)), *numbers])
        self._file.flush()

    def close(self) -> None:
        """Write down the rest, and close the table."""
        self.take()
        self._file.close()
