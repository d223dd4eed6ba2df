"""Recordings are read as microvolts, or refused with the place of the mistake."""

from pathlib import Path

import numpy as np
import pytest

from bci_core.errors import RecordingError
from bci_core.record.recording import READERS, read_recording


def npz(folder: Path, **parts: object) -> Path:
    path = folder / "made.npz"
    rng = np.random.default_rng(0)
    default = {"data": rng.normal(size=(500, 2)).astype(np.float32), "fs": 250.0, "units": "uV"}
    kept = {key: value for key, value in (default | parts).items() if value is not None}
    np.savez(path, **kept)  # type: ignore[arg-type]
    return path


def test_values_come_as_they_are(tmp_path: Path) -> None:
    path = npz(tmp_path)
    recording = read_recording(path)
    with np.load(path) as archive:
        assert np.array_equal(recording.samples, archive["data"])
    assert recording.samples.dtype == np.float32
    assert recording.samples.flags.c_contiguous
    assert recording.channels == ("ch1", "ch2")
    assert (recording.rate_hz, recording.duration_s, recording.lost) == (250.0, 2.0, 0)
    assert recording.source == path
    assert recording.start is None


@pytest.mark.parametrize(
    ("unit", "factor"),
    [
        *(("uV", 1.0), ("µV", 1.0), ("microvolts", 1.0), ("uV (large DC)", 1.0)),
        *(("mV", 1e3), ("V", 1e6), ("volts", 1e6), ("nV", 1e-3)),
    ],
)
def test_units_are_converted(tmp_path: Path, unit: str, factor: float) -> None:
    path = npz(tmp_path, data=np.full((10, 1), 2.0), units=unit)
    assert read_recording(path).samples == pytest.approx(2.0 * factor)


@pytest.mark.parametrize("shape", [(300, 4), (4, 300)])
def test_the_longer_axis_is_time(tmp_path: Path, shape: tuple[int, int]) -> None:
    data = np.arange(1200, dtype=np.float64).reshape(shape)
    recording = read_recording(npz(tmp_path, data=data))
    assert recording.samples.shape == (300, 4)
    assert recording.samples[1, 0] == (4.0 if shape == (300, 4) else 1.0)


def test_labels_decide_which_axis_is_channels(tmp_path: Path) -> None:
    labels = [f"E{i}" for i in range(50)]
    recording = read_recording(npz(tmp_path, data=np.zeros((20, 50)), ch=labels))
    assert recording.samples.shape == (20, 50)
    assert recording.channels[-1] == "E49"


def test_the_axis_may_be_stated(tmp_path: Path) -> None:
    assert len(read_recording(npz(tmp_path, data=np.zeros((4, 3)), axis=1))) == 3
    assert len(read_recording(npz(tmp_path, data=np.zeros((3, 3)), axis=0))) == 3


def test_one_axis_is_one_channel(tmp_path: Path) -> None:
    assert read_recording(npz(tmp_path, data=np.zeros(77))).samples.shape == (77, 1)


def test_channels_are_chosen_in_order(tmp_path: Path) -> None:
    path = npz(tmp_path, ch=["C3", "C4"])
    both = read_recording(path)
    one = read_recording(path, channels=["C4"])
    assert np.array_equal(one.samples[:, 0], both.samples[:, 1])
    assert one.left_out == ("C3 (not asked for)",)
    with pytest.raises(RecordingError, match="no channel 'Cz'; it has C3, C4"):
        read_recording(path, channels=["Cz"])


def test_labels_are_made_different(tmp_path: Path) -> None:
    recording = read_recording(npz(tmp_path, data=np.zeros((9, 3)), ch=["Fz", "Fz", " "]))
    assert recording.channels == ("Fz", "Fz-2", "ch3")


def test_counts_need_their_size(tmp_path: Path) -> None:
    path = npz(tmp_path, data=np.array([[1], [-2]], dtype=np.int16), units="int16 counts", ch=["a"])
    with pytest.raises(RecordingError, match=r"converter counts.*uv_per_count"):
        read_recording(path)
    assert read_recording(path, uv_per_count=0.5).samples[:, 0].tolist() == [0.5, -1.0]


@pytest.mark.parametrize("uv_per_count", [0.0, -1.0, float("nan"), float("inf")])
def test_counts_of_no_size_are_refused(tmp_path: Path, uv_per_count: float) -> None:
    with pytest.raises(RecordingError, match="uv_per_count"):
        read_recording(npz(tmp_path, units="counts"), uv_per_count=uv_per_count)


def test_a_missing_unit_may_be_stated(tmp_path: Path) -> None:
    path = npz(tmp_path, data=np.ones((9, 1)), units=None)
    with pytest.raises(RecordingError, match=r"nothing says the unit of channel 'ch1'"):
        read_recording(path)
    assert read_recording(path, unit="mV").samples[0, 0] == 1000.0


def test_a_stated_unit_may_not_contradict_the_file(tmp_path: Path) -> None:
    path = npz(tmp_path, units="mV")
    assert np.array_equal(read_recording(path, unit="mV").samples, read_recording(path).samples)
    with pytest.raises(RecordingError, match="'mV' by the file and in 'uV' by you"):
        read_recording(path, unit="uV")


@pytest.mark.parametrize(
    ("parts", "complaint"),
    [
        ({"units": "pascal"}, "'pascal', which is no voltage"),
        ({"data": None}, r"no 'data'.*it has fs, units"),
        ({"fs": None}, "no 'fs'"),
        ({"fs": 0.0}, "sampling rate of 0 Hz"),
        ({"fs": -250.0}, "sampling rate of -250 Hz"),
        ({"fs": np.nan}, "sampling rate of nan Hz"),
        ({"fs": [250.0, 500.0]}, "'fs' is not one number"),
        ({"data": np.zeros((0, 2)), "axis": 0}, "holds no samples"),
        ({"data": np.zeros((2, 3, 4))}, "3 axes"),
        ({"data": np.zeros((5, 5))}, "5 × 5; add 'axis'"),
        ({"data": np.array(["a", "b"])}, "not real numbers"),
        ({"data": np.array([1.0j, 2.0])}, "not real numbers"),
        ({"ch": ["a", "b", "c"]}, "3 labels in 'ch' for 2 channels"),
        ({"axis": 2}, "'axis' is 2"),
    ],
)
def test_what_is_missing_or_wrong_is_named(
    tmp_path: Path, parts: dict[str, object], complaint: str
) -> None:
    path = npz(tmp_path, **parts)
    with pytest.raises(RecordingError, match=complaint) as refusal:
        read_recording(path)
    assert str(path) in str(refusal.value)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_no_number_is_named_with_its_row(tmp_path: Path, value: float) -> None:
    data = np.zeros((500, 2))
    data[123, 1] = data[200, 0] = value
    with pytest.raises(
        RecordingError,
        match=rf"sample 123 \(at 0.492 s\), channel 'ch2' is {value} \(2 such rows\)",
    ):
        read_recording(npz(tmp_path, data=data))


def test_a_value_too_large_for_float32_is_named(tmp_path: Path) -> None:
    data = np.zeros((500, 2))
    data[7, 0] = 1e35
    with pytest.raises(RecordingError, match="sample 7 "):
        read_recording(npz(tmp_path, data=data, units="V"))


@pytest.mark.parametrize("keep", [0.999, 0.5, 0.01])
def test_an_archive_cut_short_is_refused(tmp_path: Path, keep: float) -> None:
    path = npz(tmp_path)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * keep)])
    with pytest.raises(RecordingError, match="damaged or cut short"):
        read_recording(path)


def test_an_archive_with_a_flipped_bit_is_refused(tmp_path: Path) -> None:
    path = npz(tmp_path)
    content = bytearray(path.read_bytes())
    content[1500] ^= 0x10
    path.write_bytes(content)
    with pytest.raises(RecordingError, match="damaged or cut short"):
        read_recording(path)


def test_pickles_are_not_opened(tmp_path: Path) -> None:
    path = npz(tmp_path, data=np.array([{"a": 1}, None], dtype=object))
    with pytest.raises(RecordingError, match="damaged or cut short"):
        read_recording(path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"night\.edf: no such file"):
        read_recording(tmp_path / "night.edf")


def test_an_unknown_suffix_lists_the_known_ones(tmp_path: Path) -> None:
    (tmp_path / "night.mat").write_bytes(b"x")
    with pytest.raises(RecordingError, match=r"end in \.bdf.*\.xdf.*'\.mat'"):
        read_recording(tmp_path / "night.mat")


@pytest.mark.parametrize("suffix", sorted(READERS))
def test_an_empty_file_is_refused_in_every_format(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"empty{suffix}"
    path.write_bytes(b"")
    with pytest.raises(RecordingError, match="empty"):
        read_recording(path, board="CYTON_BOARD")


@pytest.mark.parametrize("suffix", sorted(READERS))
@pytest.mark.parametrize("seed", range(3))
def test_noise_is_refused_in_every_format(tmp_path: Path, suffix: str, seed: int) -> None:
    path = tmp_path / f"noise{suffix}"
    path.write_bytes(np.random.default_rng(seed).bytes(5000))
    with pytest.raises(RecordingError):
        read_recording(path, board="CYTON_BOARD")
