"""Cortical columns after Jansen and Rit (1995, Biological Cybernetics 73:357).

Two, one for the hippocampus and one for the cortex, coupled; a pulse is an input of some
milliseconds to the column of its site, by the share that it recruits, and evokes a response
of two waves. The cortical one has enough input in wake to make an alpha rhythm by itself.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from bci_core.jit import compiled
from drivers.amplifiers.simulated_brain.random_numbers import normal, seeded
from drivers.amplifiers.simulated_brain.tracks import (
    EVOKED,
    LAYER,
    N_TRACKS,
    RECRUIT,
    SITE,
    WAKE,
    Layer,
)

A_MV, B_MV, A_HZ, B_HZ, C = 3.25, 22.0, 100.0, 50.0, 135.0
E0_HZ, V0_MV, R = 2.5, 6.0, 0.56
"""Parameters of the source, which are those of the healthy column."""
REST_HZ, AWAKE_HZ, NOISE_HZ = 90.0, 220.0, 22.0
"""Input to a column at rest, and to the cortical one in wake; its noise, at 1 kHz."""
PULSE_HZ, PULSE_S = 400.0, 0.01
"""Input of a pulse that recruits everything."""
COUPLING: Final = 10.0
"""Of one column's firing to the other's input."""
LONGEST_STEP_S: Final = 0.0005
BASELINE_S: Final = 1.0
"""What is slower than this is taken off the potential."""
WARM_UP_S: Final = 2.0

_STEP, _N_STEPS, _NOISE, _PULSE, _KEEP, _HALF = range(6)
_Y, _LEFT, _SIZE, _MEAN, _PER_COLUMN = 0, 6, 7, 8, 9


def columns_layer(rate_hz: float, n_sites: int, sequence: np.random.SeedSequence) -> Layer:
    """The layer of columns, at rest. The first half of the sites is in the hippocampus."""
    n_steps = int(np.ceil(1.0 / rate_hz / LONGEST_STEP_S - 1e-9))
    settings = np.array(
        [
            1.0 / rate_hz / n_steps,
            n_steps,
            NOISE_HZ * np.sqrt(rate_hz / 1000.0),
            PULSE_S * rate_hz,
            np.exp(-1.0 / (BASELINE_S * rate_hz)),
            (n_sites + 1) // 2,
        ]
    )
    layer = Layer(advance, settings, np.zeros(2 * _PER_COLUMN), seeded(sequence))
    layer.run(np.zeros((round(WARM_UP_S * rate_hz), N_TRACKS)), np.zeros((1, 7)))
    layer.state[[_MEAN, _PER_COLUMN + _MEAN]] = [
        layer.state[first + 1] - layer.state[first + 2] for first in (0, _PER_COLUMN)
    ]
    return layer


@compiled("float64(float64)")
def firing(potential_mv: float) -> float:
    """Of a population, in Hz."""
    return float(2.0 * E0_HZ / (1.0 + np.exp(R * (V0_MV - potential_mv))))


@compiled(LAYER)
def advance(
    tracks: NDArray[np.float64],
    settings: NDArray[np.float64],
    state: NDArray[np.float64],
    random: NDArray[np.uint64],
    log: NDArray[np.float64],  # noqa: ARG001 - as every layer
) -> None:
    """Write `EVOKED` and `EVOKED_CORTEX`, in mV."""
    step = settings[_STEP]
    for k in range(tracks.shape[0]):
        if tracks[k, RECRUIT] > 0.0:
            own = 0 if tracks[k, SITE] < settings[_HALF] else _PER_COLUMN
            state[own + _LEFT] = settings[_PULSE]
            state[own + _SIZE] = tracks[k, RECRUIT]
        for column in range(2):
            y = _PER_COLUMN * column
            other = _PER_COLUMN - y
            drive = REST_HZ + settings[_NOISE] * normal(random)
            drive += COUPLING * firing(state[other + 1] - state[other + 2])
            if column == 1:
                drive += (AWAKE_HZ - REST_HZ) * tracks[k, WAKE]
            if state[y + _LEFT] >= 1.0:
                state[y + _LEFT] -= 1.0
                drive += PULSE_HZ * state[y + _SIZE]
            for _ in range(int(settings[_N_STEPS])):
                sum_rate = firing(state[y + 1] - state[y + 2])
                excited = drive + 0.8 * C * firing(C * state[y])
                inhibited = 0.25 * C * firing(0.25 * C * state[y])
                state[y + 3] += step * (
                    A_MV * A_HZ * sum_rate - 2.0 * A_HZ * state[y + 3] - A_HZ * A_HZ * state[y]
                )
                state[y + 4] += step * (
                    A_MV * A_HZ * excited - 2.0 * A_HZ * state[y + 4] - A_HZ * A_HZ * state[y + 1]
                )
                state[y + 5] += step * (
                    B_MV * B_HZ * inhibited - 2.0 * B_HZ * state[y + 5] - B_HZ * B_HZ * state[y + 2]
                )
                state[y] += step * state[y + 3]
                state[y + 1] += step * state[y + 4]
                state[y + 2] += step * state[y + 5]
            potential = state[y + 1] - state[y + 2]
            keep = settings[_KEEP]
            state[y + _MEAN] = keep * state[y + _MEAN] + (1.0 - keep) * potential
            tracks[k, EVOKED + column] = potential - state[y + _MEAN]
