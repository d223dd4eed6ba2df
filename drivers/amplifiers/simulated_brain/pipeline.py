"""All layers over one block of samples, in one call: calls from Python are what costs most."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bci_core.jit import compiled
from drivers.amplifiers.simulated_brain import (
    columns,
    contamination,
    memory,
    ripples,
    seizures,
    sleep,
    states,
    theta,
)
from drivers.amplifiers.simulated_brain.tracks import Layer

# The compiler wants functions that do not hang on modules.
_states, _theta, _sleep, _seizures = states.advance, theta.advance, sleep.advance, seizures.advance
_ripples, _columns, _contamination = ripples.advance, columns.advance, contamination.advance
_memory = memory.advance

STATES, THETA, SLEEP, SEIZURES, RIPPLES, COLUMNS, CONTAMINATION, MEMORY = range(8)
"""Layers in the order in which they run."""


class Stack:
    """Layers, packed into one array of each kind.

    Parameters
    ----------
    layers : sequence of Layer
        In the order above.
    """

    def __init__(self, layers: Sequence[Layer]) -> None:
        self._settings = np.concatenate([layer.settings for layer in layers])
        self._state = np.concatenate([layer.state for layer in layers])
        self._random = np.stack([layer.random for layer in layers])
        ends = np.cumsum([(len(la.settings), len(la.state)) for la in layers], axis=0)
        starts = np.vstack([np.zeros((1, 2), dtype=np.int64), ends[:-1]])
        self._bounds = np.ascontiguousarray(np.hstack([starts, ends]), dtype=np.int64)

    def layer(self, which: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Settings and state of one layer, as they are and not copied."""
        settings, state, settings_end, state_end = self._bounds[which]
        return self._settings[settings:settings_end], self._state[state:state_end]

    def run(self, tracks: NDArray[np.float64], log: NDArray[np.float64]) -> None:
        """Advance by the rows of `tracks`."""
        run_layers(tracks, log, self._settings, self._state, self._random, self._bounds)


@compiled(
    "void(float64[:, ::1], float64[:, ::1], float64[::1], float64[::1], uint64[:, ::1], "
    "int64[:, ::1])"
)
def run_layers(
    tracks: NDArray[np.float64],
    log: NDArray[np.float64],
    settings: NDArray[np.float64],
    state: NDArray[np.float64],
    random: NDArray[np.uint64],
    bounds: NDArray[np.int64],
) -> None:
    """Run each layer on its part of the arrays."""
    for which in range(bounds.shape[0]):
        own = settings[bounds[which, 0] : bounds[which, 2]]
        kept = state[bounds[which, 1] : bounds[which, 3]]
        if which == STATES:
            _states(tracks, own, kept, random[which], log)
        elif which == THETA:
            _theta(tracks, own, kept, random[which], log)
        elif which == SLEEP:
            _sleep(tracks, own, kept, random[which], log)
        elif which == SEIZURES:
            _seizures(tracks, own, kept, random[which], log)
        elif which == RIPPLES:
            _ripples(tracks, own, kept, random[which], log)
        elif which == COLUMNS:
            _columns(tracks, own, kept, random[which], log)
        elif which == CONTAMINATION:
            _contamination(tracks, own, kept, random[which], log)
        else:
            _memory(tracks, own, kept, random[which], log)
