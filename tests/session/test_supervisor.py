"""What the supervisor makes of what it hears: arm again, fail, or end as asked."""

import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bci_core.chunk import StreamInfo
from bci_core.clock import VirtualClock
from bci_core.config.load import load_rig
from bci_core.record.ledger import Ledger, read_ledger
from bci_core.session.arms import Opened
from bci_core.session.folder import SessionFolder
from bci_core.session.rearming import ARM_S, REARM_AFTER_S
from bci_core.session.supervisor import Supervisor

INFO = StreamInfo("bench", 250.0, ("Fz",), "bench-1")


class Loop:
    """A node that only hears."""

    role = "loop"
    done = killed = False

    def __init__(self) -> None:
        self.orders: list[dict[str, Any]] = []

    def send(self, order: dict[str, Any]) -> None:
        self.orders.append(order)

    def alive(self) -> bool:
        return True


class Scene:
    def __init__(self, tmp_path: Path, **session: float) -> None:
        rig = load_rig("theta-phase")
        rig = replace(rig, session=rig.session.model_copy(update=session))
        self.clock = VirtualClock(100.0)
        self.folder = SessionFolder.create(tmp_path, "test", self.clock)
        self.ledger = Ledger(self.folder.ledger, self.clock)
        self.said: list[str] = []
        self.supervisor = Supervisor(
            rig, INFO, self.folder, Opened(self.ledger), self.clock, self, 10.0
        )
        self.loop: Any = Loop()
        self.supervisor._nodes._processes["loop"] = self.loop

    def say(self, text: str) -> None:
        self.said.append(text)

    def show(self, state: Mapping[str, Any]) -> None: ...

    def hear(self, event: str, **message: Any) -> None:
        self.supervisor._heard(self.loop, {"event": event, **message})

    def disarmed(self, reason: str) -> None:
        self.hear("row", name="disarmed", data={"reason": reason, "detail": ""})

    def armed(self) -> None:
        self.hear("row", name="armed", data={})

    def later(self, seconds: float) -> None:
        self.clock.sleep_until(self.clock.now_s() + seconds)
        self.supervisor._arm_again_if_due()

    @property
    def ending(self) -> tuple[str, int] | None:
        ending = self.supervisor._end.ending
        return None if ending is None else (ending.status, ending.exit_status)


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def test_a_busy_machine_is_given_time_to_arm_at_first(scene: Scene) -> None:
    scene.supervisor._rearming.begin(scene.clock.now_s())
    for _ in range(3):
        scene.hear("arm_refused", why="stale: 0.2 s")
        scene.later(0.25)
    assert scene.loop.orders == [{"do": "arm", "actor": "operator"}] * 3
    assert [row.event for row in read_ledger(scene.folder.ledger)] == ["arm.intent"] * 3
    assert scene.ending is None
    scene.later(ARM_S)
    scene.hear("arm_refused", why="stale: 0.2 s")
    assert scene.ending == ("failed", 1)


def test_a_fault_that_passes_is_armed_again_as_often_as_allowed(tmp_path: Path) -> None:
    scene = Scene(tmp_path, max_rearms=2)
    scene.armed()
    scene.disarmed("stale")
    scene.later(REARM_AFTER_S / 2)
    assert scene.loop.orders == []
    scene.later(REARM_AFTER_S / 2)
    assert len(scene.loop.orders) == 1
    scene.hear("arm_refused", why="stale: still")
    scene.later(REARM_AFTER_S)
    assert len(scene.loop.orders) == 2
    scene.armed()
    assert scene.said[-1] == "armed again"
    scene.disarmed("heartbeat")
    assert scene.ending == ("failed", 1)


def test_a_fault_that_does_not_pass_ends_it_at_once(tmp_path: Path) -> None:
    scene = Scene(tmp_path, max_rearms=9)
    scene.armed()
    scene.disarmed("device: output locked")
    assert scene.ending == ("failed", 1)
    scene.later(10.0)
    assert scene.loop.orders == []


def test_the_emergency_stop_is_no_failure_whoever_tells_first(scene: Scene) -> None:
    scene.armed()
    scene.disarmed("device: emergency_stop")
    scene.hear("row", name="emergency_stop", data={})
    assert scene.ending == ("stopped", 143)


def test_a_recording_that_ends_is_an_end_only_once_armed(scene: Scene, tmp_path: Path) -> None:
    scene.hear("done", why="", how="exhausted")
    assert scene.ending == ("failed", 1)
    other = Scene(tmp_path / "other")
    other.armed()
    other.hear("done", why="", how="exhausted")
    assert other.ending == ("completed", 0)


def test_the_first_reason_is_the_cause_and_failing_to_close_turns_success(scene: Scene) -> None:
    scene.armed()
    scene.hear("done", why="", how="exhausted")
    scene.hear("done", why="the link is gone")
    assert scene.ending == ("failed", 1)
    scene.hear("done", why="something else")
    scene.supervisor._tell_failure()
    scene.supervisor._tell_failure()
    assert [text for text in scene.said if "failed" in text] == ["failed: loop: the link is gone"]


def latched(scene: Scene, reason: str = "trigger 7: charge") -> None:
    scene.hear("row", name="latched", data={"reason": reason, "detail": "", "at_s": 100.0})


def test_a_latched_session_waits_for_its_reset_and_is_armed_again(scene: Scene) -> None:
    scene.armed()
    latched(scene)
    assert scene.ending is None
    assert "until somebody else than operator resets it: bci reset" in scene.said[-1]
    scene.hear("row", name="reset", data={"actor": "ada"})
    assert scene.said[-1] == "reset by ada; arming again"
    scene.later(REARM_AFTER_S)
    assert scene.loop.orders == [{"do": "arm", "actor": "operator"}]


def test_no_standing_order_to_arm_is_spent_on_what_is_latched(tmp_path: Path) -> None:
    scene = Scene(tmp_path, max_rearms=2)
    scene.armed()
    scene.disarmed("stale")
    latched(scene)
    for _ in range(5):
        scene.later(REARM_AFTER_S)
        scene.hear("arm_refused", why="latched: reset it first")
    assert scene.loop.orders == []
    assert scene.ending is None
    scene.hear("row", name="reset", data={"actor": "ada"})
    scene.later(REARM_AFTER_S)
    assert scene.loop.orders == [{"do": "arm", "actor": "operator"}]


def test_a_reset_brings_back_no_stimulator_that_was_lost(scene: Scene) -> None:
    scene.armed()
    latched(scene)
    scene.hear("row", name="reset", data={"actor": "ada", "after": "disconnected"})
    assert scene.ending == ("failed", 1)
    assert "a new session" in scene.supervisor._end.ending.reason  # type: ignore[union-attr]


def test_a_device_whose_lease_has_ended_is_armed_again(tmp_path: Path) -> None:
    scene = Scene(tmp_path, max_rearms=1)
    scene.armed()
    scene.disarmed("device: lease expired")
    scene.later(REARM_AFTER_S)
    assert len(scene.loop.orders) == 1


def test_one_that_nobody_resets_has_failed(scene: Scene) -> None:
    scene.armed()
    latched(scene)
    scene.clock.sleep_until(scene.clock.now_s() + 301.0)
    assert "not reset within 300 s" in scene.supervisor._desk.serve()


def test_one_that_is_latched_at_its_end_has_failed(scene: Scene) -> None:
    scene.armed()
    latched(scene)
    scene.hear("done", why="", how="exhausted")
    assert scene.ending == ("failed", 1)


def test_one_that_is_not_to_wait_fails_at_once(tmp_path: Path) -> None:
    scene = Scene(tmp_path, wait_for_reset_s=0.0)
    latched(scene)
    assert scene.ending is None, "before arming it is the arming that is refused"
    scene.armed()
    latched(scene)
    assert scene.ending == ("failed", 1)


def test_the_stop_key_signals_the_stimulator_itself_and_ends_the_session(scene: Scene) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as device:
        scene.supervisor._nodes._processes["stimulator"] = device  # type: ignore[assignment]
        scene.supervisor.press_stop()
        assert device.wait(10.0) == -signal.SIGUSR1
    scene.supervisor._end_as_asked()
    assert scene.ending == ("stopped", 143)
    scene.supervisor.press_stop()  # The device has gone by now; nothing more happens.


def test_the_stop_key_before_there_is_a_stimulator_prevents_it(scene: Scene) -> None:
    scene.supervisor.press_stop()
    scene.supervisor._end_as_asked()
    assert scene.ending == ("stopped", 143)
