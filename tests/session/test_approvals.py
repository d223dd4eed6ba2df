"""Looser limits: when words suffice, and whose keys are needed where they do not."""

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bci_core.clock import VirtualClock
from bci_core.config.load import dump_rig, load_rig
from bci_core.config.rig import Rig
from bci_core.errors import ConfigError, InputError, SafetyError
from bci_core.people.keyring import Keyring, Person, Role
from bci_core.people.signing import PrivateKey
from bci_core.record.ledger import read_ledger
from bci_core.session import build
from bci_core.session.approvals import (
    approvals_needed,
    approve,
    check_approvals,
    missing_people,
    read_approvals,
)
from bci_core.session.folder import SessionFolder
from bci_core.session.process import NodeProcess
from bci_core.session.run import open_session
from drivers.stimulators.microstim import Microstim

CLOCK = VirtualClock()
PEOPLE = {
    "ada": Role.CLINICIAN,
    "ben": Role.RESEARCHER,
    "cem": Role.OPERATOR,
    "dee": Role.CLINICIAN,
}


def loose(**safety: Any) -> Rig:
    """The preset, whose lockout and train rate are looser than their class."""
    rig = load_rig("theta-phase")
    return replace(rig, safety=rig.safety.model_copy(update={"require_approvals": True, **safety}))


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, PrivateKey]:
    folder = tmp_path_factory.mktemp("keys")
    return {name: PrivateKey.create(folder / name, "long enough") for name in (*PEOPLE, "eve")}


@pytest.fixture
def ring(tmp_path: Path, keys: dict[str, PrivateKey], monkeypatch: pytest.MonkeyPatch) -> Path:
    people = tuple(Person(name, role, keys[name].public) for name, role in PEOPLE.items())
    Keyring(people, "").save(tmp_path / "people.toml")
    monkeypatch.setenv("BCI_PEOPLE", str(tmp_path / "people.toml"))
    return tmp_path / "people.toml"


@pytest.fixture
def source(tmp_path: Path) -> str:
    return str(tmp_path / "rig.toml")


@pytest.fixture
def sign(ring: Path, source: str, keys: dict[str, PrivateKey]) -> Callable[..., None]:
    def by(*names: str, rig: Rig | None = None) -> None:
        for name in names:
            approve(rig or loose(), source, keys[name], Keyring.load(ring), CLOCK)

    return by


@pytest.mark.parametrize("names", [("ada", "ben"), ("cem", "ada"), ("ada", "dee")])
def test_two_people_one_of_them_a_clinician_are_enough(
    sign: Callable[..., None], ring: Path, source: str, names: tuple[str, ...]
) -> None:
    sign(*names)
    assert {person.name for person in check_approvals(loose(), source, ring)} == set(names)


@pytest.mark.parametrize(
    ("names", "missing"),
    [
        ((), "missing: a clinician and 1 more of any role"),
        (("ada",), "missing: 1 more of any role"),
        (("ada", "ada"), "missing: 1 more of any role"),
        (("ben",), "missing: a clinician;"),
        (("ben", "cem"), "missing: a clinician;"),
    ],
)
def test_who_is_missing_is_named(
    sign: Callable[..., None], ring: Path, source: str, names: tuple[str, ...], missing: str
) -> None:
    sign(*names)
    with pytest.raises(SafetyError) as refused:
        check_approvals(loose(), source, ring)
    assert missing in str(refused.value)
    assert "lockout: 0.1 s instead of 0.2 s" in str(refused.value)


@pytest.mark.parametrize(
    "other",
    [
        loose(lockout_s=0.05),
        loose(override_reason="another reason"),
        replace(loose(), rig=loose().rig.model_copy(update={"name": "another"})),
        replace(
            loose(),
            stimulator=replace(
                loose().stimulator,
                settings=loose().stimulator.settings.model_copy(update={"max_amplitude_ua": 99.0}),
            ),
        ),
    ],
    ids=["limit", "reason", "rig", "device"],
)
def test_an_approval_is_for_these_limits_this_rig_and_this_device(
    sign: Callable[..., None], ring: Path, source: str, other: Rig
) -> None:
    sign("ada", "ben", rig=other)
    with pytest.raises(SafetyError, match=r"not counted: ada \(clinician\): approved other limits"):
        check_approvals(loose(), source, ring)


def test_a_stranger_cannot_approve_and_a_changed_role_or_signature_does_not_count(
    sign: Callable[..., None], ring: Path, source: str, keys: dict[str, PrivateKey]
) -> None:
    with pytest.raises(SafetyError, match="nobody with it is in"):
        sign("eve")
    sign("ada", "ben")
    path = Path(source).with_suffix(".approvals.json")
    told = json.loads(path.read_text())
    told[1]["signature"] = told[0]["signature"]
    path.write_text(json.dumps(told))
    with pytest.raises(SafetyError, match=r"not counted: ben \(researcher\): the signature"):
        check_approvals(loose(), source, ring)


def test_without_keyring_or_with_broken_approvals_nobody_has_approved(
    sign: Callable[..., None], ring: Path, source: str
) -> None:
    sign("ada", "ben")
    with pytest.raises(SafetyError, match=r"by nobody\n.*there is no such keyring"):
        check_approvals(loose(), source, ring.with_name("none.toml"))
    path = Path(source).with_suffix(".approvals.json")
    for text, why in (("{", "cannot be read"), ("{}", "holds no list of approvals")):
        path.write_text(text)
        with pytest.raises(InputError, match=why):
            read_approvals(path)
        with pytest.raises(SafetyError, match=why):
            check_approvals(loose(), source, ring)


def test_approvals_that_cannot_be_written_are_told(
    ring: Path, keys: dict[str, PrivateKey], tmp_path: Path
) -> None:
    nowhere = str(tmp_path / "none" / "rig.toml")
    with pytest.raises(InputError, match="cannot be written"):
        approve(loose(), nowhere, keys["ada"], Keyring.load(ring), CLOCK)


def test_words_suffice_for_simulated_devices_unless_the_rig_asks_for_keys() -> None:
    words = loose(require_approvals=False)
    assert not approvals_needed(words, simulated=True)
    assert approvals_needed(words, simulated=False)
    assert approvals_needed(loose(), simulated=True)
    tight = loose(lockout_s=None, trains_per_s=None)
    assert not approvals_needed(tight, simulated=False)


def test_a_session_does_not_start_without_them(
    sign: Callable[..., None], source: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="safety: 2 limits are looser than their class"):
        build.check(loose(), source, CLOCK)
    sign("ada", "ben")
    build.check(loose(), source, CLOCK)
    folder = SessionFolder.create(tmp_path, "test", CLOCK)
    opened = open_session(folder, loose(), CLOCK, source=source)
    opened.ledger.close()
    rows = [row.data for row in read_ledger(folder.ledger) if row.event == "safety.approval"]
    assert [(row["by"], row["role"]) for row in rows] == [
        ("ada", "clinician"),
        ("ben", "researcher"),
    ]
    # They stand beside the session's own rig, for whoever reads only that.
    kept = build.approvals(load_rig(str(folder.rig)), str(folder.rig))
    assert [person.name for person in kept] == ["ada", "ben"]


@pytest.mark.processes
@pytest.mark.parametrize("role", ["loop", "stimulator"])
def test_a_node_that_is_started_alone_asks_for_them_too(
    role: str, source: str, ring: Path, tmp_path: Path
) -> None:
    Path(source).write_text(dump_rig(loose()), "utf-8")
    node = NodeProcess(role, [source, "alone"], tmp_path / "log", {**os.environ})
    try:
        why = ""
        while not node.channel.closed and not why:
            told = node.channel.wait(20.0)
            assert not any(message["event"] == "connected" for message in told)
            why = next((m["why"] for m in told if m["event"] == "done"), "")
        # The one says it to its supervisor, the other, which ends at once, in its log.
        told_or_logged = why or (tmp_path / "log").read_text("utf-8")
        assert "2 limits are looser than their class and need the keys" in told_or_logged
    finally:
        node.kill()
        node.close()


def test_a_device_that_is_not_simulated_needs_them(
    source: str, ring: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Real(Microstim):
        def __init__(self, settings: Any) -> None:
            super().__init__(settings)
            self.capabilities = replace(self.capabilities, simulated=False)

    monkeypatch.setattr(build, "stimulator", lambda rig: Real(rig.stimulator.settings))
    with pytest.raises(ConfigError, match="missing: a clinician and 1 more of any role"):
        build.check(loose(require_approvals=False), source, CLOCK)


def test_what_is_missing_counts_the_clinician_once() -> None:
    ada, dee = (Person(name, Role.CLINICIAN, name.encode()) for name in ("ada", "dee"))
    assert missing_people([ada]) == "1 more of any role"
    assert missing_people([ada, dee]) == ""


def test_the_same_approval_twice_is_one(sign: Callable[..., None], ring: Path, source: str) -> None:
    sign("ada")
    path = Path(source).with_suffix(".approvals.json")
    path.write_text(json.dumps(json.loads(path.read_text()) * 2))
    with pytest.raises(SafetyError, match="missing: 1 more of any role"):
        check_approvals(loose(), source, ring)
