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
from bci_core.session.privacy import can_be_private

Bci = Callable[..., subprocess.CompletedProcess[str]]
EXAMPLES = Path(__file__).parents[2] / "examples"

pytestmark = pytest.mark.processes

FOREIGN = """
import sys, time
import numpy as np, pylsl
info = pylsl.StreamInfo("Foreign", "EEG", 2, 250.0, "float32", sys.argv[1])
channels = info.desc().append_child("channels")
for label in ("A", "B"):
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


def run(bci: Bci, rig: Path, tmp_path: Path, *more: str) -> dict[str, Any]:
    done = bci("run", rig, "--out", tmp_path / "sessions", "--json", *more)
    assert done.returncode == 0, done.stdout + done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def test_human_sleep_eeg_runs_through_the_live_path(
    bci: Bci, tmp_path: Path, shared_data: Path
) -> None:
    file = str(shared_data / "mcsleep_30s.npz")
    rig = example("slow-oscillation", tmp_path, amplifier={"file": file})
    told = run(bci, rig, tmp_path, "--duration", "18")
    assert told["status"] == "completed"
    assert told["samples_lost"] == 0
    assert told["delivered"] >= 3
    # Real sleep is no sine: the reference is the recording itself, filtered without delay.
    assert told["phase"]["reference"] != "fitted sine"
    assert told["phase"]["n"] >= 3
    done = bci("replay", told["folder"])
    assert done.returncode == 0, done.stdout


def test_a_session_ends_with_its_recording(bci: Bci, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    noise_uv = rng.normal(0.0, 10.0, (1200, 1))
    np.savez(tmp_path / "r.npz", data=noise_uv, fs=200.0, units="uV")
    rig = example("spindle-power", tmp_path, amplifier={"file": str(tmp_path / "r.npz")})
    told = run(bci, rig, tmp_path)
    assert (told["status"], told["reason"]) == ("completed", "the recording has come to its end")


def test_a_converted_recording_plays_through_brainflow(bci: Bci, tmp_path: Path) -> None:
    layout = board_layout("CYTON_BOARD")
    rate_hz = layout.rate_hz
    t_s = np.arange(int(60 * rate_hz)) / rate_hz
    bursts_uv = 60.0 * np.sin(2 * np.pi * 13 * t_s) * (np.sin(2 * np.pi * 0.2 * t_s) > 0.8)
    noise_uv = np.random.default_rng(1).normal(0, 5, len(t_s))
    data = np.tile((bursts_uv + noise_uv)[:, None], (1, len(layout.labels)))
    np.savez(tmp_path / "night.npz", data=data, fs=rate_hz, units="uV")
    played = tmp_path / "night.csv"
    done = bci("convert", tmp_path / "night.npz", "--board", "CYTON_BOARD", "--out", played)
    assert done.returncode == 0, done.stderr
    rig = example("playback-board", tmp_path, amplifier={"file": str(played)})
    told = run(bci, rig, tmp_path, "--duration", "3")
    assert told["status"] == "completed"
    assert told["samples"] > 500


def test_another_programs_stream_is_read_directly(bci: Bci, write_rig: Any, tmp_path: Path) -> None:
    other = subprocess.Popen([sys.executable, "-c", FOREIGN, "foreign-1"])
    try:
        rig = write_rig(
            amplifier={"driver": "lsl", "source_id": "foreign-1"}, detector={"channel": "A"}
        )
        told = run(bci, rig, tmp_path, "--duration", "3")
    finally:
        other.kill()
        other.wait()
    assert told["status"] == "completed"
    assert told["delivered"] >= 8
    assert abs(told["phase"]["mean_error_deg"]) < 5.0
    logs = {path.stem for path in (Path(told["folder"]) / "logs").iterdir()}
    assert "amplifier" not in logs
    assert bci("replay", told["folder"]).returncode == 0


def test_the_sham_arm_marks_and_delivers_nothing(bci: Bci, write_rig: Any, tmp_path: Path) -> None:
    told = run(bci, write_rig(policy={"sham_fraction": 1.0}), tmp_path, "--duration", "2")
    assert told["sham"] + told["aborted"] == told["triggers"] > 3
    assert (told["delivered"], told["charge_uc"]) == (0, 0.0)


def test_a_private_session_is_alone_on_its_network(
    bci: Bci, write_rig: Any, tmp_path: Path
) -> None:
    if can_be_private():
        pytest.skip(can_be_private())
    told = run(bci, write_rig(), tmp_path, "--private", "--duration", "1")
    assert told["status"] == "completed"
    ledger = read_ledger(Path(told["folder"]) / "ledger.jsonl")
    assert "namespace" in ledger[0].data["privacy"]["data ports"]


def test_simulated_time_gives_the_same_session_each_time(
    bci: Bci, write_rig: Any, tmp_path: Path
) -> None:
    rig = write_rig()
    rows = []
    for out in ("one", "two"):
        done = bci("simulate", rig, "--duration", "120", "--out", tmp_path / out, "--json")
        assert done.returncode == 0, done.stderr
        told = json.loads(done.stdout)
        ledger = read_ledger(Path(told["folder"]) / "ledger.jsonl")
        rows.append([row.data for row in ledger if row.event in ("decision", "outcome")])
    assert rows[0] == rows[1]
    assert 590 <= told["delivered"] <= 600
    assert abs(told["phase"]["mean_error_deg"]) < 1.0
    done = bci("replay", told["folder"], "--json")
    assert json.loads(done.stdout)["identical"]
    assert json.loads(done.stdout)["speed"] > 20.0


def test_an_amplifier_without_simulated_time_is_refused(bci: Bci, tmp_path: Path) -> None:
    rig = example("lsl-stream", tmp_path)
    done = bci("simulate", rig, "--out", tmp_path / "sessions")
    assert done.returncode == 2
    assert "real time only" in done.stderr
