import numpy as np
import pytest
from scipy import signal

from bci_core.detection.filters import (
    COEFFICIENTS,
    MEMORIES,
    band_pass,
    filter_response,
    filtered,
    group_delay_s,
    notch,
    settle,
)

RATE_HZ = 250.0


def run(sections, samples):
    state = np.zeros(MEMORIES * len(sections) // COEFFICIENTS)
    settle(sections, state, samples[0])
    return np.array([filtered(sections, state, value) for value in samples])


@pytest.mark.parametrize("order", [1, 2, 4])
@pytest.mark.parametrize("band_hz", [(0.5, 2.0), (8.0, 13.0), (100.0, 120.0)])
def test_band_pass_gives_what_sosfilt_gives(band_hz, order):
    samples = 50_000.0 + np.random.default_rng(0).normal(0.0, 20.0, 1000)
    sos = signal.butter(order, band_hz, btype="bandpass", output="sos", fs=RATE_HZ)
    expected, _ = signal.sosfilt(sos, samples, zi=signal.sosfilt_zi(sos) * samples[0])
    np.testing.assert_allclose(
        run(band_pass(band_hz, RATE_HZ, order), samples), expected, atol=1e-6
    )


def test_an_offset_makes_no_transient():
    assert np.abs(run(band_pass((8.0, 13.0), RATE_HZ, 2), np.full(500, 60_000.0))).max() < 1e-6


def test_notch_takes_out_the_mains_and_leaves_the_offset():
    times_s = np.arange(1000) / RATE_HZ
    hum = 1000.0 + 200.0 * np.sin(2 * np.pi * 50.0 * times_s)
    np.testing.assert_allclose(run(notch(50.0, 4.0, RATE_HZ), hum)[500:], 1000.0, atol=0.01)


def test_no_sections_change_nothing():
    samples = np.random.default_rng(1).normal(size=20)
    np.testing.assert_array_equal(run(np.zeros(0), samples), samples)
    assert filter_response(np.zeros(0), 0.3) == 1.0


def test_response_is_that_of_scipy():
    sos = signal.butter(3, (8.0, 13.0), btype="bandpass", output="sos", fs=RATE_HZ)
    sections = band_pass((8.0, 13.0), RATE_HZ, 3)
    omegas = np.linspace(0.01, 3.1, 50)
    _, expected = signal.freqz_sos(sos, worN=omegas)
    found = [filter_response(sections, omega) for omega in omegas]
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


def test_group_delay_is_that_of_scipy():
    b, a = signal.butter(2, (8.0, 13.0), btype="bandpass", fs=RATE_HZ)
    _, (expected,) = signal.group_delay((b, a), w=[10.0], fs=RATE_HZ)
    found = group_delay_s(band_pass((8.0, 13.0), RATE_HZ, 2), 10.0, RATE_HZ) * RATE_HZ
    assert found == pytest.approx(expected, rel=1e-4)
