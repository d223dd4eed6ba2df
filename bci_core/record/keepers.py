"""Two people, each with half a key: how halves are wrapped for them, and unwrapped by them.

The key of a session's sealed rows is the exclusive or of two shares, each random by
itself. A share is wrapped for one person, under a passphrase (scrypt, RFC 7914) or for
an X25519 public key (RFC 7748, with HKDF-SHA256 and an ephemeral key), in either case
with ChaCha20-Poly1305 (RFC 8439). One share alone says nothing about the key.
"""

import secrets
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from bci_core.errors import InputError, SessionError

KEY_BYTES = 32
SCRYPT_N, SCRYPT_R, SCRYPT_P = 2**15, 8, 1
"""About 32 MiB and a tenth of a second for each guess."""
_ONCE = bytes(12)
"""A nonce may be fixed where its key is used once: here each has a fresh salt or key."""

Wrapped = dict[str, Any]
"""A wrapped share: ``name``, ``method``, and what the method needs, in hexadecimal."""


class Keeper(Protocol):
    """Somebody for whom a share can be wrapped, who need not be there."""

    @property
    def name(self) -> str: ...
    def wrap(self, share: bytes) -> Wrapped: ...


class Opener(Protocol):
    """Somebody who can unwrap what was wrapped for them."""

    @property
    def name(self) -> str: ...
    def unwrap(self, wrapped: Mapping[str, Any]) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Passphrase:
    """A keeper, and an opener, by a passphrase of their own.

    Attributes
    ----------
    name, words : str
        The words count as Unicode has them composed (NFC), so any keyboard will do.
    """

    name: str
    words: str

    def wrap(self, share: bytes) -> Wrapped:
        salt = secrets.token_bytes(16)
        cost = {"n": SCRYPT_N, "r": SCRYPT_R, "p": SCRYPT_P}
        box = ChaCha20Poly1305(self._key(salt, **cost)).encrypt(_ONCE, share, self.name.encode())
        told = {"name": self.name, "method": "scrypt", "salt": salt.hex(), "box": box.hex()}
        return told | cost

    def unwrap(self, wrapped: Mapping[str, Any]) -> bytes:
        try:
            if wrapped["method"] != "scrypt":
                raise SessionError(f"the share of {self.name!r} opens with a key file")
            cost = {name: int(wrapped[name]) for name in ("n", "r", "p")}
            if cost["n"] * cost["r"] > 2**22:
                raise SessionError(f"the share of {self.name!r} asks for {cost}: too much")
            key = self._key(bytes.fromhex(wrapped["salt"]), **cost)
        except (KeyError, ValueError, TypeError) as error:
            raise _unreadable(self.name) from error
        return _opened(key, wrapped, self.name, "passphrase")

    def _key(self, salt: bytes, n: int, r: int, p: int) -> bytes:
        words = unicodedata.normalize("NFC", self.words).encode()
        return Scrypt(salt=salt, length=KEY_BYTES, n=n, r=r, p=p).derive(words)


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A keeper by an X25519 public key: their private one is needed to open, and not before."""

    name: str
    key: X25519PublicKey

    def wrap(self, share: bytes) -> Wrapped:
        once = X25519PrivateKey.generate()
        sender = once.public_key().public_bytes_raw()
        wrapping = _agreed(once.exchange(self.key), sender, self.key.public_bytes_raw())
        box = ChaCha20Poly1305(wrapping).encrypt(_ONCE, share, self.name.encode())
        return {"name": self.name, "method": "x25519", "sender": sender.hex(), "box": box.hex()}


@dataclass(frozen=True, slots=True)
class PrivateKey:
    """An opener by the private key."""

    name: str
    key: X25519PrivateKey

    def unwrap(self, wrapped: Mapping[str, Any]) -> bytes:
        try:
            if wrapped["method"] != "x25519":
                raise SessionError(f"the share of {self.name!r} opens with a passphrase")
            sender = bytes.fromhex(wrapped["sender"])
            secret = self.key.exchange(X25519PublicKey.from_public_bytes(sender))
        except (KeyError, ValueError, TypeError) as error:
            raise _unreadable(self.name) from error
        own = self.key.public_key().public_bytes_raw()
        return _opened(_agreed(secret, sender, own), wrapped, self.name, "key")


def shared_key(keepers: Sequence[Keeper]) -> tuple[bytes, list[Wrapped]]:
    """A new key, and its two shares wrapped.

    Raises
    ------
    InputError
        There are not two keepers, or one passphrase is both.
    """
    names = [keeper.name for keeper in keepers]
    words = [keeper.words for keeper in keepers if isinstance(keeper, Passphrase)]
    if len(set(names)) != 2:
        raise InputError(f"two keepers are needed, of different names; given: {names}")
    if len(words) != len(set(words)) or not all(words):
        raise InputError("the keepers' passphrases must differ, and none may be empty")
    first, second = keepers
    key, share = secrets.token_bytes(KEY_BYTES), secrets.token_bytes(KEY_BYTES)
    return key, [first.wrap(share), second.wrap(_xor(key, share))]


def joined_key(wrapped: Sequence[Mapping[str, Any]], openers: Sequence[Opener]) -> bytes:
    """The key, from both shares.

    Raises
    ------
    SessionError
        Somebody is missing, or what they gave does not open their share.
    """
    by_name = {opener.name: opener for opener in openers}
    try:
        missing = [each["name"] for each in wrapped if each["name"] not in by_name]
        if missing or len(wrapped) != 2:
            raise SessionError(f"two keys are needed; missing: {', '.join(missing) or 'a share'}")
        return _xor(*(by_name[each["name"]].unwrap(each) for each in wrapped))
    except (KeyError, TypeError) as error:
        raise SessionError("the sealed file does not say who holds its keys") from error


def _agreed(secret: bytes, sender: bytes, receiver: bytes) -> bytes:
    info = b"bci keeper share" + sender + receiver
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=info).derive(secret)


def _opened(key: bytes, wrapped: Mapping[str, Any], name: str, what: str) -> bytes:
    try:
        share = ChaCha20Poly1305(key).decrypt(_ONCE, bytes.fromhex(wrapped["box"]), name.encode())
    except (InvalidTag, KeyError, ValueError, TypeError) as error:
        raise SessionError(f"the {what} of {name!r} does not open their share") from error
    return share


def _unreadable(name: str) -> SessionError:
    return SessionError(f"the share of {name!r} cannot be read: the sealed file was altered")


def _xor(first: bytes, second: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(first, second, strict=True))
