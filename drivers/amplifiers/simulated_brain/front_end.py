"""From the tissue to numbers: stimulation artefact, lead-off tone, saturation, quantisation.

The artefact of a phase of current is ``current x gain`` while it lasts, as a mean over the
sample, plus two exponentials that it leaves behind: the electrode's, of milliseconds, and the
amplifier's, of tens of milliseconds. The second phase leaves less than the first, so the two
do not cancel. Sizes are a choice of ours.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from bci_core.jit import compiled

TAIL_S: Final = (0.002, 0.04)
TAIL: Final = (0.3, 0.02)
"""Time constants of the two exponentials, and their sizes as parts of the artefact."""
ANODIC: Final = 0.85
"""What an anodic phase leaves behind, as a part of what a cathodic one does."""
RECOVERY: Final = 0.5
"""What an amplifier that was saturated has left, as a part of its range."""

_RANGE, _STEP, _KEEP_1, _KEEP_2, _RECOVER, _TONE, _FIRST = range(7)

SIGNATURE: Final = (
    "void(float32[:, ::1], float64[:, ::1], float64[:, ::1], int64, int64, float64[:, ::1], "
    "float64[::1], float64[::1], float64[:, ::1])"
)


def front_end_settings(
    rate_hz: float, range_uv: float, bits: int, recovery_s: float, tone_hz: float
) -> NDArray[np.float64]:
    """Settings of `advance`."""
    keep = np.exp(-1.0 / (np.array([*TAIL_S, recovery_s]) * rate_hz))
    return np.array(
        [range_uv, 2.0 * range_uv / 2**bits, *keep, 2.0 * np.pi * tone_hz / rate_hz],
    )


@compiled(SIGNATURE)
def advance(
    out: NDArray[np.float32],
    tissue_uv: NDArray[np.float64],
    phases: NDArray[np.float64],
    n_phases: int,
    first: int,
    gains: NDArray[np.float64],
    settings: NDArray[np.float64],
    tone_uv: NDArray[np.float64],
    state: NDArray[np.float64],
) -> None:
    """Write the samples.

    Parameters
    ----------
    out : ndarray, (n_samples, n_channels), float32
    tissue_uv : ndarray, (n_samples, n_channels)
        Changed on the way.
    phases : ndarray, (any, 4)
        Of current: onset and offset in samples, site, microamperes.
    n_phases : int
        How many rows of it are meant.
    first : int
        Number of the first sample.
    gains : ndarray, (n_sites, n_channels)
        From `geometry.artefact_gains`.
    settings : ndarray
    tone_uv : ndarray, (n_channels,)
        Peak of the lead-off tone.
    state : ndarray, (3, n_channels)
        The two exponentials, and what saturation has left.
    """
    limit, step = settings[_RANGE], settings[_STEP]
    for k in range(out.shape[0]):
        now = float(first + k)
        tone = np.sin(settings[_TONE] * now)
        row = tissue_uv[k]  # samples may have more columns: those of units
        for c in range(row.shape[0]):
            state[0, c] *= settings[_KEEP_1]
            state[1, c] *= settings[_KEEP_2]
            row[c] += state[0, c] + state[1, c] + tone_uv[c] * tone
        for p in range(n_phases):
            onset, offset, current = phases[p, 0], phases[p, 1], phases[p, 3]
            lasted = min(offset, now) - max(onset, now - 1.0)
            if lasted <= 0.0:
                continue
            site = int(phases[p, 2])
            ends = offset <= now
            left = current if current < 0.0 else ANODIC * current
            for c in range(row.shape[0]):
                row[c] += current * gains[site, c] * lasted
                if ends:
                    state[0, c] += TAIL[0] * left * gains[site, c]
                    state[1, c] += TAIL[1] * left * gains[site, c]
        for c in range(row.shape[0]):
            value = row[c] + state[2, c]
            state[2, c] *= settings[_RECOVER]
            if value >= limit:
                value = limit
                state[2, c] = RECOVERY * limit
            elif value <= -limit:
                value = -limit
                state[2, c] = -RECOVERY * limit
            out[k, c] = np.float32(step * np.rint(value / step))
