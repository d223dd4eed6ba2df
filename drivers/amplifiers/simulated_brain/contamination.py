"""What is not of the brain: the mains, eyes, movement, muscles.

The mains' amplitude wanders, and a third harmonic goes with it. Eyes blink, muscles tense
and animals move when awake; in REM sleep there are twitches.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from bci_core.jit import compiled
from drivers.amplifiers.simulated_brain.notes import note
from drivers.amplifiers.simulated_brain.random_numbers import normal, seeded, uniform
from drivers.amplifiers.simulated_brain.tracks import (
    BLINK,
    LAYER,
    LINE,
    MOVEMENT,
    MUSCLE,
    REM,
    WAKE,
    Layer,
)
from drivers.amplifiers.simulated_brain.truth import Event

TURN: Final = 2.0 * np.pi
WANDER_S: Final = 5.0
HARMONIC: Final = 0.2
BLINK_S: Final = (0.25, 0.15)
MOVEMENT_S: Final = (0.6, 1.4)
MUSCLE_S: Final = (0.3, 2.0)
"""Least length, and how much longer it may be at most."""
REM_TWITCHES: Final = 0.2
"""Rate of muscle activity in REM sleep, as a part of that when awake."""

# settings: mains and its wandering, then three numbers a kind: rate, shortest, further
_MAINS, _KEEP, _KINDS = 0, 1, 2
# state: sample, phase and amplitude of the mains, then three numbers a kind
_SAMPLE, _PHASE, _AMPLITUDE, _EACH = 0, 1, 2, 3
_AT, _TOTAL, _ONSET = range(3)
_N_KINDS: Final = 3
_EVENTS: Final = (float(Event.BLINK), float(Event.MOVEMENT), float(Event.MUSCLE))
_COLUMNS: Final = (BLINK, MOVEMENT, MUSCLE)


def contamination_layer(
    rate_hz: float,
    mains_hz: float,
    blinks_hz: float,
    movements_hz: float,
    muscle_hz: float,
    sequence: np.random.SeedSequence,
) -> Layer:
    """The layer of contamination; rates are events a second while awake."""
    per_sample = 1.0 / rate_hz
    settings = [TURN * mains_hz / rate_hz, np.exp(-per_sample / WANDER_S)]
    for each_hz, (shortest_s, further_s) in (
        (blinks_hz, BLINK_S),
        (movements_hz, MOVEMENT_S),
        (muscle_hz, MUSCLE_S),
    ):
        settings += [each_hz * per_sample, shortest_s * rate_hz, further_s * rate_hz]
    state = np.zeros(_EACH + 3 * _N_KINDS)
    return Layer(advance, np.array(settings), state, seeded(sequence))


@compiled(LAYER)
def advance(
    tracks: NDArray[np.float64],
    settings: NDArray[np.float64],
    state: NDArray[np.float64],
    random: NDArray[np.uint64],
    log: NDArray[np.float64],
) -> None:
    """Write `LINE`, `BLINK`, `MOVEMENT` and `MUSCLE`."""
    keep = settings[_KEEP]
    fresh = np.sqrt(1.0 - keep * keep)
    for k in range(tracks.shape[0]):
        state[_AMPLITUDE] = keep * state[_AMPLITUDE] + fresh * normal(random)
        state[_PHASE] = (state[_PHASE] + settings[_MAINS]) % TURN
        wave = np.sin(state[_PHASE]) + HARMONIC * np.sin(3.0 * state[_PHASE])
        tracks[k, LINE] = (1.0 + 0.2 * state[_AMPLITUDE]) * wave
        for kind in range(_N_KINDS):
            own = _EACH + 3 * kind
            rate = tracks[k, WAKE]
            if kind == 2:
                rate += REM_TWITCHES * tracks[k, REM]
            value = 0.0
            if state[own + _TOTAL] > 0.0:
                state[own + _AT] += 1.0
                through = state[own + _AT] / state[own + _TOTAL]
                if through >= 1.0:
                    onset = state[own + _ONSET]
                    note(log, _EVENTS[kind], -1.0, onset, state[_SAMPLE], np.nan, -1.0, np.nan)
                    state[own + _TOTAL] = 0.0
                else:
                    value = np.sin(np.pi * through)
                    if kind == 1:
                        value *= np.sin(TURN * 1.5 * through)
            elif uniform(random) < settings[_KINDS + 3 * kind] * rate:
                further = uniform(random) * settings[_KINDS + 3 * kind + 2]
                state[own + _TOTAL] = max(2.0, settings[_KINDS + 3 * kind + 1] + further)
                state[own + _AT] = 0.0
                state[own + _ONSET] = state[_SAMPLE]
            tracks[k, _COLUMNS[kind]] = value
        state[_SAMPLE] += 1.0
