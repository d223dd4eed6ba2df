"""Where channels are, and how large each wave is on each of them.

The first half of the channels, rounded up, lies in the hippocampus, the rest in the cortex.
Within each, channels are in a row. Theta, gamma, ripples and sharp waves are of the
hippocampus, largest in its first channel; the slow oscillation and spindles, and what eyes
and muscles add, are of the cortex, and the slow ones reach the hippocampus too.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from drivers.amplifiers.simulated_brain import tracks
from drivers.amplifiers.simulated_brain.species import Brain

SPREAD: Final = 0.35
"""How far a wave reaches within its region, as a part of the region."""
TISSUE_OHM_M: Final = 3.0
"""Resistivity of brain tissue, of the order of 3 ohm metres."""
CLOSEST_MM: Final = 0.5
"""From a stimulating electrode to the recording channel that is nearest to it."""


def labels(n_channels: int, n_units: int) -> tuple[str, ...]:
    """Of all channels: ``hpc…``, then ``ctx…``, then the counts of units, ``unit…``."""
    n_hippocampal = (n_channels + 1) // 2
    return (
        *(f"hpc{k + 1:03d}" for k in range(n_hippocampal)),
        *(f"ctx{k + 1:03d}" for k in range(n_channels - n_hippocampal)),
        *(f"unit{k + 1:03d}" for k in range(n_units)),
    )


@dataclass(frozen=True, slots=True)
class Contamination:
    """Peaks of what is not of the brain, in microvolts, where it is largest."""

    line_uv: float
    blink_uv: float
    movement_uv: float


def wave_gains(
    n_channels: int, brain: Brain, added: Contamination, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Microvolts of each wave on each channel, (n_waves, n_channels)."""
    n_hippocampal = (n_channels + 1) // 2
    hippocampus = np.zeros(n_channels)
    along = np.arange(n_hippocampal) / max(1, n_hippocampal)
    hippocampus[:n_hippocampal] = np.exp(-0.5 * (along / SPREAD) ** 2)
    cortex = np.zeros(n_channels)
    n_cortical = n_channels - n_hippocampal
    along = np.arange(n_cortical) / max(1, n_cortical)
    cortex[n_hippocampal:] = np.exp(-0.5 * (along / (2.0 * SPREAD)) ** 2)
    both = np.where(hippocampus > 0.0, 0.4, cortex) if n_cortical else np.ones(n_channels)
    everywhere = np.exp(0.2 * rng.standard_normal(n_channels))
    gains = np.zeros((len(tracks.WAVES), n_channels))
    for wave, size in (
        (tracks.THETA, brain.theta_uv * (hippocampus + 0.2 * cortex)),
        (tracks.GAMMA, brain.gamma_uv * hippocampus),
        (tracks.SLOW, brain.slow_uv * both),
        (tracks.SPINDLE, brain.spindle_uv * both),
        (tracks.RIPPLE, brain.ripple_uv * hippocampus),
        (tracks.SHARP_WAVE, brain.sharp_wave_uv * hippocampus),
        (tracks.SEIZURE, brain.seizure_uv * (hippocampus + 0.5 * cortex)),
        (tracks.EVOKED, brain.evoked_uv * hippocampus),
        (tracks.EVOKED_CORTEX, brain.evoked_uv * cortex),
        (tracks.LINE, added.line_uv * everywhere),
        (tracks.BLINK, added.blink_uv * (cortex + 0.05 * hippocampus)),
        (tracks.MOVEMENT, added.movement_uv * everywhere),
    ):
        gains[wave - tracks.FIRST_WAVE] = size
    return gains


def muscle_gains(n_channels: int) -> NDArray[np.float64]:
    """Share of muscle activity on each channel: cortical ones have all of it."""
    shares = np.ones(n_channels)
    shares[: (n_channels + 1) // 2] = 0.1
    return shares


def mixing(n_sources: int, n_channels: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Shares of background sources in channels, (n_sources, n_channels).

    Sources are spread evenly over the row of channels, and each reaches its neighbours; the
    squares of a channel's shares add up to 1, so that every channel has the same variance.
    """
    channels = np.arange(n_channels)[None, :]
    centres = (np.arange(n_sources)[:, None] + 0.5) * n_channels / n_sources
    width = 1.5 * n_channels / n_sources
    shares = np.exp(-0.5 * ((channels - centres) / width) ** 2)
    shares = shares * (1.0 + 0.3 * rng.standard_normal(shares.shape)) + 1e-3
    return np.asarray(shares / np.sqrt((shares**2).sum(axis=0)))


def artefact_gains(n_sites: int, n_channels: int, pitch_mm: float) -> NDArray[np.float64]:
    """Microvolts on a channel for each microampere at a site, (n_sites, n_channels).

    That of a point source in a volume, resistivity / (4 pi distance). Sites are spread evenly
    over the row of channels.
    """
    channels_mm = np.arange(n_channels)[None, :] * pitch_mm
    sites_mm = np.arange(n_sites)[:, None] * pitch_mm * n_channels / n_sites
    distance_mm = np.hypot(channels_mm - sites_mm, CLOSEST_MM)
    return np.asarray(TISSUE_OHM_M / (4.0 * np.pi * distance_mm * 1e-3))
