"""A rig that names a BrainFlow board is checked before anything is opened."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from bci_core.clock import LslClock, VirtualClock
from bci_core.errors import DeviceError, InputError
from drivers.amplifiers.brainflow_board import BrainFlowBoard
from drivers.amplifiers.brainflow_settings import BrainFlowSettings


def board(**keys: object) -> BrainFlowBoard:
    return BrainFlowBoard(BrainFlowSettings.model_validate(keys), LslClock())


def test_an_unknown_board_is_refused_with_close_names() -> None:
    with pytest.raises(ValidationError, match=r"no board 'CYTHON'.*CYTON_BOARD"):
        BrainFlowSettings(board="CYTHON")


@pytest.mark.parametrize("key", ["bord", "sample_rate"])
def test_an_unknown_key_is_refused(key: str) -> None:
    with pytest.raises(ValidationError, match="Extra inputs"):
        BrainFlowSettings.model_validate({"board": "SYNTHETIC_BOARD", key: 1})


def test_playback_needs_to_know_the_board_and_the_file() -> None:
    with pytest.raises(ValidationError, match="needs master_board"):
        BrainFlowSettings(board="PLAYBACK_FILE_BOARD", file="x.csv")
    with pytest.raises(ValidationError, match="needs file"):
        BrainFlowSettings(board="PLAYBACK_FILE_BOARD", master_board="CYTON_BOARD")


def test_connection_parameters_reach_brainflow_by_their_own_names() -> None:
    settings = BrainFlowSettings(
        board="STREAMING_BOARD",
        master_board="CYTON_BOARD",
        ip_address="225.1.1.1",
        ip_port=6677,
        ip_protocol="TCP",
        serial_port="/dev/ttyUSB0",
        mac_address="00:11",
        other_info="x",
        serial_number="7",
        timeout=9,
    )
    params = settings.input_params()
    assert (params.ip_address, params.ip_port, params.ip_protocol) == ("225.1.1.1", 6677, 2)
    assert (params.serial_port, params.mac_address) == ("/dev/ttyUSB0", "00:11")
    assert (params.other_info, params.serial_number, params.timeout) == ("x", "7", 9)
    assert params.master_board == 0


def test_a_board_is_described_without_being_there() -> None:
    info = board(board="CYTON_BOARD", serial_port="/dev/ttyUSB0").describe()
    assert info.rate_hz == 250.0
    assert info.channels[:2] == ("Fp1", "Fp2")
    assert len(info.channels) == 8
    assert info.unit == "microvolts"
    assert info.source_id == "brainflow:CYTON_BOARD:/dev/ttyUSB0"


def test_boards_without_names_get_labels_by_kind() -> None:
    info = board(board="ANT_NEURO_EE_511_BOARD").describe()
    assert info.channels[0] == "EEG1"
    assert info.channels[24:] == ("EMG1", "EMG2", "EMG3", "EMG4")
    assert board(board="GANGLION_BOARD").describe().channels == ("ExG1", "ExG2", "ExG3", "ExG4")


def test_channels_are_chosen_in_order() -> None:
    assert board(board="SYNTHETIC_BOARD", channels=("Cz", "Fz")).describe().channels == ("Cz", "Fz")


def test_a_channel_that_is_not_there_is_refused_with_those_that_are() -> None:
    with pytest.raises(InputError, match=r"no channel 'Xz'.*it has Fz, C3"):
        board(board="SYNTHETIC_BOARD", channels=("Fz", "Xz")).describe()


def test_a_board_without_biopotentials_is_refused() -> None:
    with pytest.raises(InputError, match="no biopotentials"):
        board(board="EMOTIBIT_BOARD").describe()


def test_a_board_cannot_follow_a_virtual_clock() -> None:
    settings = BrainFlowSettings(board="SYNTHETIC_BOARD")
    with pytest.raises(InputError, match="runs in real time"):
        BrainFlowBoard(settings, VirtualClock()).open()


def test_a_board_that_does_not_answer_says_what_to_check(capfd: pytest.CaptureFixture[str]) -> None:
    cyton = board(board="CYTON_BOARD", serial_port="/dev/no-such-port")
    with pytest.raises(DeviceError, match=r"UNABLE_TO_OPEN_PORT_ERROR \(2\).*serial_port"):
        cyton.open()
    cyton.close()
    assert capfd.readouterr().err == ""


def test_a_file_that_is_not_the_boards_is_refused_before_playing(tmp_path: Path) -> None:
    file = tmp_path / "short.csv"
    file.write_text("1\t2\t3\n")
    playback = board(board="PLAYBACK_FILE_BOARD", master_board="CYTON_BOARD", file=str(file))
    with pytest.raises(InputError, match="line 1 has 3 columns, CYTON_BOARD writes 24"):
        playback.describe()
