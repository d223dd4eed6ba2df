import numpy as np
import pytest
from scipy import signal

from bci_core.detection.phase_follow import IM, RE
from bci_core.detection.phase_resonator import (
    SLOW_RATIO,
    STATE_SIZE,
    resonator_model,
    response,
    track,
)

RATE_HZ = 250.0


def shown(model, samples):
    state = np.zeros(STATE_SIZE)
    found = np.empty(len(samples), dtype=complex)
    for i, value in enumerate(samples):
        track(model, state, value)
        found[i] = complex(state[RE], state[IM])
    return found


@pytest.mark.parametrize("band_hz", [(4.0, 8.0), (0.5, 2.0), (80.0, 110.0)])
def test_is_one_pole_on_what_is_left_of_the_mean(band_hz):
    samples = np.random.default_rng(0).normal(size=1000)
    centre = 2 * np.pi * np.sqrt(band_hz[0] * band_hz[1]) / RATE_HZ
    damping = np.exp(-np.pi * 0.7 * (band_hz[1] - band_hz[0]) / RATE_HZ)
    keep = np.exp(-2 * np.pi * SLOW_RATIO * band_hz[0] / RATE_HZ)
    fast = samples - signal.lfilter([1 - keep], [1, -keep], samples)
    expected = signal.lfilter([2 * (1 - damping)], [1, -damping * np.exp(1j * centre)], fast)
    found = shown(resonator_model(band_hz, RATE_HZ, 0.7), samples)
    np.testing.assert_allclose(found, expected, atol=1e-9)


@pytest.mark.parametrize("band_hz", [(4.0, 8.0), (0.5, 2.0), (80.0, 110.0)])
def test_response_is_what_a_sine_shows(band_hz):
    model = resonator_model(band_hz, RATE_HZ, 0.7)
    n = 20_000
    settled = slice(n // 2, n)
    omegas = 2 * np.pi * np.linspace(*band_hz, 4) / RATE_HZ
    for omega, to_re, to_im in zip(omegas, *response(model, omegas), strict=True):
        turns = np.exp(1j * omega * np.arange(n))
        cosine, sine = shown(model, turns.real)[settled], shown(model, turns.imag)[settled]
        np.testing.assert_allclose(cosine.real + 1j * sine.real, to_re * turns[settled], atol=1e-6)
        np.testing.assert_allclose(cosine.imag + 1j * sine.imag, to_im * turns[settled], atol=1e-6)
