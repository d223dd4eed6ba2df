import numpy as np
import pytest

from bci_core.detection.phase_oscillator import (
    DRIFT,
    IM,
    RE,
    STATE_SIZE,
    oscillator_model,
    phasor,
    response,
    track,
)

RATE_HZ = 250.0
BANDS = [(4.0, 8.0), (0.5, 2.0), (13.0, 30.0), (9.9, 10.1), (80.0, 120.0)]


def states(model, samples):
    state = np.zeros(STATE_SIZE)
    state[DRIFT] = samples[0]
    found = np.empty((len(samples), STATE_SIZE))
    for i, value in enumerate(samples):
        track(model, state, value)
        found[i] = state
    return found


@pytest.mark.parametrize("band_hz", BANDS)
def test_the_gain_is_where_the_kalman_recursion_ends(band_hz):
    low_hz, high_hz = band_hz
    model = oscillator_model(band_hz, RATE_HZ, 0.5, 0.1, 0.02)
    centre = 2 * np.pi * np.sqrt(low_hz * high_hz) / RATE_HZ
    damping = np.exp(-np.pi * 0.5 * (high_hz - low_hz) / RATE_HZ)
    turn = damping * np.exp(1j * centre)
    advance = np.array([[turn.real, -turn.imag, 0], [turn.imag, turn.real, 0], [0, 0, 1]])
    peak = (1 + damping) / (1 - damping) / 2
    walk = 0.02 * peak * abs(1 - np.exp(1j * centre)) ** 2
    process = np.diag([1 - damping**2, 1 - damping**2, walk])
    seen = np.array([1.0, 0.0, 1.0])
    before = np.eye(3)
    for _ in range(20_000):
        gain = before @ seen / (seen @ before @ seen + 0.1 * peak)
        after = before - np.outer(gain, seen @ before)
        before = advance @ after @ advance.T + process
    np.testing.assert_allclose(model, [turn.real, turn.imag, *gain], rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("rate_hz", [100.0, 250.0, 1250.0, 30_000.0])
@pytest.mark.parametrize("band_hz", [(0.5, 2.0), (5.0, 11.0)])
def test_is_stable_and_blind_to_offsets_at_any_rate(band_hz, rate_hz):
    cos, sin, *gain = oscillator_model(band_hz, rate_hz, 0.5, 0.1, 0.02)
    advance = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
    closed = advance - np.outer(gain, np.array([1, 0, 1]) @ advance)
    assert abs(np.linalg.eigvals(closed)).max() < 1.0
    model = np.array([cos, sin, *gain])
    assert abs(states(model, np.full(1000, 60_000.0))[:, :DRIFT]).max() < 1e-6


@pytest.mark.parametrize("rate_hz", [50.0, 30_000.0])
@pytest.mark.parametrize("linewidth_ratio", [0.01, 2.0])
@pytest.mark.parametrize("white_ratio", [1e-4, 100.0])
@pytest.mark.parametrize("drift_ratio", [1e-4, 100.0])
def test_is_stable_for_any_settings(rate_hz, linewidth_ratio, white_ratio, drift_ratio):
    for band_hz in [(0.01, 0.02), (0.5, 2.0), (8.0, 24.9)]:
        cos, sin, *gain = oscillator_model(
            band_hz, rate_hz, linewidth_ratio, white_ratio, drift_ratio
        )
        advance = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
        closed = advance - np.outer(gain, np.array([1, 0, 1]) @ advance)
        assert abs(np.linalg.eigvals(closed)).max() < 1.0


@pytest.mark.parametrize("band_hz", BANDS)
def test_response_is_what_a_sine_shows(band_hz):
    model = oscillator_model(band_hz, RATE_HZ, 0.5, 0.1, 0.02)
    n = 30_000
    for frequency_hz in np.linspace(*band_hz, 5):
        omega = 2 * np.pi * frequency_hz / RATE_HZ
        turns = np.exp(1j * omega * np.arange(n))
        settled = slice(n // 2, n)
        shown = states(model, turns.real)[settled] + 1j * states(model, turns.imag)[settled]
        to_re, to_im = response(model, omega)
        np.testing.assert_allclose(shown[:, RE], to_re * turns[settled], atol=1e-4)
        np.testing.assert_allclose(shown[:, IM], to_im * turns[settled], atol=1e-4)


@pytest.mark.parametrize("band_hz", BANDS)
def test_phasor_leaves_nothing_of_the_bias(band_hz):
    model = oscillator_model(band_hz, RATE_HZ, 0.5, 0.1, 0.02)
    for frequency_hz in np.linspace(*band_hz, 5):
        to_re, to_im = response(model, 2 * np.pi * frequency_hz / RATE_HZ)
        for truth in 14.2 * np.exp(1j * np.linspace(0.0, 6.0, 7)):
            found = phasor(to_re, to_im, (to_re * truth).real, (to_im * truth).real)
            assert found == pytest.approx(truth, rel=1e-9)
