"""Counts threshold crossings on many channels, and finds bursts of the population."""

from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from bci_core.chunk import StreamInfo
from bci_core.detection import baseline, bins
from bci_core.detection.compiled import OUT_CHANNEL, CompiledDetector, announce
from bci_core.detection.filter_bank import columns_problems
from bci_core.detection.requirements import lead_problems
from bci_core.detection.spike_threshold import (
    SpikeThresholdSettings,
    find_crossings,
    furthest,
    noise_is_learnt,
    noise_uv,
    threshold_problems,
    threshold_settings,
    threshold_state,
)
from bci_core.errors import ConfigError, Problem
from bci_core.jit import KERNEL, compiled

# settings; the columns, the baseline's and the threshold's follow
_N, _SIZE, _BIN_S, _EACH, _ABOVE, _RELEASE, _COLUMNS = range(7)
# state; the rates, the counts of this bin, and the threshold's follow
_IN_EVENT, _BINS = 0, 1
_BASELINE_STATE = _BINS + bins.STATE_SIZE
_POPULATION = _BASELINE_STATE + baseline.STATE_SIZE
_HEIGHT = _POPULATION + 1
_RATES = _HEIGHT + 1


class SpikesSettings(SpikeThresholdSettings):
    """Section ``[detector]`` of a rig with ``kind = "spikes"``.

    Attributes
    ----------
    channels : tuple of str
        Labels of the channels to watch.
    announce : str
        ``"population"``: bins in which the crossings of all channels together are
        many. ``"crossing"``: every crossing, for few channels; at most one a sample.
    bin_s : float
        Length of the bins in which crossings are counted.
    threshold_sd : float
        How far the population's rate must be above its mean, in its standard deviations.
    release_sd : float
        The event is over, and the next can begin, when the rate is below this.
    baseline_s : float
        Time constant of the population's running mean and standard deviation.
    baseline_learning_s : float
        How long a first baseline is learnt. No population event begins before.
    """

    channels: tuple[str, ...] = Field(min_length=1)
    announce: Literal["population", "crossing"] = "population"
    bin_s: float = Field(default=0.025, gt=0.0, le=60.0)
    threshold_sd: float = Field(default=4.0, gt=0.0, le=100.0)
    release_sd: float = Field(default=1.0, ge=0.0, le=100.0)
    baseline_s: float = Field(default=30.0, gt=0.0, le=36_000.0)
    baseline_learning_s: float = Field(default=5.0, gt=0.0, le=600.0)


class Spikes(CompiledDetector):
    """Binned rates of every channel; events of the population, or each crossing.

    Each channel is high-passed and compared with a threshold on its own noise
    (`bci_core.detection.spike_threshold`). The rates of a bin stand in `outputs` from
    its last sample until the next bin's. A bin that holds a flagged sample is thrown
    away: the rates stay, no baseline learns from it, no event begins or ends.

    With ``announce = "population"`` an event is announced once, on the last sample of
    the first bin in which all crossings together are `threshold_sd` above their running
    mean (`bci_core.detection.baseline`, winsorised, with a standard deviation of at least
    one crossing: the median and its deviation are 0 where most bins are empty); `value` is
    how far, in standard deviations. With ``"crossing"`` every
    sample on which a channel crosses is announced, with the `channel` that went
    furthest; `value` is how far from zero, in standard deviations of its noise.
    `target_s` is `sample_s`: now.

    After a step of the electrodes the high-pass rings for a few of its own periods (10 ms
    at 300 Hz) and may cross; `spike_threshold` says how soon the noise follows a change.

    Parameters
    ----------
    settings : SpikesSettings
    info : StreamInfo
    lead_s : float
        Not used: nothing is predicted.

    Raises
    ------
    ConfigError
        The stream lacks a channel, the high-pass does not fit its rate, or the
        settings contradict each other.
    """

    Settings: ClassVar[type[BaseModel]] = SpikesSettings

    def __init__(self, settings: SpikesSettings, info: StreamInfo, lead_s: float) -> None:
        problems = [
            *columns_problems(settings.channels, info),
            *threshold_problems(settings, info),
            *_contradictions(settings),
            *lead_problems(lead_s),
        ]
        if problems:
            raise ConfigError("detector spikes", problems)
        columns = tuple(info.index_of(channel) for channel in settings.channels)
        self._n = n = len(columns)
        size = bins.samples_in(settings.bin_s, info.rate_hz)
        bin_rate_hz = info.rate_hz / size
        head = np.zeros(_COLUMNS)
        head[_N] = n
        head[_SIZE] = size
        head[_BIN_S] = 1.0 / bin_rate_hz
        head[_EACH] = settings.announce == "crossing"
        head[_ABOVE] = settings.threshold_sd
        head[_RELEASE] = settings.release_sd
        normal = baseline.baseline_settings(
            settings.baseline_s, settings.baseline_learning_s, 1.0, bin_rate_hz
        )
        threshold = threshold_settings(settings, info.rate_hz)
        self._threshold_at = _RATES + 2 * n
        super().__init__(
            spikes_kernel,
            np.concatenate([head, columns, normal, threshold]),
            np.concatenate([np.zeros(self._threshold_at), threshold_state(threshold, n)]),
            columns,
            outputs=(
                "population_rate_hz",
                "population_sd",
                *(f"rate_hz:{channel}" for channel in settings.channels),
            ),
            outputs_at=_POPULATION,
        )

    def counts(self) -> NDArray[np.int64]:
        """Crossings on each channel in the last whole bin, (n_channels,)."""
        rates_hz = self.state[_RATES : _RATES + self._n]
        return np.asarray(np.rint(rates_hz * self.settings[_BIN_S]), dtype=np.int64)

    def noise_uv(self) -> NDArray[np.float64]:
        """Standard deviation of the noise on each channel, in microvolts, (n_channels,)."""
        return noise_uv(self.state[self._threshold_at :], self._n)


def _contradictions(settings: SpikesSettings) -> list[Problem]:
    problems = []
    if settings.release_sd > settings.threshold_sd:
        problems.append(
            Problem(
                "release_sd",
                f"is {settings.release_sd:g} SD, above threshold_sd of "
                f"{settings.threshold_sd:g} SD; an event would be over as it begins: lower it",
            )
        )
    if settings.baseline_s <= settings.bin_s:
        problems.append(
            Problem(
                "baseline_s",
                f"is {settings.baseline_s:g} s, not above bin_s of {settings.bin_s:g} s; raise it",
            )
        )
    return problems


@compiled(KERNEL)
def spikes_kernel(
    samples: NDArray[np.float32],
    times_s: NDArray[np.float64],
    flags: NDArray[np.uint8],
    settings: NDArray[np.float64],
    state: NDArray[np.float64],
    out: NDArray[np.float64],
) -> int:
    """See `Spikes`."""
    n = int(settings[_N])
    columns = settings[_COLUMNS : _COLUMNS + n]
    normal = settings[_COLUMNS + n : _COLUMNS + n + baseline.SETTINGS_SIZE]
    threshold = settings[_COLUMNS + n + baseline.SETTINGS_SIZE :]
    bin_state = state[_BINS:_BASELINE_STATE]
    normal_state = state[_BASELINE_STATE:_POPULATION]
    rates = state[_RATES : _RATES + n]
    counts = state[_RATES + n : _RATES + 2 * n]
    threshold_memory = state[_RATES + 2 * n :]
    n_found = 0
    for i in range(samples.shape[0]):
        good = flags[i] == 0
        find_crossings(threshold, threshold_memory, columns, samples[i], good, counts)
        if settings[_EACH] > 0.0:
            channel, height_sd = furthest(threshold_memory, n)
            if channel >= 0.0:
                n_found = announce(out, n_found, i, times_s[i], height_sd)
                out[n_found - 1, OUT_CHANNEL] = columns[int(channel)]

        learnt = noise_is_learnt(threshold, threshold_memory)
        told = bins.bin_sample(settings[_SIZE], bin_state, good and learnt)
        if told == bins.FILLING:
            continue
        if told == bins.GOOD:
            total = 0.0
            for c in range(n):
                total += counts[c]
                rates[c] = counts[c] / settings[_BIN_S]
            state[_POPULATION] = total / settings[_BIN_S]
            state[_HEIGHT] = 0.0
            if baseline.is_learnt(normal, normal_state):
                state[_HEIGHT] = baseline.deviations(normal, normal_state, total)
            baseline.follow(normal, normal_state, total)
            if state[_HEIGHT] < settings[_RELEASE]:
                state[_IN_EVENT] = 0.0
            if state[_HEIGHT] >= settings[_ABOVE] and state[_IN_EVENT] == 0.0:
                state[_IN_EVENT] = 1.0
                if settings[_EACH] == 0.0:
                    n_found = announce(out, n_found, i, times_s[i], state[_HEIGHT])
        counts[:] = 0.0
    return n_found
