import numpy as np
import pytest

from bci_core.chunk import Chunk, StreamInfo
from bci_core.detection.line_length import LineLength, LineLengthSettings

RATE_HZ = 250.0
INFO = StreamInfo("grid", RATE_HZ, ("G1",), "grid-1")


def found_in(wave, **changes):
    detector = LineLength(LineLengthSettings(channels=("G1",), **changes), INFO, 0.0)
    times_s = np.arange(len(wave)) / RATE_HZ
    return detector.update(Chunk(wave.astype(np.float32)[:, None], times_s))


def tone(hz, seconds, size_uv=50.0):
    return size_uv * np.sin(2 * np.pi * hz * np.arange(round(seconds * RATE_HZ)) / RATE_HZ)


def test_rises_with_frequency_as_with_amplitude():
    steady = tone(6.0, 40)
    assert not found_in(np.concatenate([steady, tone(6.0, 10)]))
    assert found_in(np.concatenate([steady, tone(18.0, 10)]))
    assert found_in(np.concatenate([steady, tone(6.0, 10, 150.0)]))


def test_the_absolute_threshold_replaces_the_percentage():
    # 10 Hz at 50 uV and in the band: 4 * 50 uV * 10 a second, give or take the band-pass.
    wave = np.concatenate([np.zeros(100), tone(10.0, 40), tone(10.0, 15, 100.0)])
    assert found_in(wave, above_trend_percent=9999.0, above_trend_uv_per_s=1500.0)
    assert not found_in(wave, above_trend_percent=10.0, above_trend_uv_per_s=2500.0)


@pytest.mark.parametrize("percent", [50.0, 150.0])
def test_the_percentage_is_of_the_trend(percent):
    # Below the threshold, and above it by more than the trend has followed meanwhile.
    for part, is_found in ((0.97, False), (1.3, True)):
        loud = tone(10.0, 15, part * 50.0 * (1.0 + percent / 100.0))
        wave = np.concatenate([tone(10.0, 60), loud])
        assert bool(found_in(wave, above_trend_percent=percent, long_s=3600.0)) is is_found
