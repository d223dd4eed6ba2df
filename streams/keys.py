"""CURVE keys of one session's command path: made for it, and useless after it."""

import hashlib
import os
import stat
from pathlib import Path
from typing import Self

import zmq
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from zmq.utils import z85

from bci_core.errors import LinkError

KEY_LENGTH = 40
"""Characters of a key in Z85 (ZeroMQ RFC 32): 32 bytes."""


class SessionKeys(BaseModel):
    """The two key pairs, or the part of them that one side needs.

    Attributes
    ----------
    server_public, client_public : str
        Z85. Each side knows both.
    server_secret, client_secret : str or None
        Z85. None in the other side's part. Never shown by `repr` or an error.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, hide_input_in_errors=True, validate_default=True
    )

    server_public: str = Field(min_length=KEY_LENGTH, max_length=KEY_LENGTH)
    client_public: str = Field(min_length=KEY_LENGTH, max_length=KEY_LENGTH)
    server_secret: str | None = Field(default=None, repr=False)
    client_secret: str | None = Field(default=None, repr=False)

    @classmethod
    def generate(cls) -> Self:
        """Fresh keys for both sides."""
        (server_public, server_secret), (client_public, client_secret) = (
            tuple(key.decode() for key in zmq.curve_keypair()) for _ in range(2)
        )
        return cls(
            server_public=server_public,
            client_public=client_public,
            server_secret=server_secret,
            client_secret=client_secret,
        )

    def server_part(self) -> Self:
        """What the stimulator's side needs, without the client's secret."""
        return self.model_copy(update={"client_secret": None})

    def client_part(self) -> Self:
        """What the loop's side needs, without the server's secret."""
        return self.model_copy(update={"server_secret": None})

    def save(self, folder: Path | str) -> None:
        """Write ``server.json`` and ``client.json``, each with its own side's part.

        The folder is made if need be, and readable by this user alone, as are the files.

        Raises
        ------
        LinkError
            A file is there already, or cannot be written.
        """
        folder = Path(folder)
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            for name, part in (("server", self.server_part()), ("client", self.client_part())):
                flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
                with open(os.open(folder / f"{name}.json", flags, 0o600), "w") as file:  # noqa: PTH123 - a Path cannot be opened with a mode of its own
                    file.write(part.model_dump_json(exclude_none=True))
        except OSError as error:
            raise LinkError(f"the session's keys cannot be written: {error}") from error

    @classmethod
    def load(cls, path: Path | str) -> Self:
        """Read one side's part.

        Raises
        ------
        LinkError
            It cannot be read, others can read it too, or it holds no valid keys.
        """
        path = Path(path)
        try:
            mode = stat.S_IMODE(path.stat().st_mode)
            text = path.read_bytes()
        except OSError as error:
            raise LinkError(f"the session's keys cannot be read: {error}") from error
        if mode & 0o077:
            raise LinkError(
                f"{path} has mode {mode:04o}: others can read or alter it. Make new keys; "
                "a key file has mode 0600"
            )
        try:
            keys = cls.model_validate_json(text)
            for secret, public in (
                (keys.server_secret, keys.server_public),
                (keys.client_secret, keys.client_public),
            ):
                if secret is not None and zmq.curve_public(secret.encode()) != public.encode():
                    raise LinkError(f"{path}: a secret key does not belong to its public key")
        except ValidationError as error:
            wrong = ", ".join(
                ".".join(map(str, part["loc"])) or "not JSON" for part in error.errors()
            )
            raise LinkError(f"{path} holds no session keys: {wrong}") from None
        except (ValueError, zmq.ZMQError):
            raise LinkError(f"{path}: a secret key is no CURVE key in Z85") from None
        return keys


def fingerprint(public_key: bytes | str) -> str:
    """A public key, short enough to be read out: the start of its SHA-256.

    Parameters
    ----------
    public_key : bytes or str
        32 raw bytes, or Z85.
    """
    raw = public_key.encode() if isinstance(public_key, str) else public_key
    if len(raw) == KEY_LENGTH:
        raw = z85.decode(raw)
    return "sha256:" + hashlib.sha256(raw).hexdigest()[:16]
