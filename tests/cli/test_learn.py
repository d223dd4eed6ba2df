import json

import numpy as np
import pytest
from typer.testing import CliRunner

from bci_core.cli.learn import app
from bci_core.detection.assembly_templates import load
from bci_core.errors import ConfigError, InputError

RATE_HZ = 4000.0


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    """90 s of ten wires with a pattern in the first four; one second of it is not finite."""
    rng = np.random.default_rng(0)
    n = round(90 * RATE_HZ)
    samples = rng.normal(0.0, 5.0, (n, 10))
    fires = rng.random((n, 10)) < 1.0 / RATE_HZ
    for start in rng.choice(n // 100 - 1, 120, replace=False) * 100:
        fires[start + rng.integers(5, 95, 4), np.arange(4)] = True
    samples -= 80.0 * fires
    samples[200_000:204_000, 2] = np.nan
    path = tmp_path_factory.mktemp("learn") / "wires.npz"
    np.savez(path, data=samples.T.astype(np.float32), fs=RATE_HZ, units="uV")
    return path


def run(*words):
    return CliRunner().invoke(app, ["assembly", *map(str, words)], catch_exceptions=False)


def test_learns_from_a_recording(recording, tmp_path):
    out = tmp_path / "t.npz"
    words = (recording, "--out", out, "--shuffle-per-min", 6, "--keep-shared-rate", "--json")
    told = json.loads(run(*words).stdout)
    assert told["templates"] == 1
    assert len(told["source_sha256"]) == 64
    templates = load(out)
    assert set(templates.members(0)) == set(templates.units[:4])
    assert templates.provenance["recording"] == "wires.npz"
    # 90 s less 1 s of settling, 1 s of learning the noise, and 2 s for what is not finite
    assert templates.provenance["n_bins"] == pytest.approx(86 / 0.025, abs=60)
    shown = run(*words[:-1])
    assert shown.exit_code == 0
    assert ", ".join(templates.members(0)) in shown.stdout


def test_counts_are_taken_as_they_are(tmp_path):
    rng = np.random.default_rng(1)
    counts = rng.poisson(0.05, (20_000, 30)).astype(np.float32)
    counts[np.ix_(rng.choice(20_000, 150), (3, 4, 5, 6))] += 1
    np.savez(tmp_path / "c.npz", data=counts.T, fs=40.0, units="uV")
    run(tmp_path / "c.npz", "--out", tmp_path / "t.npz", "--source", "counts")
    templates = load(tmp_path / "t.npz")
    assert set(templates.members(0)[:4]) == set(templates.units[3:7])
    assert templates.provenance["n_bins"] == 20_000


def test_all_mistakes_at_once(recording, tmp_path):
    with pytest.raises(ConfigError) as caught:
        run(recording, "--out", tmp_path / "t.npz", "--source", "tea", "--bin", 0)
    assert [p.where for p in caught.value.problems] == ["source", "bin_s"]


def test_too_little_to_learn_from(recording, tmp_path):
    with pytest.raises(InputError, match="too few"):
        run(recording, "--out", tmp_path / "t.npz", "--end", 5)
    assert not (tmp_path / "t.npz").exists()


@pytest.fixture(scope="module")
def naps(tmp_path_factory):
    """160 s of two channels; 10 Hz on the second in every other 10 s, marked."""
    pytest.importorskip("sklearn")
    folder = tmp_path_factory.mktemp("naps")
    t = np.arange(160 * 100) / 100.0
    samples = np.random.default_rng(0).normal(0.0, 10.0, (len(t), 2))
    samples[:, 1] += 12.0 * (t % 20 >= 10) * np.sin(2 * np.pi * 10.0 * t)
    np.savez(folder / "nap.npz", data=samples.astype(np.float32), fs=100.0, units="uV")
    states = [f"{s},10,{'alpha' if s % 20 else 'other'}" for s in range(0, 160, 10)]
    (folder / "nap.csv").write_text("\n".join(["onset,duration,type", *states]))
    return folder


def learn_state(naps, out, *words):
    arguments = [naps / "nap.npz", "--marks", naps / "nap.csv", "--out", out, "--shuffles", 20]
    arguments += ["--frequency", 5, "--frequency", 10, "--frequency", 20, *words]
    return CliRunner().invoke(app, ["classifier", *map(str, arguments)], catch_exceptions=False)


def test_a_marked_state_is_told_from_the_rest(naps, tmp_path):
    done = learn_state(naps, tmp_path / "out", "--positive", "alpha", "--json")
    assert done.exit_code == 0
    told = json.loads(done.stdout)
    assert told["auc"] > 0.95 > told["chance"]["auc_p95"]
    assert told["chance"]["auc_median"] == pytest.approx(0.5, abs=0.2)
    assert told["brier"] < 0.5 * told["brier_of_base_rate"]
    n = told["examples"]["kept_aside"]
    assert sum(b["n"] for b in told["reliability"]) == n["positive"] + n["negative"]
    assert (told["positive"], told["negative"]) == ("alpha", "not alpha")
    assert len(told["source_sha256"]) == len(told["marks_sha256"]) == 64
    written = {path.name for path in (tmp_path / "out").iterdir()}
    assert written == {"model.json", "detector.toml", "classifier.html", "learning.json"}
    page = (tmp_path / "out" / "classifier.html").read_text()
    assert "Better than chance" in page
    assert "src=" not in page.split("<script>")[0]


def test_the_section_makes_a_detector_that_finds_it(naps, tmp_path):
    from bci_core.cli.app import app as bci

    learn_state(naps, tmp_path / "out", "--positive", "alpha", "--negative", "other")
    words = ["score", naps / "nap.npz", "--rig", tmp_path / "out" / "detector.toml"]
    words += ["--marks", naps / "nap.csv", "--mark-type", "alpha", "--start", 105, "--json"]
    done = CliRunner().invoke(bci, list(map(str, words)), catch_exceptions=False)
    told = json.loads(done.stdout)
    assert (told["tp"], told["fn"]) == (3, 0)


def test_marks_that_say_nothing_are_not_told_from_chance(naps, tmp_path):
    shifted = ["onset,duration", *(f"{s},10" for s in range(5, 150, 20))]
    (naps / "shifted.csv").write_text("\n".join(shifted))
    done = learn_state(naps, tmp_path / "out", "--marks", naps / "shifted.csv")
    assert done.exit_code == 1
    assert "not told from chance" in done.stdout


@pytest.mark.parametrize(
    ("marks", "words", "says"),
    [
        ("onset,duration\n10,0\n20,10\n", (), "line 2: no duration"),
        ("onset,duration\n10,5\n20,500\n", (), "line 3: lasts from 20 s to 520 s"),
        ("onset,duration\n10,10\n", (), "'not marked' has|'marked' has 0 examples in 0 blocks"),
        ("onset,duration,type\n10,10,a\n", ("--positive", "b"), "no mark of type b; it has a"),
        ("onset,duration\n10,10\n", ("--channel", "Oz"), "no channel 'Oz'; it has"),
        ("onset,duration\n10,10\n", ("--frequency", "60"), "60 Hz; it must be below 50 Hz"),
        ("onset,duration\n10,10\n", ("--every", "0", "--block", "0"), "every_s(.|\n)*block_s"),
    ],
)
def test_bad_input_is_refused_by_name(naps, tmp_path, marks, words, says):
    (tmp_path / "m.csv").write_text(marks)
    with pytest.raises(InputError, match=says) as caught:
        learn_state(naps, tmp_path / "out", "--marks", tmp_path / "m.csv", *words)
    assert caught.value.exit_status == 2
    assert not (tmp_path / "out").exists()
