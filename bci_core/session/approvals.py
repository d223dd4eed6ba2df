"""Two people's keys for limits that are looser than those of their electrode class."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bci_core.clock import Clock
from bci_core.config.rig import Rig
from bci_core.errors import InputError, SafetyError
from bci_core.people.keyring import Keyring, Person, Role
from bci_core.people.signing import PrivateKey, Signed, digest
from bci_core.safety.envelope import SafetyEnvelope

PEOPLE_NEEDED = 2
WHAT = "approval of limits"


def limits_statement(rig: Rig) -> dict[str, Any]:
    """What is approved: the limits of one rig on one device, each written out."""
    device = rig.stimulator.settings.model_dump(mode="json", exclude_none=True)
    whole = {
        "rig": rig.name,
        "device": {"driver": rig.stimulator.name} | device,
        "safety": rig.safety.resolved().model_dump(mode="json", exclude_none=True),
    }
    return {
        "what": WHAT,
        "rig": rig.name,
        "device": rig.stimulator.name,
        "limits_sha256": digest(whole),
    }


def approvals_path(source: str) -> Path:
    """Where the approvals of a rig file are: beside it."""
    return Path(source).with_suffix(".approvals.json")


def read_approvals(path: Path) -> list[Signed]:
    """What has been signed; nothing where there is no file.

    Raises
    ------
    InputError
        It cannot be read, or holds something else.
    """
    try:
        told = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: the approvals cannot be read ({error})") from error
    if not isinstance(told, list):
        raise InputError(f"{path}: holds no list of approvals; make it with bci approve")
    return [Signed.from_dict(item) for item in told]


def approve(rig: Rig, source: str, key: PrivateKey, keyring: Keyring, clock: Clock) -> Person:
    """Sign a rig's limits; what the same key signed before is replaced.

    Raises
    ------
    SafetyError
        The key belongs to nobody who is enrolled.
    InputError
        The approvals cannot be read or written.
    """
    person = keyring.owner(key.public)
    path = approvals_path(source)
    signed = key.sign(limits_statement(rig), clock)
    others = [old for old in read_approvals(path) if old.fingerprint != signed.fingerprint]
    whole = path.with_suffix(".tmp")
    try:
        lines = [one.to_dict() for one in [*others, signed]]
        whole.write_text(json.dumps(lines, indent=2) + "\n", "utf-8")
        whole.replace(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror})") from error
    return person


def approvals_needed(rig: Rig, simulated: bool) -> bool:
    """Whether words do not suffice for what is looser here."""
    loosened = SafetyEnvelope.from_settings(rig.safety).overrides
    return bool(loosened) and (rig.safety.require_approvals or not simulated)


def check_approvals(rig: Rig, source: str, keyring_path: Path) -> list[Person]:
    """Who has approved a rig's limits as they are.

    Raises
    ------
    SafetyError
        Naming what is loosened, who has approved, whose approval does not count and why,
        and who is missing.
    """
    try:
        valid, other = approved_by(rig, source, Keyring.load(keyring_path))
    except InputError as error:
        valid, other = [], [str(error)]
    missing = missing_people(valid)
    if not missing:
        return valid
    loosened = SafetyEnvelope.from_settings(rig.safety).overrides
    raise SafetyError(
        f"{len(loosened)} limits are looser than their class and need the keys of "
        f"{PEOPLE_NEEDED} people, one of them a {Role.CLINICIAN}:\n"
        + "".join(f"    {override}\n" for override in loosened)
        + f"    approved in {approvals_path(source)}: {', '.join(map(str, valid)) or 'by nobody'}\n"
        + "".join(f"    not counted: {reason}\n" for reason in other)
        + f"    missing: {missing}; each signs with bci approve, or tighten the limits"
    )


def approved_by(rig: Rig, source: str, keyring: Keyring) -> tuple[list[Person], list[str]]:
    """Whose approvals of a rig's limits count, and why others do not.

    Raises
    ------
    InputError
        The approvals cannot be read.
    """
    valid: list[Person] = []
    other: list[str] = []
    wanted = limits_statement(rig)
    for signed in read_approvals(approvals_path(source)):
        try:
            person = keyring.verify(signed)
        except SafetyError as error:
            other.append(str(error))
            continue
        if signed.statement != wanted:
            other.append(f"{person}: approved other limits, or another rig or device")
        elif person not in valid:
            valid.append(person)
    return valid, other


def missing_people(approved: Sequence[Person]) -> str:
    """Whose approval is missing still, in words; "" when nobody's is."""
    missing = []
    if not any(person.role is Role.CLINICIAN for person in approved):
        missing.append(f"a {Role.CLINICIAN}")
    more = PEOPLE_NEEDED - len(approved) - len(missing)
    if more > 0:
        missing.append(f"{more} more of any role")
    return " and ".join(missing)
