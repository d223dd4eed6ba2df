"""A ledger that tells only what every arm would have told, and seals the rest beside it."""

from collections.abc import Callable, Mapping
from threading import RLock
from typing import TYPE_CHECKING, Any, Protocol

from bci_core.record.ledger import LAST_EVENT, Ledger

if TYPE_CHECKING:
    from bci_core.record.seal import SealWriter

SEALED_FILE = "sealed.jsonl"
"""Beside the ledger."""

SEALED = "sealed"
"""Key of a row's data that holds the hash of its sealed whole."""

Withhold = Callable[[str, Mapping[str, Any]], dict[str, Any] | None]
"""What may be told of a row; None when all of it may."""


class LedgerLike(Protocol):
    """What takes rows for a session's ledger."""

    @property
    def rows(self) -> int: ...
    def append(
        self, event: str, actor: str, data: Mapping[str, Any], durable: bool = False
    ) -> int: ...
    def sync(self) -> None: ...
    def close(self) -> None: ...


class BlindLedger:
    """Splits each row that would tell the arm; a `LedgerLike`.

    The whole is on disk, sealed, before the row that has its hash. A device reports when a
    trigger has ended, which a delay would show in: such a row waits for the loop's own
    about the same trigger, which comes at the same time in every arm.

    Parameters
    ----------
    ledger : Ledger
    seal : SealWriter
    withhold : callable
    """

    def __init__(self, ledger: Ledger, seal: "SealWriter", withhold: Withhold) -> None:
        self._ledger = ledger
        self._seal = seal
        self._withhold = withhold
        self._lock = RLock()
        self._waiting: dict[int, tuple[str, dict[str, Any]]] = {}
        self._told: set[int] = set()

    @property
    def rows(self) -> int:
        """Rows written so far."""
        return self._ledger.rows

    def append(self, event: str, actor: str, data: Mapping[str, Any], durable: bool = False) -> int:
        """As `Ledger.append`."""
        with self._lock:
            told = self._withhold(event, data)
            if told is not None:
                told[SEALED] = self._seal.write(event, data)
            if told is not None and event == "delivery" and told["seq"] not in self._told:
                self._waiting[told["seq"]] = (actor, told)
                return self._ledger.rows
            if event == LAST_EVENT:
                for seq in tuple(self._waiting):
                    self._release(seq)
            if durable:
                self._seal.sync()
            row = self._ledger.append(event, actor, data if told is None else told, durable)
            if event == "outcome":
                self._told.add(data["seq"])
                self._release(data["seq"])
            return row

    def sync(self) -> None:
        """As `Ledger.sync`."""
        with self._lock:
            self._seal.sync()
            self._ledger.sync()

    def close(self) -> None:
        """Let go of both files."""
        with self._lock:
            self._seal.close()
            self._ledger.close()

    def _release(self, seq: int) -> None:
        if seq in self._waiting:
            actor, told = self._waiting.pop(seq)
            self._ledger.append("delivery", actor, told)
