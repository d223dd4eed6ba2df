"""What ends a session from the side: the disk, the recorder."""

import os
import shutil
from collections import namedtuple
from pathlib import Path
from typing import Any

import psutil
import pytest

from bci_core.clock import VirtualClock
from bci_core.errors import LedgerError, RunError
from bci_core.session.folder import SessionFolder
from bci_core.session.watch import HEALTH_EVERY_S, STALLED_S, Watch

GONE = 2**22 + 1
"""No process has such an id: Linux has none above 2**22."""

Usage = namedtuple("Usage", "total used free")


class Recorder:
    lives = True
    pid = GONE

    def running(self) -> bool:
        return self.lives


class Nodes:
    def __init__(self) -> None:
        self.processes = {"loop": os.getpid()}
        self.rows: list[dict[str, Any]] = []

    def pids(self) -> dict[str, int]:
        return self.processes

    def told(self, role: str, event: str) -> dict[str, Any]:
        assert (role, event) == ("loop", "status")
        return {"samples": 500, "lost": 2, "disarmed": ""}

    def log(self, event: str, data: dict[str, Any]) -> None:
        assert event == "health"
        self.rows.append(data)


class Scene:
    def __init__(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.clock = VirtualClock(10.0)
        self.folder = SessionFolder.create(tmp_path, "test", self.clock)
        self.folder.xdf.write_bytes(b"XDF:")
        self.recorder, self.nodes = Recorder(), Nodes()
        self.free_mb = 1000.0
        monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(0, 0, self.free_mb * 1e6))
        nodes: Any = self.nodes
        self.watch = Watch(self.folder, self.recorder, nodes, 50.0, self.clock)

    def later(self, seconds: float) -> None:
        self.clock.sleep_until(self.clock.now_s() + seconds)
        self.watch.look()


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    return Scene(tmp_path, monkeypatch)


def test_what_the_processes_take_is_put_down_now_and_then(scene: Scene) -> None:
    scene.watch.look()
    (row,) = scene.nodes.rows
    assert (row["lsl_s"], row["samples"], row["lost"]) == (10.0, 500, 2)
    assert row["processes"].keys() == {"loop", "supervisor"}  # the recorder's is gone
    mine = psutil.Process()
    for taken in row["processes"].values():
        assert taken["rss_kib"] == pytest.approx(mine.memory_info().rss / 1024.0, rel=0.1)
        assert taken["handles"] == mine.num_fds()
        assert taken["threads"] == mine.num_threads()
    scene.later(0.1)
    assert len(scene.nodes.rows) == 1
    scene.nodes.processes = {}
    scene.later(HEALTH_EVERY_S)
    assert scene.nodes.rows[1]["processes"].keys() == {"supervisor"}


def test_a_disk_that_is_almost_full_says_how_much_and_which_limit(scene: Scene) -> None:
    scene.watch.look()
    scene.free_mb = 49.0
    with pytest.raises(LedgerError, match=r"49 MB free, limit 50 MB \(session.min_free_disk_mb\)"):
        scene.later(1.0)


def test_a_recorder_that_has_ended_is_seen_at_the_next_look(scene: Scene) -> None:
    scene.watch.look()
    scene.recorder.lives = False
    with pytest.raises(RunError, match="recorder has ended"):
        scene.later(0.01)


def test_a_recording_that_stops_growing_is_told(scene: Scene) -> None:
    scene.watch.look()
    scene.later(STALLED_S - 0.5)
    scene.folder.xdf.write_bytes(b"XDF:more")
    scene.later(1.0)
    scene.later(STALLED_S - 0.5)
    with pytest.raises(RunError, match="has not grown for 5 s"):
        scene.later(1.0)


def test_a_recording_that_is_gone_is_told(scene: Scene) -> None:
    scene.watch.look()
    scene.folder.xdf.unlink()
    with pytest.raises(RunError, match=r"session\.xdf: cannot be watched"):
        scene.later(1.0)
