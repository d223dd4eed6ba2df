"""What is broken in the middle of a session, and what the session makes of it.

Each play is a session of its own. They are short of things to do most of the time, so a
few run side by side; a test then looks at what its play has left.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest

from bci_core.clock import LslClock
from bci_core.record.ledger import verify_ledger
from bci_core.record.xdf import SessionRecording, read_session_xdf

pytestmark = pytest.mark.processes

CLOCK = LslClock()
SIDE_BY_SIDE = 4
LEASE_S = 0.25
"""``session.device_lease_s``, the default."""


@dataclass
class Stage:
    """Where a play is given."""

    start: Any
    write_rig: Callable[..., Path]
    out: Path

    def session(self, *more: str, **sections: dict[str, Any]) -> Any:
        """A session that is armed and has delivered a few pulses."""
        session = self.start(self.write_rig(**sections), self.out, *more)
        session.until_delivered()
        return session


@dataclass
class Played:
    """What a play has left."""

    session: Any
    status: int
    at_s: float
    facts: dict[str, Any] = field(default_factory=dict)

    def row(self, event: str, actor: str = "", index: int = -1) -> dict[str, Any]:
        """A row of the ledger, by default the last of its kind."""
        row: dict[str, Any] = self.session.rows(event, actor)[index]
        return row

    @property
    def end(self) -> dict[str, Any]:
        data: dict[str, Any] = self.row("session.end")["data"]
        return data

    def order(self, *events: str) -> list[str]:
        """These events, in the order of the ledger."""
        return [row["event"] for row in self.session.rows() if row["event"] in events]

    def recording(self) -> SessionRecording:
        return read_session_xdf(self.session.folder / "session.xdf", "bench")

    def onsets_s(self) -> list[float]:
        """Of every pulse, by the stimulator's own word and by the loop's."""
        told = [*self.session.rows("delivery"), *self.session.rows("outcome")]
        return [row["data"]["onset_s"] for row in told if row["data"]["onset_s"] is not None]


Play = Callable[[Stage], Played]


@pytest.fixture(scope="module")
def playing(
    request: pytest.FixtureRequest,
    start: Any,
    write_rig: Callable[..., Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[dict[Play, "Future[Played]"]]:
    """Every play that a test asks for, begun."""
    plays = dict.fromkeys(
        item.callspec.params["played"]
        for item in request.session.items
        if isinstance(item, pytest.Function)
        and item.path == request.path
        and "played" in getattr(item, "callspec", item).__dict__.get("params", ())
    )
    started: list[Any] = []

    def start_and_keep(*arguments: Any, **more: Any) -> Any:
        started.append(start(*arguments, **more))
        return started[-1]

    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        yield {
            play: pool.submit(
                play, Stage(start_and_keep, write_rig, tmp_path_factory.mktemp(play.__name__))
            )
            for play in plays
        }
        pool.shutdown(cancel_futures=True)
    for session in started:
        session.abandon()


@pytest.fixture
def played(request: pytest.FixtureRequest, playing: dict[Play, "Future[Played]"]) -> Played:
    return playing[request.param].result()


def after(*plays: Play) -> pytest.MarkDecorator:
    """Run a test after each of these plays."""
    return pytest.mark.parametrize("played", plays, indirect=True)


def signalled(role: str, number: int) -> Play:
    def play(stage: Stage) -> Played:
        session = stage.session()
        at_s = session.send(role, number)
        return Played(session, session.end(), at_s)

    play.__name__ = f"{role}_{signal.Signals(number).name}"
    return play


amplifier_killed = signalled("amplifier", signal.SIGKILL)
loop_killed = signalled("loop", signal.SIGKILL)
loop_frozen = signalled("loop", signal.SIGSTOP)
stimulator_killed = signalled("stimulator", signal.SIGKILL)
stimulator_terminated = signalled("stimulator", signal.SIGTERM)
recorder_killed = signalled("recorder", signal.SIGKILL)
terminated = signalled("supervisor", signal.SIGTERM)


def ctrl_c(stage: Stage) -> Played:
    """As a terminal sends it: to the whole group in the foreground."""
    session = stage.session()
    at_s = CLOCK.now_s()
    os.killpg(session.process.pid, signal.SIGINT)
    return Played(session, session.end(), at_s)


def ctrl_c_while_starting(stage: Stage) -> Played:
    session = stage.start(stage.write_rig(), stage.out)
    session.until(lambda: len(session.pids()) >= 3, "the nodes")
    at_s = session.send("supervisor", signal.SIGINT)
    return Played(session, session.end(), at_s)


def bci_stop(stage: Stage) -> Played:
    session = stage.session()
    at_s = CLOCK.now_s()
    stop = subprocess.run(
        [sys.executable, "-m", "bci_core.cli.app", "stop", "--out", str(session.out)],
        capture_output=True,
        text=True,
        timeout=60.0,
    )
    return Played(session, session.end(), at_s, {"stop": stop})


def supervisor_killed(stage: Stage) -> Played:
    session = stage.session()
    left = [psutil.Process(pid) for pid in session.pids().values()]
    at_s = session.send("supervisor", signal.SIGKILL)
    session.end()
    _, alive = psutil.wait_procs(left, timeout=15.0)
    return Played(session, session.process.returncode, at_s, {"alive": alive})


def faults_that_pass(stage: Stage) -> Played:
    """Frozen: the amplifier, the supervisor, then the amplifier once too often."""
    session = stage.session(session={"max_rearms": 2})
    freezes = [("amplifier", 0.3), ("supervisor", 2.0), ("amplifier", 0.3)]
    for times, (role, for_s) in enumerate(freezes, start=1):
        frozen_s = session.send(role, signal.SIGSTOP)
        CLOCK.sleep_until(frozen_s + for_s)
        session.send(role, signal.SIGCONT)
        if times < len(freezes):
            session.until_row("armed", 1 + times)
            session.until_delivered(3 * (1 + times))
    return Played(session, session.end(), frozen_s)


STOPS = {ctrl_c: 130, terminated: 143, bci_stop: 143}


@after(*STOPS)
def test_a_stop_disarms_first_and_loses_nothing(
    played: Played, request: pytest.FixtureRequest
) -> None:
    assert played.status == STOPS[request.node.callspec.params["played"]]
    assert played.end["status"] == "stopped"
    assert played.session.summary()["status"] == "stopped"
    assert "status  stopped" in played.session.stdout
    order = played.order("device_disarmed", "disarmed", "node.exit", "session.end")
    assert set(order[:2]) == {"device_disarmed", "disarmed"}
    assert order[-1] == "session.end"
    assert_nothing_lost(played)


@after(ctrl_c, terminated)
def test_a_stop_acts_at_once_and_says_who_asked(
    played: Played, request: pytest.FixtureRequest
) -> None:
    assert 0.0 < played.row("disarmed")["data"]["at_s"] - played.at_s < 0.5
    by = {ctrl_c: "Ctrl-C", terminated: "SIGTERM"}[request.node.callspec.params["played"]]
    assert by in played.end["reason"]


@after(bci_stop)
def test_bci_stop_reaches_the_stimulator_itself(played: Played) -> None:
    stop = played.facts["stop"]
    assert (stop.returncode, stop.stderr) == (0, "")
    assert played.session.folder.name in stop.stdout
    assert played.row("device_disarmed")["data"]["reason"] == "emergency_stop"
    assert played.row("emergency_stop", "stimulator")


@after(ctrl_c_while_starting)
def test_a_stop_before_arming_never_arms(played: Played) -> None:
    assert played.status == 130
    assert played.end["status"] == "stopped"
    assert played.order("armed", "device_armed") == []
    assert not (played.session.folder / "keys").exists()
    assert verify_ledger(played.session.folder / "ledger.jsonl").closed


@pytest.mark.realtime
@after(amplifier_killed)
def test_without_amplifier_disarmed_within_100_ms(played: Played) -> None:
    disarmed_s = played.row("disarmed")["data"]["at_s"]
    assert 0.0 < disarmed_s - played.at_s < 0.1
    assert max(played.onsets_s()) < disarmed_s + 0.1
    assert_failed(played, "amplifier process was ended by SIGKILL")


@after(loop_killed)
def test_without_loop_the_stimulator_disarms_itself(played: Played) -> None:
    lost = played.row("client_lost", "stimulator")["data"]
    assert 0.0 < lost["at_s"] - played.at_s < LEASE_S
    assert played.row("device_disarmed", "stimulator")["data"]["reason"] == "host lost"
    assert max(played.onsets_s()) < lost["at_s"]
    assert_failed(played, "loop process was ended by SIGKILL")


@after(loop_frozen)
def test_a_loop_that_hangs_loses_its_lease(played: Played) -> None:
    expired = played.row("device_disarmed", "stimulator", 0)
    assert expired["data"]["reason"] == "lease expired"
    assert expired["lsl_s"] - played.at_s < LEASE_S + 0.2
    assert max(played.onsets_s()) <= played.at_s + LEASE_S
    assert_failed(played, "loop process said nothing for")


@after(stimulator_killed)
def test_without_stimulator_the_loop_disarms(played: Played) -> None:
    assert played.row("disarmed", "loop")["data"]["at_s"] - played.at_s < 0.2
    assert_failed(played, "stimulator process was ended by SIGKILL")
    assert_nothing_lost(played)


@after(stimulator_terminated)
def test_a_stimulator_that_is_terminated_disarms_first(played: Played) -> None:
    assert played.order("device_disarmed", "node.exit")[0] == "device_disarmed"
    assert_failed(played, "stimulator: ended by SIGTERM")


@after(recorder_killed)
def test_no_recording_no_stimulation(played: Played) -> None:
    assert played.row("disarmed", "loop")["data"]["at_s"] - played.at_s < 0.5
    assert_failed(played, "the recorder has ended")


@after(supervisor_killed)
def test_without_supervisor_everything_ends_by_itself(
    played: Played, bci: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    assert played.status == -signal.SIGKILL
    assert played.facts["alive"] == []
    folder = played.session.folder
    assert not verify_ledger(folder / "ledger.jsonl").closed
    recording = played.recording()
    assert (recording.truncated_bytes, recording.complaints) == (0, ())
    assert max(recording.loop["onset_s"]) < played.at_s + 0.5
    made = bci("report", folder, "--json")
    assert made.returncode == 0
    assert '"status": "incomplete"' in made.stdout
    assert (folder / "report.html").exists()


@after(faults_that_pass)
def test_a_fault_that_passes_is_armed_again_as_often_as_the_rig_allows(played: Played) -> None:
    reasons = [row["data"]["reason"] for row in played.session.rows("disarmed")]
    assert [reasons[0], reasons[2]] == ["stale", "stale"]
    assert reasons[1] in ("heartbeat", "ledger")
    assert played.order("arm.intent", "armed", "disarmed") == [
        *("arm.intent", "armed", "disarmed") * 3
    ]
    assert played.end["rearms"] == 2
    assert_failed(played, "stale")
    assert_no_pulse_while_disarmed(played)


def assert_failed(played: Played, why: str) -> None:
    """A clear end: status, reason, readable files, nothing left behind."""
    assert played.status == 1
    assert played.end["status"] == "failed"
    assert why in played.end["reason"]
    assert f"failed: {played.end['reason']}" in played.session.stdout
    assert played.session.summary()["status"] == "failed"
    folder = played.session.folder
    assert verify_ledger(folder / "ledger.jsonl").closed
    assert len(played.recording().times_s) > 0
    assert (folder / "report.html").exists()
    assert not (folder / "keys").exists()
    assert not (folder / "running.json").exists()
    assert_no_pulse_while_disarmed(played)


def assert_nothing_lost(played: Played) -> None:
    """Every sample the loop had and every trigger it sent is in the recording."""
    recording = played.recording()
    assert (recording.truncated_bytes, recording.complaints) == (0, ())
    assert recording.markers[-1].text == "session:end"
    ready = played.row("loop.ready")["data"]
    counted = played.row("samples")["data"]
    heard = recording.times_s >= ready["first_sample_s"]
    assert heard.sum() >= counted["samples"]
    assert counted["lost"] == 0
    told = [row["data"]["seq"] for row in played.session.rows("outcome")]
    assert recording.loop["seq"].tolist() == told
    stims = [row for row in played.session.rows("outcome") if row["data"]["outcome"] == "delivered"]
    assert [m.text for m in recording.markers].count("stim") == len(stims)


def assert_no_pulse_while_disarmed(played: Played) -> None:
    """By the stimulator's own word: each onset lies between arming and disarming."""
    spans = []
    for row in played.session.rows():
        if row["event"] == "armed":
            spans.append([row["data"]["at_s"], float("inf")])
        elif row["event"] == "disarmed":
            spans[-1][1] = row["data"]["at_s"]
    for row in played.session.rows("delivery", "stimulator"):
        if row["data"]["outcome"] == "delivered":
            onset_s = row["data"]["onset_s"]
            assert any(start_s <= onset_s <= end_s + 0.1 for start_s, end_s in spans)
