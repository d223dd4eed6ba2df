import numpy as np
import pytest
from scipy import signal

from bci_core.detection.phase_follow import IM, RE
from bci_core.detection.phase_oscillator import (
    BACKGROUND_CORNER,
    MODEL_SIZE,
    ORDER,
    STATE_SIZE,
    oscillator_model,
    response,
    track,
    zero_phase_band_pass,
)

RATE_HZ = 250.0
BANDS = [(4.0, 8.0), (0.5, 2.0), (13.0, 30.0), (9.9, 10.1), (80.0, 110.0)]
RATIOS = (0.5, 1.0, 0.001, 0.003)


def shown(model, samples):
    state = np.zeros(STATE_SIZE)
    found = np.empty(len(samples), dtype=complex)
    for i, value in enumerate(samples):
        track(model, state, value)
        found[i] = complex(state[RE], state[IM])
    return found


def closed_loop(model):
    cos, sin, decay, *gain = model[:7]
    advance = np.array([[cos, -sin, 0, 0], [sin, cos, 0, 0], [0, 0, decay, 0], [0, 0, 0, 1]])
    return advance, advance - np.outer(gain, np.array([1, 0, 1, 1]) @ advance)


@pytest.mark.parametrize("band_hz", BANDS)
def test_the_gain_is_where_the_kalman_recursion_ends(band_hz):
    low_hz, high_hz = band_hz
    linewidth, background, white, drift = (0.5, 1.0, 0.1, 0.02)
    model = oscillator_model(band_hz, RATE_HZ, linewidth, background, white, drift)
    centre = 2 * np.pi * np.sqrt(low_hz * high_hz) / RATE_HZ
    damping = np.exp(-np.pi * linewidth * (high_hz - low_hz) / RATE_HZ)
    decay = np.exp(-BACKGROUND_CORNER * centre)
    turn = damping * np.exp(1j * centre)
    advance = np.diag([turn.real, turn.real, decay, 1.0])
    advance[0, 1], advance[1, 0] = -turn.imag, turn.imag
    drive = 2 * (1 - damping) ** 2
    walk = drift * abs(1 - np.exp(1j * centre)) ** 2
    process = np.diag([drive, drive, background * (1 - decay) ** 2, walk])
    seen = np.array([1.0, 0.0, 1.0, 1.0])
    before = process.copy()
    for _ in range(20_000):
        gain = before @ seen / (seen @ before @ seen + white)
        after = before - np.outer(gain, seen @ before)
        before = advance @ after @ advance.T + process
    np.testing.assert_allclose(model[:2], [turn.real, turn.imag], rtol=1e-12)
    np.testing.assert_allclose(model[3:7], gain, rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("band_hz", [(4.0, 8.0), (0.5, 2.0), (80.0, 110.0)])
def test_the_band_pass_is_a_butterworth_run_both_ways(band_hz):
    poles, residues = zero_phase_band_pass(band_hz, RATE_HZ)
    k = np.arange(1, round(40 * RATE_HZ / (band_hz[1] - band_hz[0])))
    half = (residues[:, np.newaxis] * poles[:, np.newaxis] ** k).sum(axis=0)
    centre_hz, half_width_hz = np.mean(band_hz), np.diff(band_hz)[0] / 2
    for at_hz in centre_hz + half_width_hz * np.array([-1.5, -1.0, -0.4, 0.0, 0.7, 1.0]):
        turned = half * np.exp(-2j * np.pi * at_hz / RATE_HZ * k)
        gain = residues.sum().real + 2 * turned.sum().real
        expected = 2 / (1 + ((at_hz - centre_hz) / half_width_hz) ** (2 * ORDER))
        assert gain == pytest.approx(expected, abs=0.02)


@pytest.mark.parametrize("band_hz", BANDS)
def test_shows_the_past_half_and_the_kalman_forecast_of_the_other(band_hz):
    model = oscillator_model(band_hz, RATE_HZ, *RATIOS)
    samples = np.random.default_rng(0).normal(size=400)
    advance, closed = closed_loop(model)
    state, states = np.zeros(4), []
    for value in samples:
        state = closed @ state + model[3:7] * value
        states.append(state)
    poles, residues = zero_phase_band_pass(band_hz, RATE_HZ)
    k = np.arange(1, round(60 * RATE_HZ / (band_hz[1] - band_hz[0])))
    half = (residues[:, np.newaxis] * poles[:, np.newaxis] ** k).sum(axis=0)
    expected = samples * residues.sum().real + signal.lfilter(np.r_[0, half], [1], samples)
    weight, power = np.zeros(4, dtype=complex), np.eye(4)
    for tap in half:
        power = advance @ power
        weight += np.conj(tap) * np.array([1, 0, 1, 1]) @ power
    constant = residues.sum().real + half.sum()
    weight[3] = -constant  # so that an offset gives nothing
    expected = expected + np.array(states) @ weight
    np.testing.assert_allclose(shown(model, samples), expected, atol=1e-6)


@pytest.mark.parametrize("rate_hz", [100.0, 250.0, 1250.0, 30_000.0])
@pytest.mark.parametrize("band_hz", [(0.5, 2.0), (5.0, 11.0)])
def test_is_blind_to_offsets_at_any_rate(band_hz, rate_hz):
    model = oscillator_model(band_hz, rate_hz, *RATIOS)
    to_re, to_im = response(model, np.array([1e-12]))
    assert abs(to_re[0]) < 1e-6
    assert abs(to_im[0]) < 1e-6


@pytest.mark.parametrize("rate_hz", [50.0, 30_000.0])
@pytest.mark.parametrize("linewidth_ratio", [0.01, 2.0])
@pytest.mark.parametrize("background_ratio", [1e-4, 100.0])
@pytest.mark.parametrize("white_ratio", [1e-4, 100.0])
@pytest.mark.parametrize("drift_ratio", [1e-4, 100.0])
def test_is_stable_for_any_settings(
    rate_hz, linewidth_ratio, background_ratio, white_ratio, drift_ratio
):
    for band_hz in [(0.01, 0.02), (0.5, 2.0), (8.0, 24.9)]:
        model = oscillator_model(
            band_hz, rate_hz, linewidth_ratio, background_ratio, white_ratio, drift_ratio
        )
        assert len(model) == MODEL_SIZE
        assert abs(np.linalg.eigvals(closed_loop(model)[1])).max() < 1.0


@pytest.mark.parametrize("band_hz", BANDS)
def test_response_is_what_a_sine_shows(band_hz):
    model = oscillator_model(band_hz, RATE_HZ, *RATIOS)
    n = 20_000
    omegas = 2 * np.pi * np.linspace(*band_hz, 3) / RATE_HZ
    for omega, to_re, to_im in zip(omegas, *response(model, omegas), strict=True):
        turns = np.exp(1j * omega * np.arange(n))
        settled = slice(n // 2, n)
        cosine, sine = shown(model, turns.real)[settled], shown(model, turns.imag)[settled]
        np.testing.assert_allclose(cosine.real + 1j * sine.real, to_re * turns[settled], atol=1e-3)
        np.testing.assert_allclose(cosine.imag + 1j * sine.imag, to_im * turns[settled], atol=1e-3)
