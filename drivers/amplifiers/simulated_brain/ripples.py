"""Sharp-wave ripples: when they come, what they replay, and what stimulation does to them.

They come in NREM sleep, most of all in up states and in the troughs of spindles (Staresina et
al. 2015, Nat Neurosci 18:1679), and seldom in wake. Each reactivates one stored pattern. A
pulse that recruits tissue

- ends the one under way (Girardeau et al. 2009, Nat Neurosci 12:1222), or draws it out
  (Fernandez-Ruiz et al. 2019, Science 364:1082), as the settings say;
- lets none begin for a while: evoked excitation is followed by 100 to 250 ms of silence.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from bci_core.jit import compiled
from drivers.amplifiers.simulated_brain.notes import note
from drivers.amplifiers.simulated_brain.random_numbers import normal, seeded, uniform
from drivers.amplifiers.simulated_brain.species import RESPONSES, Brain, Response
from drivers.amplifiers.simulated_brain.tracks import (
    CONTENT,
    LAYER,
    MATCH,
    MATCHED,
    NREM,
    PROGRESS,
    RECRUIT,
    RIPPLE,
    SEIZURE,
    SHARP_WAVE,
    SLOW_PHASE,
    SPINDLE,
    UP,
    WAKE,
    Layer,
)
from drivers.amplifiers.simulated_brain.truth import Event

TURN: Final = 2.0 * np.pi
LENGTH_CV: Final = 0.35
PAUSE_S: Final = 0.12
SLOWING: Final = 0.1
"""By this part of its frequency a ripple slows down on its way."""
ENDING_S: Final = 0.004
"""Time constant with which one that is ended fades."""
GONE: Final = 0.05
SUPPRESSED: Final = 0.9
RIGHT_PATTERN: Final = 0.8
"""Least cosine of what is stimulated with a pattern, to be that pattern."""
IN_UP, IN_TROUGH = 4.0, 1.5

(
    _NREM_HAZARD,
    _WAKE_HAZARD,
    _LENGTH,
    _LOW,
    _HIGH,
    _PAUSE,
    _RESPONSE,
    _PROLONG,
    _SUPPRESS,
    _FADE,
    _N_PATTERNS,
    _RATE,
) = range(12)
(
    _SAMPLE,
    _AT,
    _TOTAL,
    _PLANNED,
    _ONSET,
    _ONSET_PHASE,
    _CONTENT,
    _TURN,
    _STEP,
    _GAIN,
    _ENDING,
    _HELD,
    _WAIT,
    _QUIET,
    _QUIET_BY,
    _DRAWN_OUT,
    _N_STATE,
) = range(17)
_RIPPLE_EVENT: Final = float(Event.RIPPLE)


def ripples_layer(
    rate_hz: float,
    brain: Brain,
    n_patterns: int,
    response: Response,
    prolong_s: float,
    suppress_s: float,
    sequence: np.random.SeedSequence,
) -> Layer:
    """The layer of ripples.

    Parameters
    ----------
    rate_hz : float
    brain : Brain
    n_patterns : int
    response : Response
        Of a ripple under way to a pulse. ``by_content``: drawn out if what is stimulated is
        the pattern that it reactivates, and ended if not.
    prolong_s : float
        By how much at most.
    suppress_s : float
        How long after a pulse few ripples begin.
    sequence : SeedSequence
    """
    low_hz, high_hz = brain.ripple_hz
    radians = TURN / rate_hz
    # In NREM, `UP` has a mean of one half.
    usual = 1.0 + 0.5 * IN_UP
    settings = np.array(
        [
            brain.ripples_nrem_hz / rate_hz / usual,
            brain.ripples_wake_hz / rate_hz,
            brain.ripple_s * rate_hz,
            low_hz * radians,
            high_hz * radians,
            PAUSE_S * rate_hz,
            RESPONSES.index(response),
            prolong_s * rate_hz,
            suppress_s * rate_hz,
            np.exp(-1.0 / (ENDING_S * rate_hz)),
            n_patterns,
            rate_hz,
        ]
    )
    state = np.zeros(_N_STATE)
    state[_AT] = -1.0
    return Layer(advance, settings, state, seeded(sequence))


@compiled(LAYER)
def advance(
    tracks: NDArray[np.float64],
    settings: NDArray[np.float64],
    state: NDArray[np.float64],
    random: NDArray[np.uint64],
    log: NDArray[np.float64],
) -> None:
    """Write `RIPPLE`, `SHARP_WAVE`, `CONTENT` and `PROGRESS`."""
    visible = settings[_HIGH] < 0.9 * np.pi
    for k in range(tracks.shape[0]):
        recruited = tracks[k, RECRUIT]
        drawn = uniform(random)
        tracks[k, RIPPLE] = 0.0
        tracks[k, SHARP_WAVE] = 0.0
        tracks[k, CONTENT] = -1.0
        tracks[k, PROGRESS] = 0.0
        if recruited > 0.0:
            state[_QUIET] = settings[_SUPPRESS]
            state[_QUIET_BY] = max(state[_QUIET_BY], SUPPRESSED * recruited)
        if state[_AT] >= 0.0:
            response = settings[_RESPONSE]
            if recruited > 0.0 and response > 0.0 and state[_ENDING] == 0.0:
                right = tracks[k, MATCH] >= RIGHT_PATTERN and tracks[k, MATCHED] == state[_CONTENT]
                if response == 2.0 or (response == 3.0 and right):
                    if state[_DRAWN_OUT] == 0.0:
                        state[_HELD] = np.floor(settings[_PROLONG] * recruited)
                        state[_DRAWN_OUT] = 1.0
                elif uniform(random) < recruited:
                    state[_ENDING] = 1.0
            middle = state[_AT] >= 0.5 * state[_TOTAL]
            if state[_HELD] >= 1.0 and middle:
                state[_HELD] -= 1.0  # held where it is largest
            else:
                state[_AT] += 1.0
            if state[_ENDING] > 0.0:
                state[_GAIN] *= settings[_FADE]
            through = state[_AT] / state[_TOTAL]
            state[_TURN] += state[_STEP] * (1.0 - SLOWING * through)
            envelope = state[_GAIN] * np.sin(np.pi * through) ** 2
            if visible:
                tracks[k, RIPPLE] = envelope * np.sin(state[_TURN])
            tracks[k, SHARP_WAVE] = -envelope
            tracks[k, CONTENT] = state[_CONTENT]
            tracks[k, PROGRESS] = through
            if state[_AT] >= state[_TOTAL] or state[_GAIN] < GONE:
                onset, phase, content = state[_ONSET], state[_ONSET_PHASE], state[_CONTENT]
                planned_s = state[_PLANNED] / settings[_RATE]
                note(log, _RIPPLE_EVENT, -1.0, onset, state[_SAMPLE], phase, content, planned_s)
                state[_AT] = -1.0
                state[_WAIT] = settings[_PAUSE]
        elif state[_WAIT] >= 1.0:
            state[_WAIT] -= 1.0
        else:
            trough = max(0.0, -tracks[k, SPINDLE])
            nrem = tracks[k, NREM] + IN_UP * tracks[k, UP]
            hazard = settings[_NREM_HAZARD] * nrem * (1.0 + IN_TROUGH * trough)
            hazard += settings[_WAKE_HAZARD] * tracks[k, WAKE]
            hazard *= 1.0 - state[_QUIET_BY]
            if drawn < hazard and tracks[k, SEIZURE] == 0.0:
                stretch = np.exp(LENGTH_CV * normal(random))
                stretch = min(2.5, max(0.45, stretch))
                state[_TOTAL] = max(3.0, np.floor(settings[_LENGTH] * stretch))
                state[_PLANNED] = state[_TOTAL]
                state[_STEP] = settings[_LOW] + uniform(random) * (settings[_HIGH] - settings[_LOW])
                state[_TURN] = TURN * uniform(random)
                state[_CONTENT] = np.floor(uniform(random) * settings[_N_PATTERNS])
                state[_GAIN] = 1.0
                state[_ENDING] = 0.0
                state[_HELD] = 0.0
                state[_DRAWN_OUT] = 0.0
                state[_AT] = 0.0
                state[_ONSET] = state[_SAMPLE]
                state[_ONSET_PHASE] = tracks[k, SLOW_PHASE]
        if state[_QUIET] >= 1.0:
            state[_QUIET] -= 1.0
            if state[_QUIET] < 1.0:
                state[_QUIET_BY] = 0.0
        state[_SAMPLE] += 1.0
