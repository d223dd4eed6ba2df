"""Budgets that go on from session to session, read from ledgers as sessions write them."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bci_core.clock import VirtualClock
from bci_core.config.load import load_rig
from bci_core.errors import SafetyError
from bci_core.record.ledger import Ledger, read_ledger
from bci_core.safety.history import Dose
from bci_core.session import doses
from bci_core.session.doses import dose_row, earlier_doses, earlier_of
from bci_core.session.folder import SessionFolder
from bci_core.stimulus import BiphasicPulse, PulseTrain, StimProgram

PULSE = BiphasicPulse(10.0, 200.0, 60.0)
PROGRAMS = (
    StimProgram(1, "one", PulseTrain(PULSE, 100.0, 1), (1, 2)),
    StimProgram(2, "two", PulseTrain(PULSE, 100.0, 2), (2, 3)),
)
START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


class Lab:
    """A root of sessions, with wall clock and session clock in step."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.rig = load_rig("theta-phase")
        self.now_s = 10_000.0

    @property
    def clock(self) -> VirtualClock:
        epoch = START + timedelta(seconds=self.now_s - 10_000.0)
        return VirtualClock(start_s=self.now_s, epoch=epoch)

    def session(self, *rows: tuple[str, dict[str, Any]], **start: Any) -> SessionFolder:
        folder = SessionFolder.create(self.root, "lab", self.clock)
        ledger = Ledger(folder.ledger, self.clock)
        told = {"subject": "s1", "virtual_time": False} | start
        ledger.append("session.start", "supervisor", told)
        ledger.append(doses.EVENT, "supervisor", dose_row(self.rig, PROGRAMS, self.earlier()))
        for event, data in rows:
            ledger.append(event, "loop", data)
        ledger.close()
        stamp = self.clock.utc().timestamp()
        os.utime(folder.ledger, (stamp, stamp))
        return folder

    def earlier(self) -> list[Dose]:
        return earlier_doses(self.root, "s1", self.clock)


def sent(seq: int) -> tuple[str, dict[str, Any]]:
    return "decision", {"seq": seq, "refusal": None}


REFUSED = ("decision", {"seq": 7, "refusal": {"limit": "lockout"}})
NOTED = ("decision", {"seq": 0, "refusal": None})


def outcome(**told: Any) -> tuple[str, dict[str, Any]]:
    return "outcome", {"seq": 1, "charge_uc": 0.002, "net_charge_uc": None} | told


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path / "sessions")


def test_nothing_was_used_before_the_first_session(lab: Lab) -> None:
    assert lab.earlier() == []


def test_what_was_sent_counts_as_the_program_that_uses_most(lab: Lab) -> None:
    lab.session(sent(1), REFUSED, NOTED, sent(2), outcome())
    lab.now_s += 600.0
    (dose,) = lab.earlier()
    assert dose.trains == 2
    assert dose.on_time_s == pytest.approx(2 * PROGRAMS[1].duration_s)
    assert dose.charge_uc == pytest.approx({1: 0.004, 2: 0.008, 3: 0.008})
    # When the trigger may have fallen due at the latest, but not after now.
    assert dose.end_s == pytest.approx(10_005.0 + PROGRAMS[1].duration_s)


def test_what_was_reported_beyond_that_counts_too(lab: Lab) -> None:
    lab.session(sent(1), outcome(charge_uc=0.5, net_charge_uc=-0.001))
    (dose,) = lab.earlier()
    assert dose.charge_uc[1] == pytest.approx(0.002 + 0.5 - 0.010)
    assert dose.net_charge_uc == pytest.approx({1: 0.001, 2: 0.001, 3: 0.001})
    assert dose.end_s == 10_000.0


def test_sessions_add_up_by_the_minute_and_are_told_to_the_next(lab: Lab) -> None:
    lab.session(sent(1))
    lab.now_s += 1.0
    lab.session(sent(1))
    lab.now_s += 3600.0
    last = lab.session(sent(1))
    assert [dose.trains for dose in earlier_of(read_ledger(last.ledger))] == [2]
    assert doses.told(last) == read_ledger(last.ledger)[1].data["earlier"]
    lab.now_s += 60.0
    assert [dose.trains for dose in lab.earlier()] == [2, 1]


def test_other_subjects_simulations_and_other_days_do_not_count(lab: Lab) -> None:
    lab.session(sent(1), subject="s2")
    lab.session(sent(1), virtual_time=True)
    assert lab.earlier() == []
    lab.session(sent(1))
    assert len(lab.earlier()) == 1
    lab.now_s += 86_400.0 + 61.0
    assert lab.earlier() == []


def test_a_session_that_did_not_get_so_far_does_not_count(lab: Lab) -> None:
    folder = SessionFolder.create(lab.root, "lab", lab.clock)
    folder.ledger.write_bytes(b"")
    os.utime(folder.ledger, (lab.clock.utc().timestamp(),) * 2)
    assert lab.earlier() == []
    assert doses.told(folder) == earlier_of(read_ledger(folder.ledger)) == []


def test_a_ledger_that_was_altered_leaves_the_dose_unknown(lab: Lab) -> None:
    folder = lab.session(sent(1), sent(2))
    lines = folder.ledger.read_bytes().splitlines(keepends=True)
    folder.ledger.write_bytes(b"".join(lines[:2] + lines[3:]))
    os.utime(folder.ledger, (lab.clock.utc().timestamp(),) * 2)
    with pytest.raises(SafetyError, match=r"is not known .*rows are missing"):
        lab.earlier()


def test_triggers_without_what_they_use_leave_the_dose_unknown(lab: Lab) -> None:
    folder = SessionFolder.create(lab.root, "lab", lab.clock)
    ledger = Ledger(folder.ledger, lab.clock)
    ledger.append("session.start", "supervisor", {"subject": "s1"})
    ledger.append(*("decision", "loop", sent(1)[1]))
    ledger.close()
    os.utime(folder.ledger, (lab.clock.utc().timestamp(),) * 2)
    with pytest.raises(SafetyError, match="has triggers and no 'dose' row"):
        lab.earlier()
