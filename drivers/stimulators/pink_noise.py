"""Bursts of pink noise, as closed-loop stimulation in sleep plays them."""

from math import log10

import numpy as np
from numpy.typing import NDArray

EDGE_S = 0.005
"""Raised-cosine rise and fall, against the click of a hard edge; as in Ngo et al., "Auditory
closed-loop stimulation of the sleep slow oscillation enhances memory", Neuron 78:545, 2013."""


def pink_burst(
    duration_s: float, rate_hz: float, rms: float, rng: np.random.Generator
) -> NDArray[np.int16]:
    """Noise with power falling as 1/f, 16 bit.

    Parameters
    ----------
    duration_s : float
    rate_hz : float
        Samples per second.
    rms : float
        Of the burst, 1 being full scale.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray, (round(duration_s * rate_hz),), int16
    """
    n = round(duration_s * rate_hz)
    spectrum = np.fft.rfft(rng.standard_normal(n))
    spectrum /= np.sqrt(np.maximum(np.arange(len(spectrum)), 1))
    spectrum[0] = 0.0
    wave = np.fft.irfft(spectrum, n)
    edge = min(round(EDGE_S * rate_hz), n // 2)
    ramp = 0.5 - 0.5 * np.cos(np.pi * (np.arange(edge) + 0.5) / edge)
    wave[:edge] *= ramp
    wave[n - edge :] *= ramp[::-1]
    wave *= rms / np.sqrt(np.mean(wave**2))
    return np.asarray(np.clip(np.rint(wave * 32767.0), -32768, 32767), dtype=np.int16)


def level_db(samples: NDArray[np.int16], full_scale_db: float) -> float:
    """Level of what was played, from its samples.

    Parameters
    ----------
    samples : ndarray, (n,), int16
    full_scale_db : float
        Level of noise whose root mean square is full scale.
    """
    rms = float(np.sqrt(np.mean((samples / 32767.0) ** 2)))
    return full_scale_db + 20.0 * log10(rms)
