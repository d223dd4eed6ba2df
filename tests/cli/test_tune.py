"""`bci tune` from the command line: what it says, writes and ends with."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from bci_core.cli.app import app
from bci_core.errors import ConfigError, InputError, UnknownNameError

RUNNER = CliRunner()
RATE_HZ = 100.0
ONSETS = np.arange(10.0, 110.0, 5.0)


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> tuple[str, str]:
    folder = tmp_path_factory.mktemp("recorded")
    t = np.arange(round(115 * RATE_HZ)) / RATE_HZ
    samples = np.random.default_rng(0).normal(0.0, 5.0, (len(t), 2)).astype(np.float32)
    for onset in ONSETS:
        inside = (t >= onset) & (t < onset + 1.0)
        samples[inside, 1] += 15.0 * np.sin(2 * np.pi * 13.0 * t[inside])
    np.savez(folder / "nap.npz", data=samples, fs=RATE_HZ, units="uV", ch=np.array(["C3", "C4"]))
    rows = [f"{onset},1.0,{'spindle' if i % 4 else 'other'}" for i, onset in enumerate(ONSETS)]
    (folder / "nap.csv").write_text("\n".join(["onset,duration,trial_type", *rows]))
    return str(folder / "nap.npz"), str(folder / "nap.csv")


def tune(files: tuple[str, str], out: Path, *more: str, budget: str = "false_per_min<=2"):
    recording, marks = files
    arguments = ["tune", recording, "--marks", marks, "--detector", "band_power", "--channel"]
    arguments += ["C4", "--set", "band_hz=11,16", "--budget", budget, "--out", str(out)]
    return RUNNER.invoke(app, [*arguments, *more])


def test_it_says_what_to_expect_and_writes_the_section(files, tmp_path: Path) -> None:
    done = tune(files, tmp_path / "out")
    assert done.exit_code == 0, done.output
    assert "36 of 36: threshold_sd" in done.output
    assert "chosen: threshold_sd" in done.output
    assert "part kept aside" in done.output
    written = {path.name for path in (tmp_path / "out").iterdir()}
    assert written == {"detector.toml", "trade-off.html", "tuning.json"}


def test_without_out_the_folder_is_named_after_recording_and_detector(
    files, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    recording, marks = files
    arguments = ["tune", recording, "--marks", marks, "--detector", "band_power", "--channel", "C4"]
    arguments += ["--set", "band_hz=11,16", "--budget", "fp<=9", "--sweep", "threshold_sd=3"]
    assert RUNNER.invoke(app, arguments).exit_code == 0
    assert (tmp_path / "tuned" / "nap-band_power" / "detector.toml").exists()


def test_the_json_is_all_of_standard_output(files, tmp_path: Path) -> None:
    done = tune(files, tmp_path, "--json", "--seed", "3", "--sweep", "threshold_sd=2:4:3")
    told = json.loads(done.stdout)
    assert told["feasible"] is True
    assert told["settings"]["channel"] == "C4"
    assert told["kept_aside"]["seed"] == 3
    assert len(told["kept_aside"]["spans_s"]) == 6
    assert [trial["settings"] for trial in told["trials"]] == [
        {"threshold_sd": value} for value in (2.0, 3.0, 4.0)
    ]


def test_a_budget_that_nothing_keeps_ends_with_1_and_the_nearest(files, tmp_path: Path) -> None:
    done = tune(files, tmp_path, budget="false_per_min<=2,latency_ms_p50<=1")
    assert done.exit_code == 1
    assert "no setting keeps the budget" in done.output
    assert "nearest: threshold_sd" in done.output
    assert not (tmp_path / "detector.toml").exists()


def test_only_marks_of_a_type_can_be_asked_for(files, tmp_path: Path) -> None:
    done = tune(files, tmp_path, "--json", "--mark-type", "spindle", budget="f1>=0.1")
    assert json.loads(done.stdout)["marks"]["n"] == 15


def test_the_section_can_be_scored_as_it_is(files, tmp_path: Path) -> None:
    tune(files, tmp_path)
    recording, marks = files
    section = str(tmp_path / "detector.toml")
    done = RUNNER.invoke(app, ["score", recording, "--rig", section, "--marks", marks, "--json"])
    told = json.loads(done.stdout)
    chosen = json.loads((tmp_path / "tuning.json").read_text())["chosen"]
    for figure in ("tp", "fn", "fp"):
        assert told[figure] == chosen["tuned_on"][figure] + chosen["kept_aside"][figure]


@pytest.mark.parametrize(
    ("more", "budget", "error", "said"),
    [
        ((), "recall<=1", ConfigError, "more is better"),
        (("--sweep", "thresh=1:2:3"), "fp<=1", ConfigError, "unknown key"),
        (("--set", "gain=3"), "fp<=1", InputError, "gain"),
        (("--keep-aside", "1.5"), "fp<=1", InputError, "between 0 and 1"),
        (("--channel", "C3"), "fp<=1", InputError, "reads one channel"),
        (("--detector", "nonsense"), "fp<=1", UnknownNameError, "nonsense"),
        (("--marks", "nowhere.csv"), "fp<=1", InputError, "nowhere.csv"),
        (("--mark-type", "seizure"), "fp<=1", InputError, "seizure"),
    ],
)
def test_mistakes_are_named(files, tmp_path: Path, more, budget, error, said) -> None:
    done = tune(files, tmp_path, *more, budget=budget)
    assert isinstance(done.exception, error)
    assert done.exception.exit_status == 2
    assert said in str(done.exception)
    assert list(tmp_path.iterdir()) == []
