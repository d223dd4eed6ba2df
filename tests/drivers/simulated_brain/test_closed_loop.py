"""The presets that close the loop on the simulated brain: what is told, and that sham does nothing.

How much they do to it is measured by `bci bench effect`. All of it is designed in, so this
checks the software and nothing else.
"""

import csv
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import pyxdf

from bci_core.clock import VirtualClock
from bci_core.config.load import load_rig
from bci_core.control.arms_settings import ArmsSettings, ShamArm
from bci_core.session import simulate
from bci_core.session.simulate import play_session
from drivers.amplifiers.simulated_brain.brain import SimulatedBrain
from drivers.amplifiers.simulated_brain.truth import LABELS

SECONDS = 15.0


class Silent:
    def say(self, text: str) -> None: ...
    def show(self, state: dict[str, object]) -> None: ...


@dataclass
class Ran:
    folder: Path
    rows: list[dict[str, str]]

    def of(self, event: str) -> list[dict[str, str]]:
        return [row for row in self.rows if row["event"] == event]

    def numbers(self, event: str, column: str) -> np.ndarray:
        return np.array([float(row[column]) for row in self.of(event)])

    @property
    def ripples_s(self) -> np.ndarray:
        return self.numbers("ripple", "offset_s") - self.numbers("ripple", "onset_s")


def ran(preset: str, out: Path, seconds: float, sham: bool = False) -> Ran:
    rig = load_rig(preset)
    if sham:
        rig = replace(rig, arms=ArmsSettings(sham=ShamArm()))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(simulate, "finish", lambda _folder, _progress: {})
        folder, _ = play_session(rig, "test", out, Silent(), seconds)
    with folder.truth.open(newline="") as file:
        return Ran(folder.path, list(csv.DictReader(file)))


@pytest.fixture(scope="module")
def arms(tmp_path_factory: pytest.TempPathFactory) -> tuple[Ran, Ran]:
    """The same brain, stimulated and with sham."""
    out = tmp_path_factory.mktemp("sessions")
    active = ran("brain-ripple-disruption", out, SECONDS)
    return active, ran("brain-ripple-disruption", out, SECONDS, sham=True)


def test_sham_does_nothing_to_the_brain(arms: tuple[Ran, Ran]) -> None:
    """Every event is that of a brain which nobody stimulates, to the bit."""
    _, sham = arms
    assert not sham.of("stimulus")
    rig = load_rig("brain-ripple-disruption")
    clock = VirtualClock(float(sham.rows[0]["onset_s"]))
    alone = SimulatedBrain(rig.amplifier.settings, clock)
    alone.open()
    rows = []
    while clock.now_s() < 1000.0 + SECONDS:
        alone.read(0.02)
        rows.extend(alone.truth())
    told = np.array([[float(row[label]) for label in LABELS[1:]] for row in sham.rows])
    n = min(len(rows), len(told))
    assert n > 25
    np.testing.assert_array_equal(told[:n], np.array(rows)[:n, 1:])
    np.testing.assert_allclose(sham.ripples_s, sham.numbers("ripple", "value"), atol=1e-9)


def test_the_truth_is_a_stream_of_the_recording_too(arms: tuple[Ran, Ran]) -> None:
    active, _ = arms
    streams, _ = pyxdf.load_xdf(
        active.folder / "session.xdf", synchronize_clocks=False, verbose=False
    )
    (stream,) = [s for s in streams if s["info"]["name"][0] == "brain-ripple-disruption-truth"]
    channels = stream["info"]["desc"][0]["channels"][0]["channel"]
    assert [channel["label"][0] for channel in channels] == list(LABELS)
    assert len(stream["time_series"]) == len(active.rows)
    onsets_s = [float(row["onset_s"]) for row in active.rows]
    np.testing.assert_array_equal(stream["time_stamps"], onsets_s)


def test_pulses_meet_theta_at_its_trough_and_move_it(tmp_path: Path) -> None:
    active = ran("brain-theta", tmp_path, 20.0)
    phases = np.exp(1j * active.numbers("phase_reset", "phase_rad"))
    assert len(phases) > 100
    assert abs(phases.mean()) > 0.8
    assert abs(np.angle(-phases.mean())) < np.radians(15.0)
