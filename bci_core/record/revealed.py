"""The rows of a session's ledger, whole where the session has been unblinded."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from bci_core.errors import SessionError
from bci_core.record.blind_ledger import SEALED, SEALED_FILE
from bci_core.record.ledger import UNBLINDED, read_ledger
from bci_core.record.ledger_format import LedgerRow

if TYPE_CHECKING:
    from bci_core.record.seal import SealedRows


def read_rows(ledger: Path) -> list[LedgerRow]:
    """Rows as `read_ledger` has them; where the ledger has the key, with what was withheld.

    Raises
    ------
    SessionError
        As `read_ledger`; or a sealed row is missing or was altered.
    """
    rows = read_ledger(ledger)
    keys = [str(row.data.get("key")) for row in rows if row.event == UNBLINDED]
    if not keys:
        return rows
    # Ciphers take a while to import, and few sessions need them.
    from bci_core.record.seal import SealedRows

    try:
        key = bytes.fromhex(keys[0])
    except ValueError as error:
        raise SessionError(f"{ledger}: its {UNBLINDED!r} row has no key") from error
    return reveal(rows, SealedRows(ledger.with_name(SEALED_FILE)), key)


def reveal(rows: Sequence[LedgerRow], sealed: "SealedRows", key: bytes) -> list[LedgerRow]:
    """Put what was withheld back in its place.

    Raises
    ------
    SessionError
        A sealed row is missing, was altered, or is not the one its place asks for.
    """
    whole = []
    for row in rows:
        digest = row.data.get(SEALED)
        if digest is None:
            whole.append(row)
            continue
        event, data = sealed.open(digest, key)
        if event != row.event or data.get("seq") != row.data.get("seq"):
            raise SessionError(f"row {row.seq} ({row.event}) is sealed as another ({event})")
        whole.append(replace(row, data=data))
    return whole
