"""What the layers of the simulated brain hand to each other, sample by sample.

Each layer is one kernel, run over the same block of samples one after the other. A layer
reads columns that earlier ones have written, and writes its own; none reads what a later
one writes. So a block may be of any length, and the samples are the same to the bit.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

N_TRACKS: Final = 28
(
    # What stimulation does, at the sample where a pulse or click begins; else 0.
    RECRUIT,  # share of the tissue at the electrode that the pulse recruits, 0 to 1
    CHARGE,  # of the first phase, in uC
    SITE,  # which site of stimulation
    MATCH,  # cosine of what was stimulated lately with the pattern that is most like it
    MATCHED,  # which pattern that is
    SOUND,  # how much of a click's effect comes about, 0 to 1
    # States; each goes from 0 to 1 and back within about a second.
    WAKE,
    NREM,
    REM,
    # Hidden variables that later layers heed.
    THETA_PHASE,
    SLOW_PHASE,
    UP,  # 0 in the down state to 1 in the up state
    CONTENT,  # pattern of the ripple under way, or -1
    PROGRESS,  # of that ripple, 0 to 1
    CUED,  # pattern cued in this sample, or -1
    MUSCLE,  # level of muscle activity, 0 to 1
    # Waves, in units of one; `geometry` says how large each is on each channel.
    THETA,
    GAMMA,
    SLOW,
    SPINDLE,
    RIPPLE,
    SHARP_WAVE,
    SEIZURE,
    EVOKED,  # of the hippocampus, in mV
    EVOKED_CORTEX,
    LINE,
    BLINK,
    MOVEMENT,
) = range(N_TRACKS)

FIRST_WAVE: Final = THETA
WAVES: Final = tuple(range(FIRST_WAVE, N_TRACKS))

LAYER: Final = "void(float64[:, ::1], float64[::1], float64[::1], uint64[::1], float64[:, ::1])"
"""Signature of a layer: tracks, settings, state, random state, log."""

Kernel = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Layer:
    """A kernel with what it keeps from one block to the next.

    Attributes
    ----------
    kernel : callable
        Compiled for `LAYER`.
    settings, state : ndarray, float64
    random : ndarray of uint64, (4,)
    """

    kernel: Kernel
    settings: NDArray[np.float64]
    state: NDArray[np.float64]
    random: NDArray[np.uint64]

    def run(self, tracks: NDArray[np.float64], log: NDArray[np.float64]) -> None:
        """Advance by the rows of `tracks`."""
        self.kernel(tracks, self.settings, self.state, self.random, log)
