"""Ripples of published shape, put into real background.

A ripple is 3 to 12 cycles of 140 to 200 Hz under a bell-shaped envelope, 30 to 100 ms
long, and slows down a little as it goes on (Buzsaki 2015, Hippocampus 25:1073). Here the
envelope is Gaussian, its length counted between the points where it is down to 1/e² of its
peak; the frequency falls by up to 20 Hz from start to end; frequency, length, fall and
phase are drawn evenly. The pauses are at least 0.6 s. Nothing is avoided: events are put
wherever their turn comes, on artefacts and bursts of muscle too.

Sizes are in SD: the peak of the ripple's envelope over the standard deviation of the
background in the ripple band, 100 to 250 Hz (Butterworth of order 2, forwards and
backwards). It is taken over the whole recording, artefacts included.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BAND_HZ = (100.0, 250.0)
FREQUENCY_HZ = (140.0, 200.0)
LENGTH_S = (0.03, 0.1)
FALL_HZ = (0.0, 20.0)
PAUSE_S = 0.6
MEAN_FURTHER_PAUSE_S = 0.35
FIRST_S = 2.0
ONSET = 0.3
"""The onset is where the envelope reaches this part of its peak."""


@dataclass(frozen=True, slots=True)
class Implanted:
    """A recording with ripples in it.

    Attributes
    ----------
    wave : ndarray, (n_samples,)
    onsets_s, ends_s : ndarray, (n_events,)
        Where the envelope reaches 30 % of its peak, and where it falls below that.
    """

    wave: NDArray[np.float64]
    onsets_s: NDArray[np.float64]
    ends_s: NDArray[np.float64]


def band_sd(wave: NDArray[np.float64], rate_hz: float) -> float:
    """Standard deviation in the ripple band, without delay."""
    from scipy import signal

    sos = signal.butter(2, BAND_HZ, btype="bandpass", output="sos", fs=rate_hz)
    return float(signal.sosfiltfilt(sos, wave).std())


def ripple(rng: np.random.Generator, rate_hz: float) -> tuple[NDArray[np.float64], float]:
    """One ripple with a peak of 1, in the middle of the samples; and its envelope's sigma, in s."""
    length_s = rng.uniform(*LENGTH_S)
    sigma_s = length_s / 4.0
    reach = round(4.0 * sigma_s * rate_hz)
    t_s = np.arange(-reach, reach + 1) / rate_hz
    slowing = rng.uniform(*FALL_HZ) / length_s
    cycles = rng.uniform(*FREQUENCY_HZ) * t_s - 0.5 * slowing * t_s**2
    envelope = np.exp(-0.5 * (t_s / sigma_s) ** 2)
    return envelope * np.cos(2.0 * np.pi * cycles + rng.uniform(0.0, 2.0 * np.pi)), sigma_s


def implant(
    background: NDArray[np.float64], rate_hz: float, size_sd: float, seed: int
) -> Implanted:
    """Put ripples of one size all over a recording."""
    rng = np.random.default_rng(seed)
    wave = background.copy()
    peak = size_sd * band_sd(background, rate_hz)
    flank = math.sqrt(-2.0 * math.log(ONSET))
    onsets_s: list[float] = []
    ends_s: list[float] = []
    middle_s = FIRST_S
    while True:
        middle_s += PAUSE_S + rng.exponential(MEAN_FURTHER_PAUSE_S)
        event, sigma_s = ripple(rng, rate_hz)
        middle = round(middle_s * rate_hz)
        first = middle - len(event) // 2
        if first + len(event) > len(wave):
            return Implanted(wave, np.array(onsets_s), np.array(ends_s))
        wave[first : first + len(event)] += peak * event
        onsets_s.append(middle / rate_hz - flank * sigma_s)
        ends_s.append(middle / rate_hz + flank * sigma_s)
