"""`bci calibrate` from the command line, from a file and from a simulated amplifier."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from bci_core.cli.app import app
from bci_core.config.load import dump_rig, load_rig
from bci_core.errors import InputError
from bci_core.session import build

RUNNER = CliRunner()
RATE_HZ = 250.0


def recording(path: Path, *, dead: str = "") -> Path:
    t = np.arange(round(40 * RATE_HZ)) / RATE_HZ
    rng = np.random.default_rng(0)
    columns = {name: rng.normal(0.0, 2.0, len(t)) for name in ("Fz", "C3")}
    columns["Fz"] += 18.0 * np.sin(2 * np.pi * 6.0 * t)
    if dead:
        columns[dead][:] = 0.0
    data = np.column_stack(list(columns.values())).astype(np.float32)
    np.savez(path, data=data, fs=RATE_HZ, units="uV", ch=np.array(list(columns)))
    return path


def calibrate(tmp_path: Path, *more: str):
    arguments = ["calibrate", "theta-phase", "--out", str(tmp_path / "rig.toml"), *more]
    return RUNNER.invoke(app, arguments)


def test_a_rig_with_the_values_filled_in_is_written_with_its_origin(tmp_path: Path) -> None:
    done = calibrate(tmp_path, "--from", str(recording(tmp_path / "rest.npz")))
    assert done.exit_code == 0, done.output
    assert "filled in: min_amplitude_uv = " in done.output
    assert "ready: what is read can be used (Fz)" in done.output
    rig = load_rig(str(tmp_path / "rig.toml"))
    assert rig.detector.settings.min_amplitude_uv == pytest.approx(9.0, rel=0.1)
    before = load_rig("theta-phase")
    assert rig.safety == before.safety
    assert rig.protocol == before.protocol
    told = json.loads((tmp_path / "rig.json").read_text())
    assert told["source"]["recording"] == "rest.npz"
    assert len(told["source"]["sha256"]) == 64
    assert told["source"]["sha256"] in (tmp_path / "rig.toml").read_text()


def test_a_bad_channel_that_the_detector_reads_ends_with_1(tmp_path: Path) -> None:
    done = calibrate(tmp_path, "--from", str(recording(tmp_path / "rest.npz", dead="Fz")))
    assert done.exit_code == 1
    assert "Fz, which is read: flat for 100 % of the time" in done.output
    assert "not ready" in done.output


def test_the_json_is_all_of_standard_output(tmp_path: Path) -> None:
    done = calibrate(tmp_path, "--json", "--from", str(recording(tmp_path / "rest.npz")))
    told = json.loads(done.stdout)
    assert told["used"] == ["Fz"]
    assert told["levels"]["Fz"]["rms_uv"] == pytest.approx(18.0 / np.sqrt(2), rel=0.05)
    assert told["written"].endswith("rig.toml")


def test_live_it_listens_to_the_rigs_amplifier_and_touches_no_stimulator(
    tmp_path: Path, monkeypatch
) -> None:
    def never(*_args: object) -> None:
        raise AssertionError("a calibration has no business with the stimulator")

    for name in ("stimulator", "wire", "protocol"):
        monkeypatch.setattr(build, name, never)
    text = dump_rig(load_rig("theta-phase"))
    start, end = text.index("[amplifier]"), text.index("[monitor]")
    rig = tmp_path / "sine.toml"
    rig.write_text(text[:start] + '[amplifier]\ndriver = "sine"\n\n' + text[end:])
    out = tmp_path / "out.toml"
    done = RUNNER.invoke(app, ["calibrate", str(rig), "--live", "3", "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert "3 of 3 s from sine" in done.output
    told = json.loads((tmp_path / "out.json").read_text())
    assert told["source"] == {"stream": "sine", "source_id": "sine-0", "driver": "sine"}
    assert told["duration_s"] == pytest.approx(3.0, abs=0.3)
    assert load_rig(str(out)).amplifier == load_rig(str(rig)).amplifier


@pytest.mark.parametrize("more", [(), ("--live", "3", "--from", "rest.npz")])
def test_one_source_has_to_be_named(tmp_path: Path, more: tuple[str, ...]) -> None:
    done = calibrate(tmp_path, *more)
    assert isinstance(done.exception, InputError)
    assert "--from RECORDING or --live SECONDS" in str(done.exception)


def test_a_recording_without_the_rigs_channel_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.npz"
    np.savez(path, data=np.zeros((1000, 1)), fs=RATE_HZ, units="uV", ch=np.array(["Oz"]))
    done = calibrate(tmp_path, "--from", str(path))
    assert isinstance(done.exception, InputError)
    assert "no channel 'Fz'" in str(done.exception)
    assert not (tmp_path / "rig.toml").exists()


def test_a_rate_can_only_be_asked_of_a_detector_with_a_threshold(tmp_path: Path) -> None:
    path = str(recording(tmp_path / "rest.npz"))
    done = calibrate(tmp_path, "--from", path, "--at-most-per-min", "2")
    assert isinstance(done.exception, InputError)
    assert "has no threshold to set" in str(done.exception)
