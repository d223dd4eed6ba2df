"""What ends a session from the side: the disk, the recorder."""

import shutil
from collections import namedtuple
from pathlib import Path
from typing import Any

import pytest

from bci_core.clock import VirtualClock
from bci_core.errors import LedgerError, RunError
from bci_core.session.folder import SessionFolder
from bci_core.session.watch import MEMORY_EVERY_S, STALLED_S, Watch

Usage = namedtuple("Usage", "total used free")


class Recorder:
    lives = True

    def running(self) -> bool:
        return self.lives


class Loop:
    kib = 1024.0

    def memory_kib(self) -> float:
        return self.kib


class Scene:
    def __init__(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.clock = VirtualClock(10.0)
        self.folder = SessionFolder.create(tmp_path, "test", self.clock)
        self.folder.xdf.write_bytes(b"XDF:")
        self.recorder, self.loop = Recorder(), Loop()
        self.free_mb = 1000.0
        monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(0, 0, self.free_mb * 1e6))
        loop: Any = self.loop
        self.watch = Watch(self.folder, self.recorder, loop, 50.0, self.clock)

    def later(self, seconds: float) -> dict[str, float] | None:
        self.clock.sleep_until(self.clock.now_s() + seconds)
        return self.watch.look()


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    return Scene(tmp_path, monkeypatch)


def test_memory_is_read_now_and_then(scene: Scene) -> None:
    assert scene.watch.look() == {"lsl_s": 10.0, "rss_kib": 1024.0}
    assert scene.later(0.1) is None
    assert scene.later(MEMORY_EVERY_S) is not None
    scene.loop.kib = float("nan")
    assert scene.later(MEMORY_EVERY_S) is None


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
