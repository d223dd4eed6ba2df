import logging
import runpy
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bci_core.errors import SessionError
from bci_core.record.xdf import Marker, SessionRecording, read_session_xdf

writer = runpy.run_path(str(Path(__file__).parents[1] / "report" / "xdf_writer.py"))
Stream, write_xdf = writer["Stream"], writer["write_xdf"]

N = 230
RATE_HZ = 250.0
# Jitter, a gap, and a clock that is off: none of it may be mended on reading.
TIMES_S = 7e5 + np.arange(N) / RATE_HZ + np.random.default_rng(1).normal(0, 1e-3, N)
TIMES_S[120:] += 3.0
SAMPLES = np.random.default_rng(2).normal(0, 50, (N, 3)).astype(np.float32)


def eeg(**changes: object) -> object:
    settings = {
        "name": "rig",
        "kind": "EEG",
        "fmt": "float32",
        "times_s": TIMES_S,
        "rows": SAMPLES,
        "labels": ["Fz", "Cz", "Pz<"],
        "rate_hz": RATE_HZ,
        "offsets": [(7e5 + i, 0.25 + 0.1 * i) for i in range(4)],
    }
    return Stream(**(settings | changes))


EVENTS = Stream("rig-events", "Markers", "string", [7e5, 7e5 + 1], [["stim"], ["θ"]], ["marker"])
LOOP = Stream(
    "rig-loop", "ClosedLoop", "double64", [7e5], [[1.0, 0.1 + 0.2]], ["seq", "onset_s"], unit="s"
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("xdf") / "session.xdf"
    return write_xdf(path, [EVENTS, LOOP, eeg()]).read_bytes()


def read(folder: Path, content: bytes) -> SessionRecording:
    path = folder / "session.xdf"
    path.write_bytes(content)
    return read_session_xdf(path)


def test_samples_and_times_are_those_stored_to_the_bit(tmp_path: Path, whole: bytes) -> None:
    got = read(tmp_path, whole)
    np.testing.assert_array_equal(got.samples, SAMPLES)
    np.testing.assert_array_equal(got.times_s, TIMES_S)
    assert got.samples.dtype == np.float32
    assert got.samples.flags.c_contiguous
    assert got.truncated_bytes == 0
    assert got.complaints == ()


def test_the_header_says_what_the_samples_are(tmp_path: Path, whole: bytes) -> None:
    info = read(tmp_path, whole).info
    assert (info.name, info.rate_hz, info.kind, info.unit) == ("rig", 250.0, "EEG", "microvolts")
    assert info.channels == ("Fz", "Cz", "Pz<")
    assert info.manufacturer == "BrainFlow"
    assert info.source_id == "rig-1"


def test_markers_and_loop_rows(tmp_path: Path, whole: bytes) -> None:
    got = read(tmp_path, whole)
    assert got.markers == (Marker(7e5, "stim"), Marker(7e5 + 1, "θ"))
    assert {label: list(column) for label, column in got.loop.items()} == {
        "seq": [1.0],
        "onset_s": [0.1 + 0.2],
    }


def test_a_stream_that_describes_nothing(tmp_path: Path) -> None:
    path = write_xdf(tmp_path / "s.xdf", [eeg(described=False)])
    got = read_session_xdf(path)
    assert got.info.channels == ("ch1", "ch2", "ch3")
    assert (got.info.unit, got.info.manufacturer) == ("unknown", "unknown")
    assert (got.markers, got.loop) == ((), {})


def test_streams_without_a_sample(tmp_path: Path) -> None:
    empty = {"times_s": [], "rows": []}
    streams = [eeg(**empty), Stream("rig-loop", "ClosedLoop", "double64", [], [], ["seq"])]
    got = read_session_xdf(write_xdf(tmp_path / "s.xdf", streams))
    assert got.samples.shape == (0, 3)
    assert got.loop["seq"].shape == (0,)


def test_the_sample_stream_can_be_named(tmp_path: Path) -> None:
    path = write_xdf(tmp_path / "s.xdf", [eeg(), eeg(name="other", rows=SAMPLES + 1), EVENTS])
    assert read_session_xdf(path).info.name == "rig"
    np.testing.assert_array_equal(read_session_xdf(path, "other").samples, SAMPLES + 1)
    with pytest.raises(SessionError, match="no stream 'absent'; it has: rig, other"):
        read_session_xdf(path, "absent")


def test_a_device_that_streams_by_itself_has_a_name_of_its_own(tmp_path: Path) -> None:
    path = write_xdf(tmp_path / "s.xdf", [EVENTS, eeg(name="BioSemi"), LOOP])
    got = read_session_xdf(path)
    assert got.info.name == "BioSemi"
    assert got.markers[0].text == "stim"
    assert list(got.loop) == ["seq", "onset_s"]


def test_it_is_not_guessed_which_stream_has_the_samples(tmp_path: Path) -> None:
    path = write_xdf(tmp_path / "s.xdf", [eeg(name="a"), eeg(name="b")])
    with pytest.raises(SessionError, match=r"which stream has the samples.*a, b"):
        read_session_xdf(path)


def test_two_streams_of_one_name_are_complained_of(tmp_path: Path) -> None:
    path = write_xdf(tmp_path / "s.xdf", [eeg(rows=SAMPLES + 1), eeg(), EVENTS])
    got = read_session_xdf(path)
    np.testing.assert_array_equal(got.samples, SAMPLES)
    assert "2 streams are called 'rig'" in got.complaints[0]


@settings(
    max_examples=60,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_a_file_cut_anywhere_gives_its_whole_chunks(
    tmp_path: Path, whole: bytes, data: st.DataObject
) -> None:
    """Also in the middle of a value, where the rest of the sample would be made up."""
    headers = whole.index(b"<name>rig</name>") + 600
    got = read(tmp_path, whole[: data.draw(st.integers(headers, len(whole)))])
    assert len(got.samples) in (0, 50, 100, 150, 200, N)
    np.testing.assert_array_equal(got.samples, SAMPLES[: len(got.samples)])
    np.testing.assert_array_equal(got.times_s, TIMES_S[: len(got.samples)])
    assert got.complaints == ()


def test_how_much_was_cut_is_told(tmp_path: Path, whole: bytes) -> None:
    footer = len(whole) - whole.rindex(b"<?xml") + 8  # with its length, tag and stream number
    assert read(tmp_path, whole[:-1]).truncated_bytes == footer - 1


def test_damage_is_complained_of_and_kept_off_the_terminal(
    tmp_path: Path, whole: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    damaged = bytearray(whole)
    where = whole.index(np.float64(TIMES_S[50]).tobytes())
    damaged[where - 3] = 0x77  # how the number of samples of the second chunk is written
    got = read(tmp_path, bytes(damaged))
    assert any("corruption" in line for line in got.complaints)
    assert caplog.records == []
    assert logging.getLogger("pyxdf.pyxdf").propagate


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "does not begin with 'XDF:'"),
        (b"EDF+", "does not begin with 'XDF:'"),
        (b"XDF:", "has no stream|cannot tell"),
        (b"XDF:\x01\x08\x02\x00\x01\x00\x00\x00<x", "cannot be read as XDF"),
    ],
)
def test_what_is_not_a_recording(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(SessionError, match=message):
        read(tmp_path, content)


def test_no_recording(tmp_path: Path) -> None:
    with pytest.raises(SessionError, match="there is no recording"):
        read_session_xdf(tmp_path / "session.xdf")
    with pytest.raises(SessionError, match="cannot be read"):
        read_session_xdf(tmp_path)
