import math

import numpy as np
import pytest

from bci_core.chunk import Chunk, StreamInfo
from bci_core.detection.half_wave import (
    HALF_WAVES,
    WAVE_ROWS,
    HalfWave,
    HalfWaveSettings,
    half_wave_settings,
    half_waves,
)
from bci_core.errors import ConfigError

RATE_HZ = 250.0
INFO = StreamInfo("grid", RATE_HZ, ("G1",), "grid-1")


def settings(**changes):
    return HalfWaveSettings(**({"channels": ("G1",)} | changes))


def found_in(wave, **changes):
    times_s = np.arange(len(wave)) / RATE_HZ
    detector = HalfWave(settings(**changes), INFO, 0.0)
    return detector.update(Chunk(wave.astype(np.float32)[:, None], times_s))


def tone(hz, seconds, size_uv=50.0):
    return size_uv * np.sin(2 * np.pi * hz * np.arange(round(seconds * RATE_HZ)) / RATE_HZ)


def counted(asked, wave, trend_uv):
    """Samples on which the kernel's part counts a half-wave."""
    fixed = np.array(half_wave_settings(asked, RATE_HZ))
    assert len(fixed) == HALF_WAVES
    state, counts, found = np.zeros(WAVE_ROWS), np.zeros(1), []
    for i, value in enumerate(wave):
        half_waves(fixed, state, np.array([trend_uv]), np.array([value]), counts)
        if counts[0]:
            found.append(i)
    return found


def twin(asked, wave, least_uv):
    """The same, by walking from turning point to turning point."""
    hysteresis = asked.hysteresis_percent / 100.0 * least_uv
    low_hz, high_hz = asked.half_wave_hz
    turn, peak, rising, found = (-1, 0.0), (-1, 0.0), True, []
    for i, value in enumerate(wave):
        if value >= peak[1] if rising else value <= peak[1]:
            peak = (i, value)
        elif abs(value - peak[1]) > hysteresis:
            lasted_s = (peak[0] - turn[0]) / RATE_HZ
            in_time = 0.5 / high_hz <= lasted_s + 1e-12 and lasted_s - 1e-12 <= 0.5 / low_hz
            if in_time and abs(peak[1] - turn[1]) >= least_uv:
                found.append(i)
            turn, peak, rising = peak, (i, value), not rising
    return found


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("hysteresis_percent", [0.0, 20.0, 60.0])
def test_half_waves_agree_with_the_twin(seed, hysteresis_percent):
    asked = settings(
        min_amplitude_uv=30.0, hysteresis_percent=hysteresis_percent, half_wave_hz=(3.0, 20.0)
    )
    rng = np.random.default_rng(seed)
    wave = np.cumsum(rng.normal(0.0, 10.0, 4000)) * 0.3 + tone(7.0, 16.0, 20.0)
    expected = twin(asked, wave, 30.0)
    assert len(expected) > 20
    assert counted(asked, wave, 1.0) == expected


def test_counts_two_half_waves_a_cycle():
    assert len(counted(settings(min_amplitude_uv=50.0), tone(5.0, 10.0), 0.0)) in (98, 99, 100)


def test_too_small_too_short_and_too_long_do_not_count():
    asked = settings(min_amplitude_uv=80.0, half_wave_hz=(4.0, 12.0))
    assert counted(asked, tone(8.0, 5.0, 41.0), 0.0)
    assert not counted(asked, tone(8.0, 5.0, 39.0), 0.0)
    assert not counted(asked, tone(14.0, 5.0), 0.0)
    assert not counted(asked, tone(3.0, 5.0), 0.0)


def test_wiggles_within_the_hysteresis_do_not_split_a_half_wave():
    wave = tone(4.0, 5.0, 100.0) + tone(50.0, 5.0, 15.0)
    with_hysteresis = settings(min_amplitude_uv=150.0, hysteresis_percent=30.0)
    without = settings(min_amplitude_uv=150.0, hysteresis_percent=0.0)
    assert len(counted(with_hysteresis, wave, 0.0)) >= 38
    assert len(counted(without, wave, 0.0)) == 0


def test_the_least_amplitude_follows_the_trend():
    # A sine swings by pi times its mean absolute value: three times the trend is the threshold.
    quiet = tone(8.0, 60)
    assert not found_in(np.concatenate([quiet, tone(8.0, 15, 145.0)]), long_s=3600.0)
    assert found_in(np.concatenate([quiet, tone(8.0, 15, 170.0)]), long_s=3600.0)


def test_the_fixed_amplitude_replaces_the_percentage():
    wave = np.concatenate([tone(8.0, 40, 20.0), tone(8.0, 15, 50.0)])
    assert found_in(wave, min_amplitude_uv=80.0, above_trend_percent=9999.0)
    assert not found_in(wave, min_amplitude_uv=120.0, above_trend_percent=10.0)


def test_the_rate_is_of_the_short_window():
    wave = np.concatenate([tone(8.0, 40, 20.0), tone(3.0, 15, 200.0)])
    # 3 Hz: six half-waves a second.
    assert found_in(wave, min_rate_hz=5.5)
    assert not found_in(wave, min_rate_hz=6.5)
    (onset, *_) = found_in(wave, min_rate_hz=3.0, short_s=4.0, min_duration_s=0.0)
    # Half the window has to be filled with six a second to make three.
    assert onset.sample_s == pytest.approx(42.0, abs=0.4)


@pytest.mark.parametrize("half_wave_hz", [(0.0, 20.0), (20.0, 2.0)])
def test_half_waves_that_cannot_be(half_wave_hz):
    with pytest.raises(ConfigError) as caught:
        HalfWave(settings(half_wave_hz=half_wave_hz), INFO, math.nan)
    assert {p.where for p in caught.value.problems} == {"half_wave_hz", "lead_s"}
