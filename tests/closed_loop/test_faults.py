"""What is broken in the middle of a session, and what the session makes of it."""

import os
import signal
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from bci_core.clock import LslClock
from bci_core.record.ledger import verify_ledger
from bci_core.session.privacy import can_be_private

pytestmark = pytest.mark.processes

CLOCK = LslClock()
LEASE_S = 0.25
"""``session.device_lease_s``, the default."""

Play = Callable[[Any], Any]


def after(*plays: Play) -> pytest.MarkDecorator:
    """Run a test after each of these plays."""
    return pytest.mark.parametrize("played", plays, indirect=True)


def signalled(role: str, number: int) -> Play:
    def play(stage: Any) -> Any:
        session = stage.armed(report=role == "amplifier")
        at_s = session.send(role, number)
        return stage.played(session, at_s)

    play.__name__ = f"{role}_{signal.Signals(number).name}"
    return play


amplifier_killed = signalled("amplifier", signal.SIGKILL)
loop_killed = signalled("loop", signal.SIGKILL)
loop_frozen = signalled("loop", signal.SIGSTOP)
stimulator_killed = signalled("stimulator", signal.SIGKILL)
recorder_killed = signalled("recorder", signal.SIGKILL)


def ctrl_c(stage: Any) -> Any:
    """As a terminal sends it: to the whole group in the foreground."""
    session = stage.armed()
    at_s = CLOCK.now_s()
    os.killpg(session.process.pid, signal.SIGINT)
    return stage.played(session, at_s)


def terminated(stage: Any) -> Any:
    """SIGTERM; in a network namespace of its own, where that can be had."""
    private = not can_be_private()
    session = stage.armed(*["--private"] * private)
    networks = {role: network_of(pid) for role, pid in session.pids().items()}
    at_s = session.send("supervisor", signal.SIGTERM)
    return stage.played(session, at_s, private=private, networks=networks)


def network_of(pid: int | str) -> tuple[Path, list[str]]:
    """Network namespace of a process, and the interfaces in it."""
    process = Path("/proc") / str(pid)
    _, _, *lines = (process / "net" / "dev").read_text().splitlines()
    return (process / "ns" / "net").readlink(), [line.split(":")[0].strip() for line in lines]


def ctrl_c_while_starting(stage: Any) -> Any:
    session = stage.start(stage.write_rig())
    session.until(lambda: list(session.out.glob("*/logs/loop.log")), "the nodes to be told")
    at_s = session.send("supervisor", signal.SIGINT)
    return stage.played(session, at_s)


def bci_stop(stage: Any) -> Any:
    session = stage.armed()
    at_s = CLOCK.now_s()
    stop = stage.bci("stop", "--out", session.out)
    return stage.played(session, at_s, stop=stop)


def supervisor_killed(stage: Any) -> Any:
    session = stage.armed()
    left = [psutil.Process(pid) for pid in session.pids().values()]
    at_s = session.send("supervisor", signal.SIGKILL)
    session.end()
    _, alive = psutil.wait_procs(left, timeout=15.0)
    return stage.played(session, at_s, alive=alive)


def faults_that_pass(stage: Any) -> Any:
    """Frozen: the amplifier, the supervisor, then the amplifier once too often."""
    session = stage.armed(session={"max_rearms": 2})
    freezes = [("amplifier", 0.8), ("supervisor", 2.0), ("amplifier", 0.8)]
    for times, (role, for_s) in enumerate(freezes, start=1):
        frozen_s = session.send(role, signal.SIGSTOP)
        CLOCK.sleep_until(frozen_s + for_s)
        session.send(role, signal.SIGCONT)
        if times < len(freezes):
            session.until_row("armed", 1 + times)
            session.until_delivered(3 * (1 + times))
    return stage.played(session, frozen_s)


ON_A_SMALL_DISK = """
mount -t tmpfs -o size=64m tmpfs "$0" || exit 99
"$@"
status=$?
cp -r "$0" "$0.kept"
exit $status
"""


def on_a_small_disk(stage: Any, min_free_disk_mb: float, fill_mb: float) -> Any:
    """A disk of 64 MB, on which other files grow in the middle of the session."""
    if subprocess.run(["unshare", "-Urm", "true"], capture_output=True).returncode != 0:
        pytest.skip("this kernel allows no mount of one's own here")
    rig = stage.write_rig(session={"min_free_disk_mb": min_free_disk_mb})
    disk = stage.out / "disk"
    disk.mkdir()
    session = stage.start(
        rig, out=disk, before=("unshare", "-Urm", "sh", "-c", ON_A_SMALL_DISK, str(disk))
    )
    inside = Path("/proc") / str(session.process.pid) / "root" / disk.relative_to("/")
    session.look_in(inside)
    # The first of them are on the disk by then: the recorder takes over twice a second, and
    # writes through a buffer of some kilobytes, which samples fill in two seconds.
    session.until_delivered(20)
    at_s = CLOCK.now_s()
    with suppress(OSError), (inside / "other").open("wb", buffering=0) as other:
        while other.tell() < fill_mb * 1e6:
            other.write(bytes(4096))
    session.end()
    session.look_in(stage.out / "disk.kept")
    return stage.played(session, at_s)


def disk_full(stage: Any) -> Any:
    return on_a_small_disk(stage, min_free_disk_mb=1.0, fill_mb=100.0)


def disk_almost_full(stage: Any) -> Any:
    return on_a_small_disk(stage, min_free_disk_mb=50.0, fill_mb=20.0)


def disk_too_small(stage: Any) -> Any:
    rig = stage.write_rig(session={"min_free_disk_mb": 1e6})
    return stage.played(stage.start(rig))


STOPS = {ctrl_c: 130, terminated: 143, bci_stop: 143}


@after(*STOPS)
def test_a_stop_disarms_first_and_loses_nothing(
    played: Any, request: pytest.FixtureRequest
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
    played: Any, request: pytest.FixtureRequest
) -> None:
    assert 0.0 < played.row("disarmed")["data"]["at_s"] - played.at_s < 0.5
    by = {ctrl_c: "Ctrl-C", terminated: "SIGTERM"}[request.node.callspec.params["played"]]
    assert by in played.end["reason"]


@after(terminated)
def test_a_private_session_is_alone_on_its_network(played: Any) -> None:
    if not played.facts["private"]:
        pytest.skip(can_be_private())
    networks = played.facts["networks"]
    assert {"amplifier", "loop", "stimulator", "recorder"} <= networks.keys()
    assert len({name for name, _ in networks.values()}) == 1
    for name, interfaces in networks.values():
        assert name != network_of("self")[0]
        assert "lo" in interfaces
        assert not [each for each in interfaces if each.startswith(("eth", "en", "wl"))]
    assert "namespace" in played.row("session.start")["data"]["privacy"]["data ports"]


@after(bci_stop)
def test_bci_stop_reaches_the_stimulator_itself(played: Any) -> None:
    stop = played.facts["stop"]
    assert (stop.returncode, stop.stderr) == (0, "")
    assert played.folder.name in stop.stdout
    assert played.row("device_disarmed")["data"]["reason"] == "emergency_stop"
    assert played.row("emergency_stop", "stimulator")


@after(ctrl_c_while_starting)
def test_a_stop_before_arming_never_arms(played: Any) -> None:
    assert played.status == 130
    assert played.end["status"] == "stopped"
    assert played.order("armed", "device_armed") == []
    assert not (played.folder / "keys").exists()
    assert verify_ledger(played.folder / "ledger.jsonl").closed


@pytest.mark.realtime
@after(amplifier_killed)
def test_without_amplifier_disarmed_within_100_ms(played: Any) -> None:
    disarmed_s = played.row("disarmed")["data"]["at_s"]
    assert 0.0 < disarmed_s - played.at_s < 0.1
    assert max(onsets_s(played)) < disarmed_s + 0.1
    assert_failed(played, "amplifier process was ended by SIGKILL")


@after(loop_killed)
def test_without_loop_the_stimulator_disarms_itself(played: Any) -> None:
    disarmed = played.row("device_disarmed", "stimulator")["data"]
    assert disarmed["reason"] == "host lost"
    assert 0.0 < disarmed["at_s"] - played.at_s < LEASE_S
    # Whatever this machine is busy with: sooner than the kernel could close the connection.
    assert disarmed["at_s"] < played.row("client_lost", "stimulator")["data"]["at_s"]
    assert max(onsets_s(played)) < disarmed["at_s"]
    assert_failed(played, "loop process was ended by SIGKILL")


@after(loop_frozen)
def test_a_loop_that_hangs_loses_its_lease(played: Any) -> None:
    expired = played.row("device_disarmed", "stimulator", 0)
    assert expired["data"]["reason"] == "lease expired"
    assert expired["lsl_s"] - played.at_s < LEASE_S + 0.2
    assert max(onsets_s(played)) <= played.at_s + LEASE_S
    assert_failed(played, "loop process said nothing for")


@after(stimulator_killed)
def test_without_stimulator_the_loop_disarms(played: Any) -> None:
    assert played.row("disarmed", "loop")["data"]["at_s"] - played.at_s < 0.2
    assert_failed(played, "stimulator process was ended by SIGKILL")
    assert_nothing_lost(played)


@after(recorder_killed)
def test_no_recording_no_stimulation(played: Any) -> None:
    assert played.row("disarmed", "loop")["data"]["at_s"] - played.at_s < 0.5
    assert_failed(played, "the recorder has ended")


@after(supervisor_killed)
def test_without_supervisor_everything_ends_by_itself(
    played: Any, here: Callable[..., Any]
) -> None:
    assert played.status == -signal.SIGKILL
    assert played.facts["alive"] == []
    folder = played.folder
    assert not verify_ledger(folder / "ledger.jsonl").closed
    recording = played.recording()
    assert (recording.truncated_bytes, recording.complaints) == (0, ())
    assert max(recording.loop["onset_s"]) < played.at_s + 0.5
    made = here("report", folder, "--json")
    assert made.returncode == 0
    assert '"status": "incomplete"' in made.stdout
    assert (folder / "report.html").exists()


@after(faults_that_pass)
def test_a_fault_that_passes_is_armed_again_as_often_as_the_rig_allows(played: Any) -> None:
    reasons = [data["reason"] for data in played.data("disarmed")]
    assert [reasons[0], reasons[2]] == ["stale", "stale"]
    assert reasons[1] in ("heartbeat", "ledger")
    assert played.order("arm.intent", "armed", "disarmed") == [
        *("arm.intent", "armed", "disarmed") * 3
    ]
    assert played.end["rearms"] == 2
    assert_failed(played, "stale")
    assert_no_pulse_while_disarmed(played)


@after(disk_almost_full)
def test_a_disk_that_fills_up_ends_the_session_in_order(played: Any) -> None:
    assert_failed(played, "disk almost full: 4")
    assert played.row("disarmed")["data"]["at_s"] - played.at_s < 2.0
    assert_nothing_lost(played)


@after(disk_full)
def test_a_full_disk_ends_the_session_and_what_was_written_is_kept(played: Any) -> None:
    assert played.status == 1
    said = played.session.stdout
    assert "disarming, then closing files" in said
    assert "No space left on device" in said or "disk almost full" in said
    assert "Traceback" not in said + played.session.stderr
    # Whether its last row found room, in the page it had begun, is chance; what is there is whole.
    verify_ledger(played.folder / "ledger.jsonl")
    assert len(played.data("outcome")) >= 3
    assert len(played.recording().times_s) > 0
    assert played.recording().loop["seq"].tolist()[:3] == [1.0, 2.0, 3.0]


@after(disk_too_small)
def test_without_room_on_the_disk_nothing_is_armed(played: Any) -> None:
    assert played.status == 1
    assert "MB free, limit 1e+06 MB (session.min_free_disk_mb)" in played.end["reason"]
    assert played.order("arm.intent", "armed", "device_armed") == []


def onsets_s(played: Any) -> list[float]:
    """Of every pulse, by the stimulator's own word and by the loop's."""
    told = [*played.data("delivery"), *played.data("outcome")]
    return [data["onset_s"] for data in told if data["onset_s"] is not None]


def assert_failed(played: Any, why: str) -> None:
    """A clear end: status, reason, readable files, nothing left behind."""
    assert played.status == 1
    assert played.end["status"] == "failed"
    assert why in played.end["reason"]
    assert f"failed: {played.end['reason']}" in played.session.stdout
    assert played.session.summary()["status"] == "failed"
    folder = played.folder
    assert verify_ledger(folder / "ledger.jsonl").closed
    assert len(played.recording().times_s) > 0
    assert (folder / "report.html").exists() == played.session.reports
    assert not (folder / "keys").exists()
    assert not (folder / "running.json").exists()
    assert_no_pulse_while_disarmed(played)


def assert_nothing_lost(played: Any) -> None:
    """Every sample the loop had and every trigger it sent is in the recording."""
    recording = played.recording()
    assert (recording.truncated_bytes, recording.complaints) == (0, ())
    assert recording.markers[-1].text == "session:end"
    ready = played.row("loop.ready")["data"]
    counted = played.row("samples")["data"]
    heard = recording.times_s >= ready["first_sample_s"]
    assert heard.sum() >= counted["samples"]
    assert counted["lost"] == 0
    told = [data["seq"] for data in played.data("outcome")]
    assert recording.loop["seq"].tolist() == told
    stims = [data for data in played.data("outcome") if data["outcome"] == "delivered"]
    assert [m.text for m in recording.markers].count("stim") == len(stims)


def assert_no_pulse_while_disarmed(played: Any) -> None:
    """By the stimulator's own word: each onset lies between arming and disarming."""
    spans = []
    for row in played.session.rows():
        if row["event"] == "armed":
            spans.append([row["data"]["at_s"], float("inf")])
        elif row["event"] == "disarmed":
            spans[-1][1] = row["data"]["at_s"]
    for delivery in played.data("delivery", "stimulator"):
        if delivery["outcome"] == "delivered":
            onset_s = delivery["onset_s"]
            assert any(start_s <= onset_s <= end_s + 0.1 for start_s, end_s in spans)
