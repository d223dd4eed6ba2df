"""Theta in wake and REM sleep, and the gamma that rides on it.

Gamma is largest at a phase of theta (Tort et al. 2010, J Neurophysiol 104:1195, for the
measure of such coupling). A pulse moves the phase of theta towards one phase, by the share
of the tissue that it recruits.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from bci_core.jit import compiled
from drivers.amplifiers.simulated_brain.notes import note
from drivers.amplifiers.simulated_brain.random_numbers import normal, seeded
from drivers.amplifiers.simulated_brain.species import Brain
from drivers.amplifiers.simulated_brain.tracks import (
    GAMMA,
    LAYER,
    RECRUIT,
    REM,
    THETA,
    THETA_PHASE,
    WAKE,
    Layer,
)
from drivers.amplifiers.simulated_brain.truth import Event

TURN: Final = 2.0 * np.pi
WANDER_S: Final = 1.0
"""Time constant of the frequency and the amplitude of theta; that of gamma is a tenth."""
AMPLITUDE_CV: Final = 0.25
GAMMA_SD_HZ: Final = 4.0
SEEN: Final = 0.3
"""Cycles of less than this part of the full amplitude are not put down."""

_THETA, _SD, _GAMMA, _GAMMA_SD, _KEEP, _KEEP_GAMMA, _DEPTH, _PREFERRED, _RESET, _RESET_TO = range(
    10
)
_SAMPLE, _PHASE, _GAMMA_PHASE, _FREQUENCY, _AMPLITUDE, _GAMMA_FREQUENCY, _SINCE, _N_STATE = range(8)
_CYCLE: Final = float(Event.THETA_CYCLE)
_PHASE_RESET: Final = float(Event.PHASE_RESET)


def theta_layer(
    rate_hz: float,
    brain: Brain,
    coupling: float,
    gamma_phase_rad: float,
    reset: float,
    reset_phase_rad: float,
    sequence: np.random.SeedSequence,
) -> Layer:
    """The layer of theta and gamma.

    Parameters
    ----------
    rate_hz : float
    brain : Brain
    coupling : float
        How deep theta modulates gamma, 0 to 1.
    gamma_phase_rad : float
        Phase of theta at which gamma is largest; theta peaks at 0.
    reset : float
        Part of the way to `reset_phase_rad` that a pulse which recruits everything moves theta.
    reset_phase_rad : float
    sequence : SeedSequence
    """
    radians = TURN / rate_hz
    visible = 1.0 if brain.gamma_hz + 3.0 * GAMMA_SD_HZ < 0.5 * rate_hz else 0.0
    settings = np.array(
        [
            brain.theta_hz * radians,
            brain.theta_sd_hz * radians,
            brain.gamma_hz * radians * visible,
            GAMMA_SD_HZ * radians * visible,
            np.exp(-1.0 / (WANDER_S * rate_hz)),
            np.exp(-10.0 / (WANDER_S * rate_hz)),
            coupling,
            gamma_phase_rad,
            reset,
            reset_phase_rad,
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
    """Write `THETA`, `GAMMA` and `THETA_PHASE`."""
    keep, keep_gamma = settings[_KEEP], settings[_KEEP_GAMMA]
    fresh = np.sqrt(1.0 - keep * keep)
    fresh_gamma = np.sqrt(1.0 - keep_gamma * keep_gamma)
    depth = settings[_DEPTH]
    for k in range(tracks.shape[0]):
        state[_FREQUENCY] = keep * state[_FREQUENCY] + fresh * normal(random)
        state[_AMPLITUDE] = keep * state[_AMPLITUDE] + fresh * normal(random)
        state[_GAMMA_FREQUENCY] = keep_gamma * state[_GAMMA_FREQUENCY] + fresh_gamma * normal(
            random
        )
        level = min(1.0, tracks[k, WAKE] + tracks[k, REM])
        amplitude = level * max(0.0, 1.0 + AMPLITUDE_CV * state[_AMPLITUDE])
        phase = state[_PHASE] + max(0.0, settings[_THETA] + settings[_SD] * state[_FREQUENCY])
        recruited = tracks[k, RECRUIT]
        if recruited > 0.0:
            ahead = (settings[_RESET_TO] - phase + np.pi) % TURN - np.pi
            moved = settings[_RESET] * recruited * ahead
            if level > SEEN:
                at = state[_SAMPLE]
                note(log, _PHASE_RESET, -1.0, at, at, phase % TURN, -1.0, moved)
            phase += moved
        if phase >= TURN:
            phase -= TURN
            if amplitude > SEEN:
                note(log, _CYCLE, -1.0, state[_SINCE], state[_SAMPLE], 0.0, -1.0, amplitude)
            state[_SINCE] = state[_SAMPLE]
        elif phase < 0.0:
            phase += TURN  # a pulse has moved it back over its peak
        state[_PHASE] = phase
        gamma = settings[_GAMMA] + settings[_GAMMA_SD] * state[_GAMMA_FREQUENCY]
        state[_GAMMA_PHASE] = (state[_GAMMA_PHASE] + gamma) % TURN
        envelope = (1.0 + depth * np.cos(phase - settings[_PREFERRED])) / (1.0 + depth)
        tracks[k, THETA_PHASE] = phase
        tracks[k, THETA] = amplitude * np.cos(phase)
        tracks[k, GAMMA] = level * envelope * np.sin(state[_GAMMA_PHASE])
        state[_SAMPLE] += 1.0
