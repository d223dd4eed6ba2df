"""Rows that nobody reads before two people open them: ``sealed.jsonl`` beside a ledger.

The first line says for whom the two shares of the key are wrapped; each line after it
is one row, encrypted with ChaCha20-Poly1305. Its number is the nonce, which never comes
twice since every session has a key of its own, and the first line is authenticated with
it, so no row fits another place or another session. Rows are padded: their lengths tell
nothing. The ledger has the SHA-256 of every line.
"""

import base64
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from bci_core.errors import LedgerError, SessionError
from bci_core.record.keepers import Wrapped
from bci_core.record.ledger_format import plain

PAD_BYTES = 1024
"""Rows are this long, or a multiple; an ordinary one is about 700 bytes."""


class SealWriter:
    """Writes the sealed rows of a session.

    Parameters
    ----------
    path : Path
        A file that is not there yet.
    key : bytes
        Of 32 bytes, for this file only.
    shares : sequence of dict
        What is written of it; see `bci_core.record.keepers`.

    Attributes
    ----------
    header_sha256 : str
        Of the first line.

    Raises
    ------
    LedgerError
        The file cannot be made.
    """

    def __init__(self, path: Path, key: bytes, shares: Sequence[Wrapped]) -> None:
        self._path = path
        self._cipher = ChaCha20Poly1305(key)
        self._rows = 0
        head = _json({"version": 1, "cipher": "ChaCha20-Poly1305", "keepers": list(shares)})
        self.header_sha256 = _digest(head)
        self._header = bytes.fromhex(self.header_sha256)
        try:
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL
            self._fd = os.open(path, flags, 0o644)
        except OSError as error:
            raise self._failed(error) from error
        self._write(head)

    def write(self, event: str, data: Mapping[str, Any]) -> str:
        """Seal one row.

        Returns
        -------
        str
            SHA-256 of its line, for the ledger.

        Raises
        ------
        LedgerError
            It could not be written.
        """
        text = _json({"event": event, "data": plain(data, event)})
        text += b" " * (-len(text) % PAD_BYTES)
        self._rows += 1
        box = self._cipher.encrypt(_nonce(self._rows), text, self._header)
        line = _json({"n": self._rows, "box": base64.b64encode(box).decode()})
        self._write(line)
        return _digest(line)

    def sync(self) -> None:
        """Return when every row is on the disk.

        Raises
        ------
        LedgerError
            The disk does not take them.
        """
        try:
            os.fsync(self._fd)
        except OSError as error:
            raise self._failed(error) from error

    def close(self) -> None:
        """Let go of the file."""
        if self._fd >= 0:
            with suppress(OSError):
                os.fsync(self._fd)
            os.close(self._fd)
            self._fd = -1

    def _write(self, line: bytes) -> None:
        rest = line + b"\n"
        try:
            while rest:
                rest = rest[os.write(self._fd, rest) :]
        except OSError as error:
            raise self._failed(error) from error

    def _failed(self, error: OSError) -> LedgerError:
        return LedgerError(f"{self._path}: cannot be written ({error.strerror})")


class SealedRows:
    """The sealed rows of a session, closed.

    Parameters
    ----------
    path : Path

    Attributes
    ----------
    header_sha256 : str
    keepers : list of dict
        The wrapped shares.

    Raises
    ------
    SessionError
        The file is missing, or has no first line.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            head, *lines = path.read_bytes().split(b"\n")[:-1]  # the last is torn, or empty
            self.keepers: list[Wrapped] = json.loads(head)["keepers"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise SessionError(f"{path}: has no sealed rows that can be read ({error})") from error
        self.header_sha256 = _digest(head)
        self._lines = {_digest(line): line for line in lines}

    def __len__(self) -> int:
        return len(self._lines)

    def __contains__(self, digest: str) -> bool:
        return digest in self._lines

    def open(self, digest: str, key: bytes) -> tuple[str, dict[str, Any]]:
        """Event and data of the row with this hash.

        Raises
        ------
        SessionError
            There is none: it was altered or removed. Or the key is not the file's.
        """
        line = self._lines.get(digest)
        if line is None:
            raise SessionError(
                f"{self._path}: the row with SHA-256 {digest[:16]}… is missing or was altered"
            )
        try:
            told = json.loads(line)
            box = base64.b64decode(told["box"], validate=True)
            header = bytes.fromhex(self.header_sha256)
            row = json.loads(ChaCha20Poly1305(key).decrypt(_nonce(told["n"]), box, header))
            return str(row["event"]), dict(row["data"])
        except (InvalidTag, ValueError, KeyError, TypeError, OverflowError) as error:
            raise SessionError(
                f"{self._path}: the key does not open the row with SHA-256 {digest[:16]}…"
            ) from error


def _nonce(row: int) -> bytes:
    return row.to_bytes(12, "big")


def _json(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, separators=(",", ":"), allow_nan=False).encode()


def _digest(line: bytes) -> str:
    return hashlib.sha256(line).hexdigest()
