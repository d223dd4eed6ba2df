"""BrainFlow's exit codes, in words that help."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from brainflow.exit_codes import BrainFlowError, BrainFlowExitCodes

from bci_core.errors import DeviceError

_ADVICE: Mapping[str, str] = {
    "PORT_ALREADY_OPEN_ERROR": "close the other program that uses the port",
    "UNABLE_TO_OPEN_PORT_ERROR": "check serial_port, that the dongle is plugged in, and that you "
    "may read it (on Linux: group dialout)",
    "SER_PORT_ERROR": "check the cable and serial_port",
    "BOARD_WRITE_ERROR": "check that the board is on and in range",
    "INCOMMING_MSG_ERROR": "check that the board is on and in range",
    "INITIAL_MSG_ERROR": "check that the board is on, and that no other program is connected",
    "BOARD_NOT_READY_ERROR": "check that the board is on and in range, and its address",
    "STREAM_ALREADY_RUN_ERROR": "another part of this process streams from the same board",
    "INVALID_ARGUMENTS_ERROR": "check the connection parameters that this board needs",
    "UNSUPPORTED_BOARD_ERROR": "this build of BrainFlow does not drive the board on this system",
    "BOARD_NOT_CREATED_ERROR": "the session was released",
    "ANOTHER_BOARD_IS_CREATED_ERROR": "this process has the same board open already; close it",
    "SYNC_TIMEOUT_ERROR": "check that the board is on and streams; raise timeout",
    "GENERAL_ERROR": "check that the board's own driver or library is installed",
}


@contextmanager
def translated(board: str, doing: str) -> Iterator[None]:
    """Turn an error of BrainFlow into a `DeviceError` that says what to check."""
    try:
        yield
    except BrainFlowError as error:
        code = BrainFlowExitCodes(error.exit_code).name
        advice = _ADVICE.get(code, "see BrainFlow's documentation of the board")
        raise DeviceError(
            f"{board}: failed while {doing}: {code} ({int(error.exit_code)}). "
            f"What to check: {advice}"
        ) from error
