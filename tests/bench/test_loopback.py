"""The delay from mark to pulse, read off recordings with known delays."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from bci_core.bench.loopback import Channels, loopback_of, measure_loopback
from bci_core.bench.loopback_edges import edges_of, pair
from bci_core.cli.app import app
from bci_core.config.load import load_rig
from bci_core.errors import InputError
from bci_core.session.folder import SessionFolder
from bci_core.session.simulate import play_session

RATE_HZ = 2000.0


class Quiet:
    def say(self, text: str) -> None:
        pass

    def show(self, state: object) -> None:
        pass


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> SessionFolder:
    """On the virtual clock everything but the device and the transport takes no time."""
    rig = load_rig("bench-loopback")
    out = tmp_path_factory.mktemp("loopback")
    folder, _ = play_session(rig, "bench-loopback", out, Quiet(), 4.0)
    return folder


def channel(starts: list[int], length: int, uv: float, n: int = 4000) -> np.ndarray:
    made = np.random.default_rng(1).normal(20.0, 1.0, n)
    for start in starts:
        made[start : start + length] += uv
    return made.astype(np.float32)


def test_an_edge_is_the_first_sample_either_way_and_a_train_is_one() -> None:
    train = channel([500, 520, 540, 2000], 2, -300.0)
    found = edges_of(train, "return", dead=40)
    assert found.index.tolist() == [500, 2000]
    assert found.threshold_uv == pytest.approx(150.0, rel=0.02)
    assert found.noise_uv == pytest.approx(1.0, rel=0.1)
    assert edges_of(train, "return", dead=10).index.tolist() == [500, 520, 540, 2000]
    assert edges_of(train, "return", dead=40, threshold_uv=400.0).index.tolist() == []


def test_a_channel_without_anything_on_it_is_said_to_have_nothing() -> None:
    with pytest.raises(InputError, match=r"channel 'mark': its largest.*is the cable in"):
        edges_of(channel([], 1, 0.0), "mark", dead=10)


def test_each_mark_is_answered_by_the_first_pulse_after_it_and_before_the_next() -> None:
    marks = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    pulses = np.array([0.5, 1.007, 1.02, 3.3, 4.009])
    pairs = pair(marks, pulses, within_s=0.04)
    assert pairs.mark_s.tolist() == [1.0, 4.0]
    assert pairs.delay_ms == pytest.approx([7.0, 9.0])
    assert (pairs.unanswered, pairs.stray) == (3, 3)
    none = pair(marks, np.array([]), 0.04)
    assert (len(none.delay_ms), none.unanswered, none.stray) == (0, 5, 0)


def test_the_recording_and_the_stamps_tell_the_same_delay(session: SessionFolder) -> None:
    found = loopback_of(session, Channels())
    assert found.counts["marks"] > 20
    assert (found.counts["unanswered"], found.counts["stray"]) == (0, 0)
    # 5 ms of transport; the device's 0.1 ms; then the next sample of 0.5 ms.
    assert found.stamps["mark_to_detection_sample"]["max"] == pytest.approx(0.0, abs=1e-3)
    assert found.stamps["sample_to_received"]["p50"] == pytest.approx(5.0, abs=1e-3)
    assert found.stamps["mark_to_onset"]["p50"] == pytest.approx(5.1, abs=1e-3)
    assert found.mark_to_pulse["p50"] == pytest.approx(5.5, abs=1e-3)
    assert found.mark_to_pulse["n"] == found.stamps["mark_to_onset"]["n"] == found.counts["marks"]
    assert found.pulse_after_onset["max"] == pytest.approx(0.4, abs=1e-3)


def test_it_is_shown_and_drawn_and_marks_that_get_no_answer_fail(
    session: SessionFolder, tmp_path: Path
) -> None:
    page, told = tmp_path / "loop.html", tmp_path / "loop.json"
    base = ["bench", "loopback", "--session", str(session.path), "--json", str(told)]
    ran = CliRunner().invoke(app, [*base, "--plot", str(page)])
    assert ran.exit_code == 0, ran.output
    for text in ("mark → pulse", "pulse in the recording after its stamped onset", "0 unanswered"):
        assert text in ran.output
    assert "SIMULATED DEVICE" in page.read_text("utf-8")
    ran = CliRunner().invoke(app, [*base, "--within", "0.004"])
    assert ran.exit_code == 1
    counts = json.loads(told.read_text())["counts"]
    assert counts["unanswered"] == counts["marks"] > 20


def test_a_channel_that_is_not_there_is_refused_before_anything_starts() -> None:
    with pytest.raises(InputError, match=r"no channel 'trigger'; it has mark, return"):
        measure_loopback("bench-loopback", 5.0, Channels(mark="trigger"), lambda line: None)
