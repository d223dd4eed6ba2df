import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest

from bci_core.clock import VirtualClock
from bci_core.errors import SessionError
from bci_core.record.ledger import Ledger
from bci_core.session.folder import SessionFolder

AT = VirtualClock(epoch=datetime(2026, 11, 22, 14, 5, 59, tzinfo=UTC))


def session(root: Path, name: str, clock: VirtualClock = AT) -> SessionFolder:
    folder = SessionFolder.create(root, name, clock)
    ledger = Ledger(folder.ledger, clock)
    ledger.append("session.start", "supervisor", {"name": name})
    ledger.close()
    return folder


def test_the_name_says_when_and_what(tmp_path: Path) -> None:
    folder = SessionFolder.create(tmp_path / "sessions", "alpha-phase", AT)
    assert folder.path == tmp_path / "sessions" / "2026-11-22_1405_alpha-phase"
    assert folder.path.is_dir()


def test_a_taken_name_is_numbered(tmp_path: Path) -> None:
    names = [SessionFolder.create(tmp_path, "a", AT).name for _ in range(3)]
    assert names == ["2026-11-22_1405_a", "2026-11-22_1405_a-2", "2026-11-22_1405_a-3"]


@pytest.mark.parametrize("name", ["", "../up", "a/b", ".hidden", "a" * 65, "ü", "a\n"])
def test_a_name_cannot_lead_out_of_the_root(tmp_path: Path, name: str) -> None:
    with pytest.raises(SessionError, match="cannot name a session"):
        SessionFolder.create(tmp_path, name, AT)
    assert not list(tmp_path.iterdir())


def test_a_root_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SessionError, match="is a file"):
        SessionFolder.create(tmp_path / "file", "a", AT)
    with pytest.raises(SessionError, match="cannot be made"):
        SessionFolder.create(tmp_path / "file" / "below", "a", AT)


def test_files_of_a_session(tmp_path: Path) -> None:
    folder = session(tmp_path, "a")
    files = (folder.rig, folder.xdf, folder.ledger, folder.summary, folder.report)
    more = (folder.provenance, folder.running, folder.lsl_config)
    assert [f.name for f in (*files, *more)] == [
        "rig.toml",
        "session.xdf",
        "ledger.jsonl",
        "summary.json",
        "report.html",
        "provenance.json",
        "running.json",
        "lsl_api.cfg",
    ]
    assert folder.logs.is_dir()
    assert SessionFolder.open(folder.path) == folder


def test_what_is_not_a_session_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(SessionError, match=r"has no ledger\.jsonl"):
        SessionFolder.open(tmp_path)
    with pytest.raises(SessionError, match="no such folder"):
        SessionFolder.open(tmp_path / "absent")


def test_the_latest_is_the_one_that_began_last(tmp_path: Path) -> None:
    with pytest.raises(SessionError, match="holds no session"):
        SessionFolder.latest(tmp_path / "absent")
    clock = VirtualClock(epoch=datetime(2026, 11, 22, 14, 5, tzinfo=UTC))
    for number in range(11):
        last = session(tmp_path, "zeta" if number < 10 else "alpha", clock)
        clock.sleep_until(clock.now_s() + 1.0)
    SessionFolder.create(tmp_path, "empty", clock)
    assert SessionFolder.latest(tmp_path) == last
    names = [folder.name for folder in SessionFolder.all_in(tmp_path)]
    assert names[0] == "2026-11-22_1405_zeta"
    assert names[8:] == [*(f"2026-11-22_1405_zeta-{n}" for n in (9, 10)), last.name]
    last.ledger.write_text("no row")
    assert SessionFolder.latest(tmp_path).name == "2026-11-22_1405_zeta-10"


def test_running_while_the_noted_process_runs(tmp_path: Path) -> None:
    folder = session(tmp_path, "a")
    assert folder.running_processes() == {}
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    folder.mark_running(supervisor_pid=child.pid, stimulator_pid=os.getpid())
    noted = json.loads(folder.running.read_text())
    assert noted["stimulator"]["pid"] == os.getpid()
    assert noted["stimulator"]["started_s"] == pytest.approx(psutil.Process().create_time())
    assert folder.is_running()
    assert folder.running_processes() == {"supervisor": child.pid, "stimulator": os.getpid()}
    child.communicate(b"\n")
    assert not folder.is_running()
    assert folder.running_processes() == {"stimulator": os.getpid()}
    folder.mark_ended()
    folder.mark_ended()
    assert folder.running_processes() == {}
    assert {p.name for p in folder.path.iterdir()} == {"ledger.jsonl", "logs"}


def test_a_process_nobody_waited_for_does_not_run(tmp_path: Path) -> None:
    folder = session(tmp_path, "a")
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    folder.mark_running(child.pid, os.getpid())
    assert child.stdin is not None
    child.stdin.close()
    assert os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert not folder.is_running()
    child.wait()


def test_a_used_again_process_id_is_not_the_session(tmp_path: Path) -> None:
    folder = session(tmp_path, "a")
    folder.mark_running(os.getpid(), os.getpid())
    noted = json.loads(folder.running.read_text())
    noted["supervisor"]["started_s"] -= 60.0
    folder.running.write_text(json.dumps(noted))
    assert not folder.is_running()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        '{"supervisor": 3}',
        '{"supervisor": {}}',
        '{"supervisor": {"pid": -1, "started_s": 0}}',
    ],
)
def test_a_broken_note_is_no_running_session(tmp_path: Path, text: str) -> None:
    folder = session(tmp_path, "a")
    folder.running.write_text(text)
    assert not folder.is_running()


def test_a_process_that_is_gone_cannot_be_noted(tmp_path: Path) -> None:
    folder = session(tmp_path, "a")
    child = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], stdout=-1)
    with pytest.raises(SessionError, match=r"running\.json: cannot be written"):
        folder.mark_running(os.getpid(), int(child.stdout))
    assert folder.running_processes() == {}
