"""Running every measurement of accuracy, and the one of chunking."""

import ast
import json
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from typer.testing import CliRunner

from bci_core.bench.accuracy import chunking, run
from bci_core.bench.accuracy.chunking import Tally, compare
from bci_core.bench.accuracy.figure import Figure
from bci_core.chunk import Chunk, StreamInfo
from bci_core.cli.app import app
from bci_core.detection.band_power import BandPower
from bci_core.detection.monitor_settings import MonitorSettings
from bci_core.detection.sensing import Sensing
from bci_core.errors import DeviceError, InputError, UnknownNameError
from bci_core.testing.check_detector import trial_chunk

RUNNER = CliRunner()
GOOD = Figure("a", "made", "F1", 0.9, asked=0.8, counts={"tp": 9, "fn": 1}, reference=0.7,
              reference_name="other 1.0")  # fmt: skip
SHORT = Figure("a", "made", "false per minute", 3.0, "1/min", asked=2.0, at_least=False)
ODD = Figure("b", "made [x]", "latency", float("nan"), "ms", reference_name="not installed")


def quiet(_line: str) -> None:
    pass


@pytest.fixture
def measurements(monkeypatch) -> dict[str, ModuleType]:
    """Two that stand where the real ones are."""
    made = {}
    for name, figures in (("first", [GOOD, SHORT]), ("second", [ODD])):
        module = ModuleType(f"bci_core.bench.accuracy.{name}")

        def measure(_folder, say, figures=figures, name=name):
            say(f"{name} at work")
            return figures

        module.measure = measure
        monkeypatch.setitem(sys.modules, module.__name__, module)
        made[name] = module
    monkeypatch.setattr(run, "MEASUREMENTS", ("first", "second"))
    return made


def test_every_measurement_runs_in_order_and_tells_how_far_it_is(measurements, tmp_path) -> None:
    lines: list[str] = []
    found = run.measure_accuracy(tmp_path, lines.append)
    assert found.figures == (GOOD, SHORT, ODD)
    assert lines[:2] == ["1 of 2, first", "1 of 2, first: first at work"]
    assert lines[-1] == "2 of 2, second: second at work"


def test_only_those_that_were_asked_for_run(measurements, tmp_path) -> None:
    assert run.measure_accuracy(tmp_path, quiet, ["second"]).figures == (ODD,)
    with pytest.raises(UnknownNameError, match="there are first, second"):
        run.measure_accuracy(tmp_path, quiet, ["third"])


def test_recordings_that_are_not_there_are_named(measurements, tmp_path) -> None:
    (tmp_path / "yasa_n2_15s.npz").touch()
    found = run.measure_accuracy(tmp_path, quiet)
    assert "yasa_n3_30s" in found.absent
    assert "yasa_n2_15s" not in found.absent
    with pytest.raises(InputError, match="no such folder"):
        run.measure_accuracy(tmp_path / "nowhere", quiet)


def test_what_a_measurement_leaves_out_is_told_again_at_the_end(measurements, tmp_path) -> None:
    def partly(_folder, say):
        say("spikes is left out: no templates")
        say("yasa_n2_15s.npz is not there; left out")
        return [GOOD]

    measurements["first"].measure = partly
    found = run.measure_accuracy(tmp_path, quiet)
    assert found.left_out == ("spikes is left out: no templates",)
    done = RUNNER.invoke(app, ["bench", "accuracy", "--recordings", str(tmp_path)])
    assert done.output.count("spikes is left out: no templates") == 2


def test_one_that_fails_does_not_keep_the_others(measurements, tmp_path) -> None:
    def broken(_folder, _say):
        raise DeviceError("out of order")

    measurements["first"].measure = broken
    found = run.measure_accuracy(tmp_path, quiet)
    assert found.figures == (ODD,)
    assert found.failed == {"first": "out of order"}
    done = RUNNER.invoke(app, ["bench", "accuracy", "--recordings", str(tmp_path)])
    assert done.exit_code == 1
    assert "failed: first: out of order" in done.output


def test_figure_asked_reached_counts_and_reference_stand_side_by_side(
    measurements, tmp_path
) -> None:
    done = RUNNER.invoke(app, ["bench", "accuracy", "--recordings", str(tmp_path)])
    assert done.exit_code == 0
    (good,) = [line for line in done.output.splitlines() if "F1" in line]
    assert " ".join(good.split()) == "made F1 0.9 ≥ 0.8 yes tp 9, fn 1 0.7 (other 1.0)"
    (short,) = [line for line in done.output.splitlines() if "≤" in line]
    assert "≤ 2 1/min  no" in short
    assert "made [x]" in done.output
    assert "1 of 2 figures that were asked for are reached" in done.output
    assert "left out: figures on fedele" in done.output


def test_strict_ends_with_1_where_a_figure_is_not_reached(measurements, tmp_path) -> None:
    arguments = ["bench", "accuracy", "--recordings", str(tmp_path), "--strict"]
    assert RUNNER.invoke(app, arguments).exit_code == 1
    assert RUNNER.invoke(app, [*arguments, "--only", "second"]).exit_code == 0


@pytest.mark.parametrize("bare", [True, False])
def test_the_json_is_a_list_of_figures(measurements, tmp_path: Path, bare: bool) -> None:
    arguments = ["bench", "accuracy", "--recordings", str(tmp_path), "--json"]
    file = tmp_path / "figures.json"
    done = RUNNER.invoke(app, arguments if bare else [*arguments, str(file)])
    assert done.exit_code == 0
    told = json.loads(done.stdout if bare else file.read_text())
    assert [each["reached"] for each in told] == [True, False, None]
    assert told[0]["counts"] == {"tp": 9, "fn": 1}
    assert told[2]["value"] is None


@pytest.mark.parametrize("name", run.MEASUREMENTS)
def test_every_measurement_of_the_bench_is_there(name: str) -> None:
    source = Path(run.__file__).with_name(f"{name}.py").read_text("utf-8")
    functions = [n for n in ast.parse(source).body if isinstance(n, ast.FunctionDef)]
    (measure,) = [f for f in functions if f.name == "measure"]
    assert [argument.arg for argument in measure.args.args] == ["recordings", "say"]


INFO = StreamInfo("made", 250.0, ("Cz",), "made")


def sensing(cls: type = BandPower) -> Sensing:
    settings = BandPower.Settings(channel="Cz", band_hz=(8.0, 13.0), learning_s=1.0)
    return Sensing(cls(settings, INFO, 0.01), INFO, MonitorSettings())


class Forgetful(BandPower):
    """Begins anew with each chunk of three samples."""

    def update(self, chunk: Chunk):
        if len(chunk) == 3:
            self.state[:] = 0.0
        return super().update(chunk)


class Counting(BandPower):
    """Finds the same, but counts its chunks in a slot that no kernel reads."""

    def update(self, chunk: Chunk):
        found = super().update(chunk)
        self.state = np.append(self.state, 1.0)
        return found


def test_a_detector_that_keeps_its_state_is_the_same_however_it_is_cut() -> None:
    tally = Tally()
    compare(sensing, trial_chunk(INFO), 20, tally)
    assert (tally.different, tally.cuts, tally.signals) == (0, 20, 1)
    assert tally.detections >= 20
    assert tally.samples == len(trial_chunk(INFO))


@pytest.mark.parametrize("broken", [Forgetful, Counting])
def test_one_that_depends_on_its_chunks_is_found_out(broken: type) -> None:
    tally = Tally()
    compare(lambda: sensing(broken), trial_chunk(INFO), 20, tally)
    assert tally.different > 10


def test_every_registered_detector_that_can_be_made_is_tried(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(chunking, "N_CUTS", 3)
    monkeypatch.setattr(chunking, "MOST_SAMPLES", 3000)
    lines: list[str] = []
    (tmp_path / "broken.npz").write_bytes(b"no archive")
    figures = {f.detector: f for f in chunking.measure(tmp_path, lines.append)}
    left_out = {line.split()[0] for line in lines if "left out" in line}
    assert {"band_power", "phase"} <= set(figures)
    assert set(figures) | left_out >= set(chunking.registry.names("detector"))
    assert "broken.npz" in left_out
    assert all(figure.reached for figure in figures.values())
    assert all(figure.counts["cuts"] == 3 for figure in figures.values())
