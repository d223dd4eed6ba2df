"""One open session with a BrainFlow board: connect, poll, release."""

import weakref
from contextlib import suppress

import numpy as np
from brainflow.board_shim import BoardIds, BoardShim, BrainFlowPresets
from brainflow.exit_codes import BrainFlowError
from numpy.typing import NDArray

from bci_core.clock import Clock
from bci_core.errors import DeviceError
from bci_core.record.brainflow_boards import PRESETS
from drivers.amplifiers.brainflow_errors import translated
from drivers.amplifiers.brainflow_settings import BrainFlowSettings

SILENCE_S = 5.0
"""A board that delivers nothing for this long has stopped answering."""

_BUFFER_S = 30.0

# A poll costs 10 us of CPU, and Linux ends a sleep of some milliseconds 100 to 200 us late.
# Waking this much before a sample is due meets it; naps this short poll about every 0.1 ms.
_WAKE_EARLY_S = 200e-6
_NAP_S = 30e-6
_LONGEST_NAP_S = 500e-6
_LEAST_PAUSE_S = 1e-3


class BrainFlowSession:
    """Streams from the moment it is made until `close`.

    Parameters
    ----------
    settings : BrainFlowSettings
    rate_hz : float
        The rate the board is expected to run at.
    clock : Clock

    Raises
    ------
    DeviceError
        The board does not answer, refuses, or runs at another rate.
    """

    def __init__(self, settings: BrainFlowSettings, rate_hz: float, clock: Clock) -> None:
        BoardShim.disable_board_logger()  # errors are raised; its lines on stderr add nothing
        self._name = settings.board
        self._preset = BrainFlowPresets(PRESETS.index(settings.preset))
        self._clock = clock
        with translated(self._name, "connecting"):
            board = BoardShim(int(BoardIds[settings.board]), settings.input_params())
            board.prepare_session()
        # BrainFlow must be let go of before the interpreter takes its library apart, also
        # when nobody called close; so the board sits where a finalizer can empty it.
        self._holder = [board]
        self._finalizer = weakref.finalize(self, _release, self._holder)
        try:
            for command in settings.config:
                with translated(self._name, f"sending {command!r}"):
                    board.config_board(command)
            self._check_rate(board, rate_hz)
            with translated(self._name, "starting the stream"):
                board.start_stream(max(1, int(_BUFFER_S * rate_hz)))
        except DeviceError:
            self.close()
            raise
        self._pause_s = min(_LEAST_PAUSE_S, 1.0 / rate_hz)
        self._heard_s = clock.now_s()
        self._silence_s = max(SILENCE_S, 10.0 / rate_hz)

    def wait(self, due_s: float, until_s: float) -> NDArray[np.float64] | None:
        """Everything the board has, waiting until `until_s` for the first of it.

        Parameters
        ----------
        due_s : float
            When the next sample is expected. Until then this sleeps; then it polls.
        until_s : float

        Returns
        -------
        ndarray, (n_rows, n_samples), or None
            BrainFlow's table.

        Raises
        ------
        DeviceError
            The board is not open, failed, or has been silent for too long.
        """
        if not self._holder:
            raise DeviceError(f"{self._name} is not open; open it first")
        board = self._holder[0]
        clock = self._clock
        # At rates above the pause's, several samples are taken at once.
        wake_s = max(due_s - _WAKE_EARLY_S, self._heard_s + self._pause_s - _WAKE_EARLY_S)
        with translated(self._name, "reading"):
            while True:
                clock.sleep_until(min(wake_s, until_s))
                if board.get_board_data_count(self._preset):
                    rows: NDArray[np.float64] = board.get_board_data(preset=self._preset)
                    self._heard_s = clock.now_s()
                    return rows
                now_s = clock.now_s()
                if now_s >= until_s:
                    self._raise_if_silent(now_s)
                    return None
                # The longer a sample is overdue, the less it matters to be quick.
                nap_s = min(max(_NAP_S, 0.1 * (now_s - due_s)), _LONGEST_NAP_S)
                wake_s = now_s + nap_s

    def close(self) -> None:
        """Stop and release. May be called again."""
        _release(self._holder)

    def _check_rate(self, board: BoardShim, rate_hz: float) -> None:
        with translated(self._name, "asking its rate"):
            found_hz = float(board.get_board_sampling_rate(self._preset))
        if found_hz != rate_hz:
            raise DeviceError(
                f"{self._name} runs at {found_hz:g} Hz, not at {rate_hz:g} Hz; "
                f"set rate_hz = {found_hz:g} in the rig, or another rate on the board"
            )

    def _raise_if_silent(self, now_s: float) -> None:
        silent_s = now_s - self._heard_s
        if silent_s > self._silence_s:
            raise DeviceError(
                f"{self._name} has delivered nothing for {silent_s:.1f} s; check that it is on, "
                "in range and not in use by another program"
            )


def _release(holder: list[BoardShim]) -> None:
    while holder:
        board = holder.pop()
        # Whatever fails here, the session is over.
        with suppress(BrainFlowError):
            if board.is_prepared():
                board.release_session()
