"""`bci score`, on recordings whose events are known."""

import json
from pathlib import Path
from typing import Any

import edfio
import numpy as np
import pytest
from typer.testing import CliRunner

from bci_core.cli.app import app
from bci_core.errors import BciError, ConfigError

RUNNER = CliRunner()
RATE_HZ = 200.0
ONSETS_S = np.arange(10.0, 110.0, 20.0)
KEYS = {
    "tp", "fp", "fn", "precision", "recall", "f1", "false_per_min", "latency_ms", "phase",
    "detections",
}  # fmt: skip


@pytest.fixture
def night(tmp_path: Path) -> Path:
    """Two minutes with five bursts of 2 s at 20 Hz, on the second channel."""
    t = np.arange(round(120 * RATE_HZ)) / RATE_HZ
    x = np.random.default_rng(0).normal(0.0, 5.0, (len(t), 2))
    for onset_s in ONSETS_S:
        inside = (t >= onset_s) & (t < onset_s + 2.0)
        x[inside, 1] += 60.0 * np.cos(2 * np.pi * 20.0 * t[inside])
    path = tmp_path / "night.npz"
    np.savez(path, data=x, fs=RATE_HZ, units="uV", ch=["Fz", "Cz"])
    (tmp_path / "marks.csv").write_text(
        "onset_s,duration_s,type\n" + "".join(f"{t:g},2,burst\n" for t in ONSETS_S) + "60,1,other\n"
    )
    return path


def bci(*arguments: object) -> Any:
    return RUNNER.invoke(app, ["score", *map(str, arguments)], catch_exceptions=True)


BETA = ("--detector", "band_power", "--set", "band_hz=15,25")


def test_the_json_has_every_figure(night: Path) -> None:
    marks = night.with_name("marks.csv")
    done = bci(night, *BETA, "--channel", "Cz", "--marks", marks, "--mark-type", "burst", "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert set(told) >= KEYS
    assert (told["tp"], told["fp"], told["fn"], told["f1"]) == (5, 0, 0, 1.0)
    assert told["channels"] == ["Cz"]
    assert 100.0 < told["latency_ms"]["p10"] <= told["latency_ms"]["p90"] < 500.0
    assert [round(d["time_s"] - 0.3) for d in told["detections"]] == ONSETS_S.tolist()
    for d in told["detections"]:
        assert d["sample_index"] == round(d["time_s"] * RATE_HZ)
        assert d["mark"]["type"] == "burst"
    assert told["compared_with"].endswith("marks.csv (burst)")
    assert told["settings"]["threshold_sd"] == 3.0
    every = json.loads(bci(night, *BETA, "--channel", "Cz", "--marks", marks, "--json").stdout)
    assert (every["tp"], every["fn"]) == (5, 1)


def test_without_marks_it_is_compared_with_the_acausal_reference(night: Path) -> None:
    done = bci(night, *BETA, "--set", "channel=Cz")
    assert done.exit_code == 0
    text = " ".join(done.output.split())
    assert "acausal reference: zero-phase envelope of 15 to 25 Hz" in text
    assert "5 of 5 events" in text


def test_a_channel_nobody_named_is_the_first_and_said(night: Path) -> None:
    assert "band_power on Fz" in bci(night, *BETA).output


def test_a_part_of_the_recording(night: Path) -> None:
    marks = night.with_name("marks.csv")
    told = json.loads(
        bci(
            night, *BETA, "--channel", "Cz", "--marks", marks, "--mark-type", "burst",
            "--start", 20, "--end", 75, "--json",
        ).stdout
    )  # fmt: skip
    assert (told["tp"], told["fn"], told["marks"]) == (3, 0, 3)
    for d in told["detections"]:
        assert d["sample_index"] == round(d["time_s"] * RATE_HZ)
    assert (told["start_s"], told["end_s"]) == (20.0, 75.0)


def test_the_same_twice_and_through_a_rig(night: Path, tmp_path: Path) -> None:
    rig = tmp_path / "tuned.toml"
    rig.write_text('[detector]\nkind = "band_power"\nchannel = "Cz"\nband_hz = [15, 25]\n')
    first = bci(night, *BETA, "--channel", "Cz", "--json").stdout
    assert first == bci(night, *BETA, "--channel", "Cz", "--json").stdout
    assert first == bci(night, "--rig", rig, "--json").stdout


def test_pictures_of_every_miss_and_false_alarm(night: Path, tmp_path: Path) -> None:
    marks = tmp_path / "wrong.csv"
    marks.write_text("start,end\n10,12\n20,21\n40,41\n")
    out = tmp_path / "scored"
    done = bci(night, *BETA, "--channel", "Cz", "--marks", marks, "--out", out)
    assert done.exit_code == 0, done.output
    told = json.loads((out / "score.json").read_text())
    assert (told["tp"], told["fp"], told["fn"]) == (1, 4, 2)
    page = (out / "score.html").read_text()
    assert page.count("data-root-id") == 6
    for words in ("Missed: 2", "False alarms: 4", "20.000 s, 1000 ms, Cz", "recall 0.333"):
        assert words in page
    assert "src=" not in page.replace("/* src", "").split("</script>")[-1]


def test_a_recording_with_nan_and_gaps_is_scored_and_counted(night: Path) -> None:
    with np.load(night) as parts:
        arrays = dict(parts)
    arrays["data"][4000:4100, 1] = np.nan
    arrays["data"][4200, 1] = np.inf
    np.savez(night, **arrays)
    told = json.loads(bci(night, *BETA, "--channel", "Cz", "--json").stdout)
    assert told["samples"]["not_finite"] == 101
    assert told["tp"] == 5
    assert told["fp"] == 0


def test_a_night_of_several_rates_with_annotations(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    signals = [
        edfio.EdfSignal(
            rng.normal(0.0, 10.0, 60 * rate), rate, label=label, physical_dimension="uV"
        )
        for label, rate in (("EMG", 100), ("Cz", 200))
    ]
    path = tmp_path / "night.edf"
    edfio.Edf(signals, annotations=[edfio.EdfAnnotation(20.0, 1.0, "burst")]).write(path)
    told = json.loads(bci(path, *BETA, "--channel", "Cz", "--marks", path, "--json").stdout)
    assert (told["rate_hz"], told["channels"], told["marks"]) == (200.0, ["Cz"], 1)
    assert "different rates" in str(bci(path, *BETA).exception)


def test_a_phase_detector_is_judged_by_the_phase(tmp_path: Path) -> None:
    t = np.arange(40 * 250) / 250.0
    x = 50.0 * np.cos(2 * np.pi * 6.0 * t) + np.random.default_rng(0).normal(0.0, 5.0, len(t))
    np.savez(tmp_path / "theta.npz", data=x, fs=250.0, units="uV")
    told = json.loads(
        bci(
            tmp_path / "theta.npz", "--detector", "phase", "--set", "band_hz=4,8",
            "--set", "target_deg=180", "--set", "min_amplitude_uv=10", "--lead", 0.01, "--json",
        ).stdout
    )  # fmt: skip
    assert abs(told["phase"]["mean_error_deg"]) < 3.0
    assert told["phase"]["resultant_length"] > 0.98
    assert told["phase"]["n"] > 200
    assert all(d["target_s"] >= d["time_s"] + 0.006 for d in told["detections"])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--detector", "rippel"), "no detector is called 'rippel'"),
        (("--detector", "band_power"), "detector.band_hz"),
        ((*BETA, "--set", "threshold=3"), "write threshold_sd"),
        ((*BETA, "--set", "band_hz=15,250"), "below 100 Hz"),
        ((*BETA, "--channel", "Oz"), "no channel 'Oz'"),
        ((*BETA, "--marks", "none.csv"), "none.csv: no such file"),
        ((*BETA, "--tolerance", "-1"), "--tolerance: must be 0 s or more"),
        ((*BETA, "--start", "500"), "no samples from 500 s"),
        ((), "name a detector with --detector"),
    ],
)
def test_bad_input_is_told_with_status_2(
    night: Path, arguments: tuple[str, ...], words: str
) -> None:
    done = bci(night, *arguments)
    assert isinstance(done.exception, BciError)
    assert done.exception.exit_status == 2
    assert words in str(done.exception)


def test_marks_that_do_not_match_name_the_line(night: Path, tmp_path: Path) -> None:
    marks = tmp_path / "bad.csv"
    marks.write_text("onset_s,duration_s\n1,1\n500,1\n")
    done = bci(night, *BETA, "--marks", marks)
    assert isinstance(done.exception, BciError)
    assert "line 3: lasts from 500 s to 501 s; the recording ends at 120 s" in str(done.exception)


@pytest.fixture(scope="module")
def depth(tmp_path_factory):
    """Bursts on A2 in a hum on all contacts; marked on the pair A1-2."""
    folder = tmp_path_factory.mktemp("depth")
    t = np.arange(12_000) / 200.0
    samples = np.random.default_rng(0).normal(0.0, 8.0, (len(t), 3))
    samples += 300.0 * np.sin(2 * np.pi * 14.0 * t)[:, np.newaxis]
    samples[:, 1] += 30.0 * (t % 10 > 8) * np.sin(2 * np.pi * 13.0 * t)
    names = np.array(["A1", "A2", "A3"])
    np.savez(folder / "depth.npz", data=samples.astype(np.float32), fs=200.0, units="uV", ch=names)
    rows = [f"{s},2,A1-2" for s in range(8, 60, 10)]
    (folder / "depth.csv").write_text("\n".join(["onset_s,duration_s,channel", *rows]))
    return folder


def score_depth(depth, *words):
    arguments = ["score", depth / "depth.npz", "--marks", depth / "depth.csv", "--json"]
    arguments += ["--detector", "band_power", "--set", "band_hz=11,16", "--set", "threshold_sd=2"]
    done = CliRunner().invoke(app, list(map(str, [*arguments, *words])), catch_exceptions=False)
    return json.loads(done.stdout)


def test_a_bipolar_channel_finds_what_the_contacts_hide(depth):
    assert score_depth(depth, "--channel", "A2")["tp"] < 5
    told = score_depth(depth, "--reference", "bipolar")  # the first pair
    assert told["channels"] == ["A1-A2"]
    assert told["tp"] >= 5
    named = score_depth(depth, "--derive", "A1-A3, A2-A1", "--channel", "A2-A1")
    assert (named["channels"], named["tp"]) == (["A2-A1"], told["tp"])


def test_each_channel_is_scored_against_its_own_marks(depth, tmp_path):
    told = score_depth(depth, "--reference", "bipolar", "--each-channel", "--out", tmp_path)
    each = told["each_channel"]
    assert list(each) == told["channels"] == ["A1-A2", "A2-A3"]
    assert each["A1-A2"]["tp"] == told["tp"] >= 5
    assert each["A2-A3"]["tp"] == 0  # nobody has marked that
    assert told["fp"] == sum(one["fp"] for one in each.values())
    assert told["fp"] >= 5
    assert {row["channel"] for row in told["detections"]} == {"A1-A2", "A2-A3"}
    written = {path.name for path in tmp_path.iterdir()}
    assert written == {"score.json", "score-A1-A2.html", "score-A2-A3.html"}


def test_a_pair_that_is_not_there_is_refused_by_name(depth):
    with pytest.raises(ConfigError, match="no channel 'A7'; there are A1, A2, A3"):
        score_depth(depth, "--derive", "A1-A7")
