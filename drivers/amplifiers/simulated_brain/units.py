"""Spikes of single units, as counts in each sample.

Units fire at a rate of their own. Those of a pattern fire in a sequence: slowly while the
pattern is cued in wake, and compressed into a tenth of that in the ripples that reactivate
it. In wake and REM sleep each prefers a phase of theta. A pulse makes the units of its site
fire within some milliseconds.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from bci_core.jit import compiled
from drivers.amplifiers.simulated_brain.random_numbers import poisson
from drivers.amplifiers.simulated_brain.tracks import (
    CONTENT,
    CUED,
    PROGRESS,
    RECRUIT,
    REM,
    SITE,
    THETA_PHASE,
    WAKE,
)

BASE_HZ, BASE_CV = 1.0, 0.5
IN_RIPPLE, IN_SEQUENCE_HZ, IN_CUE_HZ, EVOKED_HZ = 2.0, 150.0, 30.0, 250.0
"""Every unit in a ripple, as a multiple; a unit at its place in the sequence; one that a pulse
has reached."""
PLACE_SD: Final = 0.12
"""How much of the sequence one unit covers."""
EVOKED_S: Final = 0.004

# settings; a number for each unit follows, of base rate, preferred phase, site and place, then
# the members of the patterns
_RATE, _WINDOW, _FADE, _UNITS = range(4)
# state: samples of the cue so far, then what a pulse has left at each unit
_CUE_AT, _EVOKED = 0, 1

SIGNATURE: Final = (
    "void(float32[:, ::1], int64, float64[:, ::1], float64[::1], float64[::1], uint64[::1])"
)


def unit_sites(n_units: int, n_sites: int) -> NDArray[np.int64]:
    """Site of each unit: spread evenly, neighbours together."""
    return np.asarray(np.arange(n_units) * n_sites // n_units)


def units_settings(
    rate_hz: float,
    window_s: float,
    members: NDArray[np.float64],
    sites: NDArray[np.int64],
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Settings of `advance`."""
    n_units = members.shape[1]
    base_hz = BASE_HZ * np.exp(BASE_CV * rng.standard_normal(n_units))
    phases = rng.uniform(0.0, 2.0 * np.pi, n_units)
    places = rng.permutation(n_units) / n_units
    fade = np.exp(-1.0 / (EVOKED_S * rate_hz))
    first = [rate_hz, window_s * rate_hz, fade]
    return np.concatenate([first, base_hz, phases, sites, places, members.ravel()])


@compiled(SIGNATURE)
def advance(
    out: NDArray[np.float32],
    column: int,
    tracks: NDArray[np.float64],
    settings: NDArray[np.float64],
    state: NDArray[np.float64],
    random: NDArray[np.uint64],
) -> None:
    """Write counts into the columns of `out` from `column` on."""
    n = out.shape[1] - column
    phases, sites, places, members = (
        _UNITS + n,
        _UNITS + 2 * n,
        _UNITS + 3 * n,
        _UNITS + 4 * n,
    )
    for k in range(out.shape[0]):
        content, cued = int(tracks[k, CONTENT]), int(tracks[k, CUED])
        state[_CUE_AT] = state[_CUE_AT] + 1.0 if cued >= 0 else 0.0
        theta = tracks[k, WAKE] + tracks[k, REM]
        for u in range(n):
            rate = settings[_UNITS + u]
            rate *= 1.0 + 0.6 * theta * np.cos(tracks[k, THETA_PHASE] - settings[phases + u])
            if content >= 0:
                rate *= IN_RIPPLE
                if settings[members + content * n + u] > 0.0:
                    away = (tracks[k, PROGRESS] - settings[places + u]) / PLACE_SD
                    rate += IN_SEQUENCE_HZ * np.exp(-0.5 * away * away)
            if cued >= 0 and settings[members + cued * n + u] > 0.0:
                away = (state[_CUE_AT] / settings[_WINDOW] - settings[places + u]) / PLACE_SD
                rate += IN_CUE_HZ * np.exp(-0.5 * away * away)
            state[_EVOKED + u] *= settings[_FADE]
            if tracks[k, RECRUIT] > 0.0 and settings[sites + u] == tracks[k, SITE]:
                state[_EVOKED + u] = tracks[k, RECRUIT]
            rate += EVOKED_HZ * state[_EVOKED + u]
            out[k, column + u] = poisson(random, rate / settings[_RATE])
