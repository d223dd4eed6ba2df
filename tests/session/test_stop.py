"""`bci stop` from another terminal: whom it tells, and when it does not know whom."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bci_core.clock import LslClock
from bci_core.errors import RunError, SessionError
from bci_core.session.folder import SessionFolder
from bci_core.session.stop import stop_session

pytestmark = pytest.mark.processes

CLOCK = LslClock()

DEVICE = """
import signal, sys
def stop(number, frame):
    print(signal.Signals(number).name, flush=True)
    sys.exit()
signal.signal(signal.SIGUSR1, stop)
signal.signal(signal.SIGTERM, signal.SIG_IGN if "deaf" in sys.argv else stop)
print("ready", flush=True)
signal.pause()
"""


class Running:
    """A session folder whose two processes only wait for a signal."""

    def __init__(self, root: Path, name: str, *more: str) -> None:
        self.processes = [
            subprocess.Popen(
                [sys.executable, "-c", DEVICE, *more], stdout=subprocess.PIPE, text=True
            )
            for _ in range(2)
        ]
        for process in self.processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        supervisor, stimulator = self.processes
        self.folder = SessionFolder.create(root, name, CLOCK)
        self.folder.ledger.write_text("")
        self.folder.mark_running(supervisor.pid, stimulator.pid)

    def said(self) -> list[str]:
        """What the supervisor and the stimulator were told."""
        return [process.communicate(timeout=10.0)[0].strip() for process in self.processes]

    def close(self) -> None:
        for process in self.processes:
            process.kill()
            process.communicate()


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    session = Running(tmp_path, "one")
    yield session
    session.close()


def test_the_stimulator_is_told_and_the_supervisor_waited_for(
    running: Running, tmp_path: Path
) -> None:
    assert stop_session(None, tmp_path, 10.0, CLOCK) == running.folder.path
    assert running.said() == ["SIGTERM", "SIGUSR1"]
    with pytest.raises(SessionError, match="is not running"):
        stop_session(running.folder.path, tmp_path, 1.0, CLOCK)


def test_a_supervisor_that_hangs_is_told_but_the_stimulator_was(
    tmp_path: Path,
) -> None:
    running = Running(tmp_path, "one", "deaf")
    try:
        with pytest.raises(RunError, match=r"told to disarm but did not end within 0\.2 s"):
            stop_session(None, tmp_path, 0.2, CLOCK)
        assert running.processes[1].communicate(timeout=10.0)[0].strip() == "SIGUSR1"
    finally:
        running.close()


def test_a_supervisor_that_is_suspended_goes_on_to_its_end(
    running: Running, tmp_path: Path
) -> None:
    os.kill(running.processes[0].pid, signal.SIGSTOP)
    stop_session(None, tmp_path, 10.0, CLOCK)
    assert running.said() == ["SIGTERM", "SIGUSR1"]


def test_which_one_has_to_be_clear(running: Running, tmp_path: Path) -> None:
    other = Running(tmp_path, "other")
    try:
        with pytest.raises(SessionError, match=r"2 sessions are running.*--session"):
            stop_session(None, tmp_path, 1.0, CLOCK)
        stop_session(other.folder.path, tmp_path, 10.0, CLOCK)
        assert running.folder.is_running()
    finally:
        other.close()
    with pytest.raises(SessionError, match=r"0 sessions are running \(none\)"):
        stop_session(None, tmp_path / "elsewhere", 1.0, CLOCK)
