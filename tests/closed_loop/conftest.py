"""Real sessions: `bci run` as a process of its own, with every node, watched from outside.

A play is a function that gives one session on a `Stage` and says what was done to it; a
test, or several, look at what the play has left. Sessions wait for most of their time, so
plays run side by side.
"""

import copy
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Any

import pytest
import tomli_w

from bci_core.bench.kill import processes_of
from bci_core.cli.app import main
from bci_core.clock import LslClock
from bci_core.record.xdf import SessionRecording, read_session_xdf

CLOCK = LslClock()
LOOK_EVERY_S = 0.01
SIDE_BY_SIDE = 1 + (os.cpu_count() or 1)
CLI = [sys.executable, "-m", "bci_core.cli.app"]

RIG: dict[str, dict[str, Any]] = {
    "rig": {"name": "bench"},
    "amplifier": {"driver": "sine", "channels": ["Fz", "Cz"]},
    "monitor": {"settle_s": 0.2},
    "detector": {
        "kind": "phase",
        "channel": "Fz",
        "band_hz": [4.0, 8.0],
        "target_deg": 180.0,
        "min_amplitude_uv": 5.0,
    },
    "policy": {"refractory_s": 0.1, "max_rate_hz": 8.0},
    "protocol": {
        "kind": "pulse_train",
        "amplitude_ua": 10.0,
        "phase_us": 200.0,
        "interphase_us": 60.0,
        "rate_hz": 100.0,
        "n_pulses": 1,
        "electrodes": [1],
    },
    "stimulator": {"driver": "microstim"},
    "safety": {
        "electrode_class": "microelectrode",
        "electrode_area_cm2": 2e-5,
        "lockout_s": 0.1,
        "trains_per_s": 8.0,
        "override_reason": "one pulse each cycle of a 5 Hz sine, on a simulated stimulator",
        "overridden_by": "test",
    },
    "arming": {"stale_after_s": 0.5},
    "session": {"duration_s": 60.0},
}
"""A 5 Hz sine, a pulse at each trough; a minute, which no test waits for.

Samples may be late by more than usual, since several sessions start at a time here.
"""

Row = dict[str, Any]


class LiveSession:
    """`bci run`, started, and what its ledger says so far.

    The process leads a group of its own, as a shell makes it for a command in the
    foreground of a terminal. It leaves its report to others unless asked for it, since that
    takes as much of the processor as the session.
    """

    def __init__(
        self,
        rig: Path | str,
        out: Path,
        *more: str,
        before: Sequence[str] = (),
        stdin: int = subprocess.DEVNULL,
        report: bool = False,
    ) -> None:
        self.out = out
        self.reports = report
        out.mkdir(parents=True, exist_ok=True)
        command = ["run", str(rig), *["--no-report"] * (not report)]
        self._stdout, self._stderr = out / "stdout.txt", out / "stderr.txt"
        with self._stdout.open("wb") as stdout, self._stderr.open("wb") as stderr:
            self.process = subprocess.Popen(
                [*before, *CLI, *command, "--out", str(out), *more],
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,
            )

    @property
    def stdout(self) -> str:
        return self._stdout.read_text("utf-8")

    @property
    def stderr(self) -> str:
        return self._stderr.read_text("utf-8")

    @property
    def folder(self) -> Path:
        (ledger,) = self.out.glob("*/ledger.jsonl")
        return ledger.parent

    def look_in(self, out: Path) -> None:
        """Where the session folder is seen from here on."""
        self.out = out

    def rows(self, event: str = "", actor: str = "") -> list[Row]:
        """Rows of the ledger so far, of one kind where asked for."""
        found = []
        for ledger in self.out.glob("*/ledger.jsonl"):
            *whole, _ = ledger.read_bytes().split(b"\n")
            found += [json.loads(line) for line in whole]
        return [row for row in found if event in ("", row["event"]) and actor in ("", row["actor"])]

    def summary(self) -> dict[str, Any]:
        made: dict[str, Any] = json.loads((self.folder / "summary.json").read_text("utf-8"))
        return made

    def until(self, condition: Callable[[], Any], what: str, limit_s: float = 60.0) -> Any:
        """Wait for something, which is returned; fail when the session ends before."""
        until_s = CLOCK.now_s() + limit_s
        while True:
            ended = self.process.poll() is not None
            found = condition()
            if found:
                return found
            if ended or CLOCK.now_s() > until_s:
                how = f"bci run ended with {self.process.poll()}" if ended else "too late"
                pytest.fail(f"waited for {what}: {how}\n{self.stdout}\n{self.stderr}")
            CLOCK.sleep_until(CLOCK.now_s() + LOOK_EVERY_S)

    def until_row(self, event: str, count: int = 1, **data: Any) -> Row:
        """The `count`-th row of a kind, with these data."""

        def found() -> list[Row]:
            return [r for r in self.rows(event) if data.items() <= r["data"].items()][count - 1 :]

        row: Row = self.until(found, f"{count} rows {event} {data}")[0]
        return row

    def until_delivered(self, count: int = 3) -> None:
        """Wait until so many pulses have been delivered."""
        self.until_row("outcome", count, outcome="delivered")

    def pid(self, role: str) -> int:
        """Process id of a node, of ``recorder``, or of the ``supervisor``."""
        if role == "supervisor":
            return self.process.pid
        return self.pids()[role]

    def pids(self) -> dict[str, int]:
        """Of every process the supervisor has started."""
        found = processes_of(self.process.pid)
        del found["supervisor"]
        return found

    def send(self, role: str, number: int) -> float:
        """Send a signal to a process; when, on the LSL clock."""
        pid = self.pid(role)
        sent_s = CLOCK.now_s()
        os.kill(pid, number)
        return sent_s

    def end(self, limit_s: float = 60.0) -> int:
        """Wait until `bci run` has ended; its exit status."""
        try:
            return self.process.wait(limit_s)
        except subprocess.TimeoutExpired:
            pytest.fail(f"bci run did not end within {limit_s:g} s\n{self.stdout}\n{self.stderr}")

    def abandon(self) -> None:
        """Leave nothing running, whatever a test has done."""
        if self.process.poll() is None:
            for pid in [*self.pids().values(), self.process.pid]:
                os.kill(pid, signal.SIGKILL)
            self.process.wait()


@pytest.fixture(scope="session")
def write_rig(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Write `RIG`, changed section by section, and return its path.

    A value of None takes the key out; a section that names another driver or kind
    replaces the whole section.
    """

    def write(**sections: Mapping[str, Any]) -> Path:
        tree = copy.deepcopy(RIG)
        for name, keys in sections.items():
            if {"driver", "kind"} & keys.keys():
                tree[name] = {}
            tree.setdefault(name, {}).update(keys)
            tree[name] = {key: value for key, value in tree[name].items() if value is not None}
        path = tmp_path_factory.mktemp("rig") / "rig.toml"
        path.write_text(tomli_w.dumps(tree), "utf-8")
        return path

    return write


@dataclass
class Played:
    """What a play has left.

    Attributes
    ----------
    session : LiveSession
        At its end.
    status : int
        Exit status of `bci run`.
    at_s : float
        When the play did what it did, on the LSL clock.
    facts : dict
        What else it noted.
    """

    session: LiveSession
    status: int
    at_s: float = float("nan")
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        return self.session.folder

    @property
    def end(self) -> Row:
        """Data of the last row."""
        data: Row = self.row("session.end")["data"]
        return data

    def row(self, event: str, actor: str = "", index: int = -1) -> Row:
        """A row of the ledger, by default the last of its kind."""
        return self.session.rows(event, actor)[index]

    def data(self, event: str, actor: str = "") -> list[Row]:
        """Data of all rows of a kind."""
        return [row["data"] for row in self.session.rows(event, actor)]

    def order(self, *events: str) -> list[str]:
        """These events, in the order of the ledger."""
        return [row["event"] for row in self.session.rows() if row["event"] in events]

    def recording(self) -> SessionRecording:
        return read_session_xdf(self.folder / "session.xdf")


@dataclass
class Stage:
    """Where a play is given.

    Attributes
    ----------
    out : Path
        A folder of its own.
    write_rig, bci : callable
        As the fixtures.
    quiet : Event
        Set by a play that wants the machine for itself, once it no longer does.
    """

    out: Path
    write_rig: Callable[..., Path]
    bci: Callable[..., "subprocess.CompletedProcess[str]"]
    quiet: Event = field(default_factory=Event)
    sessions: list[LiveSession] = field(default_factory=list)

    def start(self, rig: Path | str, *more: str, **how: Any) -> LiveSession:
        """Start a session of a rig; see `LiveSession`."""
        self.sessions.append(LiveSession(rig, how.pop("out", self.out), *more, **how))
        return self.sessions[-1]

    def armed(self, *more: str, report: bool = False, **sections: Mapping[str, Any]) -> LiveSession:
        """A session of `RIG`, changed, that has delivered a few pulses."""
        session = self.start(self.write_rig(**sections), *more, report=report)
        session.until_delivered()
        return session

    def played(self, session: LiveSession, at_s: float = float("nan"), **facts: Any) -> Played:
        """Wait for the end."""
        return Played(session, session.end(), at_s, facts)


Play = Callable[[Stage], Played]


@pytest.fixture(scope="module")
def playing(
    request: pytest.FixtureRequest,
    write_rig: Callable[..., Path],
    bci: Callable[..., "subprocess.CompletedProcess[str]"],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[dict[Play, "Future[Played]"]]:
    """Every play that a selected test of the module asks for, begun.

    Those marked `alone` by themselves, then those marked `long`, then the rest in order.
    """
    items = [item for item in request.session.items if item.path == request.path]
    specs = [item.callspec for item in items if hasattr(item, "callspec")]
    plays = dict.fromkeys(
        spec.params[name] for spec in specs for name in ("played", "finished") & spec.params.keys()
    )
    stages = {play: Stage(tmp_path_factory.mktemp(play.__name__), write_rig, bci) for play in plays}
    started: dict[Play, Future[Played]] = {}
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        for play in sorted(plays, key=lambda p: (not hasattr(p, "alone"), not hasattr(p, "long"))):
            started[play] = pool.submit(play, stages[play])
            if hasattr(play, "alone"):
                is_quiet = pool.submit(stages[play].quiet.wait)
                wait([is_quiet, started[play]], return_when=FIRST_COMPLETED)
                stages[play].quiet.set()
        yield started
        pool.shutdown(cancel_futures=True)
    for stage in stages.values():
        for session in stage.sessions:
            session.abandon()


@pytest.fixture
def played(request: pytest.FixtureRequest, playing: dict[Play, "Future[Played]"]) -> Played:
    """What the play that the test is parametrised with has left."""
    return playing[request.param].result()


@pytest.fixture(scope="session")
def bci() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run a command of `bci` to its end."""

    def run(*arguments: Any) -> subprocess.CompletedProcess[str]:
        command = [*CLI, *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, timeout=60.0)

    return run


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """Run a command of `bci` in this process, where its imports are paid for already."""

    def run(*arguments: Any) -> "subprocess.CompletedProcess[str]":
        stdout, stderr = io.StringIO(), io.StringIO()
        monkeypatch.setattr(sys, "argv", ["bci", *map(str, arguments)])
        with redirect_stdout(stdout), redirect_stderr(stderr), pytest.raises(SystemExit) as end:
            main()
        status = int(end.value.code or 0)
        return subprocess.CompletedProcess(sys.argv, status, stdout.getvalue(), stderr.getvalue())

    return run
