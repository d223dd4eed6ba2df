"""Kernels against slow and obvious twins."""

import math

import numpy as np
import pytest

from drivers.amplifiers.simulated_brain import (
    background,
    columns,
    contamination,
    front_end,
    memory,
    random_numbers,
    ripples,
    seizures,
    sleep,
    states,
    theta,
    units,
)
from drivers.amplifiers.simulated_brain import tracks as t
from drivers.amplifiers.simulated_brain.species import SPECIES
from drivers.amplifiers.simulated_brain.truth import LOG_ROWS, N_LOG

RODENT = SPECIES["rodent"]
WORD = 2**64 - 1


def seed(number=0):
    return np.random.SeedSequence(number)


class Twin:
    """xoshiro256+ in whole numbers of Python."""

    def __init__(self, state):
        self.s = [int(word) for word in state]

    def uniform(self):
        s = self.s
        out = (s[0] + s[3]) & WORD
        shifted = (s[1] << 17) & WORD
        s[2] ^= s[0]
        s[3] ^= s[1]
        s[1] ^= s[2]
        s[0] ^= s[3]
        s[2] ^= shifted
        s[3] = ((s[3] << 45) | (s[3] >> 19)) & WORD
        return (out >> 11) / 2**53

    def normal(self):
        radius = math.sqrt(-2.0 * math.log(1.0 - self.uniform()))
        return radius * math.cos(2.0 * math.pi * self.uniform())


def test_random_numbers_are_those_of_the_generator():
    state = random_numbers.seeded(seed(5))
    twin = Twin(state)
    for _ in range(200):
        assert random_numbers.uniform(state) == twin.uniform()
    for _ in range(200):
        assert random_numbers.normal(state) == pytest.approx(twin.normal(), abs=1e-12)
    drawn = np.array([random_numbers.normal(state) for _ in range(20_000)])
    assert abs(drawn.mean()) < 0.03
    assert drawn.std() == pytest.approx(1.0, abs=0.02)
    counts = np.array([random_numbers.poisson(state, 0.7) for _ in range(5000)])
    assert counts.mean() == pytest.approx(0.7, abs=0.05)
    assert counts.var() == pytest.approx(0.7, abs=0.06)


def stimulated(n, rng):
    """Tracks as earlier layers may leave them: states that mix, pulses, clicks, a rhythm."""
    tracks = np.zeros((n, t.N_TRACKS))
    tracks[:, [t.WAKE, t.NREM, t.REM]] = rng.dirichlet([1, 1, 1], n)
    hit = rng.random(n) < 0.02
    tracks[hit, t.RECRUIT] = rng.random(hit.sum())
    tracks[hit, t.CHARGE] = 2.0
    tracks[hit, t.SITE] = rng.integers(0, 16, hit.sum())
    tracks[hit, t.MATCH] = rng.random(hit.sum())
    tracks[hit, t.MATCHED] = rng.integers(0, 3, hit.sum())
    tracks[rng.random(n) < 0.01, t.SOUND] = 0.9
    tracks[:, t.UP] = 0.5
    tracks[:, [t.CONTENT, t.CUED]] = -1.0
    return tracks


MEMBERS = np.array([[1, 1, 1, 1, 0, 0, 0, 0], [0, 0, 1, 1, 1, 1, 0, 0], [0, 0, 0, 0, 1, 1, 1, 1]])
LAYERS = {
    "states": lambda: states.states_layer(100.0, (1.0, 1.0, 1.0), "wake", (), seed()),
    "schedule": lambda: states.states_layer(
        100.0, (1.0, 1.0, 1.0), "wake", (("rem", 0.5), ("nrem", 1.0)), seed()
    ),
    "theta": lambda: theta.theta_layer(100.0, RODENT, 0.8, 3.0, 0.5, 0.2, seed()),
    "sleep": lambda: sleep.sleep_layer(100.0, RODENT, 0.8, seed()),
    "seizures": lambda: seizures.seizures_layer(100.0, 900.0, 1.0, 0.5, seed()),
    "ripples": lambda: ripples.ripples_layer(400.0, RODENT, 3, "by_content", 0.1, 0.2, seed()),
    "columns": lambda: columns.columns_layer(400.0, 16, seed()),
    "contamination": lambda: contamination.contamination_layer(100.0, 50.0, 1.0, 1.0, 1.0, seed()),
    "memory": lambda: memory.memory_layer(
        100.0, MEMBERS.astype(float), 0.3, 0.5, (0.1, 0.1, 3.0), 60.0, seed()
    ),
}


@pytest.mark.parametrize("name", LAYERS)
def test_compiled_layers_do_what_their_source_says(name, monkeypatch):
    """The same function, run by the interpreter."""
    given = stimulated(2500, np.random.default_rng(1))
    if name == "memory":
        for k in range(0, 2500, 100):
            given[k : k + 12, t.CONTENT] = k % 3
            given[k : k + 12, t.PROGRESS] = np.linspace(0.0, 1.0, 12)
    runs = []
    for interpreted in (False, True):
        layer, tracks, log = LAYERS[name](), given.copy(), np.zeros((LOG_ROWS, N_LOG))
        kernel = layer.kernel.py_func if interpreted else layer.kernel
        with np.errstate(all="ignore"):
            kernel(tracks, layer.settings, layer.state, layer.random, log)
        runs.append((tracks, log, layer.state, layer.random))
    (tracks, log, state, random), others = runs
    assert log[0, 0] > 1.0 or name == "columns"
    np.testing.assert_allclose(others[0], tracks, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(others[1], log, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(others[2], state, rtol=1e-9, atol=1e-9)
    np.testing.assert_array_equal(others[3], random)


def test_a_column_follows_the_equations_of_jansen_and_rit():
    """Written as six first-order equations, in much shorter steps, without noise."""
    rate_hz, n = 1000.0, 200
    layer = columns.columns_layer(rate_hz, 2, seed())
    layer.settings[columns._NOISE] = 0.0
    tracks = np.zeros((n, t.N_TRACKS))
    tracks[100, t.RECRUIT] = 1.0
    y = np.stack([layer.state[:6].copy(), layer.state[9:15].copy()])
    layer.run(tracks, np.zeros((4, N_LOG)))

    def s(v):
        return 5.0 / (1.0 + np.exp(0.56 * (6.0 - v)))

    potential, step_s = np.zeros(n), 2.5e-5
    for k in range(n):
        for _ in range(40):
            v = y[:, 1] - y[:, 2]
            p = 90.0 + 10.0 * s(v[::-1])
            p[0] += 400.0 if 100 <= k < 110 else 0.0
            first, second, third, d_first, d_second, d_third = y.T
            y = y + step_s * np.stack(
                [
                    d_first,
                    d_second,
                    d_third,
                    3.25 * 100 * s(v) - 2 * 100 * d_first - 100**2 * first,
                    3.25 * 100 * (p + 0.8 * 135 * s(135 * first))
                    - 2 * 100 * d_second
                    - 100**2 * second,
                    22 * 50 * 0.25 * 135 * s(0.25 * 135 * first) - 2 * 50 * d_third - 50**2 * third,
                ],
                axis=1,
            )
        potential[k] = y[0, 1] - y[0, 2]
    evoked = tracks[:, t.EVOKED] - tracks[99, t.EVOKED]
    twin = potential - potential[99]
    peak = twin.max()
    assert peak > 4.0  # mV
    assert np.abs(evoked - twin)[100:180].max() < 0.1 * peak


def test_background_is_filtered_noise_waves_and_muscle():
    rng = np.random.default_rng(2)
    n, n_channels, n_sources = 50, 3, 2
    settings = background.background_settings(200.0, 30.0, 2.0, 2.0, 20.0, 10.0)
    gains, shares = rng.normal(size=(len(t.WAVES), 3)), rng.normal(size=(n_sources, n_channels))
    each = np.abs(rng.normal(size=(2, n_channels)))
    tracks = rng.normal(size=(n, t.N_TRACKS))
    random = random_numbers.seeded(seed(3))
    twin = Twin(random)
    out = np.zeros((n, n_channels))
    poles, channels = np.zeros((n_sources, background.N_POLES)), np.zeros((2, n_channels))
    background.advance(out, tracks, settings, gains, shares, each, poles, channels, random)

    noise = np.zeros((n + 1, n_channels))
    fresh = np.zeros((n, n_sources))
    for k in range(n):
        noise[k + 1] = [twin.normal() for _ in range(n_channels)]
        fresh[k] = [twin.normal() for _ in range(n_sources)]
    muscle_uv, drift_keep, drift = settings[:3]
    keep, size = settings[4:].reshape(2, -1)
    lags = np.arange(n)[:, None] - np.arange(n)
    past = np.where(lags >= 0, lags, 0)
    seen = lags >= 0
    response = np.where(seen, (size[:, None, None] * keep[:, None, None] ** past).sum(axis=0), 0)
    expected = (response @ fresh) @ shares
    expected += np.where(seen, drift * drift_keep**past, 0.0) @ noise[1:]
    expected += each[0] * noise[1:]
    expected += muscle_uv * tracks[:, [t.MUSCLE]] * each[1] * np.diff(noise, axis=0)
    expected += tracks[:, t.FIRST_WAVE :] @ gains
    np.testing.assert_allclose(out, expected, atol=1e-9)


def test_the_front_end_adds_the_artefact_saturates_and_rounds():
    rng = np.random.default_rng(4)
    n, n_channels, rate_hz = 120, 2, 1000.0
    settings = front_end.front_end_settings(rate_hz, 1000.0, 12, 0.003, 30.0)
    tissue = rng.normal(0.0, 50.0, (n, n_channels))
    gains = np.array([[30.0, 5.0], [1.0, 40.0]])
    phases = np.array([[10.2, 10.4, 0, -20.0], [10.46, 10.66, 0, 20.0], [50.7, 52.1, 1, -40.0]])
    tone = np.array([3.0, 7.0])
    out = np.zeros((n, n_channels), dtype=np.float32)
    first = 5
    front_end.advance(
        out, tissue.copy(), phases, 3, first, gains, settings, tone, np.zeros((3, n_channels))
    )
    left = np.zeros(n_channels)
    saturated = 0
    for k in range(n):
        now = first + k
        value = tissue[k] + tone * math.sin(2.0 * math.pi * 30.0 * now / rate_hz)
        for onset, offset, site, current in phases:
            gain = gains[int(site)]
            value = value + current * gain * max(0.0, min(now, offset) - max(now - 1, onset))
            ended = math.ceil(offset)
            if ended < now:
                scale = 1.0 if current < 0.0 else 0.85
                for part, tau_s in ((0.3, 0.002), (0.02, 0.04)):
                    tail = math.exp(-(now - ended) / tau_s / rate_hz)
                    value = value + scale * part * current * gain * tail
        value = value + left
        left = left * math.exp(-1.0 / 3.0)
        for c in range(n_channels):
            if abs(value[c]) >= 1000.0:
                value[c] = math.copysign(1000.0, value[c])
                left[c] = math.copysign(500.0, value[c])
                saturated += 1
            step = 2000.0 / 2**12
            assert out[k, c] == pytest.approx(step * round(value[c] / step), abs=1e-3)
    assert saturated > 0


def test_units_fire_as_often_as_their_rate_says():
    rng = np.random.default_rng(6)
    members = MEMBERS.astype(float)
    sites = units.unit_sites(8, 4)
    settings = units.units_settings(1000.0, 0.5, members, sites, rng)
    n = 1000
    tracks = np.zeros((n, t.N_TRACKS))
    tracks[:, [t.CONTENT, t.CUED]] = -1.0
    tracks[200:300, t.CONTENT] = 1.0
    tracks[200:300, t.PROGRESS] = np.linspace(0.0, 1.0, 100)
    tracks[300:, t.WAKE] = 1.0
    tracks[300:, t.THETA_PHASE] = np.linspace(0.0, 30.0, n - 300)
    tracks[400:900, t.CUED] = 2.0
    tracks[[350, 950], t.RECRUIT] = 0.8
    tracks[[350, 950], t.SITE] = 3.0
    base, phases, of_site, places = settings[3:35].reshape(4, 8)
    expected = np.zeros((n, 8))
    left, cue = np.zeros(8), 0
    for k in range(n):
        rate = base * (1.0 + 0.6 * tracks[k, t.WAKE] * np.cos(tracks[k, t.THETA_PHASE] - phases))
        if tracks[k, t.CONTENT] >= 0.0:
            away = (tracks[k, t.PROGRESS] - places) / 0.12
            rate = 2.0 * rate + 150.0 * members[1] * np.exp(-0.5 * away**2)
        cue = cue + 1 if tracks[k, t.CUED] >= 0.0 else 0
        if cue:
            away = (cue / 500.0 - places) / 0.12
            rate = rate + 30.0 * members[2] * np.exp(-0.5 * away**2)
        left = left * math.exp(-0.25)
        if tracks[k, t.RECRUIT] > 0.0:
            left[of_site == tracks[k, t.SITE]] = tracks[k, t.RECRUIT]
        expected[k] = (rate + 250.0 * left) / 1000.0
    counts = np.zeros((n, 8))
    state, random = np.zeros(9), random_numbers.seeded(seed(7))
    trials = 300
    for _ in range(trials):
        out = np.zeros((n, 9), dtype=np.float32)
        state[:] = 0.0
        units.advance(out, 1, tracks, settings, state, random)
        assert not out[:, 0].any()
        counts += out[:, 1:]
    for part in (slice(0, 200), slice(200, 300), slice(300, 400), slice(400, 900)):
        mean = expected[part].sum(axis=0) * trials
        assert (np.abs(counts[part].sum(axis=0) - mean) < 4.5 * np.sqrt(mean) + 2.0).all()
