"""How a layer puts down an event."""

import numpy as np
from numpy.typing import NDArray

from bci_core.jit import compiled


@compiled("void(float64[:, ::1], float64, float64, float64, float64, float64, float64, float64)")
def note(
    log: NDArray[np.float64],
    event: float,
    channel: float,
    onset: float,
    offset: float,
    phase_rad: float,
    content: float,
    value: float,
) -> None:
    """Append an event to the log; its first row holds how many there are, lost ones too."""
    log[0, 0] += 1.0
    row = int(log[0, 0])
    if row < log.shape[0]:
        log[row, 0] = event
        log[row, 1] = channel
        log[row, 2] = onset
        log[row, 3] = offset
        log[row, 4] = phase_rad
        log[row, 5] = content
        log[row, 6] = value
