"""NWB, written by pynwb."""

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bci_core.errors import RecordingError
from bci_core.record.recording import read_recording

STARTED = datetime(2024, 5, 6, 22, 30, tzinfo=UTC)
COUNTS = np.random.default_rng(0).integers(-3000, 3000, (500, 3)).astype(np.int16)


@pytest.fixture
def pynwb() -> Any:
    return pytest.importorskip("pynwb", reason="extra nwb is not installed")


def write(pynwb: Any, path: Path, *series: dict[str, Any], labels: bool = True) -> Path:
    file = pynwb.NWBFile("a rat", "test", STARTED)
    device = file.create_device("probe")
    group = file.create_electrode_group("shank", "one", "CA1", device)
    if labels:
        file.add_electrode_column("label", "of the channel")
    for name in ("CA1", "CA3", "DG"):
        more = {"label": name} if labels else {}
        file.add_electrode(group=group, location="CA1", **more)
    region = file.create_electrode_table_region([2, 0, 1], "all")
    for each in series:
        settings = {"data": COUNTS, "electrodes": region, "conversion": 1e-6} | each
        to_lfp = settings.pop("to_lfp", False)
        made = pynwb.ecephys.ElectricalSeries(**settings)
        if to_lfp:
            lfp = pynwb.ecephys.LFP()
            file.create_processing_module("ecephys", "LFP").add(lfp)
            lfp.add_electrical_series(made)
        else:
            file.add_acquisition(made)
    with pynwb.NWBHDF5IO(str(path), "w") as io:
        io.write(file)
    return path


def test_the_first_series_in_microvolts_with_its_labels(pynwb: Any, tmp_path: Path) -> None:
    path = write(
        pynwb,
        tmp_path / "rat.nwb",
        {"name": "raw", "rate": 1250.0, "starting_time": 2.5},
        {"name": "wide", "rate": 5000.0},
    )
    recording = read_recording(path)
    assert (recording.rate_hz, recording.channels) == (1250.0, ("DG", "CA1", "CA3"))
    np.testing.assert_allclose(recording.samples, COUNTS, rtol=1e-6)
    assert recording.start == STARTED.replace(second=2, microsecond=500_000)
    assert recording.left_out == ("series wide (another stream)",)
    assert recording.lost == 0


def test_a_series_by_name_with_every_conversion(pynwb: Any, tmp_path: Path) -> None:
    path = write(
        pynwb,
        tmp_path / "rat.nwb",
        {"name": "raw", "rate": 1250.0},
        {
            "name": "wide",
            "rate": 5000.0,
            "conversion": 2e-6,
            "offset": 1e-3,
            "channel_conversion": [1.0, 0.5, 3.0],
        },
    )
    recording = read_recording(path, stream="wide", channels=["CA1"])
    assert recording.rate_hz == 5000.0
    np.testing.assert_allclose(recording.samples[:, 0], COUNTS[:, 1] * 2.0 * 0.5 + 1000.0)


def test_time_stamps_with_lost_samples(pynwb: Any, tmp_path: Path) -> None:
    times_s = 100.0 + np.delete(np.arange(510), slice(200, 210)) / 1000.0
    path = write(pynwb, tmp_path / "rat.nwb", {"name": "raw", "timestamps": times_s})
    recording = read_recording(path)
    assert (recording.rate_hz, recording.lost) == (1000.0, 10)
    assert recording.ticks[200] == 210


def test_an_lfp_of_a_processing_module_and_numbered_channels(pynwb: Any, tmp_path: Path) -> None:
    path = write(
        pynwb,
        tmp_path / "rat.nwb",
        {"name": "lfp", "rate": 1250.0, "to_lfp": True},
        labels=False,
    )
    assert read_recording(path).channels == ("ch1", "ch2", "ch3")


@pytest.mark.parametrize(
    ("times_s", "words"),
    [
        (np.r_[np.arange(250), np.arange(250)] / 1e3, "runs backwards at sample 250"),
        (np.cumsum(np.r_[np.full(260, 1.0), np.full(240, 1.4)]) / 1e3, "no constant rate"),
    ],
)
def test_times_that_are_no_rate(
    pynwb: Any, tmp_path: Path, times_s: np.ndarray, words: str
) -> None:
    path = write(pynwb, tmp_path / "rat.nwb", {"name": "raw", "timestamps": times_s})
    with pytest.raises(RecordingError, match=words):
        read_recording(path)


def test_what_is_not_there(pynwb: Any, tmp_path: Path) -> None:
    path = write(pynwb, tmp_path / "rat.nwb", {"name": "raw", "rate": 1250.0})
    with pytest.raises(RecordingError, match=r"no electrical series 'wide'.* 'raw'"):
        read_recording(path, stream="wide")
    with pytest.raises(RecordingError, match="there are: none"):
        read_recording(write(pynwb, tmp_path / "empty.nwb"))
    broken = tmp_path / "broken.nwb"
    broken.write_bytes(b"no hdf5 at all")
    with pytest.raises(RecordingError, match="not readable as NWB"):
        read_recording(broken)
    broken.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(RecordingError, match="not readable as NWB"):
        read_recording(broken)


def test_without_pynwb_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "rat.nwb"
    path.write_bytes(b"whatever")
    monkeypatch.setitem(sys.modules, "pynwb", None)
    with pytest.raises(RecordingError, match=r"pip install 'bci\[nwb\]'"):
        read_recording(path)
