import numpy as np
import pytest

from bci_core.bench.accuracy import seizure as measured
from bci_core.bench.accuracy.simulated_seizures import (
    RATE_HZ,
    excerpt,
    level_uv,
    stitched,
    surrogate,
    with_after_discharges,
    with_seizures,
)


def rng(seed=0):
    return np.random.default_rng(seed)


def part(seconds=20.0):
    """A background that swings slowly, with noise of 1 uV."""
    n = round(seconds * RATE_HZ)
    slow = 20.0 * np.sin(2 * np.pi * 3.0 * np.arange(n) / RATE_HZ)
    return slow + rng().normal(0.0, 1.0, n)


def test_stitched_background_has_no_clicks_and_keeps_its_level():
    whole = stitched(part(), round(600 * RATE_HZ), rng(1))
    assert len(whole) == 600 * RATE_HZ
    assert np.abs(np.diff(whole)).max() < 2.0 * np.abs(np.diff(part())).max()
    minutes = whole.reshape(10, -1).std(axis=1)
    assert np.all(np.abs(minutes / part().std() - 1.0) < 0.2)


def test_a_surrogate_has_the_spectrum_and_not_the_samples():
    noise = surrogate(part(), round(60 * RATE_HZ), rng(1))
    assert level_uv(noise) == pytest.approx(level_uv(part()))
    power = np.abs(np.fft.rfft(noise)) ** 2
    at_hz = np.fft.rfftfreq(len(noise), 1 / RATE_HZ)
    near = (at_hz > 2.8) & (at_hz < 3.2)
    assert power[near].sum() > 0.9 * power.sum()


@pytest.mark.parametrize("add", [with_seizures, with_after_discharges])
def test_events_stand_where_it_says(add):
    background = rng(2).normal(0.0, 10.0, round(600 * RATE_HZ))
    ill = add(background, 200.0, rng(3))
    assert len(ill.events_s) == 3
    loud = np.zeros(len(background), dtype=bool)
    for start_s, end_s in ill.events_s:
        assert 4.0 < end_s - start_s < 75.0
        inside = slice(round(start_s * RATE_HZ), round(end_s * RATE_HZ))
        loud[inside] = True
        assert ill.samples_uv[inside].std() > 1.2 * background.std()
    assert np.all(np.abs(ill.samples_uv[~loud]) <= np.abs(background[~loud]) + 1e-3)


def test_events_follow_their_seed():
    background = rng(2).normal(0.0, 10.0, round(400 * RATE_HZ))
    once, again = (with_seizures(background, 200.0, rng(7)).samples_uv for _ in range(2))
    np.testing.assert_array_equal(once, again)
    assert not np.array_equal(once, with_seizures(background, 200.0, rng(8)).samples_uv)


def test_an_excerpt_is_resampled(tmp_path):
    t = np.arange(2000 * 4) / 2000.0
    wave = 7.0 + np.sin(2 * np.pi * 10.0 * t)
    np.savez(tmp_path / "fast.npz", data=np.stack([wave, -wave]), fs=2000.0)
    got = excerpt(tmp_path, ("fast", 1, 1.0, 3.0))
    expected = -np.sin(2 * np.pi * 10.0 * (1.0 + np.arange(500) / RATE_HZ))
    np.testing.assert_allclose(got[50:-50], expected[50:-50], atol=0.02)
    assert excerpt(tmp_path, ("slow", 0, 0.0, 1.0)) is None


@pytest.mark.figures
def test_figures_on_real_recordings(shared_data, monkeypatch):
    monkeypatch.setattr(measured, "MINUTES", 8.0)
    figures = measured.measure(shared_data, lambda _: None)
    by = {(f.detector, f.what): f for f in figures}
    for name in ("line_length", "area", "half_wave"):
        found = by[name, "found"]
        assert found.counts["found"] + found.counts["missed"] == 24
        assert found.value >= 0.9
        assert by[name, "median latency"].value < 15.0
    assert by["after_discharge", "found"].value >= 0.9
    assert {f.detector for f in figures} == {"line_length", "area", "half_wave", "after_discharge"}


def test_without_recordings_there_is_nothing(tmp_path):
    said = []
    assert measured.measure(tmp_path, said.append) == []
    assert all("left out" in line for line in said)
