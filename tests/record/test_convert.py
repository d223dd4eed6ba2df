"""A recording becomes the file that a BrainFlow board plays."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from brainflow.board_shim import BoardIds, BoardShim, BrainFlowInputParams
from brainflow.data_filter import DataFilter

from bci_core.clock import LslClock
from bci_core.errors import InputError, RecordingError, UnknownNameError
from bci_core.record.brainflow_boards import board_layout
from bci_core.record.convert import to_brainflow
from bci_core.record.recording import Recording, read_recording


def recording(rate_hz: float = 250.0, n_channels: int = 3, n: int = 300) -> Recording:
    rng = np.random.default_rng(0)
    samples = rng.normal(0.0, 50.0, (n, n_channels)).astype(np.float32)
    samples[:3, 0] = (65682.84, -1e-5, 187500.0)
    labels = tuple(f"E{i}" for i in range(n_channels))
    return Recording(samples, np.arange(n), rate_hz, labels, Path("night.edf"))


def test_reading_it_back_gives_the_same_bits(tmp_path: Path) -> None:
    made = recording()
    to_brainflow(made, "CYTON_BOARD", tmp_path / "night.csv")
    back = read_recording(tmp_path / "night.csv", board="CYTON_BOARD")
    assert np.array_equal(back.samples[:, :3], made.samples)
    assert not back.samples[:, 3:].any()
    assert back.lost == 0


def test_brainflow_reads_it_as_its_own(tmp_path: Path) -> None:
    made = recording()
    layout = to_brainflow(made, "CYTON_BOARD", tmp_path / "night.csv")
    table = DataFilter.read_file(str(tmp_path / "night.csv"))
    assert table.shape == (layout.n_rows, 300)
    assert table[0].tolist() == [i % 256 for i in range(300)]
    assert np.diff(table[layout.timestamp_row]) == pytest.approx(1.0 / 250.0, abs=2e-6)
    unused = set(range(layout.n_rows)) - {0, 1, 2, 3, layout.timestamp_row}
    assert not table[sorted(unused)].any()


@pytest.mark.realtime
def test_a_real_playback_session_gives_the_same_samples(tmp_path: Path) -> None:
    made = recording(n=200)
    to_brainflow(made, "CYTON_BOARD", tmp_path / "night.csv")
    params = BrainFlowInputParams()
    params.file = str(tmp_path / "night.csv")
    params.master_board = int(BoardIds.CYTON_BOARD)
    BoardShim.disable_board_logger()
    board = BoardShim(BoardIds.PLAYBACK_FILE_BOARD, params)
    board.prepare_session()
    clock = LslClock()
    try:
        board.start_stream(1000)
        began_s = clock.now_s()
        while board.get_board_data_count() < 200 and clock.now_s() < began_s + 10.0:
            clock.sleep_until(clock.now_s() + 0.02)
        took_s = clock.now_s() - began_s
        table = board.get_board_data()
    finally:
        board.release_session()
    assert np.array_equal(table[[1, 2, 3]].T.astype(np.float32), made.samples)
    assert took_s > 0.9 * 199 / 250.0  # at its rate, not at once


def test_lost_samples_leave_their_numbers_and_times_out(tmp_path: Path) -> None:
    made = recording()
    ticks = made.ticks.copy()
    ticks[100:] += 7
    to_brainflow(
        Recording(made.samples, ticks, 250.0, made.channels, made.source),
        "CYTON_BOARD",
        tmp_path / "gap.csv",
    )
    back = read_recording(tmp_path / "gap.csv", board="CYTON_BOARD")
    assert np.array_equal(back.ticks, ticks)


def test_package_numbers_count_as_the_board_counts(tmp_path: Path) -> None:
    to_brainflow(recording(125.0), "CYTON_DAISY_BOARD", tmp_path / "d.csv")
    numbers = DataFilter.read_file(str(tmp_path / "d.csv"))[0]
    assert numbers[:3].tolist() == [0.0, 2.0, 4.0]
    assert numbers.max() == 254.0


def test_the_time_of_the_recording_is_kept(tmp_path: Path) -> None:
    made = recording()
    start = datetime(2024, 5, 6, 22, 30, tzinfo=UTC)
    to_brainflow(
        Recording(made.samples, made.ticks, 250.0, made.channels, made.source, start),
        "CYTON_BOARD",
        tmp_path / "s.csv",
    )
    assert read_recording(tmp_path / "s.csv", board="CYTON_BOARD").start == start


def test_another_rate_is_refused_with_both_and_with_boards_that_fit(tmp_path: Path) -> None:
    with pytest.raises(
        RecordingError, match=r"at 1000 Hz, CYTON_BOARD at 250 Hz.*CYTON_WIFI_BOARD \(8\)"
    ):
        to_brainflow(recording(1000.0), "CYTON_BOARD", tmp_path / "x.csv")
    assert not (tmp_path / "x.csv").exists()


def test_a_rate_no_board_has_points_to_the_recording_driver(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"No BrainFlow board runs at 1250 Hz.*'recording'"):
        to_brainflow(recording(1250.0), "CYTON_BOARD", tmp_path / "x.csv")


def test_too_many_channels_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="9 channels, CYTON_BOARD has 8"):
        to_brainflow(recording(n_channels=9), "CYTON_BOARD", tmp_path / "x.csv")


def test_rate_and_channels_are_refused_together(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"500 Hz.*9 channels"):
        to_brainflow(recording(500.0, 9), "CYTON_BOARD", tmp_path / "x.csv")


def test_an_unknown_board_and_one_without_rows(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match=r"no board 'CYTONN'.*CYTON_BOARD"):
        to_brainflow(recording(), "CYTONN", tmp_path / "x.csv")
    with pytest.raises(InputError, match="master_board"):
        to_brainflow(recording(), "PLAYBACK_FILE_BOARD", tmp_path / "x.csv")


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="cannot be written"):
        to_brainflow(recording(), "CYTON_BOARD", tmp_path / "no" / "x.csv")


def test_every_board_with_biopotentials_is_laid_out() -> None:
    layouts = []
    for board in BoardIds:
        try:
            layouts.append(board_layout(board.name))
        except InputError:
            continue
    assert len(layouts) > 50
    for layout in layouts:
        assert len(set(layout.labels)) == len(layout.labels) == len(layout.exg_rows) > 0
        assert layout.rate_hz > 0.0
        if layout.numbers is not None:
            assert layout.package_row is not None
            assert (
                layout.numbers.advance(np.array([layout.numbers.last, layout.numbers.first])) == 1
            )
