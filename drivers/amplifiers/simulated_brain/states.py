"""Wake, NREM and REM sleep: a semi-Markov chain, or a schedule."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from bci_core.jit import compiled
from drivers.amplifiers.simulated_brain.notes import note
from drivers.amplifiers.simulated_brain.random_numbers import seeded, uniform
from drivers.amplifiers.simulated_brain.species import STATES, State
from drivers.amplifiers.simulated_brain.tracks import LAYER, NREM, REM, WAKE, Layer
from drivers.amplifiers.simulated_brain.truth import Event

TRANSITIONS: Final = (0.0, 1.0, 0.0, 0.4, 0.0, 0.6, 0.5, 0.5, 0.0)
"""Probability of each state after each: wake is left to NREM, NREM to wake or REM, REM to
either. A choice of ours."""
SETTLING_S: Final = 1.0
"""Time constant with which one state gives way to the next."""

# settings; the schedule follows, two numbers an entry
_DWELL, _NEXT, _KEEP, _N_SCHEDULED, _SCHEDULE = 0, 3, 12, 13, 14
# state
_SAMPLE, _STATE, _LEFT, _ENTRY, _LEVEL = range(5)
_STATE_EVENT: Final = float(Event.STATE)


def states_layer(
    rate_hz: float,
    dwell_s: tuple[float, float, float],
    first: State,
    schedule: tuple[tuple[State, float], ...],
    sequence: np.random.SeedSequence,
) -> Layer:
    """The layer that says which state the brain is in.

    Parameters
    ----------
    rate_hz : float
    dwell_s : (float, float, float)
        Mean time in each state; a time is the sum of two exponentials.
    first : State
    schedule : tuple of (State, seconds)
        Where it is not empty, states follow it, over and over.
    sequence : SeedSequence
    """
    keep = np.exp(-1.0 / (SETTLING_S * rate_hz))
    entries = [(STATES.index(state), seconds * rate_hz) for state, seconds in schedule]
    settings = [*(np.array(dwell_s) * rate_hz), *TRANSITIONS, keep, len(entries)]
    settings += [number for entry in entries for number in entry]
    state = np.zeros(_LEVEL + 3)
    state[_STATE] = -1.0
    state[_ENTRY] = -1.0
    begins_in = entries[0][0] if entries else STATES.index(first)
    state[_LEVEL + int(begins_in)] = 1.0
    if not entries:
        # Entered at the first sample, from the state before it in its own row.
        state[_ENTRY] = float(begins_in)
    return Layer(advance, np.array(settings, dtype=np.float64), state, seeded(sequence))


@compiled(LAYER)
def advance(
    tracks: NDArray[np.float64],
    settings: NDArray[np.float64],
    state: NDArray[np.float64],
    random: NDArray[np.uint64],
    log: NDArray[np.float64],
) -> None:
    """Write the levels of `WAKE`, `NREM` and `REM`."""
    n_scheduled = int(settings[_N_SCHEDULED])
    keep = settings[_KEEP]
    for k in range(tracks.shape[0]):
        if state[_LEFT] < 1.0:
            if n_scheduled > 0:
                entry = (int(state[_ENTRY]) + 1) % n_scheduled
                state[_ENTRY] = entry
                now = int(settings[_SCHEDULE + 2 * entry])
                state[_LEFT] += settings[_SCHEDULE + 2 * entry + 1]
            else:
                now = int(state[_ENTRY])
                if state[_STATE] >= 0.0:
                    drawn, now = uniform(random), 0
                    row = _NEXT + 3 * int(state[_STATE])
                    while now < 2 and drawn >= settings[row + now]:
                        drawn -= settings[row + now]
                        now += 1
                both = (1.0 - uniform(random)) * (1.0 - uniform(random))
                state[_LEFT] += max(1.0, -0.5 * settings[_DWELL + now] * np.log(both))
            if now != int(state[_STATE]):
                at = state[_SAMPLE]
                note(log, _STATE_EVENT, -1.0, at, at, np.nan, float(now), 0.0)
            state[_STATE] = now
        state[_LEFT] -= 1.0
        state[_SAMPLE] += 1.0
        for which in range(3):
            wanted = 1.0 if which == int(state[_STATE]) else 0.0
            state[_LEVEL + which] = wanted + keep * (state[_LEVEL + which] - wanted)
        tracks[k, WAKE] = state[_LEVEL]
        tracks[k, NREM] = state[_LEVEL + 1]
        tracks[k, REM] = state[_LEVEL + 2]
