"""Keys, statements signed with them, and who is enrolled."""

from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from bci_core.clock import VirtualClock
from bci_core.errors import InputError, SafetyError
from bci_core.people.keyring import Keyring, Person, Role, default_keyring
from bci_core.people.signing import PrivateKey, Signed

CLOCK = VirtualClock()
WORDS = "correct horse"


def made(folder: Path, name: str) -> PrivateKey:
    return PrivateKey.create(folder / f"{name}.key", WORDS)


def test_a_key_comes_back_with_its_passphrase_alone(tmp_path: Path) -> None:
    key = made(tmp_path, "ada")
    assert PrivateKey.load(tmp_path / "ada.key", WORDS).public == key.public
    with pytest.raises(InputError, match="wrong passphrase"):
        PrivateKey.load(tmp_path / "ada.key", "correct house")
    assert WORDS.encode() not in (tmp_path / "ada.key").read_bytes()
    assert (tmp_path / "ada.key").stat().st_mode & 0o777 == 0o600


def test_a_key_is_not_overwritten_nor_weak_nor_read_when_others_could(tmp_path: Path) -> None:
    made(tmp_path, "ada")
    with pytest.raises(InputError, match="File exists"):
        made(tmp_path, "ada")
    with pytest.raises(InputError, match="passphrase: 7 characters, limit at least 8"):
        PrivateKey.create(tmp_path / "ben.key", "7 chars")
    assert not (tmp_path / "ben.key").exists()
    (tmp_path / "ada.key").chmod(0o640)
    with pytest.raises(InputError, match="mode 0640: others can read it"):
        PrivateKey.load(tmp_path / "ada.key", WORDS)
    with pytest.raises(InputError, match="No such file"):
        PrivateKey.load(tmp_path / "nobody.key", WORDS)


def test_a_key_of_another_kind_or_unencrypted_is_none(tmp_path: Path) -> None:
    path = tmp_path / "other.key"
    for key, cipher, why in (
        (
            X25519PrivateKey.generate(),
            serialization.BestAvailableEncryption(WORDS.encode()),
            "no E",
        ),
        (X25519PrivateKey.generate(), serialization.NoEncryption(), "wrong passphrase, or no enc"),
    ):
        pem = serialization.PrivateFormat.PKCS8
        path.write_bytes(key.private_bytes(serialization.Encoding.PEM, pem, cipher))
        path.chmod(0o600)
        with pytest.raises(InputError, match=why):
            PrivateKey.load(path, WORDS)


def test_a_statement_is_its_signers_and_nothing_can_be_changed_in_it(tmp_path: Path) -> None:
    ada, ben = made(tmp_path, "ada"), made(tmp_path, "ben")
    ring = Keyring((Person("ada", Role.CLINICIAN, ada.public),), "people.toml")
    signed = Signed.from_dict(ada.sign({"what": "reset", "latch": "x", "n": 1.5}, CLOCK).to_dict())
    assert str(ring.verify(signed)) == "ada (clinician)"
    for forged in (
        replace(signed, statement={**signed.statement, "latch": "y"}),
        replace(signed, signed_utc="2001-01-01T00:00:00+00:00"),
        replace(signed, signature=ben.sign(signed.statement, CLOCK).signature),
        replace(signed, signature="no base64"),
        replace(signed, signature=""),
    ):
        with pytest.raises(SafetyError, match=r"ada \(clinician\): the signature does not belong"):
            ring.verify(forged)
    with pytest.raises(SafetyError, match=r"nobody with it is in people\.toml"):
        ring.verify(ben.sign(signed.statement, CLOCK))
    assert not replace(signed, fingerprint="sha256:0").is_by(ada.public)


@pytest.mark.parametrize(
    "data", [None, [], {}, {"statement": 1, "fingerprint": "", "signed_utc": ""}, {"x": 1}]
)
def test_what_is_no_signed_statement_is_said_to_be_none(data: object) -> None:
    with pytest.raises(InputError, match="not a signed statement"):
        Signed.from_dict(data)


def test_a_keyring_comes_back_and_says_whose_a_key_is(tmp_path: Path) -> None:
    ada = made(tmp_path, "ada")
    path = tmp_path / "people.toml"
    Keyring((), "new").with_person(Person("ada", Role.CLINICIAN, ada.public)).save(path)
    ring = Keyring.load(path)
    assert ring.owner(ada.public) == Person("ada", Role.CLINICIAN, ada.public)
    with pytest.raises(SafetyError, match="nobody with it is in"):
        ring.owner(bytes(32))


def test_nobody_is_enrolled_twice_or_with_a_key_of_another(tmp_path: Path) -> None:
    ring = Keyring((Person("ada", Role.CLINICIAN, bytes(32)),), "people.toml")
    with pytest.raises(InputError, match="ada is enrolled already"):
        ring.with_person(Person("ada", Role.OPERATOR, bytes(31) + b"1"))
    with pytest.raises(InputError, match="ada and ben have the same key"):
        ring.with_person(Person("ben", Role.OPERATOR, bytes(32)))
    with pytest.raises(InputError, match="'Ben B' is no name"):
        ring.with_person(Person("Ben B", Role.OPERATOR, bytes(31) + b"1"))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("people = ", "cannot be read"),
        ("version = 1", "people: Field required"),
        ("version = 2\n[people]", "version"),
        (f'[people.ada]\nrole = "king"\npublic_key = "{"0" * 64}"', "people.ada.role"),
        ('[people.ada]\nrole = "operator"\npublic_key = "00"', "people.ada.public_key"),
    ],
)
def test_mistakes_in_a_keyring_are_named(tmp_path: Path, text: str, why: str) -> None:
    path = tmp_path / "people.toml"
    path.write_text(text)
    path.chmod(0o644)
    with pytest.raises(InputError, match=why):
        Keyring.load(path)


def test_a_keyring_that_others_can_write_is_no_keyring(tmp_path: Path) -> None:
    path = tmp_path / "people.toml"
    Keyring((), "new").save(path)
    path.chmod(0o664)
    with pytest.raises(InputError, match="mode 0664: others could enrol themselves"):
        Keyring.load(path)
    with pytest.raises(InputError, match="there is no such keyring; enrol people with bci keys"):
        Keyring.load(tmp_path / "none.toml")
    with pytest.raises(InputError, match="cannot be written"):
        Keyring((), "new").save(tmp_path / "none" / "people.toml")


def test_where_the_keyring_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BCI_PEOPLE", raising=False)
    assert default_keyring() == Path("people.toml")
    monkeypatch.setenv("BCI_PEOPLE", "/etc/bci/people.toml")
    assert default_keyring() == Path("/etc/bci/people.toml")
