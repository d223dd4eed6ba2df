import hashlib
import json
import math
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bci_core.clock import VirtualClock
from bci_core.errors import LedgerError, SessionError
from bci_core.events import Verdict
from bci_core.record.ledger import GENESIS, Ledger, read_ledger, verify_ledger

EVENTS = [
    ("session.start", "supervisor", {"name": "θ-test", "rig_sha256": "ab" * 32}),
    ("arm.intent", "operator", {"lease_s": 5.0}),
    ("decision", "loop", {"sample_s": 12.000000000000002, "verdict": "stim", "refusal": None}),
    ("outcome", "stimulator", {"seq": 1, "onset_s": 12.1, "outcome": "delivered"}),
    ("session.end", "supervisor", {"status": "completed"}),
]


def write(path: Path, events: list[tuple[str, str, dict]] = EVENTS) -> Path:
    clock = VirtualClock(100.0)
    ledger = Ledger(path, clock)
    for event, actor, data in events:
        clock.sleep_until(clock.now_s() + 0.1)
        ledger.append(event, actor, data)
    ledger.close()
    return path


@pytest.fixture(scope="module")
def closed_ledger(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return write(tmp_path_factory.mktemp("ledger") / "ledger.jsonl").read_bytes()


def test_rows_read_back_as_they_were_written(tmp_path: Path) -> None:
    rows = read_ledger(write(tmp_path / "ledger.jsonl"))
    assert [(r.event, r.actor, r.data) for r in rows] == EVENTS
    assert [r.seq for r in rows] == [1, 2, 3, 4, 5]
    assert rows[0].prev == GENESIS
    assert [r.prev for r in rows[1:]] == [r.hash for r in rows[:-1]]
    assert rows[0].utc == "2000-01-01T00:00:00.100000+00:00"


def test_append_numbers_the_rows(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.jsonl", VirtualClock())
    assert ledger.append("armed", "loop", {}) == 1
    assert ledger.append("disarmed", "loop", {}, durable=True) == 2
    ledger.sync()
    assert ledger.rows == 2
    ledger.close()


def test_a_row_can_be_checked_by_anybody_with_sha256(tmp_path: Path) -> None:

    for line in write(tmp_path / "ledger.jsonl").read_text().splitlines():
        row = json.loads(line)
        claimed = row.pop("hash")
        canonical = json.dumps(row, sort_keys=True, separators=(",", ":"))
        assert hashlib.sha256(canonical.encode()).hexdigest() == claimed


@given(st.floats(allow_nan=False, allow_infinity=False))
@settings(
    max_examples=50, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_floats_read_back_to_the_bit(tmp_path: Path, value: float) -> None:
    path = tmp_path / "ledger.jsonl"
    path.unlink(missing_ok=True)
    write(path, [("decision", "loop", {"sample_s": value})])
    (row,) = read_ledger(path)
    assert math.copysign(1.0, row.data["sample_s"]) == math.copysign(1.0, value)
    assert row.data["sample_s"] == value


def test_a_time_that_never_came_is_null_however_deep(tmp_path: Path) -> None:
    data = {"onset_s": math.nan, "refusal": {"value": math.inf}, "list": [1, -math.inf]}
    (row,) = read_ledger(write(tmp_path / "ledger.jsonl", [("outcome", "stimulator", data)]))
    assert row.data == {"onset_s": None, "refusal": {"value": None}, "list": [1, None]}


def test_numpy_numbers_and_enums_are_taken(tmp_path: Path) -> None:
    data = {
        "samples": np.int64(3),
        "rate": np.float32(0.5),
        "ok": np.bool_(True),
        "row": np.arange(2.0),
        "verdict": Verdict.SHAM,
    }
    path = write(tmp_path / "ledger.jsonl", [("samples", "loop", data)])
    (row,) = read_ledger(path)
    assert row.data == {"samples": 3, "rate": 0.5, "ok": True, "row": [0, 1], "verdict": "sham"}
    assert verify_ledger(path).rows == 1


def test_what_json_cannot_say_is_refused_and_leaves_the_ledger_whole(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    ledger = Ledger(path, VirtualClock())
    with pytest.raises(TypeError, match=r"fault\.what: a ledger cannot hold ValueError"):
        ledger.append("fault", "loop", {"what": ValueError("x")})
    with pytest.raises(TypeError, match="fault: data are named values, not list"):
        ledger.append("fault", "loop", ["what"])  # type: ignore[arg-type]
    assert ledger.append("fault", "loop", {"what": "x"}) == 1
    ledger.close()
    assert verify_ledger(path).rows == 1


def test_a_ledger_belongs_to_one_session(tmp_path: Path) -> None:
    path = write(tmp_path / "ledger.jsonl")
    with pytest.raises(LedgerError, match="belongs to one session"):
        Ledger(path, VirtualClock())


def test_a_ledger_in_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="cannot be made"):
        Ledger(tmp_path / "absent" / "ledger.jsonl", VirtualClock())


def test_nothing_follows_the_end(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.jsonl", VirtualClock())
    ledger.append("session.end", "supervisor", {})
    with pytest.raises(LedgerError, match="nothing may follow"):
        ledger.append("fault", "loop", {})
    ledger.close()
    ledger.close()
    with pytest.raises(LedgerError, match="is closed"):
        ledger.append("fault", "loop", {})


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_said_and_every_later_row_is_refused() -> None:
    ledger = Ledger(Path("/dev/full"), VirtualClock())
    with pytest.raises(LedgerError, match=r"row 1 could not be written.*No space left.*No log"):
        ledger.append("armed", "loop", {})
    with pytest.raises(LedgerError, match="No space left"):
        ledger.append("armed", "loop", {})
    with pytest.raises(LedgerError, match="No space left"):
        ledger.sync()
    ledger.close()


def test_a_disk_that_fills_up_keeps_the_whole_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "ledger.jsonl"
    ledger = Ledger(path, VirtualClock())
    ledger.append("armed", "loop", {})
    write_whole = os.write

    def write_some(fd: int, data: bytes) -> int:
        if len(data) < 40:
            raise OSError(28, "No space left on device")
        return write_whole(fd, data[: len(data) // 2])

    monkeypatch.setattr(os, "write", write_some)
    with pytest.raises(LedgerError, match="row 2 could not be written; the 1 before it are kept"):
        ledger.append("decision", "loop", {})
    monkeypatch.undo()
    ledger.close()
    assert verify_ledger(path).rows == 1
    assert not verify_ledger(path).torn


def test_a_disk_that_does_not_sync_is_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = Ledger(tmp_path / "ledger.jsonl", VirtualClock())

    def fail(fd: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(LedgerError, match="may not be on the disk"):
        ledger.append("arm.intent", "operator", {}, durable=True)
    with pytest.raises(LedgerError, match="may not be on the disk"):
        ledger.append("armed", "loop", {})
    ledger.close()


def test_verify_a_session_that_ended(tmp_path: Path) -> None:
    path = write(tmp_path / "ledger.jsonl")
    report = verify_ledger(path)
    assert (report.rows, report.closed, report.torn) == (5, True, False)
    assert report.head == read_ledger(path)[-1].hash
    assert str(report).startswith("5 rows, closed; head ")


def test_a_killed_session_is_readable_and_said_to_be_open(tmp_path: Path) -> None:
    path = write(tmp_path / "ledger.jsonl")
    path.write_bytes(path.read_bytes()[:-30])
    assert [r.event for r in read_ledger(path)] == [event for event, _, _ in EVENTS[:-1]]
    report = verify_ledger(path)
    assert (report.rows, report.closed, report.torn) == (4, False, True)
    assert "not closed" in str(report)
    assert "row 5 is torn" in str(report)


def test_an_empty_ledger_is_an_open_one(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    path.touch()
    assert verify_ledger(path).head == GENESIS
    assert not verify_ledger(path).closed


def test_no_ledger(tmp_path: Path) -> None:
    with pytest.raises(SessionError, match="cannot be read"):
        read_ledger(tmp_path / "ledger.jsonl")


TAMPERED = settings(
    max_examples=150,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    deadline=None,
)


@TAMPERED
@given(data=st.data())
def test_any_changed_byte_is_found(
    tmp_path: Path, closed_ledger: bytes, data: st.DataObject
) -> None:
    where = data.draw(st.integers(0, len(closed_ledger) - 2))
    bit = data.draw(st.integers(1, 255))
    changed = bytearray(closed_ledger)
    changed[where] ^= bit
    path = tmp_path / "ledger.jsonl"
    path.write_bytes(changed)
    with pytest.raises(SessionError, match=r"row \d+ "):
        verify_ledger(path)


@pytest.mark.parametrize("row", range(4))
def test_a_removed_row_is_found(tmp_path: Path, closed_ledger: bytes, row: int) -> None:
    lines = closed_ledger.splitlines(keepends=True)
    del lines[row]
    assert_altered(tmp_path, lines, f"row {row + 1} is numbered {row + 2}")


def test_moved_rows_are_found(tmp_path: Path, closed_ledger: bytes) -> None:
    lines = closed_ledger.splitlines(keepends=True)
    lines[1], lines[2] = lines[2], lines[1]
    assert_altered(tmp_path, lines, "row 2 is numbered 3")


def test_a_repeated_row_is_found(tmp_path: Path, closed_ledger: bytes) -> None:
    lines = closed_ledger.splitlines(keepends=True)
    assert_altered(tmp_path, [*lines[:2], *lines[1:]], "row 3 is numbered 2")


def test_a_row_of_another_ledger_is_found(tmp_path: Path, closed_ledger: bytes) -> None:
    foreign = write(tmp_path / "other.jsonl", [("session.start", "supervisor", {})] * 3)
    lines = closed_ledger.splitlines(keepends=True)
    lines[2] = foreign.read_bytes().splitlines(keepends=True)[2]
    assert_altered(tmp_path, lines, "row 3 is not chained")


def test_a_row_made_to_fit_breaks_the_chain_after_it(tmp_path: Path, closed_ledger: bytes) -> None:
    """Changed together with its hash, a row no longer is what the next one is chained to."""

    lines = closed_ledger.splitlines(keepends=True)
    row = json.loads(lines[1])
    row["data"]["lease_s"] = 50.0
    del row["hash"]
    canonical = json.dumps(row, sort_keys=True, separators=(",", ":")).encode()
    row["hash"] = hashlib.sha256(canonical).hexdigest()
    lines[1] = json.dumps(row, separators=(",", ":")).encode() + b"\n"
    assert_altered(tmp_path, lines, "row 3 is not chained")


@pytest.mark.parametrize("extra", [b"{", b'{"seq":6}\n', b"\n", b"[" * 100_000 + b"\n"])
def test_anything_after_the_end_is_found(
    tmp_path: Path, closed_ledger: bytes, extra: bytes
) -> None:
    assert_altered(tmp_path, [closed_ledger, extra], "row 6 ")


def test_numbers_only_json_can_spell(tmp_path: Path, closed_ledger: bytes) -> None:
    assert_altered(tmp_path, [closed_ledger.replace(b"12.1", b"1e999")], "row 4 does not match")
    assert_altered(tmp_path, [closed_ledger.replace(b"12.1", b"NaN")], "row 4 is not JSON")


@TAMPERED
@given(data=st.data())
def test_a_tail_cut_anywhere_reads_as_not_closed(
    tmp_path: Path, closed_ledger: bytes, data: st.DataObject
) -> None:
    size = data.draw(st.integers(0, len(closed_ledger) - 1))
    path = tmp_path / "ledger.jsonl"
    path.write_bytes(closed_ledger[:size])
    report = verify_ledger(path)
    assert not report.closed
    assert report.rows == closed_ledger[:size].count(b"\n") == len(read_ledger(path))


def assert_altered(folder: Path, lines: list[bytes], message: str) -> None:
    path = folder / "altered.jsonl"
    path.write_bytes(b"".join(lines))
    with pytest.raises(SessionError, match=message):
        verify_ledger(path)
