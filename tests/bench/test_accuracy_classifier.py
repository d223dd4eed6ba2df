import numpy as np
import pytest

from bci_core.bench.accuracy import classifier
from bci_core.bench.accuracy.classifier import acausal_rows, measure
from bci_core.chunk import StreamInfo
from bci_core.detection.spectral_features import SpectralFeatures
from bci_core.scoring.stretch import Stretch

pytest.importorskip("sklearn")


def test_a_recording_that_is_not_there_is_said(tmp_path):
    said = []
    assert measure(tmp_path, said.append) == []
    assert "openbci_blink_jaw_alpha_90s.npz is not there" in said[0]


def test_the_reference_measures_the_same_power_around_each_time():
    info = StreamInfo("bench", 250.0, ("Pz",), "bench")
    times_s = np.arange(5000) / 250.0
    wave = 20.0 * np.sin(2 * np.pi * 10.0 * times_s)[:, np.newaxis]
    stretch = Stretch(wave.astype(np.float32), times_s, info)
    design = SpectralFeatures(channels=("Pz",), frequencies_hz=(10.0, 40.0))
    rows = acausal_rows(stretch, design, np.array([8.0, 12.0]))
    assert rows.shape == (2, 2)
    np.testing.assert_allclose(rows[:, 0], 2.0 * np.log10(20.0), atol=0.02)
    assert (rows[:, 1] < rows[:, 0] - 2.0).all()


@pytest.mark.figures
def test_both_sets_of_frequencies_are_told_with_counts_and_chance(shared_data, monkeypatch):
    monkeypatch.setattr(classifier, "N_SHUFFLES", 20)
    figures = measure(shared_data, lambda _: None)
    assert len(figures) == 8
    for figure in figures:
        assert figure.counts["positive_kept_aside"] > 20
        assert figure.counts["negative_kept_aside"] > 10
    around_alpha = {f.what: f.value for f in figures if "5, 10 and 20 Hz" in f.on}
    assert around_alpha["AUC kept aside"] > around_alpha["AUC by chance, 95th percentile"]
