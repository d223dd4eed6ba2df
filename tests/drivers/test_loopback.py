"""The simulated amplifier with a mark on one channel and the stimulator's current on another."""

import numpy as np
import pytest

from bci_core.chunk import Chunk
from bci_core.clock import VirtualClock
from bci_core.errors import DeviceError
from bci_core.events import Emission
from bci_core.testing import check_amplifier
from drivers.amplifiers.loopback import Loopback, LoopbackSettings

START_S = 50.0
STILL = LoopbackSettings(noise_uv=0.0)


def read_for(amplifier: Loopback, clock: VirtualClock, seconds: float, wait_s: float) -> Chunk:
    until_s = clock.now_s() + seconds
    chunks = []
    while clock.now_s() < until_s:
        chunk = amplifier.read(wait_s)
        if chunk is not None:
            chunks.append(chunk)
    return Chunk(
        np.concatenate([c.samples for c in chunks]), np.concatenate([c.times_s for c in chunks])
    )


def opened(settings: LoopbackSettings) -> tuple[Loopback, VirtualClock]:
    clock = VirtualClock(start_s=START_S)
    amplifier = Loopback(settings, clock)
    amplifier.open()
    return amplifier, clock


def test_it_keeps_the_amplifiers_contract() -> None:
    check_amplifier(lambda clock: Loopback(LoopbackSettings(), clock), clock=VirtualClock())


def test_marks_have_their_height_length_and_scattered_distance() -> None:
    chunk = read_for(*opened(STILL), 6.0, 0.05)
    mark = chunk.samples[:, 0] > 0.0
    assert set(np.unique(chunk.samples[:, 0])) == {0.0, 500.0}
    starts = np.flatnonzero(mark[1:] & ~mark[:-1]) + 1
    ends = np.flatnonzero(mark[:-1] & ~mark[1:]) + 1
    assert set(ends - starts[: len(ends)]) == {4}  # 2 ms at 2 kHz
    apart_s = np.diff(starts) / 2000.0
    assert 0.048 <= apart_s.min() < 0.052 < 0.068 < apart_s.max() <= 0.072


def test_samples_do_not_depend_on_how_they_are_read() -> None:
    noisy = LoopbackSettings(seed=4)
    little, much = (read_for(*opened(noisy), 2.0, wait_s) for wait_s in (0.0007, 0.1))
    n = min(len(little), len(much))
    assert np.array_equal(little.samples[:n], much.samples[:n])


def test_a_sample_comes_after_its_transport_and_a_pulse_on_the_next_sample() -> None:
    amplifier, clock = opened(STILL)
    assert amplifier.read(0.0049) is None
    first = amplifier.read(0.001)
    assert first is not None
    assert (first.times_s[0], clock.now_s()) == (START_S, START_S + 0.005)
    onset_s = START_S + 0.0102
    phases = [
        Emission(onset_s, onset_s + 1e-4, 1, -5.0, "uA"),
        Emission(onset_s + 1.6e-4, onset_s + 2.6e-4, 1, 5.0, "uA"),
    ]
    amplifier.feel(phases)
    chunk = read_for(amplifier, clock, 0.02, 0.001)
    back = chunk.samples[:, 1]
    (at,) = np.flatnonzero(back)
    assert chunk.times_s[at] == pytest.approx(START_S + 0.0105)
    assert back[at] == -500.0
    late_s = clock.now_s() - 0.02  # long handed out
    amplifier.feel([Emission(late_s, late_s + 1e-4, 1, 5.0, "uA")])
    later = amplifier.read(0.01)
    assert later is not None
    assert later.samples[0, 1] == 500.0


def test_closed_it_feels_nothing() -> None:
    amplifier, _ = opened(STILL)
    amplifier.close()
    with pytest.raises(DeviceError, match="not open"):
        amplifier.feel([])
