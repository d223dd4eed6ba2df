"""A session of real processes, started and watched from outside."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

from bci_core.bench.kill import processes_of
from bci_core.bench.witness import Seen, Witness
from bci_core.clock import Clock
from bci_core.config.rig import Rig
from bci_core.errors import NodeError
from bci_core.session.folder import SessionFolder

CLI = (sys.executable, "-m", "bci_core.cli.app")
LOOK_EVERY_S = 0.01
START_S = 180.0
"""Longest wait for a session to be armed: kernels may have to be compiled on a busy machine."""
END_S = 60.0
RUNS_S = 600.0
"""Armed time that no scenario reaches: a session that is to prove itself is stopped before."""
GONE_S = 20.0
"""How long the processes of a session may take to end after its supervisor."""

Row = dict[str, Any]


class SessionProcess:
    """``bci run`` of a rig, its ledger so far, and a witness of its current.

    Parameters
    ----------
    rig : Rig
    path : Path
        Its file.
    out : Path
        Where the session folder is made.
    clock : Clock
    duration_s : float
    before : sequence of str
        Put before the command; it must become it.
    """

    def __init__(
        self,
        rig: Rig,
        path: Path,
        out: Path,
        clock: Clock,
        duration_s: float = RUNS_S,
        before: Sequence[str] = (),
    ) -> None:
        self._out = out
        self._clock = clock
        self._others = set(out.glob("*/ledger.jsonl"))
        self._folder: SessionFolder | None = None
        self._read = 0
        self._said = path.with_suffix(".said")
        self.rows: list[Row] = []
        command = [*before, *CLI, "run", str(path), "--out", str(out)]
        command += ["--duration", repr(duration_s), "--no-report"]
        with self._said.open("wb") as said:
            self.process = subprocess.Popen(  # noqa: S603 - this program itself
                command, stdin=subprocess.DEVNULL, stdout=said, stderr=said
            )
        self._name = rig.name
        self._witness: Witness | None = None
        self._children: dict[str, int] = {}

    def runs(self) -> bool:
        return self.process.poll() is None

    @property
    def seen(self) -> list[Seen]:
        """Current so far."""
        return self._witness.seen if self._witness else []

    @property
    def folder(self) -> SessionFolder:
        """Of the session.

        Raises
        ------
        NodeError
            It has made none.
        """
        if self._folder is None:
            mine = [*set(self._out.glob("*/ledger.jsonl")) - self._others]
            if len(mine) != 1:
                raise NodeError(f"{len(mine)} new sessions in {self._out}, not 1: {self.words()}")
            self._folder = SessionFolder(mine[0].parent)
        return self._folder

    def words(self) -> str:
        """What it has said last."""
        return self._said.read_text("utf-8", "replace").strip()[-500:]

    def look(self) -> list[Row]:
        """Rows of the ledger since the last look."""
        with suppress(NodeError):
            if self._witness is None and self.folder:
                # It is in the network by then where it stays.
                self._witness = Witness(self._name, self.runs, self.process.pid)
            with self.folder.ledger.open("rb") as ledger:
                ledger.seek(self._read)
                whole, newline, _ = ledger.read().rpartition(b"\n")
            self._read += len(whole) + len(newline)
            new = [json.loads(line) for line in whole.splitlines()]
            self.rows += new
            return new
        return []

    def until_stimulating(self) -> float:
        """When it was armed, once it has been and the witness has seen current.

        Raises
        ------
        NodeError
            It ended before, or took too long.
        """
        until_s = self._clock.now_s() + START_S
        while True:
            self.look()
            armed = [row["data"]["at_s"] for row in self.rows if row["event"] == "armed"]
            if armed and self.seen:
                self._children = processes_of(self.process.pid)
                return float(armed[0])
            if not self.runs() or self._clock.now_s() > until_s:
                raise NodeError(f"the session did not come to stimulate: {self.words()}")
            self.wait()

    def wait(self) -> None:
        """A little, between two looks."""
        self._clock.sleep_until(self._clock.now_s() + LOOK_EVERY_S)

    def pid(self, role: str) -> int:
        """Of a process of the session, as it was when it came to stimulate.

        Raises
        ------
        NodeError
            There was none.
        """
        if role not in self._children:
            raise NodeError(f"the session has no process {role!r}; it has {[*self._children]}")
        return self._children[role]

    def end(self) -> tuple[int | None, list[str]]:
        """Wait for the end; the exit status, and which processes were still there after.

        Nothing is left running. The status is None when it did not end by itself.
        """
        status: int | None = None
        with suppress(subprocess.TimeoutExpired):
            status = self.process.wait(END_S)
        there = {
            role: psutil.Process(pid)
            for role, pid in self._children.items()
            if role != "supervisor" and psutil.pid_exists(pid)
        }
        psutil.wait_procs(there.values(), timeout=GONE_S)
        left = [role for role, process in there.items() if process.is_running()]
        self.abandon()
        self.look()
        return status, left

    def abandon(self) -> None:
        """End whatever is still there, without ado."""
        if self._witness:
            self._witness.close()
        with suppress(psutil.Error):
            self._children |= processes_of(self.process.pid)
        for role, pid in self._children.items():
            if role == "supervisor" and not self.runs():
                continue
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()


@contextmanager
def session_process(*arguments: Any, **more: Any) -> Iterator[SessionProcess]:
    """A `SessionProcess` that is gone afterwards, whatever happens."""
    session = SessionProcess(*arguments, **more)
    try:
        yield session
    finally:
        session.abandon()
