"""A person's key, and statements signed with it.

`cryptography` is imported where a key is used: every process imports this, few use one.
"""

import base64
import hashlib
import json
import os
import stat
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bci_core.clock import Clock
from bci_core.errors import InputError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

SHORTEST_PASSPHRASE = 8
"""Characters."""
_DOMAIN = b"bci signed statement 1\n"


@dataclass(frozen=True, slots=True)
class Signed:
    """A statement, and who stands by it. Checked by `Keyring.verify`.

    Attributes
    ----------
    statement : dict
        Anything JSON can say; ``what`` names its kind.
    fingerprint : str
        Of the key.
    signed_utc : str
        ISO 8601, by the signer's clock.
    signature : str
        Ed25519 over statement, fingerprint and time, in base64.
    """

    statement: dict[str, Any]
    fingerprint: str
    signed_utc: str
    signature: str = ""

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Any) -> "Signed":
        """Read back what `to_dict` gave.

        Raises
        ------
        InputError
            It is no signed statement.
        """
        try:
            made = cls(**data)
        except TypeError as error:
            raise InputError(f"not a signed statement: {error}") from None
        words = (made.fingerprint, made.signed_utc, made.signature)
        if not isinstance(made.statement, dict) or not all(isinstance(word, str) for word in words):
            raise InputError("not a signed statement: statement is a table, the rest are words")
        return made

    def is_by(self, public_key: bytes) -> bool:
        """Whether the key that belongs to these 32 bytes has signed exactly this."""
        if self.fingerprint != fingerprint(public_key):
            return False
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        try:
            signature = base64.b64decode(self.signature, validate=True)
            Ed25519PublicKey.from_public_bytes(public_key).verify(signature, self.content())
        except (InvalidSignature, ValueError):
            return False
        return True

    def content(self) -> bytes:
        """What is signed."""
        told = asdict(self)
        del told["signature"]
        return _DOMAIN + canonical(told)


class PrivateKey:
    """One person's private key, in memory only.

    Attributes
    ----------
    public : bytes
        32 bytes, for a keyring.
    """

    def __init__(self, key: "Ed25519PrivateKey") -> None:
        self._key = key
        self.public = key.public_key().public_bytes_raw()

    @classmethod
    def create(cls, path: Path, passphrase: str) -> "PrivateKey":
        """Make a key and write it, encrypted, to a file that its owner alone can read.

        Raises
        ------
        InputError
            The passphrase is too short, the file is there already or cannot be written.
        """
        if len(passphrase) < SHORTEST_PASSPHRASE:
            raise InputError(
                f"passphrase: {len(passphrase)} characters, limit at least {SHORTEST_PASSPHRASE}"
            )
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        key = Ed25519PrivateKey.generate()
        text = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(passphrase.encode()),
        )
        try:
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
                out.write(text)
        except OSError as error:
            raise InputError(f"{path}: the key cannot be written ({error.strerror})") from error
        return cls(key)

    @classmethod
    def load(cls, path: Path, passphrase: str) -> "PrivateKey":
        """Read a key.

        Raises
        ------
        InputError
            It cannot be read, others can read it too, or the passphrase is wrong.
        """
        try:
            mode = stat.S_IMODE(path.stat().st_mode)
            text = path.read_bytes()
        except OSError as error:
            raise InputError(f"{path}: the key cannot be read ({error.strerror})") from error
        if mode & 0o077:
            raise InputError(f"{path} has mode {mode:04o}: others can read it; a key has mode 0600")
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        try:
            key = load_pem_private_key(text, passphrase.encode())
        except (ValueError, TypeError):
            raise InputError(f"{path}: wrong passphrase, or no encrypted private key") from None
        if not isinstance(key, Ed25519PrivateKey):
            raise InputError(f"{path}: is no Ed25519 key; make one with bci keys new")
        return cls(key)

    def sign(self, statement: Mapping[str, Any], clock: Clock) -> Signed:
        """Stand by a statement."""
        utc = clock.utc().isoformat(timespec="seconds")
        unsigned = Signed(dict(statement), fingerprint(self.public), utc)
        signature = self._key.sign(unsigned.content())
        return Signed(
            unsigned.statement, unsigned.fingerprint, utc, base64.b64encode(signature).decode()
        )


def fingerprint(public_key: bytes) -> str:
    """A public key, short enough to be read out: the start of its SHA-256."""
    return "sha256:" + hashlib.sha256(public_key).hexdigest()[:16]


def canonical(value: Any) -> bytes:
    """One way to write a value: JSON with sorted keys, no spaces, floats by repr."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def digest(value: Any) -> str:
    """SHA-256 of the canonical form, in hexadecimal."""
    return hashlib.sha256(canonical(value)).hexdigest()
