"""The same loop on a virtual clock: simulated, and decided again from the recording."""

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bci_core.clock import VirtualClock
from bci_core.config.load import load_rig
from bci_core.config.rig import Part, Rig
from bci_core.errors import InputError, SessionError
from bci_core.record.convert import to_brainflow
from bci_core.record.ledger import read_ledger, verify_ledger
from bci_core.record.recording import read_recording
from bci_core.session.folder import SessionFolder
from bci_core.session.replay import RecordedLink, replay_session
from bci_core.session.simulate import on_virtual_clock, simulate_session
from drivers.amplifiers.lsl_stream import LslSettings
from drivers.amplifiers.recording import RecordingSettings


class Silent:
    """Progress that keeps what was said."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.shown: list[Mapping[str, Any]] = []

    def say(self, text: str) -> None:
        self.said.append(text)

    def show(self, state: Mapping[str, Any]) -> None:
        self.shown.append(state)


Simulated = tuple[SessionFolder, dict[str, Any], Silent]


def simulated(rig: Rig, out: Path, duration_s: float) -> Simulated:
    progress = Silent()
    folder, summary = simulate_session(rig, "test", out, progress, duration_s)
    return folder, summary, progress


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Simulated:
    """Twenty seconds of the default preset."""
    return simulated(load_rig("theta-phase"), tmp_path_factory.mktemp("sessions"), 20.0)


def test_a_simulated_session_is_a_whole_one(session: Simulated) -> None:
    folder, summary, progress = session
    assert (summary["status"], summary["samples"]) == ("completed", 5001)
    assert 90 <= summary["delivered"] <= 100
    assert verify_ledger(folder.ledger).closed
    for path in (folder.rig, folder.xdf, folder.summary, folder.report, folder.provenance):
        assert path.is_file()
    assert [state["elapsed_s"] for state in progress.shown] == pytest.approx([10.0, 20.0], abs=0.1)
    assert progress.shown[-1]["disarmed"] == ""


def test_real_time_amplifiers_need_a_stand_in() -> None:
    rig = load_rig("theta-phase")
    clock = VirtualClock()
    assert on_virtual_clock(rig, clock).describe().channels[0] == "Fz"
    stream = Part("lsl", LslSettings(stream_name="x"))
    with pytest.raises(InputError, match="'lsl' runs in real time only"):
        on_virtual_clock(replace(rig, amplifier=stream), clock)


def recorded(tmp_path: Path, gap: slice | None = None) -> Rig:
    """Theta-phase on a recording of ten seconds, with a gap in it where asked for."""
    sine_uv = 20.0 * np.sin(2 * np.pi * 5 * np.arange(2500) / 250.0)
    file = tmp_path / "r.csv"
    np.savez(tmp_path / "r.npz", data=sine_uv[:, None], fs=250.0, units="uV")
    to_brainflow(read_recording(tmp_path / "r.npz"), "SYNTHETIC_BOARD", file)
    if gap is not None:
        lines = file.read_text().splitlines(keepends=True)
        del lines[gap]
        file.write_text("".join(lines))
    settings = RecordingSettings(file=str(file), board="SYNTHETIC_BOARD")
    return replace(load_rig("theta-phase"), amplifier=Part("recording", settings))


def test_it_ends_with_its_recording(tmp_path: Path) -> None:
    _, summary, _ = simulated(recorded(tmp_path), tmp_path, 60.0)
    assert summary["status"] == "completed"
    assert summary["reason"] == "the recording has come to its end"
    assert summary["duration_s"] == pytest.approx(10.0, abs=0.1)


def test_what_disarms_ends_it_in_order(tmp_path: Path) -> None:
    """Half a second is missing from the recording: the samples are stale."""
    folder, summary, progress = simulated(recorded(tmp_path, slice(1000, 1125)), tmp_path, 60.0)
    assert (summary["status"], summary["reason"]) == ("failed", "disarmed: stale")
    assert progress.said[-1] == "failed: disarmed: stale"
    assert verify_ledger(folder.ledger).closed
    assert [row.event for row in read_ledger(folder.ledger)][-3:] == [
        "disarmed",
        "samples",
        "session.end",
    ]
    assert replay_session(folder).identical


def test_a_replay_makes_the_same_decisions(session: Simulated) -> None:
    result = replay_session(session[0])
    assert result.identical
    assert result.agreeing == result.decisions == session[1]["detections"]
    assert result.speed > 1.0
    assert result.headline().startswith(f"{result.decisions} of {result.decisions} decisions ident")
    assert result.to_dict()["identical"] is True


Rows = list[dict[str, Any]]


def without_first(rows: Rows, event: str) -> Rows:
    index = next(i for i, row in enumerate(rows) if row["event"] == event)
    return rows[:index] + rows[index + 1 :]


def last_decision(rows: Rows) -> int:
    return max(i for i, row in enumerate(rows) if row["event"] == "decision")


def second_trigger_of_last(rows: Rows) -> Rows:
    index = last_decision(rows)
    rows[index]["data"]["seq"] += 1
    return rows


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        (lambda rows: without_first(rows, "decision"), "sample_index was"),
        (second_trigger_of_last, "seq was"),
        (lambda rows: [*rows, rows[last_decision(rows)]], "was recorded, and not made again"),
        (
            lambda rows: rows[: last_decision(rows)] + rows[last_decision(rows) + 1 :],
            "detected in the replay, not in the session",
        ),
    ],
)
def test_the_first_difference_is_shown(
    session: Simulated, tmp_path: Path, change: Callable[[Rows], Rows], difference: str
) -> None:
    result = replay_session(altered(session[0], tmp_path, change))
    assert not result.identical
    assert difference in result.difference


def test_a_killed_session_is_replayed_as_far_as_its_ledger_goes(
    session: Simulated, tmp_path: Path
) -> None:
    def cut_off(rows: Rows) -> Rows:
        return rows[: len(rows) // 2]

    result = replay_session(altered(session[0], tmp_path, cut_off))
    assert result.identical
    assert 0 < result.decisions < session[1]["detections"]


def test_a_folder_that_cannot_be_replayed_says_why(session: Simulated, tmp_path: Path) -> None:
    never_began = altered(session[0], tmp_path / "a", lambda rows: rows[:3])
    with pytest.raises(SessionError, match=r"no 'loop\.ready' row; the loop never began"):
        replay_session(never_began)

    def later(rows: Rows) -> Rows:
        ready = next(row for row in rows if row["event"] == "loop.ready")
        ready["data"]["first_sample_s"] += 0.001
        return rows

    with pytest.raises(SessionError, match=r"first sample, at .* is not in it"):
        replay_session(altered(session[0], tmp_path / "b", later))


def test_nothing_is_loaded_in_a_replay() -> None:
    link = RecordedLink()
    with pytest.raises(NotImplementedError):
        link.load([])
    assert link.poll() == []
    assert link.disarmed_reason() == ""


def altered(folder: SessionFolder, tmp_path: Path, change: Callable[[Rows], Rows]) -> SessionFolder:
    """A copy with another ledger."""
    copy = tmp_path / "copy"
    shutil.copytree(folder.path, copy)
    made = SessionFolder.open(copy)
    rows = change([json.loads(line) for line in made.ledger.read_text().splitlines()])
    made.ledger.write_text("".join(json.dumps(row, separators=(",", ":")) + "\n" for row in rows))
    return made
