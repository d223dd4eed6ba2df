"""Asking two people for their keys, at the start of a blind session and for its end."""

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bci_core.errors import InputError

if TYPE_CHECKING:
    from bci_core.config.rig import Rig
    from bci_core.record.keepers import Keeper, Opener

Keepers = Annotated[
    list[str] | None,
    typer.Option(
        "--keeper",
        metavar="NAME=FILE",
        help="A keeper's key: a text file with a passphrase, or an X25519 key as .pem.",
    ),
]


def keepers_for(rig: "Rig", given: Sequence[str] | None) -> "list[Keeper]":
    """Whom a blind session is sealed for; nobody for another.

    Each by what ``--keeper NAME=FILE`` says, else by the passphrase in the environment as
    ``BCI_PASSPHRASE_NAME``, else asked for at the terminal, twice.

    Raises
    ------
    InputError
        Somebody's key is nowhere to be had.
    """
    names = rig.arms.keepers if rig.arms is not None and rig.arms.blind else ()
    files = _files(given, names)
    if not names:
        return []
    from bci_core.record.keepers import Passphrase, PublicKey
    from bci_core.record.keys_pem import public_key

    made: list[Keeper] = []
    for name in names:
        file = files.get(name)
        if file is not None and file.suffix == ".pem":
            made.append(PublicKey(name, public_key(file)))
        else:
            made.append(Passphrase(name, _passphrase(name, file, confirm=True)))
    return made


def openers_for(names: Iterable[str], given: Sequence[str] | None) -> "list[Opener]":
    """The same two people, to open what was sealed for them. See `keepers_for`."""
    from bci_core.record.keepers import Passphrase, PrivateKey
    from bci_core.record.keys_pem import private_key

    names = tuple(names)
    files = _files(given, names)
    made: list[Opener] = []
    for name in names:
        file = files.get(name)
        if file is not None and file.suffix == ".pem":
            ask = partial(_passphrase, name, None, confirm=False)
            made.append(PrivateKey(name, private_key(file, ask)))
        else:
            made.append(Passphrase(name, _passphrase(name, file, confirm=False)))
    return made


def _files(given: Sequence[str] | None, names: Iterable[str]) -> Mapping[str, Path]:
    files = {}
    for each in given or ():
        name, equals, path = each.partition("=")
        if not equals:
            raise InputError(f"--keeper {each}: write NAME=FILE")
        if name not in names:
            raise InputError(
                f"--keeper {each}: {name!r} keeps no key of this session; "
                f"keepers: {', '.join(names) or 'none, it is not blind'}"
            )
        files[name] = Path(path)
    return files


def _passphrase(name: str, file: Path | None, confirm: bool) -> str:
    if file is not None:
        try:
            return file.read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(
                f"{file}: the passphrase of {name} cannot be read ({error})"
            ) from error
    variable = f"BCI_PASSPHRASE_{name.upper().replace('-', '_')}"
    words = os.environ.get(variable)
    if words is not None:
        return words
    if not sys.stdin.isatty():
        raise InputError(
            f"a blind session needs the key of {name}: give --keeper {name}=FILE, or the "
            f"passphrase as {variable}, or run it in a terminal that can ask"
        )
    asked: str = typer.prompt(
        f"passphrase of {name}", hide_input=True, confirmation_prompt=confirm, err=True
    )
    return asked
