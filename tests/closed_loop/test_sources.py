"""The same loop on recordings, playback, another program's stream, and simulated time."""

import json
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tomli_w

from bci_core.record.brainflow_boards import board_layout
from bci_core.record.ledger import read_ledger

Bci = Callable[..., subprocess.CompletedProcess[str]]
DATA = Path(__file__).parents[2].parent / "shared" / "data"
EXAMPLES = Path(__file__).parents[2] / "examples"

pytestmark = pytest.mark.processes

FOREIGN = """
import sys, time
import numpy as np, pylsl
info = pylsl.StreamInfo("Foreign", "EEG", 2, 250.0, "float32", sys.argv[1])
channels = info.desc().append_child("channels")
for label in ("A", "A"):  # as it happens
    channel = channels.append_child("channel")
    channel.append_child_value("label", label).append_child_value("unit", "microvolts")
outlet = pylsl.StreamOutlet(info)
start = pylsl.local_clock()
for k in range(250 * 60):
    time.sleep(max(0.0, start + k / 250 - pylsl.local_clock()))
    sine = 20 * np.sin(2 * np.pi * 5 * k / 250)
    outlet.push_sample(np.float32([sine, -sine]), start + k / 250)
    if outlet.have_consumers():
        served = True
    elif k > 2500:
        break
"""


def example(name: str, tmp_path: Path, **sections: dict[str, Any]) -> Path:
    """An example's rig with some keys changed."""
    tree = tomllib.loads((EXAMPLES / f"{name}.toml").read_text())
    for section, keys in sections.items():
        tree.setdefault(section, {}).update(keys)
    path = tmp_path / f"{name}.toml"
    path.write_text(tomli_w.dumps(tree))
    return path


def after(play: Callable[[Any], Any]) -> pytest.MarkDecorator:
    """Run a test after a play."""
    return pytest.mark.parametrize("played", [play], indirect=True)


def completed(played: Any) -> dict[str, Any]:
    """What a session that has completed told on its standard output."""
    assert played.status == 0, played.session.stdout + played.session.stderr
    told: dict[str, Any] = json.loads(played.session.stdout)
    assert told["status"] == "completed"
    return told


def sleep_eeg(stage: Any) -> Any:
    if not DATA.is_dir():
        pytest.skip("no real recordings beside the project")
    file = str(DATA / "mcsleep_30s.npz")
    rig = example("slow-oscillation", stage.out, amplifier={"file": file})
    return stage.played(stage.start(rig, "--duration", "18", "--json"))


sleep_eeg.long = True  # and waiting for most of it


PLAYED_SAMPLES = 4000
"""At 250 Hz. It plays from before the recorder starts, which takes seconds on a busy machine."""


def sham_on_a_recording(stage: Any) -> Any:
    """The sham arm, until the recording ends."""
    sine_uv = 20.0 * np.sin(2 * np.pi * 5 * np.arange(PLAYED_SAMPLES) / 250.0)
    file = recording_of(sine_uv[:, None], 250.0, stage.out)
    rig = stage.write_rig(
        amplifier={"driver": "recording", "file": str(file)},
        detector={"channel": "ch1"},
        arms={"sham": {}},
    )
    return stage.played(stage.start(rig, "--json"))


sham_on_a_recording.long = True


def too_short_recording(stage: Any) -> Any:
    file = recording_of(np.random.default_rng(0).normal(0.0, 10.0, (100, 1)), 200.0, stage.out)
    rig = example("spindle-power", stage.out, amplifier={"file": str(file)})
    return stage.played(stage.start(rig, "--json"))


def playback_board(stage: Any) -> Any:
    layout = board_layout("CYTON_BOARD")
    rate_hz = layout.rate_hz
    t_s = np.arange(int(60 * rate_hz)) / rate_hz
    bursts_uv = 60.0 * np.sin(2 * np.pi * 13 * t_s) * (np.sin(2 * np.pi * 0.2 * t_s) > 0.8)
    noise_uv = np.random.default_rng(1).normal(0, 5, len(t_s))
    data_uv = np.tile((bursts_uv + noise_uv)[:, None], (1, len(layout.labels)))
    night, played = recording_of(data_uv, rate_hz, stage.out), stage.out / "night.csv"
    convert = stage.bci("convert", night, "--board", "CYTON_BOARD", "--out", played)
    rig = example("playback-board", stage.out, amplifier={"file": str(played)})
    return stage.played(stage.start(rig, "--duration", "3", "--json"), convert=convert)


def foreign_stream(stage: Any) -> Any:
    other = subprocess.Popen([sys.executable, "-c", FOREIGN, "foreign-1"])
    try:
        amplifier = {"driver": "lsl", "source_id": "foreign-1"}
        # The other program has no real-time priority.
        patient = {"stale_after_s": 1.0}
        # The frequency is learnt in the first cycles, whose pulses would not be judged fairly.
        rig = stage.write_rig(
            amplifier=amplifier,
            detector={"channel": "A-2"},
            arming=patient,
            monitor={"settle_s": 1.5},
        )
        return stage.played(stage.start(rig, "--duration", "4", "--json"))
    finally:
        other.kill()
        other.wait()


def recording_of(data_uv: Any, rate_hz: float, folder: Path) -> Path:
    path = folder / "recording.npz"
    np.savez(path, data=data_uv, fs=rate_hz, units="uV")
    return path


@after(sleep_eeg)
def test_human_sleep_eeg_runs_through_the_live_path(played: Any, here: Bci) -> None:
    told = completed(played)
    assert told["samples_lost"] == 0
    assert told["delivered"] >= 3
    # Real sleep is no sine: the reference is the recording itself, filtered without delay.
    assert told["phase"]["reference"] != "fitted sine"
    assert told["phase"]["n"] >= 3
    done = here("replay", told["folder"])
    assert done.returncode == 0, done.stdout


@after(sham_on_a_recording)
def test_a_session_ends_with_its_recording(played: Any) -> None:
    told = completed(played)
    assert told["reason"] == "the recording has come to its end"
    recorded = played.recording()
    assert recorded.times_s[-1] - recorded.times_s[0] <= (PLAYED_SAMPLES - 1) / 250.0
    assert told["samples_lost"] == 0


@after(too_short_recording)
def test_a_recording_that_ends_before_arming_is_a_clear_failure(played: Any) -> None:
    assert played.status == 1
    assert played.end["status"] == "failed"
    assert "the recording came to its end before the session was armed" in played.end["reason"]
    assert played.order("armed", "device_armed") == []


@after(playback_board)
def test_a_converted_recording_plays_through_brainflow(played: Any) -> None:
    assert played.facts["convert"].returncode == 0
    assert completed(played)["samples"] > 500


@after(foreign_stream)
def test_another_programs_stream_is_read_directly(played: Any, here: Bci) -> None:
    told = completed(played)
    assert told["delivered"] >= 8
    assert abs(told["phase"]["mean_error_deg"]) < 5.0
    logs = {path.stem for path in (played.folder / "logs").iterdir()}
    assert logs == {"loop", "stimulator", "recorder"}
    assert here("replay", played.folder).returncode == 0


@after(sham_on_a_recording)
def test_the_sham_arm_marks_and_delivers_nothing(played: Any) -> None:
    told = completed(played)
    # The last may still be on its way when the session ends.
    assert told["sham"] + told["aborted"] == told["triggers"] > 3
    assert (told["delivered"], told["charge_uc"]) == (0, 0.0)
    recording = played.recording()
    markers = [marker.text for marker in recording.markers]
    assert markers.count("sham") == told["sham"]
    assert "stim" not in markers
    assert set(recording.loop["sham"]) == {1.0}
    assert set(recording.loop["charge_uc"]) == {0.0}


def test_simulated_time_is_fast_and_gives_the_same_each_time(
    bci: Bci, here: Bci, write_rig: Any, tmp_path: Path
) -> None:
    rig = write_rig()
    rows = []
    for duration_s in (20, 100):
        out = tmp_path / str(duration_s)
        done = bci("simulate", rig, "--duration", duration_s, "--out", out, "--json")
        assert done.returncode == 0, done.stderr
        told = json.loads(done.stdout)
        ledger = read_ledger(Path(told["folder"]) / "ledger.jsonl")
        rows.append([row.data for row in ledger if row.event == "decision"])
    assert len(rows[0]) > 90
    assert rows[0] == rows[1][: len(rows[0])]
    assert 490 <= told["delivered"] <= 500
    assert abs(told["phase"]["mean_error_deg"]) < 1.0
    assert told["phase"]["resultant_length"] > 0.999
    replayed = json.loads(here("replay", told["folder"], "--json").stdout)
    assert replayed["identical"]
    assert replayed["decisions"] == len(rows[1])
    assert replayed["speed"] > 20.0


def test_an_amplifier_without_simulated_time_is_refused(here: Bci, tmp_path: Path) -> None:
    rig = example("lsl-stream", tmp_path)
    done = here("simulate", rig, "--out", tmp_path / "sessions")
    assert done.returncode == 2
    assert "real time only" in done.stderr


@pytest.mark.parametrize(
    ("name", "recording", "samples", "least"),
    [
        ("spindle-power", "osn_eeg_30s", 7500, 3),
        ("spindle-power", "yasa_n2_15s", 3000, 1),
        ("slow-oscillation", "yasa_n3_30s", 3000, 10),
    ],
)
def test_examples_find_something_in_real_recordings(
    here: Bci,
    tmp_path: Path,
    shared_data: Path,
    name: str,
    recording: str,
    samples: int,
    least: int,
) -> None:
    rig = example(name, tmp_path, amplifier={"file": str(shared_data / f"{recording}.npz")})
    done = here("simulate", rig, "--out", tmp_path / "sessions", "--json")
    told = json.loads(done.stdout)
    assert (done.returncode, told["status"]) == (0, "completed")
    assert told["reason"] == "the recording has come to its end"
    assert (told["samples"], told["samples_lost"]) == (samples, 0)
    assert told["delivered"] >= least
    assert here("replay", told["folder"]).returncode == 0
