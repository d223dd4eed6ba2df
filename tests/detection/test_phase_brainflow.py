"""The synthetic board as it really is: its first channel against a sine fitted afterwards."""

import numpy as np
import pytest
from brainflow.board_shim import BoardIds, BoardShim, BrainFlowInputParams

from bci_core.chunk import Chunk, StreamInfo
from bci_core.clock import LslClock
from bci_core.detection.phase import Phase, PhaseSettings

BOARD = BoardIds.SYNTHETIC_BOARD
SECONDS = 5.0


@pytest.fixture(scope="module")
def first_channel():
    clock = LslClock()
    BoardShim.disable_board_logger()
    board = BoardShim(BOARD, BrainFlowInputParams())
    wanted = round(SECONDS * BoardShim.get_sampling_rate(BOARD))
    board.prepare_session()
    try:
        board.start_stream()
        while board.get_board_data_count() < wanted:
            clock.sleep_until(clock.now_s() + 0.05)
        rows = board.get_board_data(wanted)
        board.stop_stream()
    finally:
        board.release_session()
    return rows[BoardShim.get_eeg_channels(BOARD)[0]]


@pytest.mark.realtime
def test_trough_of_the_synthetic_board(first_channel):
    rate_hz = float(BoardShim.get_sampling_rate(BOARD))
    times_s = np.arange(len(first_channel)) / rate_hz
    turn = 2 * np.pi * 5.0 * times_s
    columns = np.stack([np.cos(turn), np.sin(turn), np.ones_like(turn)], axis=1)
    (re, im, _), *_ = np.linalg.lstsq(columns, first_channel, rcond=None)
    start_rad = np.angle(complex(re, -im))

    info = StreamInfo("synthetic", rate_hz, ("1",), "synthetic")
    asked = PhaseSettings(channel="1", band_hz=(4, 8), target_deg=180, min_amplitude_uv=5)
    samples = first_channel.astype(np.float32)[:, np.newaxis].copy()
    found = Phase(asked, info, 0.01).update(Chunk(samples, times_s))
    targets_s = np.array([d.target_s for d in found if d.sample_s > 1.0])
    errors = np.exp(1j * (2 * np.pi * 5.0 * targets_s + start_rad - np.pi))
    assert abs(np.degrees(np.angle(errors.mean()))) < 1.0
    assert abs(errors.mean()) > 0.999
    assert len(targets_s) == pytest.approx((SECONDS - 1.0) * 5.0, abs=1)
    assert np.median([d.value for d in found[5:]]) == pytest.approx(abs(complex(re, im)), abs=0.3)
