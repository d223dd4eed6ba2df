from pathlib import Path

import numpy as np
import pytest
from scipy.signal import butter, hilbert, sosfiltfilt

from bci_core.scoring.phase_truth import FITTED_SINE, ZERO_PHASE, circular_mean, true_phase

RATE_HZ = 250.0
BAND_HZ = (4.0, 8.0)


def degrees_apart(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.abs((a - b + 180.0) % 360.0 - 180.0)


def sine(
    times_s: np.ndarray, hz: float = 5.03, deg: float = 40.0, noise: float = 2.0
) -> np.ndarray:
    wave = 14.0 * np.cos(2 * np.pi * hz * times_s + np.radians(deg))
    return 100.0 + wave + np.random.default_rng(0).normal(0.0, noise, len(times_s))


def test_zero_is_the_peak_and_180_the_trough() -> None:
    times_s = 5000.0 + np.arange(0.0, 20.0, 1 / RATE_HZ)
    truth = true_phase(times_s, np.cos(2 * np.pi * 5.0 * times_s), RATE_HZ, BAND_HZ)
    assert truth is not None
    when_s = 5010.0 + np.array([0.0, 0.05, 0.1, 0.15])  # a quarter of a cycle apart
    assert degrees_apart(truth.at_deg(when_s), np.array([0.0, 90.0, 180.0, 270.0])).max() < 1e-3


@pytest.mark.parametrize("hz", [4.1, 5.0, 5.03, 7.77])
def test_a_sine_in_noise_is_fitted(hz: float) -> None:
    times_s = np.arange(0.0, 60.0, 1 / RATE_HZ)
    truth = true_phase(times_s, sine(times_s, hz), RATE_HZ, BAND_HZ)
    assert truth is not None
    assert truth.reference == FITTED_SINE
    assert truth.explained > 0.99
    when_s = np.linspace(0.1, 59.9, 301)
    assert degrees_apart(truth.at_deg(when_s), 360.0 * hz * when_s + 40.0).max() < 1.0


def test_times_of_a_phase() -> None:
    times_s = np.arange(0.0, 10.0, 1 / RATE_HZ)
    truth = true_phase(times_s, sine(times_s, 5.0, deg=0.0, noise=0.0), RATE_HZ, BAND_HZ)
    assert truth is not None
    np.testing.assert_allclose(truth.times_of(180.0), np.arange(0.1, 10.0, 0.2), atol=1e-4)
    assert np.allclose(truth.at_deg(truth.times_of(90.0)), 90.0, atol=0.1)


def test_times_of_a_phase_go_on_through_a_gap_of_a_fitted_sine() -> None:
    times_s = np.delete(np.arange(0.0, 10.0, 1 / RATE_HZ), slice(1000, 1300))
    truth = true_phase(times_s, sine(times_s, 5.0, deg=0.0, noise=0.0), RATE_HZ, BAND_HZ)
    assert truth is not None
    np.testing.assert_allclose(truth.times_of(180.0), np.arange(0.1, 10.0, 0.2), atol=1e-3)


def test_times_and_amplitude_of_a_rhythm_that_is_no_sine() -> None:
    times_s = np.arange(0.0, 60.0, 1 / RATE_HZ)
    turns = 5.8 * times_s + 0.5 * np.sin(2 * np.pi * 0.15 * times_s)
    truth = true_phase(times_s, 30.0 * np.cos(2 * np.pi * turns), RATE_HZ, BAND_HZ)
    assert truth is not None
    assert truth.reference == ZERO_PHASE
    passed_s = truth.times_of(90.0)
    expected_s = np.interp(np.arange(10, 300) + 0.25, turns, times_s)
    nearest_s = np.abs(passed_s[:, np.newaxis] - expected_s).min(axis=0)
    assert nearest_s.max() < 0.003
    assert np.allclose(np.interp(expected_s, truth.times_s, truth.amplitude), 30.0, atol=3.0)


def test_a_source_that_counts_samples_while_its_clock_wanders() -> None:
    """BrainFlow's synthetic board computes its sine sample by sample."""
    index = np.arange(60 * 250)
    times_s = index / RATE_HZ + 0.03 * np.sin(2 * np.pi * index / 250 / 40.0)
    truth = true_phase(times_s, sine(index / RATE_HZ, 5.0), RATE_HZ, BAND_HZ)
    assert truth is not None
    assert truth.reference == FITTED_SINE
    some = index[100:-100:377]
    assert degrees_apart(truth.at_deg(times_s[some]), 360.0 * 5.0 * some / 250 + 40.0).max() < 1.0


def test_lost_and_broken_samples_do_not_move_the_phase() -> None:
    times_s = np.arange(0.0, 30.0, 1 / RATE_HZ)
    values = sine(times_s)
    values[500:520] = np.nan
    keep = np.ones(len(times_s), dtype=bool)
    keep[3000:3200] = False
    truth = true_phase(times_s[keep], values[keep], RATE_HZ, BAND_HZ)
    assert truth is not None
    assert truth.reference == FITTED_SINE
    when_s = np.linspace(1.0, 29.0, 57)
    assert degrees_apart(truth.at_deg(when_s), 360.0 * 5.03 * when_s + 40.0).max() < 1.0


def test_a_fast_recording_is_thinned_without_a_shift() -> None:
    times_s = np.arange(0.0, 20.0, 1 / 5000.0)
    truth = true_phase(times_s, sine(times_s), 5000.0, BAND_HZ)
    assert truth is not None
    assert len(truth.times_s) < len(times_s) / 20
    when_s = np.linspace(1.0, 19.0, 57)
    assert degrees_apart(truth.at_deg(when_s), 360.0 * 5.03 * when_s + 40.0).max() < 1.0


def wandering(seed: int = 3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A rhythm whose frequency drifts: no sine, but its phase is known."""
    times_s = np.arange(0.0, 60.0, 1 / RATE_HZ)
    hz = 6.0 + 0.7 * np.sin(2 * np.pi * times_s / 9.0)
    phase = 2 * np.pi * np.cumsum(hz) / RATE_HZ
    noise = np.random.default_rng(seed).normal(0.0, 3.0, len(times_s))
    return times_s, 14.0 * np.cos(phase) + noise, np.degrees(phase) % 360.0


def test_a_rhythm_that_is_no_sine_is_judged_by_the_zero_phase_filter() -> None:
    times_s, values, phase_deg = wandering()
    truth = true_phase(times_s, values, RATE_HZ, BAND_HZ)
    assert truth is not None
    assert truth.reference == ZERO_PHASE
    inner = slice(500, -500)
    off = degrees_apart(truth.at_deg(times_s[inner]), phase_deg[inner])
    assert np.median(off) < 4.0
    signed = (truth.at_deg(times_s[inner]) - phase_deg[inner] + 180.0) % 360.0 - 180.0
    assert abs(signed.mean()) < 0.5


def test_where_the_filter_has_no_footing_the_phase_is_unknown() -> None:
    times_s, values, _ = wandering()
    keep = (times_s < 30.0) | (times_s > 31.0)
    truth = true_phase(times_s[keep], values[keep], RATE_HZ, BAND_HZ)
    assert truth is not None
    reach_s = 3.0 / BAND_HZ[0] / 2  # half of three cycles of the lower edge
    unknown_s = np.array([-1.0, 0.1, reach_s - 0.02, 29.8, 30.5, 31.2, 59.9, 61.0])
    assert np.isnan(truth.at_deg(unknown_s)).all()
    known_s = np.array([reach_s + 0.02, 10.0, 29.5, 31.5, 59.0])
    assert np.isfinite(truth.at_deg(known_s)).all()


@pytest.mark.parametrize("n", [0, 1, 100])
def test_a_recording_too_short_to_tell(n: int) -> None:
    times_s = np.arange(n) / RATE_HZ
    assert true_phase(times_s, np.sin(times_s), RATE_HZ, BAND_HZ) is None


@pytest.mark.parametrize("band_hz", [(4.0, 130.0), (0.0, 8.0), (8.0, 4.0), (4.0, 4.0)])
def test_a_band_that_the_rate_cannot_hold(band_hz: tuple[float, float]) -> None:
    times_s = np.arange(0.0, 10.0, 1 / RATE_HZ)
    assert true_phase(times_s, sine(times_s), RATE_HZ, band_hz) is None


def test_a_recording_that_is_mostly_gaps() -> None:
    times_s = np.arange(0.0, 60.0, 1 / RATE_HZ)[::4]
    assert true_phase(times_s, sine(times_s), RATE_HZ, BAND_HZ) is None


def test_a_very_narrow_band() -> None:
    times_s = np.arange(0.0, 10.0, 1 / RATE_HZ)
    truth = true_phase(times_s, sine(times_s, 5.0), RATE_HZ, (4.9999, 5.0001))
    assert truth is not None


def test_a_flat_channel_has_no_phase() -> None:
    times_s = np.arange(0.0, 10.0, 1 / RATE_HZ)
    assert true_phase(times_s, np.ones(len(times_s)), RATE_HZ, BAND_HZ) is None
    assert true_phase(times_s, np.full(len(times_s), np.nan), RATE_HZ, BAND_HZ) is None


def test_circular_mean_goes_round_the_corner() -> None:
    got = circular_mean(np.array([350.0, 10.0, np.nan]))
    assert got.mean_deg == pytest.approx(0.0, abs=1e-9)
    assert got.resultant_length == pytest.approx(np.cos(np.radians(10.0)))
    assert got.n == 2
    assert circular_mean(np.array([0.0, 180.0])).resultant_length == pytest.approx(0.0, abs=1e-9)
    assert circular_mean(np.array([190.0])).mean_deg == pytest.approx(-170.0)
    assert np.isnan(circular_mean(np.array([])).mean_deg)


DATA = Path(__file__).parents[2].parent / "shared" / "data"


@pytest.mark.skipif(not DATA.is_dir(), reason="the real recordings are not here")
def test_real_theta_agrees_with_the_usual_offline_phase() -> None:
    with np.load(DATA / "rat_ca1_ec3_theta_60s.npz") as file:
        data, rate_hz = file["data"], float(file["fs"])
    values = data[0] if data.shape[0] < data.shape[1] else data[:, 0]
    times_s = np.arange(len(values)) / rate_hz
    truth = true_phase(times_s, values, rate_hz, (5.0, 11.0))
    assert truth is not None
    assert truth.reference == ZERO_PHASE
    sos = butter(2, (5.0, 11.0), "bandpass", fs=rate_hz, output="sos")
    analytic = hilbert(sosfiltfilt(sos, values))
    strong = np.flatnonzero(abs(analytic) > np.median(abs(analytic)))[::50]
    strong = strong[(times_s[strong] > 1.0) & (times_s[strong] < times_s[-1] - 1.0)]
    off = truth.at_deg(times_s[strong]) - np.degrees(np.angle(analytic[strong]))
    agreement = circular_mean(off)
    assert abs(agreement.mean_deg) < 1.0
    assert agreement.resultant_length > 0.99
