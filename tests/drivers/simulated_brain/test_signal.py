"""What the simulated brain's signal is like, by the usual measures."""

import numpy as np
import pytest
from scipy import signal

from drivers.amplifiers.simulated_brain.background import background_settings
from drivers.amplifiers.simulated_brain.species import SPECIES
from drivers.amplifiers.simulated_brain.truth import Event

RATE_HZ = 500.0
BARE = {
    "drift_uv": 0.0,
    "impedance_kohm": 1e-6,
    "blinks_hz": 0.0,
    "movements_hz": 0.0,
    "muscle_hz": 0.0,
}


def power(samples, rate_hz=RATE_HZ):
    return signal.welch(samples, rate_hz, nperseg=int(4 * rate_hz), axis=0)


@pytest.mark.parametrize("exponent", [1.0, 1.5, 1.9])
def test_the_background_is_flat_below_its_knee_and_steep_above(exponent):
    settings = background_settings(1000.0, 30.0, 4.0, exponent, 0.0, 0.0)
    keep, size = settings[4:].reshape(2, -1)
    n = 600_000
    noise = np.random.default_rng(0).standard_normal(n)
    made = sum(signal.lfilter([s], [1.0, -k], noise) for k, s in zip(keep, size, strict=True))
    assert made.std() == pytest.approx(30.0, rel=0.05)
    hz, density = signal.welch(made, 1000.0, nperseg=4000)
    fits = []
    for low_hz, high_hz in ((0.5, 2.0), (20.0, 200.0)):
        part = (hz >= low_hz) & (hz <= high_hz)
        fits.append(np.polyfit(np.log(hz[part]), np.log(density[part]), 1)[0])
    assert fits[0] > -0.35
    assert fits[1] == pytest.approx(-exponent, abs=0.1)


def test_background_alone_has_its_size(advanced):
    asked = {"schedule": (("rem", 1e5),), "line_uv": 0.0, **BARE}
    with_noise, _, _ = advanced(100.0, n_channels=8, **asked)
    without, _, _ = advanced(100.0, n_channels=8, background_ratio=0.0, **asked)
    sd_uv = (with_noise - without).std(axis=0)
    np.testing.assert_allclose(sd_uv, SPECIES["rodent"].background_uv, rtol=0.15)


def test_neighbours_share_more_than_channels_far_away(advanced):
    samples, _, _ = advanced(60.0, n_channels=32, background_ratio=3.0, **BARE)
    shared = np.corrcoef(samples[:, 16:].T)
    assert shared[0, 1] > 0.7 > 0.5 > abs(shared[0, 15])


def test_mains_eyes_and_muscles_are_where_they_should_be(advanced):
    wake = {"schedule": (("wake", 1e5),), "n_channels": 4}
    quiet = {"line_uv": 0.0, **BARE}
    plain, _, _ = advanced(60.0, **wake, **quiet)
    hum, _, _ = advanced(60.0, **wake, **{**quiet, "line_uv": 20.0, "mains_hz": 60.0})
    hz, density = power(hum - plain)
    assert (hz[density[:, 0].argmax()]) == 60.0
    busy = {**quiet, "muscle_hz": 0.5, "blinks_hz": 0.5}
    moving, truth, _ = advanced(60.0, **wake, **busy)
    assert len(truth.of(Event.MUSCLE, "onset_s")) > 8
    assert len(truth.of(Event.BLINK, "onset_s")) > 8
    hz, density = power(moving - plain)
    high = density[(hz > 100.0) & (hz < 200.0)].mean(axis=0)
    assert high[3] > 20.0 * high[0]  # cortical far above hippocampal


def test_gamma_is_largest_where_theta_is_lowest(advanced):
    samples, _, _ = advanced(60.0, schedule=(("rem", 1e5),), background_ratio=0.1, **BARE)
    wave = samples[:, 0].astype(float)
    theta = signal.sosfiltfilt(
        signal.butter(2, (5, 11), "bandpass", output="sos", fs=RATE_HZ), wave
    )
    gamma = signal.sosfiltfilt(
        signal.butter(3, (40, 85), "bandpass", output="sos", fs=RATE_HZ), wave
    )
    phase = np.angle(signal.hilbert(theta))
    coupling = (np.abs(signal.hilbert(gamma)) * np.exp(1j * phase)).mean()
    strength = abs(coupling) / np.abs(signal.hilbert(gamma)).mean()
    assert strength > 0.2
    assert abs(np.angle(-coupling)) < 0.4


def test_spindles_and_ripples_nest_in_the_slow_oscillation(advanced):
    _, truth, _ = advanced(600.0, schedule=(("nrem", 1e5),))
    for event, least in ((Event.SPINDLE, 0.5), (Event.RIPPLE, 0.2)):
        phases = np.exp(1j * truth.of(event, "phase_rad"))
        assert len(phases) > 30
        assert abs(phases.mean()) > least
        assert abs(np.angle(-phases.mean())) < 0.8  # about the up state
    rate_hz = len(truth.of(Event.RIPPLE, "onset_s")) / 600.0
    assert rate_hz == pytest.approx(SPECIES["rodent"].ripples_nrem_hz, rel=0.4)
    low, high = np.percentile(truth.lengths_s(Event.RIPPLE), [2, 98])
    assert 0.03 < low < high < 0.24


@pytest.mark.parametrize("species", ["rodent", "human"])
def test_ripples_have_their_frequency_in_the_hippocampus_only(advanced, species):
    asked = {"rate_hz": 1000.0, "n_channels": 4, "species": species, **BARE}
    samples, truth, _ = advanced(120.0, schedule=(("nrem", 1e5),), background_ratio=0.05, **asked)
    low_hz, high_hz = SPECIES[species].ripple_hz
    band = signal.butter(3, (0.8 * low_hz, 1.2 * high_hz), "bandpass", output="sos", fs=1000.0)
    envelope = np.abs(signal.hilbert(signal.sosfiltfilt(band, samples, axis=0), axis=0))
    middles = truth.of(Event.RIPPLE, "onset_s") + 0.5 * truth.lengths_s(Event.RIPPLE)
    at = envelope[(middles * 1000.0).astype(int)].mean(axis=0)
    assert at[0] > 5.0 * np.median(envelope[:, 0])
    assert at[3] < 2.0 * np.median(envelope[:, 3])


def test_states_follow_a_schedule_or_each_other(advanced):
    _, truth, _ = advanced(100.0, schedule=(("rem", 20.0), ("wake", 30.0)), rate_hz=100.0)
    np.testing.assert_allclose(truth.of(Event.STATE, "onset_s"), [0, 20, 50, 70], atol=0.02)
    assert truth.of(Event.STATE, "content").tolist() == [2, 0, 2, 0]
    _, truth, _ = advanced(6000.0, rate_hz=100.0, n_channels=1)
    states = truth.of(Event.STATE, "content")
    assert states[0] == 0
    assert set(states) == {0, 1, 2}
    after_wake = states[1:][states[:-1] == 0]
    assert (after_wake == 1).all()
    awake = np.diff(truth.of(Event.STATE, "onset_s"))[states[:-1] == 0]
    assert awake.mean() == pytest.approx(SPECIES["rodent"].dwell_s[0], rel=0.5)


def test_units_of_a_pattern_fire_in_its_ripples_and_compressed(advanced):
    asked = {"unit_channels": True, "schedule": (("nrem", 30.0), ("wake", 30.0))}
    samples, truth, model = advanced(600.0, cues_hz=0.3, **asked)
    counts = samples[:, 2:]
    assert counts.shape[1] == 64
    sites = np.arange(64) // 4
    rates = {}
    for event in (Event.RIPPLE, Event.CUE):
        inside, outside, n = np.zeros(2), np.zeros(2), 0
        for content, onset_s, offset_s in zip(
            truth.of(event, "content"),
            truth.of(event, "onset_s"),
            truth.of(event, "offset_s"),
            strict=True,
        ):
            members = model.patterns[int(content)][sites] > 0
            part = counts[int(onset_s * RATE_HZ) : int(offset_s * RATE_HZ)]
            inside += [part[:, members].sum(), part[:, members].size / RATE_HZ]
            outside += [part[:, ~members].sum(), part[:, ~members].size / RATE_HZ]
            n += 1
        assert n > 20
        rates[event] = inside[0] / inside[1]
        assert rates[event] > 3.0 * outside[0] / outside[1]
    assert rates[Event.RIPPLE] > 3.0 * rates[Event.CUE]


def test_an_artefact_can_be_a_thousand_times_the_signal_and_saturate(advanced, pulse):
    given = pulse([1.0])
    asked = {"range_uv": 1e6, "bits": 24, "rate_hz": 5000.0}
    quiet, _, _ = advanced(1.5, **asked)
    hit, _, _ = advanced(1.5, given, artefact_ratio=20.0, **asked)
    assert np.abs(hit - quiet).max() > 1000.0 * quiet.std()
    narrow, _, _ = advanced(1.5, given, artefact_ratio=20.0, range_uv=2000.0, rate_hz=5000.0)
    assert np.abs(narrow).max() == 2000.0
    late = narrow[round(1.4 * 5000.0) :, 0] - quiet[round(1.4 * 5000.0) :, 0]
    assert np.abs(late).mean() < 500.0  # it recovers


def test_electrodes_have_noise_and_a_tone_by_their_impedance(advanced):
    asked = {**BARE, "background_ratio": 0.0, "schedule": (("nrem", 1e5),), "bits": 24}
    odd = {"hpc001": 1000.0, "ctx001": 1e-6}
    noise, _, _ = advanced(20.0, odd_impedances_kohm=odd, lead_off_hz=31.2, **asked)
    without, _, _ = advanced(20.0, lead_off_hz=0.0, **asked)
    hz, density = power(noise - without)
    at = np.argmin(np.abs(hz - 31.25))
    amplitude_uv = np.sqrt(2.0 * density[at - 3 : at + 4].sum(axis=0) * hz[1])
    assert amplitude_uv[0] == pytest.approx(6.0 * 1000.0, rel=0.05)  # nA times kOhm
    assert amplitude_uv[1] < 1.0
    # Johnson and Nyquist: 1 MOhm at 310 K over 250 Hz is 2.07 uV.
    floor = np.sqrt(density[(hz > 60.0) & (hz < 240.0), 0].mean() * 250.0)
    assert floor == pytest.approx(2.07, rel=0.1)


def test_samples_are_steps_of_the_converter(advanced):
    samples, _, _ = advanced(2.0, range_uv=1024.0, bits=10)
    steps = samples / 2.0
    np.testing.assert_array_equal(steps, np.rint(steps))
    assert len(np.unique(steps)) > 20
