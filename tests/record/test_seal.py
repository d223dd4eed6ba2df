"""Sealed rows: nobody reads them alone, and nobody changes one unnoticed."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from bci_core.clock import VirtualClock
from bci_core.control.blinding import withhold
from bci_core.errors import InputError, LedgerError, SessionError
from bci_core.record import keepers
from bci_core.record.blind_ledger import BlindLedger
from bci_core.record.keepers import Passphrase, PrivateKey, PublicKey, joined_key, shared_key
from bci_core.record.keys_pem import private_key, public_key
from bci_core.record.ledger import Ledger, append_unblinded, read_ledger, verify_ledger
from bci_core.record.revealed import read_rows, reveal
from bci_core.record.seal import SealedRows, SealWriter

ANN, BOB = Passphrase("ann", "a horse"), Passphrase("bob", "a battery")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A guess need not cost a tenth of a second here."""
    monkeypatch.setattr(keepers, "SCRYPT_N", 2**4)


def test_both_shares_give_the_key_and_neither_holds_it() -> None:
    key, shares = shared_key([ANN, BOB])
    assert joined_key(shares, [BOB, ANN]) == key
    one, other = (who.unwrap(share) for who, share in zip((ANN, BOB), shares, strict=True))
    assert key not in (one, other)
    assert key.hex() not in json.dumps(shares)


def test_one_key_alone_opens_nothing() -> None:
    _, shares = shared_key([ANN, BOB])
    with pytest.raises(SessionError, match="two keys are needed; missing: bob"):
        joined_key(shares, [ANN])
    with pytest.raises(SessionError, match="two keys are needed"):
        joined_key(shares[:1], [ANN])
    with pytest.raises(SessionError, match="passphrase of 'bob' does not open"):
        joined_key(shares, [ANN, Passphrase("bob", "a horse")])


def test_a_share_fits_its_owner_only() -> None:
    _, shares = shared_key([ANN, BOB])
    swapped = [shares[0] | {"name": "bob"}, shares[1] | {"name": "ann"}]
    with pytest.raises(SessionError, match="does not open"):
        joined_key(swapped, [ANN, BOB])


@pytest.mark.parametrize(
    "wrong", [{"salt": "zz"}, {"n": None}, {"n": 2**40}, {"method": "x25519"}, {"box": "00"}]
)
def test_a_share_that_was_altered_is_told(wrong: dict[str, Any]) -> None:
    _, shares = shared_key([ANN, BOB])
    with pytest.raises(SessionError, match="ann"):
        joined_key([shares[0] | wrong, shares[1]], [ANN, BOB])
    with pytest.raises(SessionError, match="does not say who"):
        joined_key([{}, {}], [ANN, BOB])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([ANN], "two keepers are needed"),
        ([ANN, Passphrase("ann", "other")], "two keepers are needed"),
        ([ANN, Passphrase("bob", "a horse")], "must differ"),
        ([ANN, Passphrase("bob", "")], "none may be empty"),
    ],
)
def test_two_different_keepers_are_needed(given: list[Passphrase], message: str) -> None:
    with pytest.raises(InputError, match=message):
        shared_key(given)


def test_sealed_for_public_keys_whose_owners_are_not_there(tmp_path: Path) -> None:
    key = X25519PrivateKey.generate()
    encoded = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "ann.pub.pem").write_bytes(encoded)
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"w"))
    (tmp_path / "ann.pem").write_bytes(secret)
    made, shares = shared_key([PublicKey("ann", public_key(tmp_path / "ann.pub.pem")), BOB])
    opened = private_key(tmp_path / "ann.pem", lambda: "w")
    assert joined_key(shares, [PrivateKey("ann", opened), BOB]) == made
    for stranger in (PrivateKey("ann", X25519PrivateKey.generate()), ANN):
        with pytest.raises(SessionError, match="ann"):
            joined_key(shares, [stranger, BOB])
    with pytest.raises(SessionError, match="cannot be read"):
        PrivateKey("ann", opened).unwrap(shares[0] | {"sender": "00"})
    with pytest.raises(SessionError, match="opens with a passphrase"):
        PrivateKey("bob", opened).unwrap(shares[1])
    with pytest.raises(InputError, match="cannot be read"):
        private_key(tmp_path / "ann.pem", lambda: "wrong")
    with pytest.raises(InputError, match="holds no public key"):
        public_key(tmp_path / "ann.pem")


def test_keys_of_another_kind_are_refused(tmp_path: Path) -> None:
    key, path = Ed25519PrivateKey.generate(), tmp_path / "k.pem"
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    with pytest.raises(InputError, match="is no X25519 key"):
        private_key(path, lambda: "")
    path.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    with pytest.raises(InputError, match="is no X25519 key"):
        public_key(path)


KEY = bytes(range(32))


def written(path: Path, *charges_uc: float) -> tuple[SealedRows, list[str]]:
    seal = SealWriter(path, KEY, [])
    digests = [seal.write("outcome", {"seq": i, "charge_uc": c}) for i, c in enumerate(charges_uc)]
    seal.sync()
    seal.close()
    seal.close()
    return SealedRows(path), digests


def test_rows_come_back_by_their_hash(tmp_path: Path) -> None:
    rows, digests = written(tmp_path / "s", 0.0, 0.25)
    assert rows.open(digests[1], KEY) == ("outcome", {"seq": 1, "charge_uc": 0.25})
    assert len(rows) == 2
    assert digests[0] in rows


def test_neither_text_nor_length_tells_anything(tmp_path: Path) -> None:
    written(tmp_path / "s", 0.0, 0.123456789012345)
    _, *lines = (tmp_path / "s").read_bytes().splitlines()
    assert len({len(line) for line in lines}) == 1
    assert b"charge" not in b"".join(base64.b64decode(json.loads(line)["box"]) for line in lines)


def test_another_key_or_header_opens_nothing(tmp_path: Path) -> None:
    rows, digests = written(tmp_path / "s", 1.0)
    with pytest.raises(SessionError, match="the key does not open"):
        rows.open(digests[0], bytes(32))
    head, line = (tmp_path / "s").read_bytes().splitlines()
    (tmp_path / "t").write_bytes(head.replace(b"[]", b"[1]") + b"\n" + line + b"\n")
    with pytest.raises(SessionError, match="the key does not open"):
        SealedRows(tmp_path / "t").open(digests[0], KEY)


def test_a_row_that_was_altered_or_removed_is_missed(tmp_path: Path) -> None:
    _, digests = written(tmp_path / "s", 1.0, 2.0)
    text = (tmp_path / "s").read_bytes()
    for changed in (text.replace(b'"n":2', b'"n":3'), text[: text.rindex(b'{"n":2')]):
        (tmp_path / "s").write_bytes(changed)
        rows = SealedRows(tmp_path / "s")
        with pytest.raises(SessionError, match="is missing or was altered"):
            rows.open(digests[1], KEY)
        assert rows.open(digests[0], KEY)[1]["charge_uc"] == 1.0


def test_a_file_that_is_none_says_so(tmp_path: Path) -> None:
    (tmp_path / "s").write_bytes(b"x\n")
    for path in (tmp_path / "s", tmp_path / "none"):
        with pytest.raises(SessionError, match="has no sealed rows"):
            SealedRows(path)
    with pytest.raises(LedgerError, match="cannot be written"):
        SealWriter(tmp_path / "s", KEY, [])


DECISION = {"seq": 1, "verdict": "sham", "refusal": None, "arm": "sham", "delay_s": 0.0, "at_s": 1}
OUTCOME = {"seq": 1, "outcome": "sham", "reason": "", "onset_s": 1.0, "sent_s": 0.9}
DELIVERY = {"seq": 1, "outcome": "sham", "onset_s": 1.0}


def blind(folder: Path) -> tuple[BlindLedger, Path]:
    clock = VirtualClock(5.0)
    ledger = Ledger(folder / "ledger.jsonl", clock)
    seal = SealWriter(folder / "sealed.jsonl", KEY, [])
    return BlindLedger(ledger, seal, withhold), folder / "ledger.jsonl"


def test_a_blind_ledger_tells_a_part_and_keeps_the_whole(tmp_path: Path) -> None:
    ledger, path = blind(tmp_path)
    ledger.append("armed", "loop", {"by": "me"})
    ledger.append("decision", "loop", DECISION)
    ledger.append("delivery", "stimulator", DELIVERY)
    assert ledger.rows == 2, "the device's row waits for the loop's"
    ledger.append("outcome", "loop", OUTCOME, durable=True)
    ledger.append("delivery", "stimulator", DELIVERY | {"seq": 2})
    ledger.sync()
    ledger.append("session.end", "supervisor", {})
    ledger.close()
    rows = read_ledger(path)
    events = ["armed", "decision", "outcome", "delivery", "delivery", "session.end"]
    assert [row.event for row in rows] == events
    assert "arm" not in rows[1].data
    assert rows[1].data["verdict"] == "stim_or_sham"
    assert (rows[2].data["outcome"], rows[2].data["onset_s"]) == ("done", None)
    assert set(rows[3].data) == {"seq", "sealed"}
    whole = reveal(rows, SealedRows(tmp_path / "sealed.jsonl"), KEY)
    assert [row.data for row in whole[1:4]] == [DECISION, OUTCOME, DELIVERY]
    assert read_rows(path) == rows
    append_unblinded(path, VirtualClock(9.0), "me", {"key": KEY.hex()})
    assert verify_ledger(path).closed
    assert read_rows(path)[:-1] == whole


def test_a_row_sealed_as_another_is_told(tmp_path: Path) -> None:
    ledger, path = blind(tmp_path)
    ledger.append("decision", "loop", DECISION)
    ledger.append("outcome", "loop", OUTCOME)
    ledger.close()
    first, second = read_ledger(path)
    first.data["sealed"], second.data["sealed"] = second.data["sealed"], first.data["sealed"]
    with pytest.raises(SessionError, match=r"row 1 \(decision\) is sealed as another"):
        reveal([first, second], SealedRows(tmp_path / "sealed.jsonl"), KEY)


def test_nothing_but_the_opening_follows_the_end_and_only_to_a_whole_chain(tmp_path: Path) -> None:
    ledger, path = blind(tmp_path)
    ledger.append("session.end", "supervisor", {})
    ledger.close()
    append_unblinded(path, VirtualClock(9.0), "me", {"key": "zz"})
    with pytest.raises(SessionError, match="has no key"):
        read_rows(path)
    with path.open("ab") as file:
        file.write(b'{"torn')
    with pytest.raises(SessionError, match=r"follows 'session\.end'"):
        append_unblinded(path, VirtualClock(9.0), "me", {})


def test_a_torn_ledger_takes_no_more(tmp_path: Path) -> None:
    ledger, path = blind(tmp_path)
    ledger.append("armed", "loop", {})
    ledger.close()
    with path.open("ab") as file:
        file.write(b'{"torn')
    with pytest.raises(SessionError, match="row 2 is torn"):
        append_unblinded(path, VirtualClock(9.0), "me", {})
