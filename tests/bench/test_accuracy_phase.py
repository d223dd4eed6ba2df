from pathlib import Path

import numpy as np
import pytest

from bci_core.bench.accuracy import phase, slow_oscillation


@pytest.fixture
def made_up(tmp_path):
    """A folder with recordings that are sines in noise."""
    rng = np.random.default_rng(0)
    for name, rate_hz, seconds, frequency_hz in [
        ("rat_hpc_hc2_150s", 250.0, 30.0, 7.0),
        ("yasa_n3_30s", 100.0, 40.0, 0.9),
    ]:
        times_s = np.arange(round(seconds * rate_hz)) / rate_hz
        wave = 50.0 * np.cos(2 * np.pi * frequency_hz * times_s)
        wave += rng.normal(0.0, 5.0, len(times_s))
        np.savez(tmp_path / f"{name}.npz", data=wave, fs=rate_hz)
    return tmp_path


def test_a_sine_reaches_every_figure(made_up):
    said = []
    figures = phase.measure(made_up, said.append)
    asked = [f for f in figures if f.asked is not None]
    assert {f.what for f in asked} == {
        "R, all samples",
        "R, upper half of amplitudes",
        "R, gated",
        "bias",
    }
    assert all(f.reached for f in asked)
    assert all(f.value > 0.99 for f in asked if f.what == "R, all samples")
    assert any("yasa_rest_eo_360s.npz is not there; left out" in line for line in said)
    # Bounds are for the default estimator; the others stand beside it.
    assert {f.on.rsplit(", ", 1)[1] for f in figures} == {"oscillator", "echt", "resonator"}
    assert {f.on.rsplit(", ", 1)[1] for f in asked} == {"oscillator"}


def test_a_phase_that_lags_is_told(made_up, monkeypatch):
    honest = phase.trace

    def lagging(*arguments):
        shown = honest(*arguments)
        return shown | {"phase_deg": shown["phase_deg"] - 20.0}

    monkeypatch.setattr(phase, "trace", lagging)
    figures = phase.measure(made_up, lambda _: None)
    (bias,) = (f for f in figures if f.what == "bias" and f.asked is not None)
    assert bias.value == pytest.approx(20.0, abs=1.0)
    assert not bias.reached


def test_up_states_of_a_sine_are_all_right(made_up):
    figures = slow_oscillation.measure(made_up, lambda _: None)
    shares = [f for f in figures if f.what == "in the right half-wave"]
    assert [f.value for f in shares] == [1.0, 1.0]
    assert all(f.reached and f.counts["right"] > 20 for f in shares)


def test_without_recordings_there_are_no_figures(tmp_path: Path):
    assert phase.measure(tmp_path, lambda _: None) == []
    assert slow_oscillation.measure(tmp_path, lambda _: None) == []


@pytest.mark.figures
def test_the_figures_asked_for_are_reached(shared_data):
    figures = [*phase.measure(shared_data, print), *slow_oscillation.measure(shared_data, print)]
    missed = [f"{f.on}: {f.what} {f.value:g}, asked {f.asked:g}" for f in figures if not_reached(f)]
    assert not missed, missed


def not_reached(figure):
    return figure.reached is False
