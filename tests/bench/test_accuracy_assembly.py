import numpy as np
import pytest

from bci_core.bench.accuracy import assembly
from bci_core.bench.accuracy.assembly import binned_spikes, measure


def test_bins_begin_with_the_first_spike():
    counts = binned_spikes(np.array([10.0, 10.02, 10.03, 10.11]), np.array([0, 0, 2, 1]), 0.025)
    assert counts.tolist() == [[2, 0, 0], [0, 0, 1], [0, 0, 0], [0, 0, 0], [0, 1, 0]]


def test_a_recording_that_is_not_there_is_said(tmp_path):
    said = []
    assert measure(tmp_path, said.append) == []
    assert "nelpy_w-maze_spikes.npz is not there" in said[0]


def a_recording(folder, pattern_per_min, seed=0, seconds=1200.0):
    """Twenty units of 1 Hz; four of them fire together so often, and a little apart."""
    rng = np.random.default_rng(seed)
    times_s = [rng.uniform(0.0, seconds, 1200) for _ in range(20)]
    together_s = rng.uniform(0.0, seconds, round(pattern_per_min * seconds / 60))
    for unit in range(4):
        apart_s = rng.normal(0.0, 0.003, len(together_s))
        times_s[unit] = np.concatenate([times_s[unit], together_s + apart_s])
    owner = np.repeat(np.arange(20), [len(t) for t in times_s]).astype(np.int16)
    np.savez(folder / "nelpy_w-maze_spikes.npz", data=np.concatenate(times_s), unit=owner)


def test_patterns_that_are_there_are_told_from_chance(tmp_path, monkeypatch):
    monkeypatch.setattr(assembly, "N_SHUFFLES", 4)
    a_recording(tmp_path, pattern_per_min=10.0)
    rate, shifted, relabelled, blocks = measure(tmp_path, lambda _: None)
    assert 0.5 * 10.0 < rate.value < 1.5 * 10.0
    for figure in (shifted, relabelled):
        assert figure.asked == 4.0
        assert figure.reached
        assert figure.counts["templates"] == figure.counts["templates_at_4"] == 1
        per_shuffle = figure.counts["activations_in_shuffles"] / 4
        assert figure.value == pytest.approx(figure.counts["activations"] / per_shuffle)
    assert blocks.asked is None


@pytest.mark.figures
def test_the_figure_asked_for_is_reached(shared_data, monkeypatch):
    monkeypatch.setattr(assembly, "N_SHUFFLES", 2)
    figures = measure(shared_data, lambda _: None)
    assert [f.reached for f in figures] == [None, True, True, None]
    assert all(f.counts["activations"] > 500 for f in figures)
