"""EDF, BDF, XDF and BrainFlow's text: written by their own tools, and then broken."""

import gzip
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import edfio
import numpy as np
import pytest
from brainflow.data_filter import DataFilter

from bci_core.errors import RecordingError
from bci_core.record.brainflow_boards import board_layout
from bci_core.record.recording import read_recording
from bci_core.record.xdf_writer import XdfStream, XdfWriter

RNG = np.random.default_rng(0)
SIGNAL = RNG.normal(0.0, 50.0, 2000)


def edf(path: Path, *signals: tuple[str, str, float], seconds: int = 10) -> Path:
    """Signals by label, unit and rate."""
    is_bdf = path.suffix == ".bdf"
    signal_type: Any = edfio.BdfSignal if is_bdf else edfio.EdfSignal
    made = [
        signal_type(
            SIGNAL[: int(seconds * rate_hz)],
            rate_hz,
            label=label,
            physical_dimension=unit,
            physical_range=(-500.0, 500.0),
        )
        for label, unit, rate_hz in signals
    ]
    file: Any = (edfio.Bdf if is_bdf else edfio.Edf)(
        made,
        starttime=datetime(2024, 5, 6, 22, 30, 0).time(),  # noqa: DTZ001 - EDF has no zone
    )
    file.startdate = datetime(2024, 5, 6).date()  # noqa: DTZ001
    file.write(path)
    return path


@pytest.mark.parametrize(("suffix", "step_uv"), [(".edf", 1000 / 2**16), (".bdf", 1000 / 2**24)])
def test_edf_and_bdf(tmp_path: Path, suffix: str, step_uv: float) -> None:
    path = edf(tmp_path / f"night{suffix}", ("Fz", "uV", 200.0), ("Cz", "mV", 200.0))
    recording = read_recording(path)
    assert (recording.rate_hz, recording.channels) == (200.0, ("Fz", "Cz"))
    assert np.max(np.abs(recording.samples[:, 0] - SIGNAL)) < step_uv + 1e-4
    assert np.max(np.abs(recording.samples[:, 1] - 1e3 * SIGNAL)) < 1e3 * step_uv + 1e-1
    assert recording.start == datetime(2024, 5, 6, 22, 30, 0)  # noqa: DTZ001


def test_edf_signals_that_are_no_voltage_are_left_out_and_named(tmp_path: Path) -> None:
    path = edf(tmp_path / "n.edf", ("Fz", "uV", 100.0), ("Temp", "degC", 1.0))
    recording = read_recording(path)
    assert recording.channels == ("Fz",)
    assert recording.left_out == ("Temp (in 'degC', no voltage)",)


def test_edf_signals_of_different_rates_have_to_be_named(tmp_path: Path) -> None:
    path = edf(tmp_path / "n.edf", ("Fz", "uV", 100.0), ("EMG", "uV", 200.0))
    with pytest.raises(RecordingError, match=r"Fz 100 Hz, EMG 200 Hz\); name the channels"):
        read_recording(path)
    assert read_recording(path, channels=["EMG"]).rate_hz == 200.0


def test_edf_without_a_unit(tmp_path: Path) -> None:
    path = edf(tmp_path / "n.edf", ("Fz", "", 100.0))
    with pytest.raises(RecordingError, match="nothing says the unit of channel 'Fz'"):
        read_recording(path)
    assert len(read_recording(path, unit="uV")) == 1000


@pytest.mark.parametrize("suffix", [".edf", ".bdf"])
def test_edf_cut_short_names_the_row(tmp_path: Path, suffix: str) -> None:
    path = edf(tmp_path / f"n{suffix}", ("Fz", "uV", 200.0))
    content = path.read_bytes()
    path.write_bytes(content[: len(content) - 3])
    with pytest.raises(
        RecordingError, match=r"cut short after data record 9 of 10.*sample 1800 \("
    ):
        read_recording(path)


def test_edf_that_is_discontinuous_is_refused(tmp_path: Path) -> None:
    signal = edfio.EdfSignal(SIGNAL, 200.0, label="Fz", physical_dimension="uV")
    file = edfio.Edf([signal], annotations=[edfio.EdfAnnotation(1.0, None, "lights off")])
    path = tmp_path / "gap.edf"
    file.write(path)
    content = path.read_bytes()
    # The sixth data record says that it begins a minute later.
    path.write_bytes(content.replace(b"EDF+C", b"EDF+D").replace(b"+5\x14\x14", b"+9\x14\x14"))
    with pytest.raises(RecordingError, match="discontinuous"):
        read_recording(path)


def brainflow_table(n: int = 500, board: str = "CYTON_BOARD") -> np.ndarray:
    layout = board_layout(board)
    table = np.zeros((layout.n_rows, n))
    assert layout.package_row is not None
    table[layout.package_row] = np.arange(n) % 256
    table[list(layout.exg_rows)] = RNG.normal(0.0, 50.0, (len(layout.exg_rows), n))
    table[layout.timestamp_row] = 1.7e9 + np.arange(n) / layout.rate_hz
    return table


def brainflow(path: Path, table: np.ndarray) -> Path:
    DataFilter.write_file(np.ascontiguousarray(table), str(path), "w")
    return path


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".txt"])
def test_brainflows_text(tmp_path: Path, suffix: str) -> None:
    table = brainflow_table()
    recording = read_recording(brainflow(tmp_path / f"b{suffix}", table), board="CYTON_BOARD")
    assert recording.rate_hz == 250.0
    assert recording.channels[0] == "Fp1"
    assert recording.samples == pytest.approx(table[1:9].T, abs=1e-4)
    assert recording.start == datetime.fromtimestamp(1.7e9, UTC)


def test_brainflows_text_with_commas(tmp_path: Path) -> None:
    path = brainflow(tmp_path / "b.csv", brainflow_table())
    path.write_text(path.read_text().replace("\t", ","))
    assert len(read_recording(path, board="CYTON_BOARD")) == 500


def test_brainflows_text_needs_the_board(tmp_path: Path) -> None:
    path = brainflow(tmp_path / "b.csv", brainflow_table())
    with pytest.raises(RecordingError, match="does not say which board"):
        read_recording(path)
    with pytest.raises(RecordingError, match=r"no board 'CYTN'.*CYTON_BOARD"):
        read_recording(path, board="CYTN")


def test_samples_lost_by_package_number_leave_a_gap(tmp_path: Path) -> None:
    table = np.delete(brainflow_table(), slice(250, 260), axis=1)
    recording = read_recording(brainflow(tmp_path / "b.csv", table), board="CYTON_BOARD")
    assert recording.lost == 10
    assert np.flatnonzero(np.diff(recording.ticks) != 1).tolist() == [249]
    assert recording.duration_s == 2.0


def spoil(line: int, change: Any) -> Any:
    def spoiled(text: str) -> str:
        lines = text.splitlines(keepends=True)
        lines[line - 1] = change(lines[line - 1])
        return "".join(lines)

    return spoiled


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (spoil(77, lambda line: line.partition("\t")[2]), "line 77 has 23 columns.*writes 24"),
        (spoil(77, lambda line: "1\t" + line), "line 77 has 25 columns"),
        (spoil(77, lambda line: line.replace("\t", "\toops", 1)), "line 77: .*oops"),
        (spoil(77, lambda line: "\n"), "line 77 has 1 columns"),
        (lambda text: text[:-60], r"cut short in line 500.*\d+ columns of 24 and no end"),
        (lambda text: text[:-1], "cut short in line 500"),
    ],
)
def test_a_line_that_is_wrong_is_named(tmp_path: Path, change: Any, complaint: str) -> None:
    path = brainflow(tmp_path / "b.csv", brainflow_table())
    path.write_text(change(path.read_text()))
    with pytest.raises(RecordingError, match=complaint):
        read_recording(path, board="CYTON_BOARD")


def test_nan_in_a_text_names_the_line(tmp_path: Path) -> None:
    table = brainflow_table()
    table[3, 41] = np.nan
    with pytest.raises(RecordingError, match=r"line 42 \(sample 41\), channel 'C3' is nan"):
        read_recording(brainflow(tmp_path / "b.csv", table), board="CYTON_BOARD")


def test_a_text_at_another_rate_than_the_boards(tmp_path: Path) -> None:
    table = brainflow_table()
    table[22] = 1.7e9 + np.arange(500) / 200.0
    with pytest.raises(RecordingError, match=r"line 1 to line 500 say 200\.00 Hz.*runs at 250 Hz"):
        read_recording(brainflow(tmp_path / "b.csv", table), board="CYTON_BOARD")


def test_a_repeated_line_is_refused(tmp_path: Path) -> None:
    table = brainflow_table()
    table[0, 100:] -= 1
    table[0] %= 256
    with pytest.raises(RecordingError, match="line 101 repeats the package number"):
        read_recording(brainflow(tmp_path / "b.csv", table), board="CYTON_BOARD")


EEG = XdfStream("eeg", "EEG", "float32", ("Fz", "Cz"), ("uV", "microvolts"), 250.0, "Maker")
MARKERS = XdfStream("markers", "Markers", "string", ("m",), ("",))


def xdf(path: Path, times_s: np.ndarray, *streams: XdfStream, n_columns: int = 2) -> Path:
    """The same samples in every sampled stream."""
    with XdfWriter(path, streams) as writer:
        for number, stream in enumerate(streams):
            if stream.value_format == "string":
                writer.marker(number, float(times_s[0]), "hello")
                continue
            rows = RNG.normal(0.0, 50.0, (len(times_s), n_columns)).astype(np.float32)
            for at in range(0, len(times_s), 100):
                writer.numbers(number, times_s[at : at + 100], rows[at : at + 100])
    return path


EVEN_S = 5000.0 + np.arange(1000) / 250.0


def test_xdf_takes_the_sampled_stream_among_markers(tmp_path: Path) -> None:
    recording = read_recording(xdf(tmp_path / "s.xdf", EVEN_S, MARKERS, EEG))
    assert recording.samples.shape == (1000, 2)
    assert (recording.rate_hz, recording.channels) == (250.0, ("Fz", "Cz"))
    assert recording.lost == 0


def test_xdf_with_several_sampled_streams_asks_which(tmp_path: Path) -> None:
    other = XdfStream("emg", "EMG", "float32", ("a", "b"), ("mV", "mV"), 250.0)
    path = xdf(tmp_path / "s.xdf", EVEN_S, EEG, other)
    with pytest.raises(RecordingError, match="several sampled streams; name one of 'eeg', 'emg'"):
        read_recording(path)
    assert read_recording(path, stream="emg").channels == ("a", "b")
    with pytest.raises(RecordingError, match="stream 'ecg' is not sampled"):
        read_recording(path, stream="ecg")


def test_xdf_without_a_sampled_stream(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="nothing is sampled at a constant rate"):
        read_recording(xdf(tmp_path / "s.xdf", EVEN_S, MARKERS))


def test_xdf_without_units(tmp_path: Path) -> None:
    path = xdf(tmp_path / "s.xdf", EVEN_S, XdfStream("x", "EEG", "float32", (), (), 250.0))
    with pytest.raises(RecordingError):
        read_recording(path)


def test_xdf_gaps_stay_gaps(tmp_path: Path) -> None:
    times_s = np.delete(EVEN_S, slice(400, 407))
    recording = read_recording(xdf(tmp_path / "s.xdf", times_s, EEG))
    assert recording.lost == 7
    assert np.flatnonzero(np.diff(recording.ticks) != 1).tolist() == [399]


def test_xdf_stamps_of_arrival_scatter_without_being_gaps(tmp_path: Path) -> None:
    times_s = np.sort(EVEN_S + RNG.exponential(0.006, len(EVEN_S)))
    recording = read_recording(xdf(tmp_path / "s.xdf", times_s, EEG))
    assert recording.lost == 0


def test_xdf_at_another_rate_than_its_header(tmp_path: Path) -> None:
    times_s = 5000.0 + np.arange(1000) / 240.0
    with pytest.raises(RecordingError, match=r"sample 0 to 999 say 240\.00 Hz, the header 250 Hz"):
        read_recording(xdf(tmp_path / "s.xdf", times_s, EEG))


def test_xdf_whose_time_runs_backwards(tmp_path: Path) -> None:
    times_s = EVEN_S.copy()
    times_s[500:] -= 1.0
    with pytest.raises(RecordingError, match="backwards at sample 500"):
        read_recording(xdf(tmp_path / "s.xdf", times_s, EEG))


def test_xdf_with_a_stream_but_no_samples(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="holds no samples"):
        read_recording(xdf(tmp_path / "s.xdf", EVEN_S[:0], EEG))


def test_xdf_cut_short_names_the_last_sample(tmp_path: Path) -> None:
    path = xdf(tmp_path / "s.xdf", EVEN_S, EEG)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) - 500])
    with pytest.raises(RecordingError, match=r"damaged after sample 900 of 'eeg'"):
        read_recording(path)


def test_xdf_with_a_damaged_chunk_names_the_sample_before(tmp_path: Path) -> None:
    path = xdf(tmp_path / "s.xdf", EVEN_S, EEG)
    content = bytearray(path.read_bytes())
    stamp = content.index(np.float64(EVEN_S[300]).tobytes())
    content[stamp - 3] = 9  # the width of the number of samples: 1, 4 or 8
    path.write_bytes(content)
    with pytest.raises(RecordingError, match=r"damaged after sample 300 of 'eeg'"):
        read_recording(path)


def test_xdf_that_lacks_its_footer_is_whole(tmp_path: Path) -> None:
    """As a recorder leaves it that was killed between two chunks."""
    path = xdf(tmp_path / "s.xdf", EVEN_S, EEG)
    content = path.read_bytes()
    footer = content.rindex(b"<?xml") - 4 - 2 - 2  # stream number, tag, length
    path.write_bytes(content[:footer])
    assert len(read_recording(path)) == 1000


def test_packed_xdf(tmp_path: Path) -> None:
    path = xdf(tmp_path / "s.xdf", EVEN_S, EEG)
    packed = tmp_path / "s.xdfz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    assert np.array_equal(read_recording(packed).samples, read_recording(path).samples)
    packed.write_bytes(packed.read_bytes()[:-200])
    with pytest.raises(RecordingError, match="not readable as XDF"):
        read_recording(packed)
