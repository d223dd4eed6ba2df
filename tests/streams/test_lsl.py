"""Samples through liblsl and back: whole, in order, detected on without the interpreter."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import numpy as np
import pylsl
import pytest
from numpy.typing import NDArray

from bci_core.chunk import Chunk, StreamInfo
from bci_core.clock import LslClock
from bci_core.detection.compiled import CompiledDetector, announce, no_kernel
from bci_core.detection.monitor_settings import MonitorSettings
from bci_core.detection.sensing import Sensing
from bci_core.errors import StreamLostError
from bci_core.events import Detection
from bci_core.jit import KERNEL, compiled
from streams.lsl import LslInlet
from streams.lsl_config import confinement
from streams.lsl_outlets import EventOutlet, RowOutlet, SampleOutlet

RATE_HZ = 1000.0
CLOCK = LslClock()


@compiled(KERNEL)
def every_tenth(
    samples: NDArray[np.float32],
    times_s: NDArray[np.float64],
    flags: NDArray[np.uint8],
    settings: NDArray[np.float64],
    state: NDArray[np.float64],
    out: NDArray[np.float64],
) -> int:
    found = 0
    for i in range(samples.shape[0]):
        state[0] += 1.0
        if state[0] % 10.0 == 0.0:
            found = announce(out, found, i, times_s[i], samples[i, 0])
    return found


@compiled(KERNEL)
def every_fortieth(
    samples: NDArray[np.float32],
    times_s: NDArray[np.float64],
    flags: NDArray[np.uint8],
    settings: NDArray[np.float64],
    state: NDArray[np.float64],
    out: NDArray[np.float64],
) -> int:
    found = 0
    for i in range(samples.shape[0]):
        state[0] += 1.0
        if state[0] % 40.0 == 0.0:
            found = announce(out, found, i, times_s[i], samples[i, 1])
    return found


class Compiled(CompiledDetector):
    def __init__(self) -> None:
        super().__init__(every_tenth, np.zeros(1), np.zeros(1), (0,))


class Plain:
    """The same in plain Python."""

    channels = (0,)

    def __init__(self) -> None:
        self.seen = 0

    def update(self, chunk: Chunk) -> list[Detection]:
        found = []
        for sample, when_s in zip(chunk.samples, chunk.times_s, strict=True):
            self.seen += 1
            if self.seen % 10 == 0:
                found.append(
                    Detection(self.seen - 1, float(when_s), float(when_s), float(sample[0]))
                )
        return found


@pytest.fixture
def pair() -> Iterator[tuple[SampleOutlet, LslInlet]]:
    info = StreamInfo("test", RATE_HZ, ("a", "b"), f"test-{uuid4()}", manufacturer="Nobody")
    outlet = SampleOutlet(info)
    inlet = LslInlet(info.source_id, CLOCK, 5.0)
    yield outlet, inlet
    inlet.close()


def chunk_of(start: int, n: int) -> Chunk:
    index = np.arange(start, start + n)
    samples = np.stack([index, -index], axis=1).astype(np.float32)
    return Chunk(samples, 100.0 + index / RATE_HZ)


def test_samples_arrive_as_they_were_sent(pair: tuple[SampleOutlet, LslInlet]) -> None:
    outlet, inlet = pair
    sent = chunk_of(0, 300)
    outlet.push(sent)
    got: list[Chunk] = []
    while sum(map(len, got)) < 300:
        chunk = inlet.read(1.0)
        assert chunk is not None
        got.append(chunk)
    assert np.array_equal(np.concatenate([c.samples for c in got]), sent.samples)
    assert np.array_equal(np.concatenate([c.times_s for c in got]), sent.times_s)
    assert inlet.read(0.0) is None


def test_what_a_stream_says_of_itself_survives_the_wire(
    pair: tuple[SampleOutlet, LslInlet],
) -> None:
    info = pair[1].info
    assert (info.name, info.rate_hz, info.channels) == ("test", RATE_HZ, ("a", "b"))
    assert (info.unit, info.manufacturer, info.kind) == ("microvolts", "Nobody", "EEG")


@pytest.mark.parametrize("make", [Compiled, Plain])
def test_waiting_finds_every_detection_in_order(
    pair: tuple[SampleOutlet, LslInlet], make: type[Compiled] | type[Plain]
) -> None:
    outlet, inlet = pair
    sensing = Sensing(make(), inlet.info, MonitorSettings(settle_s=0.0))

    def push() -> None:
        for start in range(0, 500, 7):
            outlet.push(chunk_of(start, 7))

    sender = threading.Thread(target=push)
    sender.start()
    found: list[Detection] = []
    samples = 0
    until_s = CLOCK.now_s() + 10.0
    firsts = []
    while samples < 504 and CLOCK.now_s() < until_s:
        wake = inlet.wait(sensing, CLOCK.now_s() + 0.05)
        samples += wake.n_samples
        if wake.n_samples:
            firsts.append(wake.first_sample_s)
            assert wake.received_s <= wake.detected_s <= CLOCK.now_s()
            assert wake.first_sample_s <= wake.last_sample_s
        found += wake.detections
    sender.join()
    assert samples == 504
    assert firsts[0] == 100.0
    assert [d.sample_index for d in found] == list(range(9, 504, 10))
    assert all(d.sample_s == 100.0 + d.sample_index / RATE_HZ for d in found)
    assert all(d.value == d.sample_index for d in found)
    assert all(d.veto == "" for d in found)
    assert sensing.counts().samples == 504
    assert sensing.counts().lost == 0


class Fortieth(Compiled):
    """A guard with a kernel: of the tenths, every fourth."""

    def __init__(self) -> None:
        CompiledDetector.__init__(self, every_fortieth, np.zeros(1), np.zeros(1), (1,))


class PlainFortieth(Plain):
    channels = (1,)

    def update(self, chunk: Chunk) -> list[Detection]:
        return [d for d in super().update(chunk) if (d.sample_index + 1) % 40 == 0]


@pytest.mark.parametrize(
    ("make", "guard"),
    [(Compiled, Fortieth), (Compiled, PlainFortieth), (Plain, Fortieth), (Plain, PlainFortieth)],
)
def test_a_guard_is_heard_in_the_same_wait(
    pair: tuple[SampleOutlet, LslInlet], make: Any, guard: Any
) -> None:
    outlet, inlet = pair
    sensing = Sensing(make(), inlet.info, MonitorSettings(settle_s=0.0), guard())
    for start in range(0, 210, 7):
        outlet.push(chunk_of(start, 7))
    found: list[Detection] = []
    alarms: list[Detection] = []
    samples = 0
    until_s = CLOCK.now_s() + 10.0
    while samples < 210 and CLOCK.now_s() < until_s:
        wake = inlet.wait(sensing, CLOCK.now_s() + 0.05)
        samples += wake.n_samples
        found += wake.detections
        alarms += wake.alarms
    assert [d.sample_index for d in found] == list(range(9, 210, 10))
    assert [d.sample_index for d in alarms] == list(range(39, 210, 40))
    assert all(d.sample_s == 100.0 + d.sample_index / RATE_HZ for d in alarms)


def test_an_alarm_alone_ends_the_wait(pair: tuple[SampleOutlet, LslInlet]) -> None:
    outlet, inlet = pair
    silent = CompiledDetector(no_kernel, np.zeros(0), np.zeros(0), (0,))
    sensing = Sensing(silent, inlet.info, MonitorSettings(settle_s=0.0), Fortieth())
    outlet.push(chunk_of(0, 50))
    begun_s = CLOCK.now_s()
    alarms: list[Detection] = []
    while not alarms and CLOCK.now_s() < begun_s + 5.0:
        alarms = inlet.wait(sensing, begun_s + 5.0).alarms
    assert CLOCK.now_s() - begun_s < 4.0
    assert [d.sample_index for d in alarms] == [39]


def test_waiting_returns_on_time_with_nothing(pair: tuple[SampleOutlet, LslInlet]) -> None:
    _, inlet = pair
    sensing = Sensing(Compiled(), inlet.info, MonitorSettings())
    begun_s = CLOCK.now_s()
    wake = inlet.wait(sensing, begun_s + 0.05)
    assert wake.n_samples == 0
    assert CLOCK.now_s() - begun_s >= 0.05


def wait_ten_seconds(inlet: LslInlet, sensing: Sensing) -> None:
    until_s = CLOCK.now_s() + 10.0
    while CLOCK.now_s() < until_s:
        inlet.wait(sensing, CLOCK.now_s() + 0.05)


@pytest.mark.parametrize("make", [Compiled, Plain])
def test_the_end_of_a_stream_is_told_at_once(make: type[Compiled] | type[Plain]) -> None:
    info = StreamInfo("test", RATE_HZ, ("a", "b"), f"test-{uuid4()}")
    outlet = SampleOutlet(info)
    inlet = LslInlet(info.source_id, CLOCK, 5.0)
    sensing = Sensing(make(), inlet.info, MonitorSettings())
    outlet.push(chunk_of(0, 5))
    samples = 0
    while samples < 5:
        samples += inlet.wait(sensing, CLOCK.now_s() + 0.05).n_samples
    del outlet
    with pytest.raises(StreamLostError, match="ended"):
        wait_ten_seconds(inlet, sensing)


def test_a_driver_may_label_the_channels_anew() -> None:
    info = StreamInfo("test", RATE_HZ, ("a", "a"), f"test-{uuid4()}")
    outlet = SampleOutlet(info)
    inlet = LslInlet(info.source_id, CLOCK, 5.0, ("a", "a-2"))
    assert inlet.info.channels == ("a", "a-2")
    inlet.close()
    with pytest.raises(StreamLostError, match="has 2 channels, and had 3"):
        LslInlet(info.source_id, CLOCK, 5.0, ("a", "b", "c"))
    del outlet


def test_a_stream_that_is_not_there_is_named() -> None:
    with pytest.raises(StreamLostError, match="nobody-has-this"):
        LslInlet("nobody-has-this", CLOCK, 0.3)


def test_markers_and_rows_carry_their_labels() -> None:
    events = EventOutlet("t-events", f"e-{uuid4()}")
    rows = RowOutlet("t-loop", f"r-{uuid4()}", ["onset_s", "charge_uc"], ["s", "microcoulombs"])
    marker_info, row_info = events._outlet.get_info(), rows._outlet.get_info()
    assert (marker_info.type(), marker_info.channel_format()) == ("Markers", pylsl.cf_string)
    assert (row_info.type(), row_info.channel_format()) == ("ClosedLoop", pylsl.cf_double64)
    channel = row_info.desc().child("channels").child("channel")
    assert channel.child_value("label") == "onset_s"
    assert channel.next_sibling("channel").child_value("unit") == "microcoulombs"


def test_the_configuration_confines_discovery() -> None:
    text = confinement("machine", "127.0.0.1", ["127.0.0.1", "127.0.0.2"])
    assert "ResolveScope = machine" in text
    assert "ListenAddress = 127.0.0.1" in text
    assert "KnownPeers = {127.0.0.1, 127.0.0.2}" in text


def test_a_stream_is_found_however_many_there_are() -> None:
    """More than liblsl's own range of ports holds."""
    outlets = [
        SampleOutlet(StreamInfo("test", RATE_HZ, ("a",), f"many-{i}-{uuid4()}")) for i in range(40)
    ]
    for outlet in (outlets[0], outlets[-1]):
        source_id = outlet._outlet.get_info().source_id()
        LslInlet(source_id, CLOCK, 5.0).close()


def test_a_stream_is_found_while_others_are_looked_for_in_vain() -> None:
    """Each question holds a port while its answers are waited for; they must not run out."""
    with ThreadPoolExecutor(4) as pool:
        vain = [
            pool.submit(pylsl.resolve_byprop, "source_id", f"nobody-{i}", 1, 4.0) for i in range(4)
        ]
        CLOCK.sleep_until(CLOCK.now_s() + 3.0)  # as long as liblsl waits by default
        info = StreamInfo("test", RATE_HZ, ("a",), f"among-{uuid4()}")
        outlet = SampleOutlet(info)
        LslInlet(info.source_id, CLOCK, 0.9).close()
        del outlet
        assert [future.result() for future in vain] == [[]] * 4


def test_a_stream_of_this_machine_is_on_its_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    info = StreamInfo("test", RATE_HZ, ("a",), f"clock-{uuid4()}")
    outlet = SampleOutlet(info)
    inlet = LslInlet(info.source_id, CLOCK, 5.0)
    monkeypatch.setattr(inlet._inlet, "time_correction", lambda _timeout_s: 0.004)
    assert inlet.clock_offset_s() == 0.0
    # Another machine that happens to have the same name, and one that has not.
    monkeypatch.setattr(inlet._inlet, "time_correction", lambda _timeout_s: -7200.5)
    assert inlet.clock_offset_s() == -7200.5
    monkeypatch.setattr(inlet._inlet, "time_correction", lambda _timeout_s: 0.004)
    monkeypatch.setattr("socket.gethostname", lambda: "elsewhere")
    assert inlet.clock_offset_s() == 0.004
    inlet.close()
    del outlet
