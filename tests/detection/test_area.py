import numpy as np

from bci_core.chunk import Chunk, StreamInfo
from bci_core.detection.area import Area, AreaSettings

RATE_HZ = 250.0
INFO = StreamInfo("grid", RATE_HZ, ("G1",), "grid-1")


def found_in(wave, **changes):
    detector = Area(AreaSettings(channels=("G1",), **changes), INFO, 0.0)
    times_s = np.arange(len(wave)) / RATE_HZ
    return detector.update(Chunk(wave.astype(np.float32)[:, None], times_s))


def tone(hz, seconds, size_uv=50.0):
    return size_uv * np.sin(2 * np.pi * hz * np.arange(round(seconds * RATE_HZ)) / RATE_HZ)


def test_rises_with_amplitude_not_with_frequency():
    steady = tone(8.0, 40)
    assert not found_in(np.concatenate([steady, tone(16.0, 10)]))
    assert found_in(np.concatenate([steady, tone(8.0, 10, 150.0)]))


def test_the_absolute_threshold_replaces_the_percentage():
    # The mean absolute value of a sine is 0.64 of its amplitude: 32 uV, then 64 uV.
    wave = np.concatenate([tone(10.0, 40), tone(10.0, 15, 100.0)])
    assert found_in(wave, above_trend_percent=9999.0, above_trend_uv=25.0)
    assert not found_in(wave, above_trend_percent=10.0, above_trend_uv=40.0)
