"""The ledger: who did what, when and why, one JSON object a line, each row chained to the last.

A row carries the SHA-256 of its own content and of the row before it, so that a
changed, missing, moved or foreign row shows. The chain has no key: whoever can
write the file can also make a new, consistent one. Against that, keep the
`LedgerReport.head` of a session somewhere else.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

from bci_core.clock import Clock
from bci_core.errors import LedgerError, SessionError
from bci_core.record.ledger_format import LedgerRow, from_line, is_intact, plain, to_line

__all__ = [
    "GENESIS",
    "LAST_EVENT",
    "UNBLINDED",
    "Ledger",
    "LedgerReport",
    "LedgerRow",
    "append_unblinded",
    "each_row",
    "read_ledger",
    "verify_ledger",
]

GENESIS = "0" * 64
"""What the first row is chained to."""

LAST_EVENT = "session.end"
"""The row that closes a ledger; nothing may follow it but `UNBLINDED`."""

UNBLINDED = "unblinded"
"""The one row that comes after the session: who opened what it had withheld, and when."""


@dataclass(frozen=True, slots=True)
class LedgerReport:
    """What `verify_ledger` found in a ledger whose chain holds.

    Attributes
    ----------
    rows : int
        Whole rows.
    head : str
        Hash of the last one.
    closed : bool
        It has its ``session.end``: nothing of the session has been cut off the end.
    torn : bool
        After the whole rows comes a part of one: the writer was killed, or the disk
        was full.
    """

    rows: int
    head: str
    closed: bool
    torn: bool = False

    def __str__(self) -> str:
        end = "closed" if self.closed else f"not closed (no {LAST_EVENT} row)"
        torn = f"; row {self.rows + 1} is torn and was not read" if self.torn else ""
        return f"{self.rows} rows, {end}{torn}; head {self.head}"


class Ledger:
    """Writes a ledger. May be shared between threads.

    Parameters
    ----------
    path : Path
        A file that is not there yet, or is empty.
    clock : Clock

    Raises
    ------
    LedgerError
        The file cannot be made, or has rows already.
    """

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._lock = Lock()
        self._rows = 0
        self._bytes = 0
        self._head = GENESIS
        self._ended = False
        self._failure = ""
        try:
            self._fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        except OSError as error:
            raise LedgerError(f"{path}: the ledger cannot be made ({error.strerror})") from error
        if os.fstat(self._fd).st_size:
            os.close(self._fd)
            raise LedgerError(f"{path}: has rows already; a ledger belongs to one session")

    @property
    def rows(self) -> int:
        """Rows written so far."""
        return self._rows

    def append(self, event: str, actor: str, data: Mapping[str, Any], durable: bool = False) -> int:
        """Write one row.

        Parameters
        ----------
        event, actor : str
        data : mapping
            Anything JSON can say, and numbers of numpy. NaN and infinity are written
            as null.
        durable : bool
            Return only when the row is on the disk, and not just with the kernel.

        Returns
        -------
        int
            Number of the row.

        Raises
        ------
        LedgerError
            The row could not be written, or an earlier one could not, or the ledger
            has ended. What was written before is kept.
        TypeError
            `data` holds something JSON has no word for.
        """
        with self._lock:
            self._check_usable()
            if not isinstance(data, Mapping):
                raise TypeError(f"{event}: data are named values, not {type(data).__name__}")
            if self._ended:
                raise LedgerError(f"{self._path}: nothing may follow {LAST_EVENT!r}")
            row = _content(self._clock, self._rows + 1, actor, event, data, self._head)
            line, digest = to_line(row)
            self._write(line + b"\n")
            self._rows += 1
            self._head = digest
            self._ended = event == LAST_EVENT
            if durable or self._ended:
                self._sync()
            return self._rows

    def sync(self) -> None:
        """Return when every row is on the disk.

        Raises
        ------
        LedgerError
            The disk does not take them.
        """
        with self._lock:
            self._check_usable()
            self._sync()

    def close(self) -> None:
        """Let go of the file. The ledger takes no more rows."""
        with self._lock:
            if self._fd >= 0:
                with suppress(OSError):
                    os.fsync(self._fd)
                os.close(self._fd)
                self._fd = -1

    def _check_usable(self) -> None:
        if self._failure:
            raise LedgerError(self._failure)
        if self._fd < 0:
            raise LedgerError(f"{self._path}: the ledger is closed")

    def _write(self, line: bytes) -> None:
        written = 0
        try:
            while written < len(line):
                written += os.write(self._fd, line[written:])
        except OSError as error:
            with suppress(OSError):  # best effort: a torn row is readable too
                os.ftruncate(self._fd, self._bytes)
            what = f"row {self._rows + 1} could not be written; the {self._rows} before it are kept"
            raise self._failed(what, error) from error
        self._bytes += len(line)

    def _sync(self) -> None:
        try:
            os.fsync(self._fd)
        except OSError as error:
            # After a failed fsync the kernel may have dropped the pages: trust nothing since.
            what = f"of its {self._rows} rows, the last may not be on the disk"
            raise self._failed(what, error) from error

    def _failed(self, what: str, error: OSError) -> LedgerError:
        self._failure = (
            f"{self._path}: {what} ({error.strerror}). No log, no stimulation: "
            "see to the disk, then begin a new session."
        )
        return LedgerError(self._failure)


def append_unblinded(path: Path, clock: Clock, actor: str, data: Mapping[str, Any]) -> None:
    """Chain the `UNBLINDED` row to a ledger whose session is over.

    Raises
    ------
    SessionError
        The chain does not hold, or the last row is torn: nothing can be chained to that.
    LedgerError
        The row could not be written.
    """
    found = verify_ledger(path)
    if found.torn:
        raise SessionError(f"{path}: row {found.rows + 1} is torn; nothing can be chained to it")
    row = _content(clock, found.rows + 1, actor, UNBLINDED, data, found.head)
    line, _ = to_line(row)
    try:
        with path.open("ab") as file:
            file.write(line + b"\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise LedgerError(f"{path}: the row could not be written ({error.strerror})") from error


def read_ledger(path: Path) -> list[LedgerRow]:
    """Rows of a ledger, without checking the chain; a torn last row is left out.

    Raises
    ------
    SessionError
        There is no such file, or a line that is not a row.
    """
    return list(each_row(path))


def each_row(path: Path) -> Iterator[LedgerRow]:
    """As `read_ledger`, one row at a time: for what is made of a ledger of any length."""
    for number, line in _lines(path):
        if line.endswith(b"\n"):
            yield _parse(path, number, line.rstrip(b"\n"))


def verify_ledger(path: Path) -> LedgerReport:
    """Check that no row was changed, removed, moved or put in.

    Returns
    -------
    LedgerReport
        A tail that was cut off shows as `closed` being False: rows that are gone
        without a trace cannot be told from rows that were never written.

    Raises
    ------
    SessionError
        Naming the first row that does not fit.
    """
    head = GENESIS
    rows = 0
    closed = torn = False
    for number, whole in _lines(path):
        line = whole.rstrip(b"\n")
        if line == whole:
            torn = True
            break
        row = _parse(path, number, line)
        if closed and row.event != UNBLINDED:
            raise _altered(path, number, f"follows {LAST_EVENT!r}")
        if row.seq != number:
            raise _altered(path, number, f"is numbered {row.seq}: rows are missing, moved or added")
        if row.prev != head:
            raise _altered(path, number, "is not chained to the row before it")
        if not is_intact(row, line):
            raise _altered(path, number, "does not match its hash: it was changed")
        head, rows = row.hash, number
        closed = closed or row.event == LAST_EVENT
    if closed and torn:
        raise _altered(path, rows + 1, f"follows {LAST_EVENT!r}")
    return LedgerReport(rows, head, closed, torn)


def _content(
    clock: Clock, seq: int, actor: str, event: str, data: Mapping[str, Any], prev: str
) -> dict[str, Any]:
    """A row, but for its hash."""
    return {
        "seq": seq,
        "lsl_s": float(clock.now_s()),
        "utc": clock.utc().isoformat(timespec="microseconds"),
        "actor": actor,
        "event": event,
        "data": plain(data, event),
        "prev": prev,
    }


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Number and bytes of each line; a last one that was not finished has no line end."""
    try:
        with path.open("rb") as file:
            yield from enumerate(file, start=1)
    except OSError as error:
        raise SessionError(f"{path}: the ledger cannot be read ({error.strerror})") from error


def _parse(path: Path, number: int, line: bytes) -> LedgerRow:
    try:
        return from_line(line)
    except ValueError as error:
        raise _altered(path, number, str(error)) from error


def _altered(path: Path, number: int, what: str) -> SessionError:
    return SessionError(f"{path}: row {number} {what}")
