"""An associative memory of the units: patterns are learnt, recalled from a part, forgotten.

Connections lie between 0 and 1. Two occasions strengthen those within a pattern, each by a
part of the way to 1:

- a ripple that reactivates it, more when there is little acetylcholine, as in NREM sleep;
- a cue in wake, more when there is much (after Hasselmo 1999, Trends Cogn Sci 3:351);

and each by a gate for glutamate, which opens when enough of the pattern has been active
together: a ripple that is cut short leaves little. Where what is stimulated on such an
occasion is the pattern of the occasion, it is strengthened more; what is stimulated at another
time, or another pattern, does nothing for it, and in a ripple comes in its way. Connections
weaken with time, and those that have become too weak are pruned. All of this is put in, and
none of it found out.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from bci_core.jit import compiled
from drivers.amplifiers.simulated_brain.notes import note
from drivers.amplifiers.simulated_brain.random_numbers import normal, seeded, uniform
from drivers.amplifiers.simulated_brain.ripples import RIGHT_PATTERN
from drivers.amplifiers.simulated_brain.tracks import (
    CONTENT,
    CUED,
    LAYER,
    MATCH,
    MATCHED,
    NREM,
    PROGRESS,
    RECRUIT,
    REM,
    WAKE,
    Layer,
)
from drivers.amplifiers.simulated_brain.truth import Event

WINDOW_S: Final = 0.5
"""How long a cue lasts, and for how long a stimulus is in time for it."""
SLEEPING_ACETYLCHOLINE: Final = 0.1
GATE_HALF, GATE_SLOPE = 0.6, 0.08
"""The glutamate gate opens by half at this part of a pattern."""
WRONG: Final = 0.3
"""What a ripple leaves behind in which something else was stimulated, as a part."""
PRUNED: Final = 0.02
SPARSE_NOISE, THRESHOLD, INHIBITION, ROUNDS = 0.04, 0.15, 0.6, 3
"""Of recall: noise of a unit's input; the least input that makes it fire, in itself and as a
part of the largest, for units inhibit each other; and how often all are asked."""

# settings; membership follows, (n_patterns, n_units)
(
    _N_UNITS,
    _N_PATTERNS,
    _CUE,
    _WINDOW,
    _RIPPLE_RATE,
    _CUE_RATE,
    _STIMULUS,
    _FORGET,
    _MEMBERS,
) = range(9)
# state; the connections follow, (n_units, n_units), and room for recall, 3 x n_units
(
    _SAMPLE,
    _LAST_CONTENT,
    _LAST_PROGRESS,
    _RIGHT,
    _OTHER,
    _CUED,
    _CUE_AT,
    _CUE_ONSET,
    _CUE_RIGHT,
    _UPDATED,
    _WEIGHTS,
) = range(11)
_CUE_EVENT: Final = float(Event.CUE)
_PLASTICITY: Final = float(Event.PLASTICITY)


def memory_layer(
    rate_hz: float,
    members: NDArray[np.float64],
    strength: float,
    cues_hz: float,
    learning: tuple[float, float, float],
    forgetting_s: float,
    sequence: np.random.SeedSequence,
) -> Layer:
    """The layer of memory.

    Parameters
    ----------
    rate_hz : float
    members : ndarray, (n_patterns, n_units)
        1 where a unit belongs to a pattern.
    strength : float
        Of the connections within patterns at the beginning.
    cues_hz : float
        In wake.
    learning : (float, float, float)
        By a ripple, by a cue, and how many times more by the right stimulus.
    forgetting_s : float
    sequence : SeedSequence
    """
    n_patterns, n_units = members.shape
    numbers = [n_units, n_patterns, cues_hz / rate_hz, WINDOW_S * rate_hz, *learning]
    numbers += [1.0 / (forgetting_s * rate_hz)]
    settings = np.concatenate([np.array(numbers), members.ravel()])
    weights = strength * ((members.T @ members) > 0.0)
    np.fill_diagonal(weights, 0.0)
    state = np.concatenate([np.zeros(_WEIGHTS), weights.ravel(), np.zeros(3 * n_units)])
    state[[_LAST_CONTENT, _CUED]] = -1.0
    return Layer(advance, settings, state, seeded(sequence))


def strengths(settings: NDArray[np.float64], state: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean connection within each pattern as of the last occasion, (n_patterns,)."""
    n_units, n_patterns = int(settings[_N_UNITS]), int(settings[_N_PATTERNS])
    weights = state[_WEIGHTS : _WEIGHTS + n_units**2].reshape(n_units, n_units)
    members = settings[_MEMBERS:].reshape(n_patterns, n_units)
    size = members.sum(axis=1)
    pairs = np.maximum(1.0, size * (size - 1.0))
    return np.asarray(np.einsum("pi,ij,pj->p", members, weights, members) / pairs)


@compiled("void(float64[::1], float64[::1])")
def forget(settings: NDArray[np.float64], state: NDArray[np.float64]) -> None:
    """Let connections weaken by the time that has passed, and prune."""
    n = int(settings[_N_UNITS])
    keep = np.exp((state[_UPDATED] - state[_SAMPLE]) * settings[_FORGET])
    state[_UPDATED] = state[_SAMPLE]
    for w in range(_WEIGHTS, _WEIGHTS + n * n):
        state[w] *= keep
        if state[w] < PRUNED:
            state[w] = 0.0


@compiled("float64(float64[::1], float64[::1], int64, float64)")
def strengthen(
    settings: NDArray[np.float64], state: NDArray[np.float64], pattern: int, rate: float
) -> float:
    """Take connections within a pattern a part of the way to 1; by how much, on average."""
    n = int(settings[_N_UNITS])
    own = _MEMBERS + pattern * n
    total, pairs = 0.0, 0.0
    for i in range(n):
        for j in range(n):
            if i != j and settings[own + i] * settings[own + j] > 0.0:
                w = _WEIGHTS + i * n + j
                step = rate * (1.0 - state[w])
                state[w] += step
                total += step
                pairs += 1.0
    return total / max(1.0, pairs)


@compiled("float64(float64[::1], float64[::1], uint64[::1], int64)")
def recall(
    settings: NDArray[np.float64],
    state: NDArray[np.float64],
    random: NDArray[np.uint64],
    pattern: int,
) -> float:
    """Overlap of what comes back with a pattern, from every other of its units.

    Of the units that are not given: the share of the pattern's that fire, minus the share of
    the others that do. 1 for all and nothing else, about 0 for chance.
    """
    n = int(settings[_N_UNITS])
    own, fires, given = _MEMBERS + pattern * n, _WEIGHTS + n * n, _WEIGHTS + n * n + n
    heard = given + n
    turn = 0
    for i in range(n):
        member = settings[own + i] > 0.0
        state[given + i] = 1.0 if member and turn % 2 == 0 else 0.0
        state[fires + i] = state[given + i]
        turn += 1 if member else 0
    for _ in range(ROUNDS):
        n_fire, most = 0.0, 0.0
        for i in range(n):
            n_fire += state[fires + i]
        for i in range(n):
            total = 0.0
            for j in range(n):
                total += state[_WEIGHTS + i * n + j] * state[fires + j]
            state[heard + i] = total / max(1.0, n_fire) + SPARSE_NOISE * normal(random)
            most = max(most, state[heard + i])
        needed = max(THRESHOLD, INHIBITION * most)
        for i in range(n):
            state[fires + i] = max(state[given + i], 1.0 if state[heard + i] > needed else 0.0)
    hits = others = n_members = n_others = 0.0
    for i in range(n):
        if state[given + i] == 0.0 and settings[own + i] > 0.0:
            hits += state[fires + i]
            n_members += 1.0
        elif state[given + i] == 0.0:
            others += state[fires + i]
            n_others += 1.0
    return hits / max(1.0, n_members) - others / max(1.0, n_others)


@compiled(LAYER)
def advance(
    tracks: NDArray[np.float64],
    settings: NDArray[np.float64],
    state: NDArray[np.float64],
    random: NDArray[np.uint64],
    log: NDArray[np.float64],
) -> None:
    """Write `CUED`, and put down what is learnt and recalled."""
    for k in range(tracks.shape[0]):
        content = tracks[k, CONTENT]
        acetylcholine = tracks[k, WAKE] + tracks[k, REM] + SLEEPING_ACETYLCHOLINE * tracks[k, NREM]
        right = -1.0
        if tracks[k, RECRUIT] > 0.0:
            right = tracks[k, MATCHED] if tracks[k, MATCH] >= RIGHT_PATTERN else -2.0
        at = state[_SAMPLE]
        last = state[_LAST_CONTENT]
        if last >= 0.0 and content != last:
            gate = 1.0 / (1.0 + np.exp((GATE_HALF - state[_LAST_PROGRESS]) / GATE_SLOPE))
            rate = settings[_RIPPLE_RATE] * gate * max(0.0, 1.0 - acetylcholine)
            if state[_RIGHT] > 0.0:
                rate *= 1.0 + settings[_STIMULUS]
            elif state[_OTHER] > 0.0:
                rate *= WRONG
            forget(settings, state)
            gained = strengthen(settings, state, int(last), min(1.0, rate))
            note(log, _PLASTICITY, -1.0, at, at, np.nan, last, gained)
        if content >= 0.0:
            if last < 0.0:
                state[_RIGHT] = state[_OTHER] = 0.0
            if right == content:
                state[_RIGHT] = 1.0
            elif right != -1.0:
                state[_OTHER] = 1.0
        state[_LAST_CONTENT] = content
        state[_LAST_PROGRESS] = tracks[k, PROGRESS]
        drawn = uniform(random)
        if state[_CUED] >= 0.0:
            state[_CUE_AT] += 1.0
            if right == state[_CUED]:
                state[_CUE_RIGHT] = 1.0
            if state[_CUE_AT] >= settings[_WINDOW]:
                cued = int(state[_CUED])
                forget(settings, state)
                rate = settings[_CUE_RATE] * acetylcholine
                if state[_CUE_RIGHT] > 0.0:
                    rate *= 1.0 + settings[_STIMULUS]
                gained = strengthen(settings, state, cued, min(1.0, rate))
                overlap = recall(settings, state, random, cued)
                onset = state[_CUE_ONSET]
                note(log, _CUE_EVENT, -1.0, onset, at, np.nan, float(cued), overlap)
                note(log, _PLASTICITY, -1.0, at, at, np.nan, float(cued), gained)
                state[_CUED] = -1.0
        elif drawn < settings[_CUE] * tracks[k, WAKE]:
            state[_CUED] = np.floor(uniform(random) * settings[_N_PATTERNS])
            state[_CUE_AT] = state[_CUE_RIGHT] = 0.0
            state[_CUE_ONSET] = at
        tracks[k, CUED] = state[_CUED]
        state[_SAMPLE] += 1.0
