import math

import numpy as np
import pytest

from bci_core.chunk import Chunk, StreamInfo
from bci_core.detection.after_discharge import AfterDischarge, AfterDischargeSettings
from bci_core.errors import ConfigError
from bci_core.events import EventKind

RATE_HZ = 250.0
INFO = StreamInfo("grid", RATE_HZ, ("G1", "G2"), "grid-1")


def background(seconds, seed=0, level_uv=20.0):
    rng = np.random.default_rng(seed)
    n = round(seconds * RATE_HZ)
    spectrum = np.fft.rfft(rng.normal(size=(n, 2)), axis=0)
    spectrum /= np.maximum(np.fft.rfftfreq(n, 1 / RATE_HZ), 1.0)[:, None]
    noise = np.fft.irfft(spectrum, n, axis=0)
    return level_uv * noise / noise.std(axis=0)


def spikes(samples, at_hz, start_s, end_s, size_uv=250.0):
    """The samples with sharp waves of 80 ms, on G1."""
    ill = samples.copy()
    shape = size_uv * np.hanning(20)
    for at_s in np.arange(start_s, end_s, 1.0 / at_hz):
        at = round(at_s * RATE_HZ)
        ill[at : at + 20, 0] += shape
    return ill


def found_in(samples, flags=None, **changes):
    settings = AfterDischargeSettings(**({"channels": ("G1", "G2")} | changes))
    detector = AfterDischarge(settings, INFO, 0.0)
    times_s = np.arange(len(samples)) / RATE_HZ
    return detector.update(Chunk(samples.astype(np.float32), times_s, flags))


@pytest.mark.parametrize("at_hz", [3.5, 4.0, 6.0, 9.0])
def test_rhythmic_spikes_are_found_within_about_three_seconds(at_hz):
    found = found_in(spikes(background(60), at_hz, 30.0, 40.0))
    assert [d.kind for d in found] == [EventKind.ONSET, EventKind.END]
    assert 31.0 < found[0].sample_s < 33.5
    assert found[0].channel == 0
    assert found[0].value >= 1.0


def test_single_spikes_are_not():
    ill = background(120)
    for at_s in np.arange(30.0, 110.0, 2.5):
        ill = spikes(ill, 1.0, at_s, at_s + 0.5)
    assert not found_in(ill)


def test_a_spindle_is_not():
    ill = background(60)
    t = np.arange(round(1.2 * RATE_HZ)) / RATE_HZ
    ill[7500 : 7500 + len(t), 0] += 60.0 * np.hanning(len(t)) * np.sin(2 * np.pi * 13.0 * t)
    assert not found_in(ill)


def test_a_beta_rhythm_that_goes_on_is_not():
    """Waxing and waning around 20 Hz, in bouts of 6 s that stand out as a discharge would."""
    ill = background(90)
    t = np.arange(len(ill)) / RATE_HZ
    bout = (t % 20.0 > 12.0) & (t % 20.0 < 18.0) & (t > 25.0)
    phase = 2.0 * np.pi * np.cumsum(20.0 + 0.5 * np.sin(2.0 * np.pi * 0.7 * t)) / RATE_HZ
    ill[bout] += (70.0 * (1.0 + 0.3 * np.sin(2.0 * np.pi * 1.1 * t)) * np.sin(phase))[bout, None]
    assert found_in(ill, half_wave_hz=(2.0, 18.0))
    assert not found_in(ill)


@pytest.mark.parametrize("width_ms", [32, 120])
def test_narrow_and_broad_spikes_are_found(width_ms):
    ill = background(60)
    shape = 150.0 * np.hanning(round(width_ms * RATE_HZ / 1000.0) + 2)
    for at in range(30 * 250, 40 * 250, 50):
        ill[at : at + len(shape), 0] += shape
    assert found_in(ill)


def test_large_but_slow_is_not():
    ill = background(60)
    t = np.arange(len(ill)) / RATE_HZ
    slow = (t > 30.0) & (t < 50.0)
    ill[slow] += 300.0 * np.sin(2 * np.pi * 0.8 * t[slow])[:, None]
    assert not found_in(ill)


def test_a_discharge_between_the_blanks_of_stimulation_is_found():
    """Blanks of 50 ms, five a second, held and flagged, and no other word of the stimulus."""
    calm = background(60)
    ill = spikes(calm, 6.0, 30.0, 45.0)
    flags = np.zeros(len(ill), dtype=np.uint8)
    for samples in (calm, ill):
        for start in range(20 * 250, len(ill) - 50, 50):
            samples[start : start + 12] = samples[start - 1]
            flags[start : start + 12] = 32
    assert not found_in(calm, flags)
    found = found_in(ill, flags)
    assert found
    assert 30.0 < found[0].sample_s < 36.0


def test_a_discharge_while_the_amplifier_settles_is_found():
    ill = spikes(background(60), 5.0, 30.0, 40.0)
    flags = np.zeros(len(ill), dtype=np.uint8)
    flags[29 * 250 : 41 * 250] = 16
    found = found_in(ill, flags)
    assert found
    assert 30.0 < found[0].sample_s < 33.5


def test_an_artefact_of_stimulation_is_not_a_discharge():
    """One train of 0.5 s that nobody blanked, and a slow recovery from it."""
    ill = background(60)
    train = np.arange(30 * 250, round(30.5 * 250))
    ill[train] += np.where(train % 3 == 0, 4000.0, -2000.0)[:, None]
    tail = np.arange(round(30.5 * 250), 36 * 250)
    ill[tail] += 3000.0 * np.exp(-(tail - tail[0]) / 200.0)[:, None]
    assert not found_in(ill)


def test_both_measures_are_asked_for():
    ill = spikes(background(60), 4.0, 30.0, 40.0)
    assert found_in(ill)
    assert not found_in(ill, line_length_percent=2000.0)
    assert not found_in(ill, above_trend_percent=3000.0)
    assert not found_in(ill, min_repeat_hz=20.0)


def test_half_waves_that_cannot_be():
    settings = AfterDischargeSettings(channels=("G1", "G3"), half_wave_hz=(20.0, 2.0))
    with pytest.raises(ConfigError) as caught:
        AfterDischarge(settings, INFO, math.nan)
    assert {p.where for p in caught.value.problems} == {"channels", "half_wave_hz", "lead_s"}
