"""How the simulated brain answers to stimulation, by the truth that it tells."""

import numpy as np
import pytest

from drivers.amplifiers.simulated_brain.seizures import (
    MEMORY_S,
    REFERENCE_UC,
    RISK,
    seizures_layer,
)
from drivers.amplifiers.simulated_brain.tracks import CHARGE, N_TRACKS, SITE
from drivers.amplifiers.simulated_brain.truth import LOG_ROWS, N_LOG, Event

NREM = {"schedule": (("nrem", 1e5),)}
WAKE = {"schedule": (("wake", 1e5),)}


@pytest.fixture
def first_ripple(advanced):
    """The first ripple of a minute of undisturbed NREM sleep: onset, length, content."""
    _, truth, model = advanced(60.0, **NREM)
    long = np.flatnonzero(truth.lengths_s(Event.RIPPLE) > 0.07)[0]
    onset_s = truth.of(Event.RIPPLE, "onset_s")[long]
    content = int(truth.of(Event.RIPPLE, "content")[long])
    return onset_s, truth.lengths_s(Event.RIPPLE)[long], np.flatnonzero(model.patterns[content]) + 1


def length_of(truth, onset_s):
    """Of the ripple that began then."""
    which = np.argmin(np.abs(truth.of(Event.RIPPLE, "onset_s") - onset_s))
    return truth.lengths_s(Event.RIPPLE)[which]


@pytest.mark.parametrize("response", ["truncate", "prolong", "none"])
def test_a_pulse_ends_a_ripple_or_draws_it_out(advanced, pulse, first_ripple, response):
    onset_s, usual_s, _ = first_ripple
    given = pulse([onset_s + 0.03])
    _, truth, _ = advanced(onset_s + 1.0, given, ripple_response=response, **NREM)
    length_s = length_of(truth, onset_s)
    if response == "truncate":
        assert 0.03 < length_s < 0.055
    elif response == "prolong":
        assert length_s == pytest.approx(usual_s + 0.1, abs=0.01)
    else:
        assert length_s == usual_s


def test_the_right_pattern_draws_out_and_another_ends(advanced, pulse, first_ripple):
    onset_s, usual_s, electrodes = first_ripple
    others = [e for e in range(1, 17) if e not in electrodes][:3]
    for stimulated, longer in ((electrodes, True), (others, False)):
        given = pulse([onset_s + 0.03], stimulated)
        _, truth, _ = advanced(onset_s + 1.0, given, ripple_response="by_content", **NREM)
        assert (length_of(truth, onset_s) > usual_s) == longer


def test_few_ripples_begin_after_a_pulse(advanced, pulse):
    every_s = np.arange(0.5, 300.0, 0.4)
    rates = []
    for amplitude_ua in (20.0, 1e-3):
        given = pulse(every_s, amplitude_ua=amplitude_ua)
        _, truth, _ = advanced(300.0, given, ripple_response="none", **NREM)
        since_s = (truth.of(Event.RIPPLE, "onset_s") - 0.5) % 0.4
        rates.append(np.sum(since_s < 0.2))
    assert rates[0] < 0.3 * rates[1]


def test_recruitment_is_a_sigmoid_of_current_and_of_length(advanced):
    _, _, model = advanced(0.1)
    shares = [model.drive.recruits(ua, 200.0) for ua in (0.0, 5.0, 10.0, 15.0, 40.0)]
    assert shares[0] == 0.0
    assert shares[2] == pytest.approx(0.5, abs=0.01)
    assert (np.diff(shares) > 0.0).all()
    assert shares[-1] > 0.99
    # At the chronaxie a pulse needs twice the current of a very long one.
    assert model.drive.recruits(10.0, 200.0) == pytest.approx(model.drive.recruits(5.0, 1e9))


def test_evoked_responses_grow_with_recruitment(advanced, pulse):
    at_s = np.arange(1.0, 21.0, 1.0)
    peaks_uv = []
    for amplitude_ua in (1e-3, 10.0, 40.0):
        samples, _, _ = advanced(
            22.0,
            pulse(at_s, amplitude_ua=amplitude_ua),
            background_ratio=0.01,
            drift_uv=0.0,
            artefact_ratio=0.0,
            theta_gamma_coupling=0.0,
            **NREM,
        )
        around = (at_s[:, None] * 500.0 + np.arange(100)).astype(int)
        mean_uv = samples[around, 0].mean(axis=0)
        peaks_uv.append(mean_uv[5:40].max() - mean_uv[0])
    assert peaks_uv[2] > 1.5 * peaks_uv[1] > 2.0 * abs(peaks_uv[0])


def test_a_pulse_resets_theta_and_a_weak_one_little(advanced, pulse):
    at_s = np.arange(2.0, 40.0, 0.73)
    moved = {}
    for amplitude_ua in (40.0, 2.0):
        given = pulse(at_s, amplitude_ua=amplitude_ua)
        _, truth, _ = advanced(41.0, given, reset_phase_deg=90.0, **WAKE)
        before = truth.of(Event.PHASE_RESET, "phase_rad")
        after = before + truth.of(Event.PHASE_RESET, "value")
        moved[amplitude_ua] = np.exp(1j * after).mean()
        assert abs(np.exp(1j * before).mean()) < 0.6
    assert abs(moved[40.0]) > 0.99
    assert np.angle(moved[40.0]) == pytest.approx(np.pi / 2.0, abs=0.05)
    assert abs(moved[2.0]) < 0.6


def test_clicks_in_the_up_state_make_it_larger_and_call_spindles(advanced, click):
    _, truth, _ = advanced(200.0, **NREM)
    starts_s, lengths_s = truth.of(Event.SLOW_CYCLE, "onset_s"), truth.lengths_s(Event.SLOW_CYCLE)
    usual = truth.of(Event.SLOW_CYCLE, "value").mean()
    n_spindles = len(truth.of(Event.SPINDLE, "onset_s"))
    # Clicks move the oscillation, so from the second on they come where they come; those of
    # each trial of 5 s begin at one that is in the up state.
    first_s = (starts_s + 0.4 * lengths_s)[::4]
    _, stimulated, _ = advanced(200.0, click(first_s), entrain_rad=1e-9, **NREM)
    assert stimulated.of(Event.SLOW_CYCLE, "value").mean() > 1.05 * usual
    assert len(stimulated.of(Event.SPINDLE, "onset_s")) > 1.3 * n_spindles


def test_regular_clicks_entrain_the_slow_oscillation(advanced, click):
    def locking(level_db):
        at_s = np.arange(5.0, 200.0, 1.0 / 1.15)
        _, truth, _ = advanced(201.0, click(at_s, level_db), **NREM)
        cycles_s = truth.of(Event.SLOW_CYCLE, "onset_s")
        phases = 2.0 * np.pi * (cycles_s[cycles_s > 20.0] * 1.15)
        return abs(np.exp(1j * phases).mean())

    assert locking(60.0) > 0.6 > 0.3 > locking(10.0)


def discharged(n, gap_s, charge_uc, same, seed=0, rate_hz=20.0):
    """Of the layer alone, `n` trains that far apart: whether each led to an afterdischarge, and
    whether one had ended within the minute before it."""
    layer = seizures_layer(rate_hz, 0.0, 1.0, 0.0, np.random.SeedSequence(seed))
    log = np.zeros((LOG_ROWS, N_LOG))
    every = round(gap_s * rate_hz)
    tracks = np.zeros((every, N_TRACKS))
    tracks[:4, CHARGE] = charge_uc / 4.0
    for k in range(n):
        tracks[:4, SITE] = 0.0 if same else k % 16
        layer.run(tracks, log)
    rows = log[1 : int(log[0, 0]) + 1]
    begun, ended = rows[:, 2] / every, rows[:, 3] / every
    hit, after = np.zeros(n, dtype=bool), np.zeros(n, dtype=bool)
    hit[begun.astype(int)] = True
    for k in range(n):
        after[k] = ((ended < k) & (ended > k - MEMORY_S / gap_s)).any()
    return hit, after


@pytest.mark.parametrize("same", [False, True])
def test_afterdischarges_come_as_often_as_they_should(same):
    """The four figures: at another or the same site, without one and after one."""
    hit, after = discharged(4000, 45.0, REFERENCE_UC, same)
    for which, cases in ((int(same), ~after), (2 + int(same), after)):
        n = int(cases[1:].sum())
        assert n > 150  # of each case
        spread = np.sqrt(RISK[which] * (1.0 - RISK[which]) / n)
        assert hit[1:][cases[1:]].mean() == pytest.approx(RISK[which], abs=3.5 * spread)


def test_the_risk_rises_with_charge_and_a_minute_of_rest_takes_it_down():
    def share(gap_s, charge_uc, same=True):
        return discharged(400, gap_s, charge_uc, same)[0].mean()

    assert share(45.0, 0.004) == 0.0
    assert share(45.0, 4.0 * REFERENCE_UC) > 1.5 * share(45.0, REFERENCE_UC)
    assert share(45.0, REFERENCE_UC) > 2.0 * share(120.0, REFERENCE_UC)


def test_a_train_early_in_a_seizure_may_end_it(advanced, pulse):
    lengths_s = {}
    for stop in (0.0, 1.0):
        for seed in range(6):
            asked = {"seizures_per_h": 360.0, "rate_hz": 100.0, "n_channels": 1, "seed": seed}
            _, truth, _ = advanced(150.0, **asked, **NREM)
            begun_s = truth.of(Event.SEIZURE, "onset_s")[:1]
            given = pulse(begun_s + 1.0)
            _, truth, _ = advanced(150.0, given, seizure_stop=stop, **asked, **NREM)
            lengths_s.setdefault(stop, []).extend(truth.lengths_s(Event.SEIZURE)[:1])
    assert min(lengths_s[0.0]) > 10.0
    assert np.mean(np.array(lengths_s[1.0]) < 1.2) > 0.5
