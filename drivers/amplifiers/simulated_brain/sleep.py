"""NREM sleep: the slow oscillation, and spindles in its up states.

Phase 0 is the middle of the down state, pi that of the up state. A click, or a pulse, pulls
the oscillation towards its up state; in the up state it also makes the next cycles larger,
and spindles more likely, and in the down state smaller (after closed-loop stimulation by
sound, Ngo et al. 2013, Neuron 78:545; sizes are a choice of ours).
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from bci_core.jit import compiled
from drivers.amplifiers.simulated_brain.notes import note
from drivers.amplifiers.simulated_brain.random_numbers import normal, seeded, uniform
from drivers.amplifiers.simulated_brain.species import Brain
from drivers.amplifiers.simulated_brain.tracks import (
    LAYER,
    NREM,
    RECRUIT,
    SLOW,
    SLOW_PHASE,
    SOUND,
    SPINDLE,
    UP,
    Layer,
)
from drivers.amplifiers.simulated_brain.truth import Event

TURN: Final = 2.0 * np.pi
WANDER_S: Final = 2.0
FREQUENCY_CV, AMPLITUDE_CV = 0.12, 0.25
SPINDLE_CV, SPINDLE_SD_HZ = 0.3, 0.7
SPINDLE_PAUSE_S: Final = 2.0
"""Spindles are refractory for some seconds."""
AFTER_CLICK_S: Final = 1.5
"""How long a click goes on working."""
LARGER, SMALLER, MORE_SPINDLES = 0.3, 0.15, 4.0
SEEN: Final = 0.3

(
    _SLOW,
    _CV,
    _KEEP,
    _FADE,
    _ENTRAIN,
    _HAZARD,
    _LENGTH,
    _SPINDLE,
    _SPINDLE_SD,
    _PAUSE,
) = range(10)
(
    _SAMPLE,
    _PHASE,
    _FREQUENCY,
    _AMPLITUDE,
    _BOOST,
    _CALLED,
    _SINCE,
    _LEFT,
    _TOTAL,
    _ONSET,
    _ONSET_PHASE,
    _TURN_OF_SPINDLE,
    _STEP,
    _WAIT,
    _N_STATE,
) = range(15)
_CYCLE: Final = float(Event.SLOW_CYCLE)
_SPINDLE_EVENT: Final = float(Event.SPINDLE)


def sleep_layer(
    rate_hz: float, brain: Brain, entrain: float, sequence: np.random.SeedSequence
) -> Layer:
    """The layer of NREM rhythms.

    Parameters
    ----------
    rate_hz : float
    brain : Brain
    entrain : float
        Most radians by which a stimulus moves the slow oscillation; 0: it does not answer.
    sequence : SeedSequence
    """
    radians = TURN / rate_hz
    # The third power of `UP` has a mean of 5/16 over a cycle.
    hazard = brain.spindles_hz / rate_hz * 16.0 / 5.0
    settings = np.array(
        [
            brain.slow_hz * radians,
            FREQUENCY_CV,
            np.exp(-1.0 / (WANDER_S * rate_hz)),
            np.exp(-1.0 / (AFTER_CLICK_S * rate_hz)),
            entrain,
            hazard,
            brain.spindle_s * rate_hz,
            brain.spindle_hz * radians,
            SPINDLE_SD_HZ * radians,
            SPINDLE_PAUSE_S * rate_hz,
        ]
    )
    return Layer(advance, settings, np.zeros(_N_STATE), seeded(sequence))


@compiled(LAYER)
def advance(
    tracks: NDArray[np.float64],
    settings: NDArray[np.float64],
    state: NDArray[np.float64],
    random: NDArray[np.uint64],
    log: NDArray[np.float64],
) -> None:
    """Write `SLOW`, `SLOW_PHASE`, `UP` and `SPINDLE`."""
    keep, fade = settings[_KEEP], settings[_FADE]
    fresh = np.sqrt(1.0 - keep * keep)
    for k in range(tracks.shape[0]):
        state[_FREQUENCY] = keep * state[_FREQUENCY] + fresh * normal(random)
        state[_AMPLITUDE] = keep * state[_AMPLITUDE] + fresh * normal(random)
        state[_BOOST] *= fade
        state[_CALLED] *= fade
        nrem = tracks[k, NREM]
        stimulus = max(tracks[k, RECRUIT], tracks[k, SOUND])
        phase = state[_PHASE] + settings[_SLOW] * max(0.2, 1.0 + settings[_CV] * state[_FREQUENCY])
        if stimulus > 0.0 and settings[_ENTRAIN] > 0.0:
            if np.cos(phase) < 0.0:
                state[_BOOST] += LARGER * stimulus * (1.0 - state[_BOOST])
                state[_CALLED] += stimulus * (1.0 - state[_CALLED])
            else:
                state[_BOOST] -= SMALLER * stimulus * (0.5 + state[_BOOST])
            phase += settings[_ENTRAIN] * stimulus * np.sin(phase)  # sin(pi - phase)
        amplitude = nrem * max(0.0, 1.0 + AMPLITUDE_CV * state[_AMPLITUDE] + state[_BOOST])
        if phase >= TURN:
            phase -= TURN
            if amplitude > SEEN:
                note(log, _CYCLE, -1.0, state[_SINCE], state[_SAMPLE], 0.0, -1.0, amplitude)
            state[_SINCE] = state[_SAMPLE]
        elif phase < 0.0:
            phase = 0.0
        state[_PHASE] = phase
        up = 0.5 * (1.0 - np.cos(phase))
        tracks[k, SLOW_PHASE] = phase
        tracks[k, UP] = nrem * up
        # The down state is deeper and shorter than the up state.
        tracks[k, SLOW] = amplitude * (-np.cos(phase) - 0.25 * np.cos(2.0 * phase)) / 1.25
        tracks[k, SPINDLE] = 0.0
        drawn = uniform(random)
        if state[_LEFT] >= 1.0:
            state[_LEFT] -= 1.0
            through = 1.0 - state[_LEFT] / state[_TOTAL]
            state[_TURN_OF_SPINDLE] += state[_STEP]
            envelope = np.sin(np.pi * through) * (1.0 + 0.5 * state[_CALLED])
            tracks[k, SPINDLE] = envelope * np.sin(state[_TURN_OF_SPINDLE])
            if state[_LEFT] < 1.0:
                hz = state[_STEP] / settings[_SPINDLE]
                onset, began = state[_ONSET], state[_ONSET_PHASE]
                note(log, _SPINDLE_EVENT, -1.0, onset, state[_SAMPLE], began, -1.0, hz)
                state[_WAIT] = settings[_PAUSE]
        elif state[_WAIT] >= 1.0:
            state[_WAIT] -= 1.0
        elif nrem > 0.5:
            likely = settings[_HAZARD] * up * up * up * (1.0 + MORE_SPINDLES * state[_CALLED])
            if drawn < likely:
                stretch = np.exp(SPINDLE_CV * normal(random))
                state[_TOTAL] = max(4.0, np.floor(settings[_LENGTH] * min(2.0, stretch)))
                state[_LEFT] = state[_TOTAL]
                state[_STEP] = settings[_SPINDLE] + settings[_SPINDLE_SD] * normal(random)
                state[_TURN_OF_SPINDLE] = TURN * uniform(random)
                state[_ONSET] = state[_SAMPLE]
                state[_ONSET_PHASE] = phase
        state[_SAMPLE] += 1.0
