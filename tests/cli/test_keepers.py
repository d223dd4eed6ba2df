"""How two people's keys are asked for."""

import io
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    PublicFormat,
)

from bci_core.cli.keepers import keepers_for, openers_for
from bci_core.config.load import load_rig
from bci_core.config.rig import Rig
from bci_core.control.arms_settings import ArmsSettings
from bci_core.errors import InputError
from bci_core.record import keepers
from bci_core.record.keepers import Passphrase, joined_key, shared_key


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keepers, "SCRYPT_N", 2**4)
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    for name in ("ANN", "BOB"):
        monkeypatch.delenv(f"BCI_PASSPHRASE_{name}", raising=False)


def rig(**arms: Any) -> Rig:
    made = {"sham": {}, "blind": True, "keepers": ("ann", "bob")} | arms
    return replace(load_rig("theta-phase"), arms=ArmsSettings.model_validate(made))


def test_passphrases_from_a_file_and_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ann.txt").write_text("a horse\n")
    monkeypatch.setenv("BCI_PASSPHRASE_BOB", "a battery")
    made = keepers_for(rig(), [f"ann={tmp_path / 'ann.txt'}"])
    assert made == [Passphrase("ann", "a horse"), Passphrase("bob", "a battery")]


def test_sealed_for_a_key_file_and_opened_by_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = X25519PrivateKey.generate()
    encoded = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "ann.pub.pem").write_bytes(encoded)
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"w"))
    (tmp_path / "ann.pem").write_bytes(secret)
    monkeypatch.setenv("BCI_PASSPHRASE_BOB", "a battery")
    made, shares = shared_key(keepers_for(rig(), [f"ann={tmp_path / 'ann.pub.pem'}"]))
    monkeypatch.setenv("BCI_PASSPHRASE_ANN", "w")
    assert joined_key(shares, openers_for(("ann", "bob"), [f"ann={tmp_path / 'ann.pem'}"])) == made


def test_nobody_is_asked_where_nothing_is_blind() -> None:
    assert keepers_for(rig(blind=False), None) == []
    assert keepers_for(load_rig("theta-phase"), []) == []


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([], "needs the key of ann: give --keeper ann=FILE, or the passphrase as BCI_PASSPHRASE_A"),
        (["ann"], "write NAME=FILE"),
        (["eve=x"], "'eve' keeps no key of this session; keepers: ann, bob"),
        (["ann=no-such-file"], "the passphrase of ann cannot be read"),
    ],
)
def test_what_is_missing_or_wrong_is_said(given: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        keepers_for(rig(), given)
    with pytest.raises(InputError, match=message):
        openers_for(("ann", "bob"), given)


def test_somebody_at_a_terminal_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, bool]] = []

    def prompt(text: str, confirmation_prompt: bool, **_: Any) -> str:
        asked.append((text, confirmation_prompt))
        return f"words of {text[-3:]}"

    monkeypatch.setattr("typer.prompt", prompt)
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    assert [k.words for k in keepers_for(rig(), None)] == ["words of ann", "words of bob"]  # type: ignore[attr-defined]
    assert asked == [("passphrase of ann", True), ("passphrase of bob", True)]
