"""X25519 keys in PEM files, as OpenSSL writes them (RFC 8410)."""

from collections.abc import Callable
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from bci_core.errors import InputError

_UNREADABLE = (OSError, ValueError, UnsupportedAlgorithm)


def public_key(path: Path) -> X25519PublicKey:
    """The public key in a file.

    Raises
    ------
    InputError
        There is none, or it is of another kind.
    """
    try:
        key = load_pem_public_key(path.read_bytes())
    except _UNREADABLE as error:
        raise InputError(f"{path}: holds no public key that can be read ({error})") from error
    if not isinstance(key, X25519PublicKey):
        raise InputError(f"{path}: is no X25519 key; nothing can be sealed for it")
    return key


def private_key(path: Path, passphrase: Callable[[], str]) -> X25519PrivateKey:
    """The private key in a file.

    Parameters
    ----------
    path : Path
    passphrase : callable
        Asked where the file is encrypted.

    Raises
    ------
    InputError
        There is none, it is of another kind, or the passphrase is wrong.
    """
    try:
        text = path.read_bytes()
        words = passphrase().encode() if b"ENCRYPTED" in text else None
        key = load_pem_private_key(text, words)
    except (*_UNREADABLE, TypeError) as error:
        raise InputError(f"{path}: its private key cannot be read ({error})") from error
    if not isinstance(key, X25519PrivateKey):
        raise InputError(f"{path}: is no X25519 key; nothing was sealed for it")
    return key
