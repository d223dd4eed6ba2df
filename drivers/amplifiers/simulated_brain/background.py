"""What channels have in common, and each for itself: 1/f noise, waves, drift, muscle.

The noise of a source is white noise through a sum of low-pass filters of one pole, whose corner
frequencies are spaced evenly in logarithm from the knee up, with gains that fall with the corner
frequency. How fast they fall is found by bisection, so that the power, flat below the knee,
falls as ``frequency ** -exponent`` above it. The steepest there is, an exponent of about 2, is
that of one pole.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from bci_core.jit import compiled
from drivers.amplifiers.simulated_brain.random_numbers import normal
from drivers.amplifiers.simulated_brain.tracks import FIRST_WAVE, MUSCLE

N_POLES: Final = 6
DRIFT_HZ: Final = 0.03
"""Corner frequency of the drift of electrodes."""

_MUSCLE, _DRIFT_KEEP, _DRIFT, _N_POLES, _KEEP = 0, 1, 2, 3, 4

SIGNATURE: Final = (
    "void(float64[:, ::1], float64[:, ::1], float64[::1], float64[:, ::1], float64[:, ::1], "
    "float64[:, ::1], float64[:, ::1], float64[:, ::1], uint64[::1])"
)


def background_settings(
    rate_hz: float, sd_uv: float, knee_hz: float, exponent: float, muscle_uv: float, drift_uv: float
) -> NDArray[np.float64]:
    """Settings of `advance`: the poles' decay and size among them."""
    top_hz = max(1.5 * knee_hz, 0.4 * rate_hz)
    corners_hz = np.geomspace(knee_hz, top_hz, N_POLES)
    keep = np.exp(-2.0 * np.pi * corners_hz / rate_hz)
    size = _gains(corners_hz, keep, exponent, rate_hz)
    # All poles have the same noise, so their covariances count too.
    size *= sd_uv / np.sqrt((np.outer(size, size) / (1.0 - np.outer(keep, keep))).sum())
    drift = np.exp(-2.0 * np.pi * DRIFT_HZ / rate_hz)
    return np.array([muscle_uv, drift, drift_uv * np.sqrt(1.0 - drift**2), N_POLES, *keep, *size])


def _gains(
    corners_hz: NDArray[np.float64], keep: NDArray[np.float64], exponent: float, rate_hz: float
) -> NDArray[np.float64]:
    """Of the poles, for power that falls with an exponent."""
    hz = np.geomspace(min(5.0 * corners_hz[0], 0.1 * rate_hz), 0.2 * rate_hz, 50)
    delay = np.exp(-2j * np.pi * hz / rate_hz)
    poles = (1.0 - keep) / (1.0 - keep * delay[:, None])
    low, high = 0.0, 4.0
    for _ in range(40):
        fall = 0.5 * (low + high)
        gains = (corners_hz / corners_hz[0]) ** -fall
        power = np.abs(poles @ gains) ** 2
        slope = np.polyfit(np.log(hz), np.log(power), 1)[0]
        low, high = (fall, high) if slope > -exponent else (low, fall)
    return np.asarray(gains * (1.0 - keep))


@compiled(SIGNATURE)
def advance(
    out: NDArray[np.float64],
    tracks: NDArray[np.float64],
    settings: NDArray[np.float64],
    gains: NDArray[np.float64],
    shares: NDArray[np.float64],
    per_channel: NDArray[np.float64],
    poles: NDArray[np.float64],
    channels: NDArray[np.float64],
    random: NDArray[np.uint64],
) -> None:
    """Write what channels would show without a front end, in microvolts.

    Parameters
    ----------
    out : ndarray, (n_samples, n_channels)
    tracks : ndarray, (n_samples, N_TRACKS)
    settings : ndarray
        From `background_settings`.
    gains : ndarray, (n_waves, n_channels)
    shares : ndarray, (n_sources, n_channels)
    per_channel : ndarray, (2, n_channels)
        Noise of the electrode in microvolts, and its share of muscle activity.
    poles : ndarray, (n_sources, N_POLES)
        State of the sources.
    channels : ndarray, (2, n_channels)
        State of the channels: drift, and the last noise.
    random : ndarray of uint64
    """
    n_poles = int(settings[_N_POLES])
    for k in range(out.shape[0]):
        row = out[k]
        muscle = tracks[k, MUSCLE] * settings[_MUSCLE]
        for c in range(row.shape[0]):
            noise = normal(random)
            channels[0, c] = settings[_DRIFT_KEEP] * channels[0, c] + settings[_DRIFT] * noise
            # Differenced noise: as that of muscle, its power rises with frequency.
            rough = muscle * per_channel[1, c] * (noise - channels[1, c])
            channels[1, c] = noise
            row[c] = channels[0, c] + per_channel[0, c] * noise + rough
        for s in range(shares.shape[0]):
            source, fresh = 0.0, normal(random)
            for p in range(n_poles):
                size = settings[_KEEP + n_poles + p]
                poles[s, p] = settings[_KEEP + p] * poles[s, p] + size * fresh
                source += poles[s, p]
            for c in range(row.shape[0]):
                row[c] += shares[s, c] * source
        for w in range(gains.shape[0]):
            wave = tracks[k, FIRST_WAVE + w]
            if wave != 0.0:
                for c in range(row.shape[0]):
                    row[c] += gains[w, c] * wave
