"""``bci keys`` and ``bci approve``: people, their keys, and what they stand by."""

import os
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from bci_core.cli.options import Source

keys_app = typer.Typer(help="People and their keys.", no_args_is_help=True)

PASSPHRASE_VARIABLE = "BCI_PASSPHRASE"  # noqa: S105 - where one may be, not one

KeyFile = Annotated[Path, typer.Option("--key", help="Your private key.")]
PassphraseFile = Annotated[
    Path | None,
    typer.Option("--passphrase-file", help=f"[default: {PASSPHRASE_VARIABLE}, or asked for]"),
]
People = Annotated[
    Path | None,
    typer.Option("--people", help="Keyring. [default: BCI_PEOPLE, or people.toml]"),
]


@keys_app.command()
def new(
    name: Annotated[str, typer.Argument(help="Whose: small letters, digits, '.', '_', '-'.")],
    role: Annotated[
        str, typer.Option("--role", help="subject, clinician, researcher, operator or auditor.")
    ],
    key: Annotated[Path | None, typer.Option("--key", help="[default: NAME.key]")] = None,
    people: People = None,
    passphrase_file: PassphraseFile = None,
) -> None:
    """Make a key, encrypted with a passphrase, and enrol its owner in the keyring.

    Example: `bci keys new ada --role clinician`
    """
    from bci_core.errors import InputError
    from bci_core.people.keyring import Keyring, Person, Role, default_keyring
    from bci_core.people.signing import PrivateKey

    if role not in list(Role):
        raise InputError(f"--role: no role is called {role!r}; roles: {', '.join(Role)}")
    path, ring = key or Path(f"{name}.key"), people or default_keyring()
    keyring = Keyring.load(ring) if ring.exists() else Keyring((), str(ring))
    keyring.with_person(Person(name, Role(role), bytes(32)))  # before a key is left behind
    made = PrivateKey.create(path, passphrase(passphrase_file, confirm=True))
    person = Person(name, Role(role), made.public)
    keyring.with_person(person).save(ring)
    _say(f"{person}: {person.fingerprint}, key in {path}, enrolled in {ring}")


@keys_app.command(name="list")
def list_(people: People = None) -> None:
    """Say who is enrolled.

    Example: `bci keys list`
    """
    from bci_core.people.keyring import Keyring, default_keyring

    for person in Keyring.load(people or default_keyring()).people:
        _say(f"{person}: {person.fingerprint}")


def approve(
    rig: Source,
    key: KeyFile,
    people: People = None,
    passphrase_file: PassphraseFile = None,
) -> None:
    """Sign a rig's limits, for a session that needs the keys of two people.

    The signature is for these limits, this rig and this device: any change needs new ones.
    It goes into RIG.approvals.json beside the rig.

    Example: `bci approve rig.toml --key ada.key`
    """
    from bci_core.clock import LslClock
    from bci_core.config.load import load_rig
    from bci_core.people.keyring import Keyring, default_keyring
    from bci_core.people.signing import PrivateKey
    from bci_core.safety.envelope import SafetyEnvelope
    from bci_core.session import approvals

    loaded = load_rig(rig)
    keyring = Keyring.load(people or default_keyring())
    for override in SafetyEnvelope.from_settings(loaded.safety).overrides:
        _say(f"looser: {override}")
    private = PrivateKey.load(key, passphrase(passphrase_file))
    person = approvals.approve(loaded, rig, private, keyring, LslClock())
    path = approvals.approvals_path(rig)
    valid, _ = approvals.approved_by(loaded, rig, keyring)
    missing = approvals.missing_people(valid)
    _say(f"approved by {person} in {path}" + (f"; missing: {missing}" if missing else ""))


def passphrase(file: Path | None, confirm: bool = False) -> str:
    """From a file, from the environment, or asked for on the terminal.

    Raises
    ------
    InputError
        The file cannot be read.
    """
    from bci_core.errors import InputError

    if file is not None:
        try:
            return file.read_text("utf-8").rstrip("\n")
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{file}: the passphrase cannot be read ({error})") from error
    found = os.environ.get(PASSPHRASE_VARIABLE)
    if found is not None:
        return found
    return str(typer.prompt("Passphrase", hide_input=True, confirmation_prompt=confirm, err=True))


def _say(text: str) -> None:
    Console(highlight=False, soft_wrap=True).print(text, markup=False)


COMMANDS = (approve,)
