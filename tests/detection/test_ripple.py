import math

import numpy as np
import pytest
from pydantic import ValidationError
from scipy import signal

from bci_core.bench.accuracy.ripple_shapes import implant
from bci_core.chunk import Chunk, StreamInfo
from bci_core.detection.ripple import PATIENCE_S, Ripple, RippleSettings
from bci_core.detection.ripple_bank import muscle_band
from bci_core.detection.ripple_settings import OFFLINE_SD
from bci_core.errors import ConfigError
from bci_core.testing.check_detector import RULES, trial_chunk

RATE_HZ = 1250.0
INFO = StreamInfo("bench", RATE_HZ, ("pyr", "rad", "ctx"), "bench-1")


def ripple(**changes):
    return Ripple(RippleSettings(**({"channels": ("pyr",)} | changes)), INFO, 0.0)


def quiet(seconds, seed=0):
    """Something like 1/f, in microvolts: white noise through a leaky integrator."""
    white = np.random.default_rng(seed).normal(0.0, 20.0, round(seconds * RATE_HZ))
    return signal.lfilter([1.0], [1.0, -0.9], white)


def bump(seconds, middles_s, sigma_s=0.015):
    times_s = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    return sum(np.exp(-0.5 * ((times_s - m) / sigma_s) ** 2) for m in middles_s)


def ripples(seconds, middles_s, amplitude_uv=200.0, hz=160.0):
    times_s = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    return amplitude_uv * bump(seconds, middles_s) * np.sin(2.0 * np.pi * hz * times_s)


def muscles(seconds, middles_s, amplitude_uv=100.0):
    """Bursts of noise that is as strong in the band as above it."""
    white = np.random.default_rng(9).normal(0.0, 1.0, round(seconds * RATE_HZ))
    sos = signal.butter(2, 80.0, btype="highpass", output="sos", fs=RATE_HZ)
    return amplitude_uv * bump(seconds, middles_s) * signal.sosfilt(sos, white)


def chunk(*waves, flags=None, start_s=0.0):
    samples = np.zeros((len(waves[0]), len(INFO.channels)), dtype=np.float32)
    for column, wave in enumerate(waves):
        samples[:, column] = wave
    return Chunk(samples, start_s + np.arange(len(samples)) / RATE_HZ, flags)


def found_s(detector, *waves, flags=None):
    return [d.sample_s for d in detector.update(chunk(*waves, flags=flags))]


MIDDLES_S = (6.0, 7.5, 9.0, 12.0)


def test_each_ripple_once_and_while_it_lasts():
    for hz in (120.0, 150.0, 200.0):
        at_s = found_s(ripple(), quiet(15) + ripples(15, MIDDLES_S, hz=hz))
        assert len(at_s) == len(MIDDLES_S)
        for d, middle in zip(at_s, MIDDLES_S, strict=True):
            assert middle - 0.03 < d < middle + 0.02


def test_what_is_announced():
    detector = ripple(channels=("rad", "pyr"))
    wave = quiet(10) + ripples(10, [8.0])
    (d,) = detector.update(chunk(quiet(10, 1), wave))
    assert d.target_s == d.sample_s
    assert d.channel == 1  # the column, not the place among the channels
    assert d.value >= 5.75


def test_outputs_are_the_strengths():
    detector = ripple(channels=("rad", "pyr"))
    assert detector.outputs == ("strength_sd", "rad_sd", "pyr_sd")
    wave = quiet(8) + ripples(8, [6.0])
    trace = detector.trace(chunk(wave, quiet(8, 1)))
    assert np.isfinite(trace).all()
    assert np.array_equal(trace[:, 0], trace[:, 1:].max(axis=1))
    peak_s = np.argmax(trace[:, 2]) / RATE_HZ
    assert peak_s == pytest.approx(6.0 + detector.delay_s, abs=0.006)


def test_muscles_are_rejected_and_ripples_among_spikes_are_not():
    bursts = quiet(15) + muscles(15, MIDDLES_S)
    assert len(found_s(ripple(muscle_veto=False), bursts)) >= 3
    assert found_s(ripple(), bursts) == []
    # Spikes that come with a ripple are weaker than it is.
    both = quiet(15) + ripples(15, MIDDLES_S) + muscles(15, MIDDLES_S, 8.0)
    assert len(found_s(ripple(), both)) == len(MIDDLES_S)


def test_a_sharp_artefact_is_rejected():
    wave = quiet(12)
    wave[round(6.0 * RATE_HZ)] += 5000.0
    assert found_s(ripple(), wave) == []
    assert found_s(ripple(muscle_veto=False), wave) == []


@pytest.mark.parametrize("step_uv", [1e6, -1e4])
def test_a_step_of_the_electrode_is_no_ripple_and_costs_little(step_uv):
    wave = quiet(12) + ripples(12, [6.5, 9.0])
    wave[round(6.0 * RATE_HZ) :] += step_uv
    for species in ("rodent", "human"):
        asked = ripple(species=species, threshold_sd=5.75, band_hz=(100.0, 225.0))
        assert found_s(asked, wave) == pytest.approx([6.5, 9.0], abs=0.03)


@pytest.mark.parametrize("factor", [0.1, 20.0])
def test_a_lasting_step_in_level_is_the_new_normal(factor):
    before, after = quiet(6), factor * (quiet(9, 1) + ripples(9, [5.0, 7.0]))
    at_s = found_s(ripple(), np.concatenate([before, after]))
    settled_s = 6.0 + PATIENCE_S + 0.3 + 0.7
    assert [s for s in at_s if s > settled_s] == pytest.approx([11.0, 13.0], abs=0.03)


def test_one_channel_is_not_enough_where_two_must_agree():
    alone = (quiet(12) + ripples(12, [6.0, 9.0]), quiet(12, 1) + ripples(12, [9.005]))
    both = ripple(channels=("pyr", "rad"), min_channels=2, coincidence_s=0.02)
    assert found_s(both, *alone) == pytest.approx([9.0], abs=0.03)
    assert len(found_s(ripple(channels=("pyr", "rad")), *alone)) == 2


def test_what_the_noise_channel_has_too_is_rejected():
    waves = (quiet(12) + ripples(12, [6.0, 9.0]), quiet(12, 1), quiet(12, 2) + ripples(12, [6.0]))
    assert found_s(ripple(noise_channel="ctx"), *waves) == pytest.approx([9.0], abs=0.03)


def test_theta_gates_where_it_is_asked_to():
    times_s = np.arange(round(20 * RATE_HZ)) / RATE_HZ
    theta = 400.0 * np.sin(2.0 * np.pi * 8.0 * times_s) * (times_s < 6.0)
    wave = quiet(20) + theta + ripples(20, [5.0, 19.0])
    assert found_s(ripple(), wave) == pytest.approx([5.0, 19.0], abs=0.03)
    assert found_s(ripple(max_theta_delta=8.0), wave) == pytest.approx([19.0], abs=0.03)


def test_the_refractory_time_holds():
    wave = quiet(9) + ripples(9, [6.0, 6.2, 6.5])
    assert len(found_s(ripple(), wave)) == 3
    assert found_s(ripple(refractory_s=0.4), wave) == pytest.approx([6.0, 6.5], abs=0.03)


def test_shorter_than_the_minimum_is_no_event():
    wave = quiet(9) + ripples(9, [6.0])
    assert found_s(ripple(min_duration_s=0.02), wave) != []
    assert found_s(ripple(min_duration_s=0.2), wave) == []


def test_nothing_is_learnt_from_flagged_samples():
    wave = quiet(9) + ripples(9, [8.0])
    blanked = (np.arange(len(wave)) > 4 * RATE_HZ) & (np.arange(len(wave)) < 7.8 * RATE_HZ)
    loud = np.where(blanked, 30.0 * wave, wave)
    flags = np.where(blanked, 16, 0).astype(np.uint8)
    frozen = found_s(ripple(), loud, flags=flags)
    assert any(s == pytest.approx(8.0, abs=0.03) for s in frozen)
    assert not any(s == pytest.approx(8.0, abs=0.03) for s in found_s(ripple(), loud))


def test_human_ripples_are_lower():
    wave = quiet(15) + ripples(15, MIDDLES_S, 120.0, hz=95.0)
    assert found_s(ripple(species="human"), wave) == pytest.approx(MIDDLES_S, abs=0.03)
    # The threshold of offline studies takes in much that is no ripple.
    offline = ripple(species="human", threshold_sd=OFFLINE_SD)
    assert len(found_s(offline, wave)) > 2 * len(MIDDLES_S)
    lower = quiet(15) + ripples(15, MIDDLES_S, 60.0, hz=85.0)
    assert len(found_s(ripple(species="human"), lower)) >= len(MIDDLES_S) - 1
    assert found_s(ripple(), lower) == []
    assert ripple(species="human").band_hz == (80.0, 120.0)
    assert ripple(species="human", band_hz=(80.0, 150.0)).band_hz == (80.0, 150.0)


@pytest.mark.parametrize(
    ("rate_hz", "high_hz", "expected"),
    [
        (30_000.0, 225.0, (300.0, 480.0)),
        (1000.0, 225.0, (300.0, 480.0)),
        (800.0, 225.0, (300.0, 384.0)),
        (700.0, 225.0, (276.0, 336.0)),
        (650.0, 225.0, None),
        (500.0, 120.0, (180.0, 240.0)),
    ],
)
def test_the_muscle_band_fits_the_rate_or_is_left_out(rate_hz, high_hz, expected):
    band_hz = muscle_band((300.0, 480.0), high_hz, rate_hz)
    assert band_hz == (None if expected is None else pytest.approx(expected))


@pytest.mark.parametrize("rate_hz", [500.0, 1000.0, 2000.0, 30_000.0])
def test_any_rate(rate_hz):
    info = StreamInfo("any", rate_hz, ("pyr",), "any")
    n = round(6 * rate_hz)
    times_s = np.arange(n) / rate_hz
    noise = np.random.default_rng(0).normal(0.0, 1.0, n) * math.sqrt(rate_hz / 1000.0)
    burst = np.exp(-0.5 * ((times_s - 4.0) / 0.015) ** 2) * np.sin(2.0 * np.pi * 160.0 * times_s)
    samples = (20.0 * noise + 100.0 * burst).astype(np.float32)[:, np.newaxis]
    detector = Ripple(RippleSettings(channels=("pyr",)), info, 0.0)
    at_s = [d.sample_s for d in detector.update(Chunk(samples, times_s))]
    assert at_s == pytest.approx([4.0], abs=0.03)
    assert (detector.muscle_band_hz is None) == (rate_hz < 700.0)


def test_many_channels():
    names = tuple(f"c{i}" for i in range(1024))
    info = StreamInfo("many", RATE_HZ, names, "many")
    wave = quiet(2) + ripples(2, [1.5])
    samples = np.repeat(wave.astype(np.float32)[:, np.newaxis], 1024, axis=1)
    detector = Ripple(RippleSettings(channels=names, min_channels=1000), info, 0.0)
    found = detector.update(Chunk(samples, np.arange(len(wave)) / RATE_HZ))
    assert [d.sample_s for d in found] == pytest.approx([1.5], abs=0.03)


def test_one_hundred_splits_give_the_same_to_the_bit():
    waves = [quiet(12, s) + ripples(12, MIDDLES_S[:3]) + muscles(12, [10.0, 11.0]) for s in (0, 1)]
    whole = chunk(*waves)

    def make():
        return ripple(channels=("pyr", "rad"), min_channels=2, noise_channel="ctx")

    expected = make().update(whole)
    assert len(expected) >= 3
    for seed in range(100):
        rng = np.random.default_rng(seed)
        detector, found, start = make(), [], 0
        while start < len(whole):
            end = start + int(rng.choice([0, 1, 2, 7, 50, 333, 2000]))
            found += detector.update(Chunk(whole.samples[start:end], whole.times_s[start:end]))
            start = end
        assert found == expected


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("more", [{}, {"species": "human", "noise_channel": "ctx"}], ids=str)
def test_keeps_the_contract(rule, more):
    wave = quiet(10) + ripples(10, [4.0, 6.0, 7.0, 8.5], hz=110.0)
    trial = chunk(wave, quiet(10, 1), quiet(10, 2))
    rule(lambda: ripple(**more), trial)


def test_a_sweep_is_survived():
    detector = ripple()
    detector.update(trial_chunk(INFO))
    assert np.isfinite(detector.state).all()


@pytest.mark.parametrize(("name", "row", "to_uv"), [
    ("rat_ca1_ec3_theta_60s", 0, 1000.0), ("rat_hpc_hc2_150s", 0, 1.0),
])  # fmt: skip
def test_in_real_theta(recording, name, row, to_uv):
    wave, rate_hz = recording(name, row)
    info = StreamInfo(name, rate_hz, ("wave",), name)

    def at_s(samples_uv):
        detector = Ripple(RippleSettings(channels=("wave",)), info, 0.0)
        samples = samples_uv.astype(np.float32)[:, np.newaxis]
        return np.array(
            [d.sample_s for d in detector.update(Chunk(samples, np.arange(len(samples)) / rate_hz))]
        )

    assert len(at_s(to_uv * wave)) <= 2.0 * len(wave) / rate_hz / 60.0
    simulated = implant(to_uv * wave, rate_hz, 8.0, seed=21)
    found = at_s(simulated.wave)
    hits = [
        np.any((found >= a - 0.03) & (found <= b + 0.03))
        for a, b in zip(simulated.onsets_s, simulated.ends_s, strict=True)
    ]
    assert np.mean(hits) >= 0.95


def test_all_mistakes_at_once():
    asked = RippleSettings(
        channels=("pyr", "Oz", "pyr"),
        noise_channel="Pz",
        min_channels=4,
        band_hz=(250.0, 700.0),
        threshold_sd=1.0,
    )
    with pytest.raises(ConfigError) as caught:
        Ripple(asked, INFO, math.nan)
    where = [problem.where for problem in caught.value.problems]
    assert where == [
        "band_hz", "channels", "noise_channel", "channels", "min_channels", "release_sd",
        "muscle_band_hz", "lead_s",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "changes",
    [{"channels": ()}, {"species": "squid"}, {"threshold_sd": 0.0}, {"treshold_sd": 3.0}],
)
def test_settings_refuse_what_makes_no_sense(changes):
    with pytest.raises(ValidationError):
        ripple(**changes)
