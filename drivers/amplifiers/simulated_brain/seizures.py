"""Seizures, and afterdischarges of stimulation.

A train of pulses may end in an afterdischarge. How likely that is, for a train of the charge
`REFERENCE_UC` (0.5 mA, 300 us, 200 Hz, 0.5 s), depends on what went before within a minute:
5 % at another site, 19 % at the same site again, and after an afterdischarge 13 % and 46 %. It
rises with charge as independent chances add up. The four figures are those found in humans
when mapping the cortex; the dependence on charge and on the minute is a choice of ours.

A train given early in a seizure may end it.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from bci_core.jit import compiled
from drivers.amplifiers.simulated_brain.notes import note
from drivers.amplifiers.simulated_brain.random_numbers import normal, seeded, uniform
from drivers.amplifiers.simulated_brain.tracks import (
    CHARGE,
    LAYER,
    RECRUIT,
    SEIZURE,
    SITE,
    Layer,
)
from drivers.amplifiers.simulated_brain.truth import Event

TURN: Final = 2.0 * np.pi
RISK: Final = (0.05, 0.19, 0.13, 0.46)
"""Other site, same site; the same two after an afterdischarge."""
REFERENCE_UC: Final = 15.0
MEMORY_S: Final = 60.0
TRAIN_GAP_S: Final = 0.25
"""Pulses that are further apart than this are of two trains."""
SEIZURE_S, AFTERDISCHARGE_S, LENGTH_CV = 40.0, 12.0, 0.4
FASTEST_HZ, SLOWEST_HZ = 9.0, 3.0
RISE_S: Final = 2.0
STOPPED_EARLY_S: Final = 8.0
"""The chance that a train ends a seizure falls with its age, with this time constant."""

_SPONTANEOUS, _HAZARDS, _GAP, _MEMORY, _LENGTH, _AFTER, _FAST, _SLOW, _RISE, _STOP, _AGING = (
    0,
    1,
    5,
    6,
    7,
    8,
    9,
    10,
    11,
    12,
    13,
)
(
    _SAMPLE,
    _SINCE_PULSE,
    _TRAIN_UC,
    _TRAIN_SITE,
    _LAST_SITE,
    _SINCE_TRAIN,
    _SINCE_DISCHARGE,
    _AT,
    _TOTAL,
    _ONSET,
    _KIND,
    _PHASE,
    _N_STATE,
) = range(13)
_EVENT: Final = float(Event.SEIZURE)
_LONG_AGO: Final = 1e18


def seizures_layer(
    rate_hz: float, per_h: float, risk_ratio: float, stop: float, sequence: np.random.SeedSequence
) -> Layer:
    """The layer of seizures.

    Parameters
    ----------
    rate_hz : float
    per_h : float
        Seizures an hour that come by themselves.
    risk_ratio : float
        Multiplies the hazard of afterdischarges; 0 for none.
    stop : float
        Chance that a train that recruits everything, at the onset of a seizure, ends it.
    sequence : SeedSequence
    """
    hazards = [-np.log(1.0 - risk) * risk_ratio / REFERENCE_UC for risk in RISK]
    settings = [per_h / 3600.0 / rate_hz, *hazards, TRAIN_GAP_S * rate_hz, MEMORY_S * rate_hz]
    settings += [SEIZURE_S * rate_hz, AFTERDISCHARGE_S * rate_hz]
    settings += [FASTEST_HZ * TURN / rate_hz, SLOWEST_HZ * TURN / rate_hz, RISE_S * rate_hz]
    settings += [stop, STOPPED_EARLY_S * rate_hz]
    state = np.zeros(_N_STATE)
    state[[_SINCE_PULSE, _SINCE_TRAIN, _SINCE_DISCHARGE]] = _LONG_AGO
    state[[_LAST_SITE, _AT]] = -1.0
    return Layer(advance, np.array(settings), state, seeded(sequence))


@compiled(LAYER)
def advance(
    tracks: NDArray[np.float64],
    settings: NDArray[np.float64],
    state: NDArray[np.float64],
    random: NDArray[np.uint64],
    log: NDArray[np.float64],
) -> None:
    """Write `SEIZURE`."""
    for k in range(tracks.shape[0]):
        drawn = uniform(random)
        starts = -1
        if drawn < settings[_SPONTANEOUS]:
            starts = 0
        if tracks[k, CHARGE] > 0.0:
            if state[_SINCE_PULSE] > settings[_GAP]:
                state[_TRAIN_UC] = 0.0
                state[_TRAIN_SITE] = tracks[k, SITE]
                if state[_AT] >= 0.0:
                    age = np.exp(-state[_AT] / settings[_AGING])
                    chance = settings[_STOP] * tracks[k, RECRUIT] * age
                    # What cannot happen draws no number, or a deaf brain would change.
                    if chance > 0.0 and uniform(random) < chance:
                        state[_TOTAL] = state[_AT]
            state[_TRAIN_UC] += tracks[k, CHARGE]
            state[_SINCE_PULSE] = 0.0
        elif state[_TRAIN_UC] > 0.0 and state[_SINCE_PULSE] > settings[_GAP]:
            recent = state[_SINCE_TRAIN] < settings[_MEMORY]
            same = recent and state[_TRAIN_SITE] == state[_LAST_SITE]
            after = state[_SINCE_DISCHARGE] < settings[_MEMORY]
            which = (1 if same else 0) + (2 if after else 0)
            risk = 1.0 - np.exp(-settings[_HAZARDS + which] * state[_TRAIN_UC])
            if risk > 0.0 and uniform(random) < risk:
                starts = 1
            state[_TRAIN_UC] = 0.0
            state[_LAST_SITE] = state[_TRAIN_SITE]
            state[_SINCE_TRAIN] = 0.0
        state[_SINCE_PULSE] += 1.0
        state[_SINCE_TRAIN] += 1.0
        state[_SINCE_DISCHARGE] += 1.0
        tracks[k, SEIZURE] = 0.0
        if state[_AT] >= 0.0:
            state[_AT] += 1.0
            through = min(1.0, state[_AT] / settings[_LENGTH + int(state[_KIND])])
            step = settings[_FAST] + (settings[_SLOW] - settings[_FAST]) * through
            state[_PHASE] = (state[_PHASE] + step) % TURN
            spike = np.exp(6.0 * (np.cos(state[_PHASE]) - 1.0))
            size = min(1.0, 0.3 + 0.7 * state[_AT] / settings[_RISE])
            tracks[k, SEIZURE] = size * (spike - 0.35 * (1.0 + np.sin(state[_PHASE])))
            if state[_AT] >= state[_TOTAL]:
                onset, kind = state[_ONSET], state[_KIND]
                note(log, _EVENT, -1.0, onset, state[_SAMPLE], np.nan, kind, np.nan)
                state[_AT] = -1.0
                if kind == 1.0:
                    state[_SINCE_DISCHARGE] = 0.0
        elif starts >= 0:
            state[_KIND] = float(starts)
            stretch = np.exp(LENGTH_CV * normal(random))
            state[_TOTAL] = settings[_LENGTH + starts] * min(3.0, stretch)
            state[_AT] = 0.0
            state[_PHASE] = 0.0
            state[_ONSET] = state[_SAMPLE]
        state[_SAMPLE] += 1.0
