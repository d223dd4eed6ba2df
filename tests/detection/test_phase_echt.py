import numpy as np
import pytest
from scipy import signal

from bci_core.detection.phase_echt import TOP, echt_model, echt_state_size, response, track
from bci_core.detection.phase_follow import IM, RE

RATE_HZ = 250.0


def shown(model, samples):
    state = np.zeros(echt_state_size(model))
    found = np.empty(len(samples), dtype=complex)
    for i, value in enumerate(samples):
        track(model, state, value)
        found[i] = complex(state[RE], state[IM])
    return found


def endpoint(window, band_hz, order):
    """Schreglmann et al. 2021 as they describe it: a transform there and back."""
    n = len(window)
    frequency_hz = np.fft.fftfreq(n, 1 / RATE_HZ)
    sos = signal.butter(order, band_hz, btype="bandpass", output="sos", fs=RATE_HZ)
    _, passed = signal.freqz_sos(sos, worN=abs(frequency_hz), fs=RATE_HZ)
    kept = (frequency_hz > 0) & (frequency_hz <= min(TOP * band_hz[1], RATE_HZ / 2 - 1e-6))
    return np.fft.ifft(2 * np.fft.fft(window) * np.where(kept, passed, 0))[-1]


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("band_hz", [(4.0, 8.0), (8.0, 13.0), (40.0, 70.0)])
def test_is_the_endpoint_of_the_transformed_window(band_hz, order):
    model = echt_model(band_hz, RATE_HZ, 3.0, order)
    n = int(model[0])
    samples = np.random.default_rng(0).normal(size=4 * n)
    found = shown(model, samples)
    for end in range(n, 4 * n, 7):
        expected = endpoint(samples[end - n : end], band_hz, order)
        assert found[end - 1] == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("band_hz", [(4.0, 8.0), (0.5, 2.0)])
def test_response_is_what_a_sine_shows(band_hz):
    model = echt_model(band_hz, RATE_HZ, 3.0, 1)
    n = int(model[0])
    on_a_frequency_of_the_window = 2 * np.pi * 3 / n
    omegas = np.r_[2 * np.pi * np.linspace(*band_hz, 4) / RATE_HZ, on_a_frequency_of_the_window]
    for omega, to_re, to_im in zip(omegas, *response(model, omegas), strict=True):
        turns = np.exp(1j * omega * np.arange(2 * n))
        cosine, sine = shown(model, turns.real)[n:], shown(model, turns.imag)[n:]
        np.testing.assert_allclose(cosine.real + 1j * sine.real, to_re * turns[n:], atol=1e-9)
        np.testing.assert_allclose(cosine.imag + 1j * sine.imag, to_im * turns[n:], atol=1e-9)


def test_nothing_lasts_longer_than_the_window():
    model = echt_model((4.0, 8.0), RATE_HZ, 3.0, 1)
    n = int(model[0])
    samples = np.r_[1e6 * np.random.default_rng(1).normal(size=3 * n), np.zeros(2 * n)]
    assert abs(shown(model, samples)[4 * n :]).max() < 1e-6
