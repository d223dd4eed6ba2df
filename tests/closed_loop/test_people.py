"""People and a running session: a reset, tighter limits, and a stop whatever hangs."""

import os
import pty
import signal
import sys
import termios
from collections.abc import Callable
from typing import Any

import pytest

from bci_core.clock import LslClock
from bci_core.errors import RunError
from bci_core.session.folder import SessionFolder
from bci_core.session.orders import give_order
from bci_core.session.replay import replay_session

pytestmark = pytest.mark.processes

CLOCK = LslClock()
STUCK = {"driver": "microstim", "faults": [{"kind": "stuck_on", "after_s": 1.0, "for_s": 0.5}]}
IN_ITS_FOREGROUND = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
    "os.execv(sys.argv[1], sys.argv[1:])"
)
"""Make standard input the terminal of the session that the process leads."""


def after(*plays: Callable[[Any], Any]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("played", plays, indirect=True)


def refused(folder: SessionFolder, **order: Any) -> str:
    try:
        give_order(folder, order, CLOCK)
    except RunError as error:
        return str(error)
    return ""


def reset_then_key(stage: Any) -> Any:
    """In a terminal: latched by its device, reset, made tighter, ended by the space bar."""
    keyboard, terminal = pty.openpty()
    before = termios.tcgetattr(terminal)
    rig = stage.write_rig(stimulator=STUCK)
    session = stage.start(rig, before=(sys.executable, "-c", IN_ITS_FOREGROUND), stdin=terminal)
    session.until_row("latched")
    folder = SessionFolder(session.folder)
    answers = [refused(folder, do="reset", by="operator")]
    # While the device still has its fault, it refuses.
    session.until(lambda: not refused(folder, do="reset", by="ada"), "the fault to pass")
    session.until_row("armed", 2)
    answers.append(refused(folder, do="tighten", limits={"lockout_s": 0.15}, by="ada"))
    answers.append(refused(folder, do="tighten", limits={"lockout_s": 0.12}, by="ada"))
    tightened = len(session.rows("outcome"))
    session.until_row("outcome", tightened + 3, outcome="delivered")
    at_s = CLOCK.now_s()
    os.write(keyboard, b" ")
    played = stage.played(session, at_s, answers=answers)
    played.facts["restored"] = termios.tcgetattr(terminal) == before
    os.close(keyboard)
    os.close(terminal)
    return played


def stopped_while_suspended(stage: Any) -> Any:
    """As by Ctrl-Z: the supervisor does nothing; `bci stop` is given all the same."""
    session = stage.armed(arming={"heartbeat_timeout_s": 10.0})
    stop = ("stop", "--out", session.out)
    session.send("supervisor", signal.SIGSTOP)
    at_s = CLOCK.now_s()
    done = stage.bci(*stop)
    return stage.played(session, at_s, stop=done)


@after(reset_then_key)
def test_a_latched_session_is_reset_by_a_second_person_and_goes_on(played: Any) -> None:
    assert "operator runs the session; a second person has to reset" in played.facts["answers"][0]
    assert played.order("armed", "latched", "reset") == ["armed", "latched", "reset", "armed"]
    assert played.order("reset.intent", "reset")[-2:] == ["reset.intent", "reset"]
    assert played.row("reset")["data"]["actor"] == "ada"
    latched_s, again_s = (played.row(e)["data"]["at_s"] for e in ("latched", "armed"))
    onsets = [d["onset_s"] for d in played.data("delivery") if d["outcome"] == "delivered"]
    assert not [s for s in onsets if latched_s < s < again_s]
    assert [s for s in onsets if s > again_s]


@after(reset_then_key)
def test_limits_become_tighter_and_never_looser_and_the_replay_knows(played: Any) -> None:
    assert played.facts["answers"][1] == ""
    assert "lockout: 0.12 s is looser than 0.15 s" in played.facts["answers"][2]
    assert [d["limits"] for d in played.data("tightened")] == [{"lockout_s": 0.15}]
    assert played.order("tighten.intent", "tightened") == ["tighten.intent", "tightened"]
    assert replay_session(SessionFolder(played.folder)).identical


@after(reset_then_key)
def test_the_space_bar_stops_at_once_and_the_terminal_is_as_before(played: Any) -> None:
    assert played.status == 143
    assert played.end == {**played.end, "status": "stopped", "reason": "by the stop key"}
    disarmed = played.row("device_disarmed")["data"]
    assert disarmed["reason"] == "emergency_stop"
    assert played.facts["restored"]


@pytest.mark.realtime
@after(reset_then_key)
def test_from_key_to_disarmed_takes_ten_milliseconds(played: Any) -> None:
    assert 0.0 < played.row("device_disarmed")["data"]["at_s"] - played.at_s < 0.01


@after(stopped_while_suspended)
def test_a_suspended_supervisor_does_not_keep_the_stop_from_the_device(played: Any) -> None:
    assert played.facts["stop"].returncode == 0
    assert played.status == 143
    assert played.end["status"] == "stopped"
    assert played.row("emergency_stop", "stimulator")
