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
