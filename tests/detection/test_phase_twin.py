"""The phase detector against the same written with whole arrays, `lfilter` and `solve`."""

import math

import numpy as np
import pytest
from scipy import signal

from bci_core.chunk import Chunk, StreamInfo
from bci_core.detection.phase import Phase, PhaseSettings
from bci_core.detection.phase_oscillator import oscillator_model, zero_phase_band_pass

RATE_HZ = 250.0
N = 1500
INFO = StreamInfo("bench", RATE_HZ, ("Cz",), "bench-1")


def filters(asked):
    """Transfer functions from the signal to the complex number shown: (numerator, denominator)."""
    model = oscillator_model(
        asked.band_hz,
        RATE_HZ,
        asked.linewidth_ratio,
        asked.background_ratio,
        asked.white_ratio,
        asked.drift_ratio,
    )
    cos, sin, decay, *gain = model[:7]
    advance = np.array([[cos, -sin, 0, 0], [sin, cos, 0, 0], [0, 0, decay, 0], [0, 0, 0, 1]])
    correct = np.array(gain)[:, np.newaxis]
    closed = advance - correct @ np.array([[1.0, 0.0, 1.0, 1.0]]) @ advance
    numerators, denominator = signal.ss2tf(closed, closed @ correct, np.eye(4), correct)
    forecast = model[8:16:2] + 1j * model[9:16:2]
    poles, residues = zero_phase_band_pass(asked.band_hz, RATE_HZ)
    now = [(np.array([residues.sum().real]), np.ones(1))]
    past = [(np.array([0, r * p]), np.array([1, -p])) for p, r in zip(poles, residues, strict=True)]
    return [(forecast @ numerators, denominator), *now, *past]


def at(coefficients, omega):
    """A polynomial in the delay, at a frequency."""
    return np.polyval(coefficients[::-1], np.exp(-1j * omega))


def late_truth(asked, clean):
    """Analytic signal of a windowed-sinc band-pass at each sample, NaN at the ends."""
    low, high = np.array(asked.band_hz) / RATE_HZ
    half = int(3.0 / low) // 2
    away = np.arange(-half, half + 1)
    window = np.hamming(2 * half + 1)
    taps = window * np.sinc((high - low) * away) * np.exp(1j * np.pi * (low + high) * away)
    taps -= window * taps.sum() / window.sum()
    truth = np.full(len(clean), np.nan, dtype=complex)
    truth[half : len(clean) - half] = np.convolve(clean, taps, mode="valid")
    return truth, half


def without_steps(samples):
    """No step in these samples is one of the electrode's."""
    assert abs(np.diff(samples)).max() < 1000.0
    return samples - samples[0]


def twin(asked, samples, lead_s):
    """(sample index, target in samples, amplitude, spread in samples) of each detection."""
    b, a = np.ones(1), np.ones(1)
    clean = without_steps(samples)
    if asked.mains_hz is not None:
        b, a = signal.iirnotch(asked.mains_hz, asked.mains_hz / 4.0, fs=RATE_HZ)
        clean = signal.lfilter(b, a, clean)
    parts = filters(asked)
    shown = sum(signal.lfilter(n, d, clean) for n, d in parts)
    truth, half = late_truth(asked, clean)

    def sine_behind(value, omega):
        """Solves ``value = (positive * z + negative * conj(z)) / 2``."""
        positive, negative = (
            sum(at(n, w) / at(d, w) for n, d in parts) * at(b, w) / at(a, w)
            for w in (omega, -omega)
        )
        p, q = positive / 2, negative / 2
        rows = [[(p + q).real, (q - p).imag], [(p + q).imag, (p - q).real]]
        return complex(*np.linalg.solve(rows, [value.real, value.imag]))

    low, high = 2 * np.pi * np.array(asked.band_hz) / RATE_HZ
    omega = math.sqrt(low * high)
    memory = asked.memory_cycles * 2 * np.pi / omega
    rotation, n_learnt, median, at_quantile, n_seen = np.exp(1j * omega), 0, 0.0, 0.0, 0
    quantile, floor = asked.min_amplitude_quantile, 2 / (asked.learning_s * RATE_HZ)
    hop = max(round(RATE_HZ / (4 * asked.band_hz[1])), 1)
    checks = asked.learning_s * RATE_HZ / hop
    n_late, n_checked, bias, noise, predictions = round(lead_s * RATE_HZ), 0, 1.0 + 0j, 0.0, []
    widest = math.pi * 0.6827

    def spread(amplitude):
        if n_checked == 0 or amplitude <= 0:
            return widest
        return (noise / amplitude) / math.sqrt(1 + (noise / amplitude / widest) ** 2)

    lead, last_target, found = lead_s * RATE_HZ, -math.inf, []
    for i in range(len(samples)):
        now = sine_behind(shown[i], omega)
        before = sine_behind(shown[i - 1], omega) if i else 0.0
        amplitude = abs(now)
        if amplitude > 0:
            n_seen += 1
            if n_seen * omega < 4 * np.pi:
                median = at_quantile = max(median, amplitude)
            step = max(floor, 2 / n_seen)
            median *= math.exp(step * (0.5 if amplitude > median else -0.5))
            at_quantile *= math.exp(step * (quantile - (amplitude <= at_quantile)))
        is_open = amplitude >= max(asked.min_amplitude_uv, at_quantile if quantile else 0.0)
        is_open = is_open and amplitude > 0
        weight = min(1.0, amplitude / median) if median else 0.0
        if is_open and before != 0.0:
            n_learnt += 1
            gain = weight * max(1 - math.exp(-1 / memory), 3 / (n_learnt + 2))
            turn = now * np.conj(before)
            rotation += gain * (turn / abs(turn) - rotation)
            omega = min(max(np.angle(rotation), low), high)

        predictions.append(now * np.exp(1j * omega * np.rint(lead)) if is_open else 0.0)
        late = i - half - n_late
        enough = i + 1 >= 2 * half + 1 + half + n_late + 1 + half
        if (i + 1) % hop == 0 and enough and predictions[late] != 0:
            error = truth[i - half] * np.conj(predictions[late])
            error /= abs(error)
            left = abs(np.angle(error * np.conj(bias)))
            if n_checked == 0:
                noise = abs(predictions[late]) * max(left, 1e-3)
            else:
                missed = left > spread(abs(predictions[late]))
                noise *= math.exp(max(10 / checks, 4 / (n_checked + 3)) * (missed - 1 + 0.6827))
            n_checked += 1
            bias += weight * max(1 / checks, 1 / (n_checked + 200)) * (error - bias)

        phase = np.angle(now) + np.angle(bias)
        to_go = np.exp(1j * (math.radians(asked.target_deg) - omega * lead - phase))
        after_lead = np.angle(to_go) / omega
        target = max(i + lead + after_lead, i)
        due = abs(after_lead) < 1.0 and target - last_target > np.pi / omega
        if is_open and due and spread(amplitude) <= math.radians(asked.max_uncertainty_deg):
            last_target = target
            found.append((i, target, amplitude, spread(amplitude) / omega))
    return found


@pytest.mark.parametrize("lead_s", [0.0, 0.013, 0.4])
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"mains_hz": 60.0},
        {"target_deg": 45.0, "min_amplitude_uv": 10.0},
        {"min_amplitude_quantile": 0.3, "learning_s": 2.0, "background_ratio": 0.1},
    ],
)
def test_agrees_with_its_twin(changes, lead_s):
    compare(changes, lead_s)


def test_agrees_on_what_is_too_uncertain():
    assert len(compare({"max_uncertainty_deg": 60.0}, 0.013)) < len(compare({}, 0.013)) - 4


def compare(changes, lead_s):
    asked = PhaseSettings(
        **{"channel": "Cz", "band_hz": (4, 8), "target_deg": 180, "min_amplitude_uv": 4} | changes
    )
    times_s = np.arange(N) / RATE_HZ
    rng = np.random.default_rng(3)
    slow = rng.normal(0.0, 1.5, N).cumsum()
    wave = 5_000.0 + slow + 12.0 * np.sin(2 * np.pi * (5.0 * times_s + 0.1 * times_s**2))
    samples = (wave + rng.normal(0.0, 4.0, N)).astype(np.float32)
    expected = twin(asked, samples.astype(float), lead_s)
    found = Phase(asked, INFO, lead_s).update(Chunk(samples[:, np.newaxis], times_s))
    assert len(found) > 10
    assert [d.sample_index for d in found] == [index for index, *_ in expected]
    np.testing.assert_allclose(
        [(d.target_s * RATE_HZ, d.value, d.spread_s * RATE_HZ) for d in found],
        [rest for _, *rest in expected],
        rtol=1e-4,
        atol=1e-3,
    )
    return found
