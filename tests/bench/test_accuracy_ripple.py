import numpy as np
import pytest

from bci_core.bench.accuracy import ripple
from bci_core.bench.accuracy.ripple_shapes import ONSET, band_sd, implant

RATE_HZ = 1250.0


@pytest.fixture
def background():
    return np.random.default_rng(0).normal(0.0, 10.0, round(20 * RATE_HZ))


def test_what_is_implanted_is_of_the_size_and_shape_it_says(background):
    simulated = implant(background, RATE_HZ, 5.0, seed=3)
    added = simulated.wave - background
    assert len(simulated.onsets_s) >= 10
    peaks = []
    for onset_s, end_s in zip(simulated.onsets_s, simulated.ends_s, strict=True):
        event = added[round((onset_s - 0.02) * RATE_HZ) : round((end_s + 0.02) * RATE_HZ)]
        peaks.append(np.abs(event).max())
        length_s = 4.0 * (end_s - onset_s) / (2.0 * np.sqrt(-2.0 * np.log(ONSET)))
        assert 0.029 < length_s < 0.101
    assert max(peaks) == pytest.approx(5.0 * band_sd(background, RATE_HZ), rel=0.05)
    assert np.diff(simulated.onsets_s).min() > 0.5


def test_same_seed_same_ripples(background):
    a, b, c = (implant(background, RATE_HZ, 5.0, seed).wave for seed in (1, 1, 2))
    assert np.array_equal(a, b)
    assert not np.array_equal(a, c)


def test_without_recordings_there_are_no_figures(tmp_path):
    said = []
    assert ripple.measure(tmp_path, said.append) == []
    assert len(said) == 3


@pytest.mark.figures
def test_figures_are_counted(shared_data, monkeypatch):
    monkeypatch.setattr(ripple, "SEEDS", (1,))
    figures = ripple.measure(shared_data, lambda _line: None)
    asked = [f for f in figures if f.asked is not None]
    assert len(asked) == 3 * 5 + 1
    for figure in asked:
        assert figure.reached, figure
        assert sum(figure.counts.values()) > 0
    found, found_online = (f for f in figures if f.what == "marks found")
    assert found_online.counts["unmatched"] < found.counts["unmatched"] / 5
    assert found.counts["marks"] == 60
    assert found.counts["channels"] == 43
    chance, _ = (f for f in figures if "chance" in f.what)
    assert chance.value < found.value / 2.0
