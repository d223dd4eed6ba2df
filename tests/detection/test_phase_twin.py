"""The phase detector against the same written with whole arrays, `lfilter` and `solve`."""

import math

import numpy as np
import pytest
from scipy import signal

from bci_core.chunk import Chunk, StreamInfo
from bci_core.detection.phase import Phase, PhaseSettings
from bci_core.detection.phase_oscillator import oscillator_model

RATE_HZ = 250.0
INFO = StreamInfo("bench", RATE_HZ, ("Cz",), "bench-1")


def filters(asked):
    """Transfer functions from the signal to the two quadratures, as (numerators, denominator)."""
    cos, sin, *gain = oscillator_model(
        asked.band_hz, RATE_HZ, asked.linewidth_ratio, asked.white_ratio, asked.drift_ratio
    )
    advance = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
    correct = np.array(gain)[:, np.newaxis]
    closed = advance - correct @ np.array([[1.0, 0.0, 1.0]]) @ advance
    return signal.ss2tf(closed, closed @ correct, np.eye(2, 3), correct[:2])


def twin(asked, samples, lead_s):
    """(sample index, target in samples, amplitude) of each detection."""
    numerators, denominator = filters(asked)
    b, a = [1.0], [1.0]
    clean = samples
    if asked.mains_hz is not None:
        b, a = signal.iirnotch(asked.mains_hz, asked.mains_hz / 4.0, fs=RATE_HZ)
        clean, _ = signal.lfilter(b, a, samples, zi=signal.lfilter_zi(b, a) * samples[0])
    shown = [signal.lfilter(numerator, denominator, clean - samples[0]) for numerator in numerators]
    shown = np.array(shown).T

    def sine_behind(quadratures, omega):
        _, notch = signal.freqz(b, a, worN=[omega])
        rows = []
        for numerator in numerators:
            _, through = signal.freqz(numerator, denominator, worN=[omega])
            (gain,) = through * notch
            rows.append([gain.real, -gain.imag])
        return complex(*np.linalg.solve(rows, quadratures))

    low, high = 2 * np.pi * np.array(asked.band_hz) / RATE_HZ
    omega = math.sqrt(low * high)
    memory = asked.memory_cycles * 2 * np.pi / omega
    rotation, n_learnt = np.exp(1j * omega), 0
    lead, last_target, found = lead_s * RATE_HZ, -math.inf, []
    for i in range(len(samples)):
        now = sine_behind(shown[i], omega)
        before = sine_behind(shown[i - 1], omega) if i else 0.0
        if abs(now) >= asked.min_amplitude_uv and before != 0.0:
            n_learnt += 1
            weight = max(1 - math.exp(-1 / memory), 3 / (n_learnt + 2))
            turn = now / before
            rotation = (1 - weight) * rotation + weight * turn / abs(turn)
            omega = min(max(np.angle(rotation), low), high)
        to_go = np.exp(1j * (math.radians(asked.target_deg) - omega * lead)) / (now or 1.0)
        after_lead = np.angle(to_go) / omega
        target = max(i + lead + after_lead, i)
        due = abs(after_lead) < 1.0 and target - last_target > np.pi / omega
        if abs(now) >= asked.min_amplitude_uv and due:
            last_target = target
            found.append((i, target, abs(now)))
    return found


@pytest.mark.parametrize("lead_s", [0.0, 0.013, 0.4])
@pytest.mark.parametrize(
    "changes", [{}, {"mains_hz": 60.0}, {"target_deg": 45.0, "min_amplitude_uv": 10.0}]
)
def test_agrees_with_its_twin(changes, lead_s):
    asked = PhaseSettings(
        **{"channel": "Cz", "band_hz": (4, 8), "target_deg": 180, "min_amplitude_uv": 4} | changes
    )
    times_s = np.arange(2000) / RATE_HZ
    rng = np.random.default_rng(3)
    slow = rng.normal(0.0, 1.5, 2000).cumsum()
    wave = 5_000.0 + slow + 12.0 * np.sin(2 * np.pi * (5.0 * times_s + 0.1 * times_s**2))
    samples = (wave + rng.normal(0.0, 4.0, 2000)).astype(np.float32)
    expected = twin(asked, samples.astype(float), lead_s)
    found = Phase(asked, INFO, lead_s).update(Chunk(samples[:, np.newaxis], times_s))
    assert len(found) > 25
    assert [d.sample_index for d in found] == [index for index, _, _ in expected]
    np.testing.assert_allclose(
        [(d.target_s * RATE_HZ, d.value) for d in found],
        [(target, amplitude) for _, target, amplitude in expected],
        rtol=1e-6,
        atol=1e-5,
    )
