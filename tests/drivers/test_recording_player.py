"""A recording plays at its true rate, exact over hours."""

from pathlib import Path

import numpy as np
import pytest

from bci_core.clock import VirtualClock
from bci_core.errors import DeviceError, RecordingError
from bci_core.record.convert import to_brainflow
from bci_core.record.recording import Recording
from bci_core.testing.check_amplifier import check_amplifier
from drivers.amplifiers.recording import MAX_CHUNK, RecordingPlayer, RecordingSettings

RATE_HZ = 1250.0  # a rate no BrainFlow board has


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "rat.npz"
    data = np.random.default_rng(0).normal(0.0, 50.0, (3000, 2)).astype(np.float32)
    np.savez(path, data=data, fs=RATE_HZ, units="uV", ch=["CA1", "EC3"])
    return path


def player(file: Path, clock: VirtualClock, **keys: object) -> RecordingPlayer:
    return RecordingPlayer(RecordingSettings.model_validate({"file": str(file), **keys}), clock)


def data_of(file: Path) -> np.ndarray:
    with np.load(file) as archive:
        return np.asarray(archive["data"])


def test_it_keeps_the_contract_on_a_virtual_clock(file: Path) -> None:
    settings = RecordingSettings(file=str(file))
    figures = check_amplifier(
        lambda clock: RecordingPlayer(settings, clock), 10.0, clock=VirtualClock(5e5)
    )
    assert figures.samples == 3000
    assert figures.worst_age_s == 0.0


@pytest.mark.realtime
def test_it_keeps_the_contract_in_real_time(file: Path) -> None:
    settings = RecordingSettings(file=str(file), loop=True)
    figures = check_amplifier(lambda clock: RecordingPlayer(settings, clock), 2.0)
    assert figures.median_age_s < 2e-3


def test_every_sample_comes_once_and_at_its_time(file: Path) -> None:
    clock = VirtualClock(1000.0)
    source = player(file, clock)
    source.open()
    rows = []
    while not source.exhausted:
        chunk = source.read(0.1)
        assert chunk is not None
        assert len(chunk) == 1
        assert chunk.times_s[0] == 1000.0 + len(rows) / RATE_HZ == clock.now_s()
        rows.append(chunk.samples[0])
    assert np.array_equal(rows, data_of(file))
    assert source.read(0.1) is None


def test_the_schedule_is_exact_after_six_hours(file: Path) -> None:
    clock = VirtualClock(123456.789)
    source = player(file, clock, loop=True)
    source.open()
    t0_s, hours, n = clock.now_s(), 6, 0
    while n < hours * 3600 * RATE_HZ:
        clock.sleep_until(clock.now_s() + 0.4999)  # not a whole number of samples
        chunk = source.read(0.0)
        assert chunk is not None
        index = n + np.arange(len(chunk))
        assert np.array_equal(chunk.times_s, t0_s + index / RATE_HZ)
        assert chunk.times_s[-1] <= clock.now_s()
        n += len(chunk)
    behind = (clock.now_s() - t0_s) * RATE_HZ - n
    assert behind < 3000  # a lap ends a read, so at most one lap waits


def test_a_late_reader_gets_what_is_due_in_portions(file: Path) -> None:
    clock = VirtualClock()
    source = player(file, clock)
    source.open()
    clock.sleep_until(2.0)
    sizes = []
    while (chunk := source.read(0.0)) is not None:
        sizes.append(len(chunk))
    assert sizes == [MAX_CHUNK, MAX_CHUNK, round(2.0 * RATE_HZ) + 1 - 2 * MAX_CHUNK]
    assert source.counters.samples == sum(sizes)


def test_read_waits_no_longer_than_it_is_told(file: Path) -> None:
    clock = VirtualClock()
    source = player(file, clock)
    source.open()
    assert source.read(0.0) is not None
    assert source.read(0.5 / RATE_HZ) is None
    assert clock.now_s() == 0.5 / RATE_HZ


def test_it_starts_where_it_is_told(file: Path) -> None:
    clock = VirtualClock()
    source = player(file, clock, start_s=1.0, channels=("EC3",))
    assert source.open().channels == ("EC3",)
    clock.sleep_until(0.5)
    chunk = source.read(0.0)
    assert chunk is not None
    assert chunk.times_s[0] == 0.0
    assert np.array_equal(chunk.samples[:, 0], data_of(file)[1250 : 1250 + len(chunk), 1])


def test_a_lap_follows_the_last_sample_after_one_period(file: Path) -> None:
    clock = VirtualClock()
    source = player(file, clock, start_s=2.3992, loop=True)  # the last sample alone
    source.open()
    clock.sleep_until(4.0 / RATE_HZ)
    got = [source.read(0.0) for _ in range(5)]
    assert [chunk.times_s[0] for chunk in got if chunk] == [k / RATE_HZ for k in range(5)]
    assert source.counters.lost == 0


def test_samples_the_recording_lost_are_lost_again(tmp_path: Path) -> None:
    ticks = np.concatenate([np.arange(250), np.arange(255, 500)])
    made = Recording(np.ones((495, 1), np.float32), ticks, 250.0, ("a",), tmp_path)
    to_brainflow(made, "CYTON_BOARD", tmp_path / "gap.csv")
    clock = VirtualClock()
    source = player(tmp_path / "gap.csv", clock, board="CYTON_BOARD")
    source.open()
    clock.sleep_until(10.0)
    chunk = source.read(0.0)
    assert chunk is not None
    assert np.array_equal(chunk.times_s, ticks / 250.0)
    assert source.counters.lost == 5
    assert source.exhausted


def test_a_start_beyond_the_end_is_refused(file: Path) -> None:
    with pytest.raises(RecordingError, match=r"start_s = 3 s is not inside.*2.4 s"):
        player(file, VirtualClock(), start_s=3.0).describe()


def test_closed_means_closed(file: Path) -> None:
    source = player(file, VirtualClock())
    source.close()
    with pytest.raises(DeviceError, match="not open"):
        source.read(0.0)
    source.open()
    source.close()
    source.close()
    with pytest.raises(DeviceError, match="not open"):
        source.read(0.0)
