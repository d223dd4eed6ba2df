"""Streams of other programs, played here by outlets of our own."""

import itertools
import os
import threading
from collections.abc import Callable, Iterator

import numpy as np
import pylsl
import pytest
from pydantic import ValidationError

from bci_core.clock import LslClock
from bci_core.errors import DeviceError, InputError
from bci_core.testing.amplifier_rules import Tolerances
from bci_core.testing.check_amplifier import check_amplifier
from drivers.amplifiers.lsl_stream import LslSettings, LslStream

RATE_HZ = 100.0
Publish = Callable[..., pylsl.StreamOutlet]

_numbers = itertools.count()


@pytest.fixture
def name() -> str:
    """A stream name of its own: other tests may run on this machine."""
    return f"test-{os.getpid()}-{next(_numbers)}"


@pytest.fixture
def publish(name: str) -> Publish:
    def make(
        units: tuple[str, ...] = ("uV", "microvolts"),
        rate_hz: float = RATE_HZ,
        channel_format: str = "float32",
        source_id: str | None = None,
        labels: tuple[str, ...] = ("Fz", "Cz"),
    ) -> pylsl.StreamOutlet:
        source_id = f"id-{name}" if source_id is None else source_id
        info = pylsl.StreamInfo(name, "EEG", len(labels), rate_hz, channel_format, source_id)
        channels = info.desc().append_child("channels")
        for label, unit in zip(labels, units, strict=True):
            channel = channels.append_child("channel")
            channel.append_child_value("label", label)
            if unit:
                channel.append_child_value("unit", unit)
        acquisition = info.desc().append_child("acquisition")
        acquisition.append_child_value("manufacturer", "Maker")
        return pylsl.StreamOutlet(info)

    return make


def stream(**keys: object) -> LslStream:
    return LslStream(LslSettings.model_validate(keys), LslClock())


@pytest.fixture
def running(publish: Publish) -> Iterator[pylsl.StreamOutlet]:
    """A stream at `RATE_HZ`, stamped by its sample clock."""
    outlet = publish()
    clock, stop = LslClock(), threading.Event()

    def run() -> None:
        t0_s = clock.now_s()
        for k in itertools.count():
            clock.sleep_until(t0_s + k / RATE_HZ)
            if stop.is_set():
                return
            outlet.push_sample([float(k), -float(k)], t0_s + k / RATE_HZ)

    thread = threading.Thread(target=run)
    thread.start()
    yield outlet
    stop.set()
    thread.join()


def test_metadata_become_the_description(publish: Publish, name: str) -> None:
    outlet = publish()
    info = stream(stream_name=name).describe()
    assert (info.name, info.source_id) == (name, f"id-{name}")
    assert info.channels == ("Fz", "Cz")
    assert (info.rate_hz, info.unit) == (RATE_HZ, "microvolts")
    assert (info.manufacturer, info.kind) == ("Maker", "EEG")
    assert LslStream.publishes_itself is True
    del outlet


@pytest.mark.realtime
def test_it_keeps_the_contract(running: pylsl.StreamOutlet, name: str) -> None:
    settings = LslSettings(source_id=f"id-{name}")
    # Outlet and inlet share this process and its interpreter lock.
    shared = Tolerances(fresh_s=0.5, late_s=0.5, rate=0.02)
    figures = check_amplifier(
        lambda clock: LslStream(settings, clock), seconds=1.5, tolerances=shared
    )
    assert figures.samples > 100


def test_gaps_are_counted_and_duplicates_dropped(publish: Publish, name: str) -> None:
    outlet = publish()
    source = stream(source_id=f"id-{name}")
    source.open()
    assert outlet.wait_for_consumers(5.0)
    t0_s = LslClock().now_s()
    for k in (0, 1, 2, 2, 1, 6, 7):
        outlet.push_sample([float(k), 0.0], t0_s + k / RATE_HZ)
    got: list[float] = []
    while len(got) < 5:
        chunk = source.read(2.0)
        assert chunk is not None
        got += chunk.samples[:, 0].tolist()
    assert got == [0.0, 1.0, 2.0, 6.0, 7.0]
    assert source.counters.samples == 5
    assert source.counters.lost == 3
    assert source.counters.duplicates == 2
    source.close()


def test_numbers_of_any_format_come_as_float32(publish: Publish, name: str) -> None:
    outlet = publish(channel_format="int16")
    source = stream(source_id=f"id-{name}")
    source.open()
    assert outlet.wait_for_consumers(5.0)
    outlet.push_sample([7, -7])
    chunk = source.read(2.0)
    assert chunk is not None
    assert chunk.samples.dtype == np.float32
    assert chunk.samples.tolist() == [[7.0, -7.0]]
    source.close()


def test_a_stream_that_ends_is_an_error_and_stays_one(publish: Publish, name: str) -> None:
    outlet = publish()
    source = stream(source_id=f"id-{name}")
    source.open()
    assert outlet.wait_for_consumers(5.0)
    del outlet
    for _ in range(2):
        with pytest.raises(DeviceError, match=f"'{name}' ended"):
            source.read(10.0)
    source.close()


def test_closed_means_closed(publish: Publish, name: str) -> None:
    outlet = publish()
    source = stream(source_id=f"id-{name}")
    source.close()
    with pytest.raises(DeviceError, match="not open"):
        source.read(0.0)
    source.open()
    source.close()
    source.close()
    with pytest.raises(DeviceError, match="not open"):
        source.read(0.0)
    del outlet


def test_a_stream_that_is_not_there_is_refused_in_time(name: str) -> None:
    clock = LslClock()
    before_s = clock.now_s()
    with pytest.raises(InputError, match=rf"no LSL stream with name '{name}' within 0.3 s"):
        stream(stream_name=name, resolve_timeout_s=0.3).describe()
    assert clock.now_s() - before_s < 3.0


def test_two_streams_that_fit_are_listed(publish: Publish, name: str) -> None:
    outlets = [publish(source_id=f"{name}-a"), publish(source_id=f"{name}-b")]
    with pytest.raises(
        InputError, match=rf"2 LSL streams.*({name}-a.*{name}-b|{name}-b.*{name}-a)"
    ):
        stream(stream_name=name).describe()
    assert stream(stream_name=name, source_id=f"{name}-b").describe().source_id == f"{name}-b"
    del outlets


@pytest.mark.parametrize(
    ("stream_is", "complaint"),
    [
        ({"units": ("uV", "mV")}, r"Cz in 'mV': the loop takes values as they come"),
        ({"units": ("uV", "furlong")}, r"Cz in 'furlong'"),
        ({"units": ("", "uV")}, r"nothing says the unit of Fz.*unit = \"uV\""),
        ({"rate_hz": 0.0}, "no constant sampling rate"),
        ({"channel_format": "string"}, "format is not float32"),
        ({"source_id": ""}, "no source_id"),
    ],
)
def test_what_the_loop_cannot_use_is_refused(
    publish: Publish, name: str, stream_is: dict[str, object], complaint: str
) -> None:
    outlet = publish(**stream_is)
    with pytest.raises(InputError, match=complaint):
        stream(stream_name=name).describe()
    del outlet


def test_the_rig_may_state_a_missing_unit_but_not_convert(publish: Publish, name: str) -> None:
    outlet = publish(units=("", "uV"))
    assert stream(source_id=f"id-{name}", unit="µV").describe().unit == "microvolts"
    with pytest.raises(InputError, match="Fz in 'mV'"):
        stream(source_id=f"id-{name}", unit="mV").describe()
    del outlet


def test_every_reason_is_named_at_once(publish: Publish, name: str) -> None:
    outlet = publish(units=("", "V"), rate_hz=0.0, source_id="")
    with pytest.raises(InputError) as refusal:
        stream(stream_name=name).describe()
    for reason in ("constant sampling rate", "source_id", "Fz", "Cz in 'V'"):
        assert reason in str(refusal.value)
    del outlet


def test_settings_have_to_name_a_stream() -> None:
    with pytest.raises(ValidationError, match="give stream_name, source_id or stream_type"):
        LslSettings()
    with pytest.raises(ValidationError, match="Extra inputs"):
        LslSettings.model_validate({"name": "x"})
