"""The log of what really happened in the simulated brain."""

from enum import IntEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bci_core.errors import DeviceError

LOG_ROWS: Final = 4096
N_LOG: Final = 7


class Event(IntEnum):
    """Kinds of row. The number is that in the recorded stream."""

    STATE = 1
    """A state begins; it lasts to the next. Content 0 wake, 1 NREM, 2 REM."""
    THETA_CYCLE = 2
    """From peak to peak. Value: amplitude, as a part of the largest."""
    SLOW_CYCLE = 3
    """From the middle of one down state to the next. Value: amplitude, likewise."""
    SPINDLE = 4
    """Phase: of the slow oscillation at its onset. Value: its frequency, as a part of the
    usual one."""
    RIPPLE = 5
    """Phase: of the slow oscillation at its onset. Content: the pattern that was reactivated.
    Value: how long it would have lasted without stimulation, in s."""
    STIMULUS = 6
    """A phase of current, or a click, as felt. Channel: electrode. Value: uA, or dB SPL."""
    PHASE_RESET = 7
    """Of theta, by a pulse. Phase: where it was before. Value: by how many radians it moved."""
    SEIZURE = 8
    """Content: 0 spontaneous, 1 an afterdischarge of stimulation."""
    CUE = 9
    """Content: the pattern that is cued, over its window. Value: overlap of what is recalled."""
    PLASTICITY = 10
    """A pattern has been strengthened. Value: by how much."""
    BLINK = 11
    MOVEMENT = 12
    MUSCLE = 13


LABELS: Final = ("event", "channel", "onset_s", "offset_s", "phase_rad", "content", "value")
UNITS: Final = ("code", "none", "seconds", "seconds", "radians", "none", "none")


class TruthLog:
    """What layers write down, in samples, made into rows in seconds.

    Attributes
    ----------
    buffer : ndarray, (LOG_ROWS, 7)
        Handed to the layers; see `notes.note`.
    """

    def __init__(self, rate_hz: float) -> None:
        self._rate_hz = rate_hz
        self._rows: list[NDArray[np.float64]] = []
        self.buffer = np.zeros((LOG_ROWS, N_LOG))

    def collect(self, t0_s: float) -> None:
        """Take over what a block of samples has left in the buffer.

        Raises
        ------
        DeviceError
            There was more than the buffer holds.
        """
        n = int(self.buffer[0, 0])
        if n == 0:
            return
        if n >= LOG_ROWS:
            raise DeviceError(
                f"the simulated brain had {n} events in one block, and room for {LOG_ROWS - 1}; "
                "read it more often"
            )
        rows = self.buffer[1 : n + 1].copy()
        rows[:, 2:4] = t0_s + rows[:, 2:4] / self._rate_hz
        self._rows.extend(rows)
        self.buffer[0, 0] = 0.0

    def add(
        self, event: Event, channel: int, onset_s: float, offset_s: float, value: float
    ) -> None:
        """Put down something that came from outside."""
        self._rows.append(
            np.array([event, channel, onset_s, offset_s, np.nan, -1.0, value], dtype=np.float64)
        )

    def drain(self) -> NDArray[np.float64]:
        """Rows since the last call, (n_events, 7), as `LABELS`, in the order they ended."""
        rows, self._rows = self._rows, []
        return np.array(rows, dtype=np.float64).reshape(-1, N_LOG)
