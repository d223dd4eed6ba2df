"""The simulated sine amplifier: exact on any clock, and what it says it is."""

import numpy as np
import pytest
from pydantic import ValidationError

from bci_core.chunk import Chunk
from bci_core.clock import VirtualClock
from bci_core.errors import DeviceError
from bci_core.testing import check_amplifier
from drivers.amplifiers.schedule import MAX_CHUNK
from drivers.amplifiers.sine import SineGenerator, SineSettings

SETTINGS = SineSettings(rate_hz=500.0, channels=("a", "b"), frequency_hz=5.0, noise_uv=0.0)


def read_seconds(seconds: float, wait_s: float, settings: SineSettings = SETTINGS) -> Chunk:
    clock = VirtualClock(start_s=50.0)
    amplifier = SineGenerator(settings, clock)
    amplifier.open()
    chunks = []
    while clock.now_s() < 50.0 + seconds:
        chunk = amplifier.read(wait_s)
        if chunk is not None:
            chunks.append(chunk)
    amplifier.close()
    return Chunk(
        np.concatenate([c.samples for c in chunks]), np.concatenate([c.times_s for c in chunks])
    )


def test_it_keeps_the_amplifiers_contract() -> None:
    check_amplifier(lambda clock: SineGenerator(SETTINGS, clock), clock=VirtualClock())


def test_each_channel_carries_a_harmonic_of_the_first() -> None:
    chunk = read_seconds(2.0, 0.1)
    t_s = chunk.times_s - 50.0
    for column, frequency_hz in enumerate((5.0, 10.0)):
        sine = 10.0 + 14.2 * np.sin(2.0 * np.pi * frequency_hz * t_s)
        np.testing.assert_allclose(chunk.samples[:, column], sine, atol=1e-4)


def test_stamps_are_exact_after_hours() -> None:
    clock = VirtualClock()
    amplifier = SineGenerator(SineSettings(rate_hz=250.0, channels=("a",)), clock)
    amplifier.open()
    clock.sleep_until(4.0 * 3600.0)
    last_s = 0.0
    while (chunk := amplifier.read(0.0)) is not None:
        assert len(chunk) <= MAX_CHUNK
        last_s = float(chunk.times_s[-1])
    assert last_s == 4.0 * 3600.0
    assert amplifier.counters.samples == 4 * 3600 * 250 + 1


def test_noise_has_its_size_and_its_seed() -> None:
    noisy = SETTINGS.model_copy(update={"noise_uv": 2.0, "seed": 3})
    noise = read_seconds(4.0, 0.1, noisy).samples - read_seconds(4.0, 0.1).samples
    assert 1.9 < noise.std() < 2.1
    assert np.array_equal(
        read_seconds(1.0, 0.01, noisy).samples, read_seconds(1.0, 0.01, noisy).samples
    )


def test_nothing_comes_before_it_is_due_nor_when_closed() -> None:
    clock = VirtualClock()
    amplifier = SineGenerator(SETTINGS, clock)
    with pytest.raises(DeviceError, match="not open"):
        amplifier.read(0.1)
    amplifier.open()
    first = amplifier.read(0.1)
    assert first is not None
    assert len(first) == 1
    assert amplifier.read(0.0015) is None
    assert clock.now_s() == 0.0015


@pytest.mark.parametrize("change", [{"rate_hz": 0}, {"channels": ()}, {"noise_uv": -1.0}, {"x": 1}])
def test_settings_that_make_no_sense_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        SineSettings.model_validate(change)


def test_the_sine_may_come_in_bursts() -> None:
    bursts = SETTINGS.model_copy(update={"burst_s": 0.2, "every_s": 1.0})
    chunk = read_seconds(3.0, 0.03, bursts)
    into_s = np.mod(chunk.times_s - 50.0, 1.0)
    sine = np.abs(chunk.samples - 10.0)
    between = (into_s > 0.2) | (chunk.times_s < 51.0)
    assert sine[between].max() < 1e-4
    assert sine[~between].max() > 12.0
    assert sine[~between & (into_s < 0.01)].max() < 1.0


@pytest.mark.parametrize("keys", [{"burst_s": 0.1}, {"every_s": 1.0}, {"burst_s": 2, "every_s": 1}])
def test_bursts_need_a_length_and_a_longer_interval(keys: dict[str, float]) -> None:
    with pytest.raises(ValidationError, match=r"burst_s"):
        SineSettings(**keys)  # type: ignore[arg-type]
