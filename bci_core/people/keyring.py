"""The people of a laboratory and their public keys: a TOML file.

Whoever can write the file decides who is who, so it belongs to whoever runs the
laboratory, and must not be writable by others.
"""

import os
import stat
import tomllib
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

import tomli_w
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bci_core.errors import InputError, SafetyError
from bci_core.people.signing import Signed, fingerprint

KEYRING_VARIABLE = "BCI_PEOPLE"
"""Environment variable that names the keyring file."""
_NAME = r"^[a-z0-9][a-z0-9._-]{0,63}$"


class Role(StrEnum):
    """What a person is in a session."""

    SUBJECT = "subject"
    CLINICIAN = "clinician"
    RESEARCHER = "researcher"
    OPERATOR = "operator"
    AUDITOR = "auditor"


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who is enrolled.

    Attributes
    ----------
    name : str
        Small letters, digits, ``.``, ``_`` and ``-``.
    role : Role
    public_key : bytes
        32 bytes.
    """

    name: str
    role: Role
    public_key: bytes

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.public_key)

    def __str__(self) -> str:
        return f"{self.name} ({self.role})"


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    role: Role
    public_key: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    people: dict[Annotated[str, Field(pattern=_NAME)], _Entry]
    version: Literal[1] = 1


class Keyring:
    """Who is enrolled.

    Parameters
    ----------
    people : tuple of Person
    where : str
        For messages.

    Raises
    ------
    InputError
        Two people have the same key: one of them could sign as two.
    """

    def __init__(self, people: tuple[Person, ...], where: str) -> None:
        self.people = people
        self._where = where
        by_key: dict[bytes, str] = {}
        for person in people:
            other = by_key.setdefault(person.public_key, person.name)
            if other != person.name:
                raise InputError(f"{where}: {other} and {person.name} have the same key")

    @classmethod
    def load(cls, path: Path) -> "Keyring":
        """Read a keyring file.

        Raises
        ------
        InputError
            It is not there, others can write it, or it has mistakes.
        """
        try:
            mode = stat.S_IMODE(path.stat().st_mode)
            tree = tomllib.loads(path.read_text("utf-8"))
            entries = _File.model_validate(tree).people
        except FileNotFoundError:
            raise InputError(
                f"{path}: there is no such keyring; enrol people with bci keys new, or name "
                f"another file in {KEYRING_VARIABLE}"
            ) from None
        except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise InputError(f"{path}: the keyring cannot be read ({error})") from error
        except ValidationError as error:
            wrong = "; ".join(
                f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors()
            )
            raise InputError(f"{path}: {wrong}") from None
        if mode & 0o022:
            raise InputError(
                f"{path} has mode {mode:04o}: others could enrol themselves; take their right "
                "to write it"
            )
        people = tuple(
            Person(name, entry.role, bytes.fromhex(entry.public_key))
            for name, entry in entries.items()
        )
        return cls(people, str(path))

    def save(self, path: Path) -> None:
        """Write the file whole, readable by all, writable by its owner.

        Raises
        ------
        InputError
            It cannot be written.
        """
        people = {
            person.name: {"role": str(person.role), "public_key": person.public_key.hex()}
            for person in self.people
        }
        whole = path.with_suffix(".tmp")
        try:
            whole.write_text(tomli_w.dumps({"version": 1, "people": people}), "utf-8")
            whole.chmod(0o644)
            whole.replace(path)
        except OSError as error:
            raise InputError(f"{path}: cannot be written ({error.strerror})") from error

    def with_person(self, person: Person) -> "Keyring":
        """The same, with one more.

        Raises
        ------
        InputError
            The name is enrolled already, or is none, or the key is another's.
        """
        if person.name in [other.name for other in self.people]:
            raise InputError(f"{self._where}: {person.name} is enrolled already")
        try:
            _File.model_validate(
                {
                    "people": {
                        person.name: {"role": person.role, "public_key": person.public_key.hex()}
                    }
                }
            )
        except ValidationError:
            raise InputError(
                f"{person.name!r} is no name: use small letters, digits, '.', '_' and '-', at "
                "most 64"
            ) from None
        return Keyring((*self.people, person), self._where)

    def owner(self, public_key: bytes) -> Person:
        """Whose key this is.

        Raises
        ------
        SafetyError
            Nobody's who is enrolled.
        """
        for person in self.people:
            if person.public_key == public_key:
                return person
        raise SafetyError(f"key {fingerprint(public_key)}: nobody with it is in {self._where}")

    def verify(self, signed: Signed) -> Person:
        """Who has signed a statement.

        Raises
        ------
        SafetyError
            Nobody who is enrolled, or not this statement.
        """
        for person in self.people:
            if person.fingerprint == signed.fingerprint:
                if signed.is_by(person.public_key):
                    return person
                raise SafetyError(
                    f"{person}: the signature does not belong to what it stands under"
                )
        raise SafetyError(f"key {signed.fingerprint}: nobody with it is in {self._where}")


def default_keyring() -> Path:
    """The file in ``BCI_PEOPLE``; else ``people.toml`` where the command runs."""
    return Path(os.environ.get(KEYRING_VARIABLE, "people.toml"))
