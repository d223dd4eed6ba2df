"""The ripple detector against scipy's filters and plain loops."""

import math

import numpy as np
import pytest
from scipy import signal

from bci_core.chunk import Chunk, StreamInfo
from bci_core.detection.ripple import Ripple, RippleSettings

RATE_HZ = 1000.0
PATIENCE_S = 2.0


def heights_and_ratios(asked, envelope):
    """(SD above the median, multiple of the median) of each value, before it is learnt from."""
    gain, learning = 2.0 / (asked.baseline_s * RATE_HZ), asked.learning_s * RATE_HZ
    count = 0
    level = mad = balance = 0.0
    out = np.zeros((2, len(envelope)))
    learnt = np.zeros(len(envelope), dtype=bool)
    for i, value in enumerate(envelope):
        if count >= learning:
            out[0, i] = (value - level) / max(1.4826 * mad, asked.min_sd_uv)
        out[1, i] = value / max(level, asked.min_sd_uv)
        side = 1 if value > level else -1
        balance += math.log(10.0) / (PATIENCE_S * RATE_HZ) * (side - balance)
        if count == 0 or abs(balance) > 0.9:
            count, level, mad, balance = 1, value, 0.5 * abs(value), 0.0
        else:
            count += 1
            distance = abs(value - level)
            step = max(gain, min(3.0 / count, 0.1))
            if count <= learning / 4.0:
                level, mad = level + (value - level) / count, mad + (distance - mad) / count
            else:
                level += side * step * mad
                mad *= 1 + step if distance > mad else 1 - step
        mad = max(mad, asked.min_sd_uv)
        learnt[i] = count >= learning
    return *out, learnt


def strength(asked, wave):
    criteria = asked.criteria
    distance_hz = criteria.width_hz / 2.0 / math.sqrt(math.sqrt(2.0) - 1.0)
    pole = math.exp(-2.0 * math.pi * distance_hz / RATE_HZ)
    low_hz = criteria.band_hz[0] + criteria.width_hz / 2.0
    high_hz = criteria.band_hz[1] - criteria.width_hz / 2.0
    n_bands = math.ceil((high_hz - low_hz) / (criteria.width_hz / 2.0)) + 1
    heights, ratios = [], []
    for centre_hz in np.linspace(low_hz, high_hz, n_bands):
        turn = np.exp(2j * math.pi * centre_hz / RATE_HZ)
        poles = np.poly([pole * turn, pole * turn])
        through = signal.lfilter([(1 - pole) ** 2], poles, np.diff(wave, prepend=wave[0]))
        envelope = 2.0 * np.abs(through) / abs(1.0 - turn)
        height, ratio, _ = heights_and_ratios(asked, envelope)
        heights.append(height)
        ratios.append(ratio)
    which = np.argmax(heights, axis=0), np.arange(len(wave))
    best = np.maximum(np.array(heights)[which], 0.0)
    relative = np.where(best > 0.0, np.array(ratios)[which], 0.0)

    sos = signal.butter(2, asked.muscle_band_hz, btype="bandpass", output="sos", fs=RATE_HZ)
    above, _ = signal.sosfilt(sos, wave, zi=signal.sosfilt_zi(sos) * wave[0])
    power = above**2
    for _ in range(2):
        power = signal.lfilter([1 - pole**2], [1, -(pole**2)], power)
    _, muscle, learnt = heights_and_ratios(asked, np.sqrt(power))
    out, trend, rejected = np.zeros(len(wave)), 1.0, False
    for i in range(len(wave)):
        if learnt[i]:
            trend += -math.expm1(-1.0 / (0.2 * RATE_HZ)) * (muscle[i] - trend)
        rejected = muscle[i] > 50.0 or (rejected and best[i] >= criteria.release_sd)
        if not rejected and muscle[i] <= max(1.5, asked.muscle_ratio * relative[i]):
            out[i] = best[i] / min(max(1.0, trend), 2.0)
    return out


def twin(asked, waves):
    """(sample index, value, column) of each event."""
    criteria = asked.criteria
    strengths = np.array([strength(asked, wave) for wave in waves])
    window = round(asked.coincidence_s * RATE_HZ) if asked.min_channels > 1 else 0
    enough = math.ceil(criteria.min_duration_s * RATE_HZ - 1e-6)
    refractory = asked.refractory_s * RATE_HZ
    held, left = np.zeros(len(waves)), np.zeros(len(waves))
    lasted, peak, decided, last, found = 0, 0.0, False, -math.inf, []
    for i, now in enumerate(strengths.T):
        renewed = (now >= held) | (left <= 0)
        held, left = np.where(renewed, now, held), np.where(renewed, window, left - 1)
        voted = np.sort(held)[-asked.min_channels]
        if voted < criteria.release_sd:
            lasted, peak, decided = 0, 0.0, False
            continue
        lasted, peak = lasted + 1, max(peak, voted)
        if not decided and lasted >= enough and peak >= criteria.threshold_sd:
            decided = True
            if i - last > refractory:
                last = i
                found.append((i, peak, int(np.argmax(held))))
    return found


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"threshold_sd": 4.0, "min_duration_s": 0.008, "baseline_s": 5.0, "refractory_s": 0.3},
        {"min_channels": 2, "coincidence_s": 0.015, "threshold_sd": 3.0},
        {"band_hz": (110.0, 200.0), "width_hz": 30.0, "muscle_ratio": 0.6, "learning_s": 1.0},
    ],
)
def test_agrees_with_its_twin(changes):
    rng = np.random.default_rng(4)
    n = round(20 * RATE_HZ)
    times_s = np.arange(n) / RATE_HZ
    waves = 30_000.0 + signal.lfilter([1.0], [1.0, -0.9], rng.normal(0.0, 20.0, (2, n)))
    for middle_s in np.arange(3.0, 19.0, 0.8):
        bump = np.exp(-0.5 * ((times_s - middle_s) / 0.015) ** 2)
        waves += rng.uniform(40.0, 200.0) * bump * np.sin(2.0 * np.pi * 160.0 * times_s)
    waves[:, round(12 * RATE_HZ) :] *= 4.0  # another level, and a step of the electrode
    waves = waves.astype(np.float32)
    info = StreamInfo("bench", RATE_HZ, ("a", "b"), "bench")
    asked = RippleSettings(channels=("a", "b"), **changes)
    expected = twin(asked, waves.astype(float))
    found = Ripple(asked, info, 0.0).update(Chunk(waves.T.copy(), times_s))
    assert len(expected) >= 8
    assert [(d.sample_index, d.channel) for d in found] == [(i, c) for i, _, c in expected]
    np.testing.assert_allclose([d.value for d in found], [v for _, v, _ in expected], rtol=1e-6)
