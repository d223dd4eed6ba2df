"""What holds for the phase detector whichever estimator it uses."""

import numpy as np
import pytest
from scipy import signal

from bci_core.chunk import Chunk, StreamInfo
from bci_core.detection.phase import Phase, PhaseSettings
from bci_core.detection.phase_follow import OUTPUTS
from bci_core.testing.check_detector import RULES, trial_chunk

RATE_HZ = 250.0
INFO = StreamInfo("bench", RATE_HZ, ("Fz", "Cz", "Pz"), "bench-1")
ESTIMATORS = ("oscillator", "echt", "resonator")


def phase(lead_s=0.0, **changes):
    asked = {"channel": "Cz", "band_hz": (4.0, 8.0), "target_deg": 180.0}
    return Phase(PhaseSettings(**(asked | changes)), INFO, lead_s)


def narrow_band(seconds, seed, linewidth_hz=0.5, frequency_hz=6.0):
    """A randomly driven oscillation of unit standard deviation, and its true analytic signal."""
    rng = np.random.default_rng(seed)
    n = round(seconds * RATE_HZ)
    damping = np.exp(-np.pi * linewidth_hz / RATE_HZ)
    turn = damping * np.exp(2j * np.pi * frequency_hz / RATE_HZ)
    drive = np.sqrt(1 - damping**2) * (rng.normal(size=n) + 1j * rng.normal(size=n))
    truth = np.empty(n, dtype=complex)
    z = 0j
    for i in range(n):
        z = turn * z + drive[i]
        truth[i] = z
    return truth


def traced(detector, wave):
    samples = np.repeat(wave[:, np.newaxis], 3, axis=1).astype(np.float32)
    chunk = Chunk(samples, np.arange(len(wave)) / RATE_HZ)
    return dict(zip(detector.outputs, detector.trace(chunk).T, strict=True))


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("frequency_hz", [4.3, 5.0, 7.7])
@pytest.mark.parametrize("lead_s", [0.0, 0.02])
def test_of_a_steady_sine_nothing_of_the_bias_is_left(estimator, frequency_hz, lead_s):
    times_s = np.arange(round(30 * RATE_HZ)) / RATE_HZ
    noise = np.random.default_rng(0).normal(0.0, 0.3, len(times_s))
    wave = 14.0 * np.cos(2 * np.pi * frequency_hz * times_s) + noise + 500.0
    samples = np.repeat(wave[:, np.newaxis], 3, axis=1).astype(np.float32)
    found = phase(lead_s, estimator=estimator).update(Chunk(samples, times_s))
    late = [d for d in found if d.sample_s > 5.0]
    turned = np.exp(2j * np.pi * frequency_hz * np.array([d.target_s for d in late])) * -1
    assert len(late) == pytest.approx(25 * frequency_hz, abs=1)
    assert abs(np.degrees(np.angle(turned.mean()))) < 1.0
    assert abs(turned.mean()) > 0.999
    assert np.mean([d.value for d in late]) == pytest.approx(14.0, abs=0.3)
    assert max(d.spread_s for d in late) < 0.004


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_keeps_the_contract(rule, estimator):
    rule(lambda: phase(0.01, estimator=estimator, min_amplitude_uv=3.0), trial_chunk(INFO))


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_one_hundred_splits_give_the_same_to_the_bit(estimator):
    chunk = trial_chunk(INFO)

    def detector():
        return phase(0.01, estimator=estimator, min_amplitude_quantile=0.3, mains_hz=50.0)

    whole = detector()
    expected = whole.update(chunk)
    assert len(expected) > 20
    for seed in range(100):
        rng = np.random.default_rng(seed)
        split, found, start = detector(), [], 0
        while start < len(chunk):
            end = start + int(rng.choice([0, 1, 2, 7, 50, 333, 2000]))
            found += split.update(Chunk(chunk.samples[start:end], chunk.times_s[start:end]))
            start = end
        assert found == expected
        np.testing.assert_array_equal(split.state, whole.state)
    assert np.isfinite(np.delete(whole.state, np.flatnonzero(np.isneginf(whole.state)))).all()


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize(("noise", "lead_s"), [(0.3, 0.0), (3.0, 0.0), (0.3, 0.1)])
def test_two_errors_in_three_are_within_the_spread(estimator, noise, lead_s):
    hidden = narrow_band(240.0, 1)
    wave = hidden.real + noise * np.random.default_rng(2).normal(size=len(hidden))
    shown = traced(phase(lead_s, estimator=estimator), 20.0 * wave)
    taps = signal.firwin(int(3 * RATE_HZ / 4.0) | 1, (4.0, 8.0), pass_zero=False, fs=RATE_HZ)
    acausal = signal.hilbert(signal.fftconvolve(wave, taps, mode="same"))
    ahead, n = round(lead_s * RATE_HZ), len(wave) - round(lead_s * RATE_HZ)
    predicted = np.radians(shown["phase_deg"]) + 2 * np.pi * shown["frequency_hz"] * lead_s
    late = slice(round(20 * RATE_HZ), n - 200)

    def within(truth):
        error = np.angle(np.exp(1j * predicted)[:n] * truth[ahead:].conj())
        return np.degrees(abs(error)) <= shown["uncertainty_deg"][:n]

    inside = within(acausal)[late]
    assert inside.mean() == pytest.approx(0.68, abs=0.04)
    # At small amplitudes no less than at large ones.
    large = (shown["amplitude_uv"] > np.median(shown["amplitude_uv"]))[:n][late]
    assert inside[large].mean() == pytest.approx(0.68, abs=0.1)
    assert inside[~large].mean() == pytest.approx(0.68, abs=0.1)
    # The noise in the band, which the acausal filter shows too, is not in the spread.
    assert within(hidden)[late].mean() > 0.4
    widths_deg = np.quantile(shown["uncertainty_deg"][late], [0.1, 0.9])
    assert widths_deg[1] > 2 * widths_deg[0]


def test_nothing_is_announced_while_it_is_too_uncertain():
    truth = narrow_band(120.0, 1)
    wave = 20.0 * (truth.real + 1.5 * np.random.default_rng(2).normal(size=len(truth)))
    samples = np.repeat(wave[:, np.newaxis], 3, axis=1).astype(np.float32)
    chunk = Chunk(samples, np.arange(len(wave)) / RATE_HZ)
    phases = np.unwrap(np.angle(truth))

    def announced(limit_deg):
        found = phase(max_uncertainty_deg=limit_deg).update(chunk)
        targets_s = np.array([d.target_s for d in found if d.sample_s > 20.0])
        error = np.exp(1j * (np.interp(targets_s, chunk.times_s, phases) - np.pi))
        return found, abs(error.mean())

    everything, length = announced(180.0)
    few, better = announced(20.0)
    assert 0 < len(few) < 0.7 * len(everything)
    assert better > length + 0.02
    assert all(d.sample_s > 0.7 for d in few)  # nothing has been checked before
    for d in few:
        assert d.spread_s * 360.0 * 4.0 <= 20.0 + 1e-6  # at 4 Hz, the least of the band


def test_the_quantile_is_the_share_of_time_left_out_whatever_the_unit():
    truth = narrow_band(120.0, 3, linewidth_hz=1.0)
    for unit in (1e-3, 1.0, 1e4):
        shown = traced(phase(min_amplitude_quantile=0.6), unit * truth.real)
        is_open = shown["gate_open"][round(20 * RATE_HZ) :]
        assert is_open.mean() == pytest.approx(0.4, abs=0.06)
        assert shown["amplitude_uv"][shown["gate_open"] == 1.0].mean() > unit


def test_outputs_say_what_the_sine_is():
    times_s = np.arange(round(20 * RATE_HZ)) / RATE_HZ
    shown = traced(phase(), 10.0 * np.cos(2 * np.pi * 5.5 * times_s))
    late = slice(round(5 * RATE_HZ), None)
    assert tuple(shown) == OUTPUTS
    error = np.exp(1j * np.radians(shown["phase_deg"])) * np.exp(-2j * np.pi * 5.5 * times_s)
    assert abs(np.degrees(np.angle(error[late]))).max() < 1.0
    np.testing.assert_allclose(shown["amplitude_uv"][late], 10.0, atol=0.1)
    np.testing.assert_allclose(shown["frequency_hz"][late], 5.5, atol=0.05)
    assert shown["uncertainty_deg"][late].max() < 3.0
    assert (abs(shown["phase_deg"]) <= 180.0).all()


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_flagged_samples_teach_nothing(estimator):
    truth = narrow_band(20.0, 4)
    wave = np.concatenate([truth.real, 50.0 * np.random.default_rng(5).normal(size=1000)])
    samples = np.repeat(wave[:, np.newaxis], 3, axis=1).astype(np.float32)
    n = len(truth)
    detector = phase(estimator=estimator)
    detector.update(Chunk(samples[:n], np.arange(n) / RATE_HZ))
    before = detector.output()
    flags = np.ones(1000, dtype=np.uint8)
    detector.update(Chunk(samples[n:], np.arange(n, n + 1000) / RATE_HZ, flags))
    frequency = OUTPUTS.index("frequency_hz")
    assert detector.output()[frequency] == before[frequency]


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("rate_hz", [100.0, 1000.0, 30_000.0])
def test_any_rate_and_a_step_of_a_volt(estimator, rate_hz):
    info = StreamInfo("bench", rate_hz, ("Cz",), "bench-1")
    asked = PhaseSettings(channel="Cz", band_hz=(5, 11), estimator=estimator)
    times_s = np.arange(round(8 * rate_hz)) / rate_hz
    wave = 20.0 * np.cos(2 * np.pi * 8.0 * times_s)
    wave[round(4 * rate_hz) :] += 1e6
    found = Phase(asked, info, 0.0).update(Chunk(wave.astype(np.float32)[:, None], times_s))
    targets_s = np.array([d.target_s for d in found if d.sample_s > 5.5])
    assert len(targets_s) == pytest.approx(20, abs=1)
    # A float32 at 1 V is good to 0.06 uV.
    error = np.exp(2j * np.pi * 8.0 * targets_s) * -1
    assert abs(np.degrees(np.angle(error))).max() < 5.0
