"""What assemblies are told from: one number a channel and bin, live and offline the same."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from bci_core.chunk import StreamInfo
from bci_core.detection import bins
from bci_core.detection.filter_bank import bank_size, filter_each, gather, settle_each
from bci_core.detection.filters import band_pass
from bci_core.detection.requirements import band_problems
from bci_core.detection.spike_threshold import (
    SpikeThresholdSettings,
    find_crossings,
    noise_is_learnt,
    threshold_problems,
    threshold_settings,
    threshold_state,
)
from bci_core.errors import ConfigError, Problem
from bci_core.jit import compiled

LEAST_POWER = 1e-12
"""Power of a flat channel, in square microvolts: its logarithm must be finite."""

_SPIKES, _BAND_POWER, _COUNTS = range(3)
SOURCES = ("spikes", "band_power", "counts")

# settings; the threshold's or the band-pass follows
_SOURCE, _SIZE, _STAGE = range(3)
# state; one sum a channel, one value a channel, and the stage's state follow
_SEEN, _BINS = 0, 1
_SUMS = _BINS + bins.STATE_SIZE


class AssemblyFeatures(BaseModel):
    """How bins of activity are made of samples.

    Attributes
    ----------
    source : str
        ``"spikes"``: threshold crossings on each channel, counted. ``"band_power"``:
        decimal logarithm of the mean power of a band on each channel. ``"counts"``: the
        samples are counts or rates already, such as of a spike sorter, and are added up.
    bin_s : float
        Length of a bin.
    spikes : SpikeThresholdSettings
        With ``source = "spikes"``.
    band_hz : (float, float) or None
        With ``source = "band_power"``, which needs it.
    order : int
        Of the Butterworth band-pass, at each edge.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    source: Literal["spikes", "band_power", "counts"] = "spikes"
    bin_s: float = Field(default=0.025, gt=0.0, le=60.0)
    spikes: SpikeThresholdSettings = SpikeThresholdSettings()
    band_hz: tuple[float, float] | None = None
    order: int = Field(default=2, ge=1, le=8)


def feature_problems(features: AssemblyFeatures, info: StreamInfo) -> list[Problem]:
    """The stream's rate is enough for them."""
    if features.source == "spikes":
        return threshold_problems(features.spikes, info)
    if features.source == "counts":
        return []
    if features.band_hz is None:
        return [Problem("band_hz", 'is not set; source = "band_power" needs a band')]
    return band_problems(features.band_hz, info)


def feature_settings(features: AssemblyFeatures, rate_hz: float) -> NDArray[np.float64]:
    """Settings of `take_in`."""
    stage = np.zeros(0)
    if features.source == "spikes":
        stage = threshold_settings(features.spikes, rate_hz)
    elif features.band_hz is not None:
        stage = band_pass(features.band_hz, rate_hz, features.order)
    head = [SOURCES.index(features.source), bins.samples_in(features.bin_s, rate_hz)]
    return np.concatenate([head, stage])


def feature_state(settings: NDArray[np.float64], n_channels: int) -> NDArray[np.float64]:
    """State of `take_in` to begin with."""
    stage = settings[_STAGE:]
    if settings[_SOURCE] == _SPIKES:
        memory = threshold_state(stage, n_channels)
    else:
        memory = np.zeros(n_channels + bank_size(stage, n_channels))
    return np.concatenate([np.zeros(_SUMS + 2 * n_channels), memory])


@compiled("float64[::1](float64[::1], int64)")
def last_bin(state: NDArray[np.float64], n_channels: int) -> NDArray[np.float64]:
    """What the last good bin held, (n_channels,)."""
    return state[_SUMS + n_channels : _SUMS + 2 * n_channels]


@compiled("int64(float64[::1], float64[::1], float64[::1], float32[::1], boolean)")
def take_in(
    settings: NDArray[np.float64],
    state: NDArray[np.float64],
    columns: NDArray[np.float64],
    sample: NDArray[np.float32],
    good: bool,
) -> int:
    """Take one sample in.

    Returns
    -------
    int
        `bins.FILLING`; on the last sample of a bin `bins.GOOD`, and `last_bin` is new;
        or `bins.SPOILT`, where a sample of it was not good, or came before the noise
        of the spikes was learnt.
    """
    n = columns.shape[0]
    sums = state[_SUMS : _SUMS + n]
    stage = settings[_STAGE:]
    memory = state[_SUMS + 2 * n :]
    if settings[_SOURCE] == _SPIKES:
        find_crossings(stage, memory, columns, sample, good, sums)
        good = good and noise_is_learnt(stage, memory)
    else:
        values = memory[:n]
        gather(sample, columns, values)
        if settings[_SOURCE] == _BAND_POWER:
            if state[_SEEN] == 0.0:
                settle_each(stage, memory[n:], values)
                gather(sample, columns, values)
            filter_each(stage, memory[n:], values)
            for c in range(n):
                values[c] *= values[c]
        for c in range(n):
            sums[c] += values[c]
    state[_SEEN] = 1.0
    told = bins.bin_sample(settings[_SIZE], state[_BINS:_SUMS], good)
    if told == bins.GOOD:
        done = last_bin(state, n)
        for c in range(n):
            done[c] = sums[c]
            if settings[_SOURCE] == _BAND_POWER:
                done[c] = np.log10(max(sums[c] / settings[_SIZE], LEAST_POWER))
    if told != bins.FILLING:
        sums[:] = 0.0
    return told


def binned(
    samples: NDArray[np.float32],
    info: StreamInfo,
    features: AssemblyFeatures,
    flags: NDArray[np.uint8] | None = None,
) -> NDArray[np.float64]:
    """The good bins of a recording, as the detector would see them.

    Parameters
    ----------
    samples : ndarray, (n_samples, n_channels), float32
        Of all channels of `info`, repaired by the monitor where there is something to.
    info : StreamInfo
    features : AssemblyFeatures
    flags : ndarray, (n_samples,), uint8, optional
        Of the sample monitor; a bin that holds a flagged sample is left out.

    Returns
    -------
    ndarray, (n_bins, n_channels)

    Raises
    ------
    ConfigError
        The features do not fit the stream's rate.
    """
    problems = feature_problems(features, info)
    if problems:
        raise ConfigError("assembly features", problems)
    n_samples, n_channels = samples.shape
    settings = feature_settings(features, info.rate_hz)
    good = np.ones(n_samples, dtype=np.bool_) if flags is None else np.asarray(flags) == 0
    table = np.zeros((n_samples // int(settings[_SIZE]), n_channels))
    n_bins = _fill(
        settings,
        feature_state(settings, n_channels),
        np.arange(n_channels, dtype=np.float64),
        np.ascontiguousarray(samples, dtype=np.float32),
        good,
        table,
    )
    return table[:n_bins]


@compiled(
    "int64(float64[::1], float64[::1], float64[::1],"
    " float32[:, ::1], boolean[::1], float64[:, ::1])"
)
def _fill(
    settings: NDArray[np.float64],
    state: NDArray[np.float64],
    columns: NDArray[np.float64],
    samples: NDArray[np.float32],
    good: NDArray[np.bool_],
    table: NDArray[np.float64],
) -> int:
    n_bins = 0
    for i in range(samples.shape[0]):
        if take_in(settings, state, columns, samples[i], good[i]) == bins.GOOD:
            table[n_bins] = last_bin(state, columns.shape[0])
            n_bins += 1
    return n_bins
