import numpy as np
import pytest

from bci_core.bench.accuracy import spindle as measured
from bci_core.bench.accuracy.simulated_sleep import STAGES, simulated_sleep
from bci_core.bench.accuracy.simulated_sleep import spindle as one_spindle


def spans(*pairs):
    return np.array(pairs, dtype=float).reshape(-1, 2)


@pytest.fixture
def little_sleep(monkeypatch):
    monkeypatch.setattr(measured, "SIMULATED_MINUTES", 12.0)
    monkeypatch.setattr(measured, "SIMULATED_SEEDS", (1,))


def test_each_event_and_each_mark_is_matched_once():
    marks = spans((1, 2), (2.1, 3), (5, 6))
    assert measured.matched(spans((1.5, 2.5), (2.6, 2.9), (7, 8)), marks) == [(0, 0), (1, 1)]
    assert measured.matched(spans((1.5, 6.0)), marks) == [(0, 0)]
    assert measured.matched(spans((1.2, 1.3), (1.4, 1.5)), marks) == [(0, 0)]
    assert measured.matched(spans(), marks) == []


def test_simulated_sleep_holds_what_it_says():
    night = simulated_sleep(30.0, 200.0, seed=5, stage_s=300.0)
    assert len(night.samples_uv) == 30 * 60 * 200
    assert np.isfinite(night.samples_uv).all()
    assert [name for name, _, _ in night.stages] == [s.name for s in STAGES] + ["W"]
    for start_s, end_s in night.spindles_s:
        assert 0.3 < end_s - start_s < 2.1
        stage = next(name for name, a, b in night.stages if a <= start_s < b)
        assert stage in ("N2", "N3")
    assert len(night.spindles_s) > 20


def test_simulated_sleep_follows_its_seed():
    once, again = simulated_sleep(2.0, seed=3), simulated_sleep(2.0, seed=3)
    np.testing.assert_array_equal(once.samples_uv, again.samples_uv)
    assert not np.array_equal(once.samples_uv, simulated_sleep(2.0, seed=4).samples_uv)


def test_a_simulated_spindle_is_one():
    for seed in range(20):
        wave, from_s, to_s = one_spindle(200.0, np.random.default_rng(seed))
        power = np.abs(np.fft.rfft(wave, 4096)) ** 2
        peak_hz = np.fft.rfftfreq(4096, 1 / 200.0)[np.argmax(power)]
        assert 10.5 <= peak_hz <= 15.5
        assert 0.0 <= from_s < to_s <= len(wave) / 200.0
        assert 0.3 <= to_s - from_s <= 2.0


@pytest.mark.figures
def test_figures_on_real_recordings(shared_data, little_sleep):
    said = []
    figures = measured.measure(shared_data, said.append)
    shipped = {f.what: f for f in figures if f.on.startswith("marks shipped")}
    assert shipped["F1"].reached
    assert sum(shipped["F1"].counts[key] for key in ("tp", "fn")) == 11
    for f in figures:
        assert f.detector == "spindle"
        assert np.isfinite(f.value)
        assert f.counts


def test_without_recordings_only_the_simulation_is_left(tmp_path, little_sleep):
    said = []
    figures = measured.measure(tmp_path, said.append)
    assert figures
    assert all(f.on.startswith("simulated") for f in figures)
    assert sum("left out" in line for line in said) >= 3
