"""Tells a state from the spectrum: the calibrated probability of a logistic model."""

import math
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from bci_core.chunk import StreamInfo
from bci_core.detection import morlet
from bci_core.detection.classifier_model import load_model
from bci_core.detection.compiled import CompiledDetector, announce
from bci_core.detection.requirements import lead_problems
from bci_core.detection.spectral_features import LEAST_SD
from bci_core.errors import ConfigError, Problem
from bci_core.jit import KERNEL, compiled

# settings; the weights follow, then the wavelets
_N_FEATURES, _EVERY, _SETTLED, _SIDE, _THRESHOLD, _RELEASE, _ENOUGH = range(7)
_GAIN, _BIAS, _MODEL = range(7, 10)
# state; the features follow, their running mean and variance, then the wavelets
_WAIT, _GOOD, _LASTED, _PROBABILITY, _FEATURES = range(5)


class ClassifierSettings(BaseModel):
    """Section ``[detector]`` of a rig with ``kind = "classifier"``.

    Attributes
    ----------
    model : str
        File of the model (``bci learn classifier`` makes one); a relative
        path starts from the working directory. It names the channels.
    threshold : float
        Of the probability.
    direction : {"below", "above"}
        On which side of the threshold the state is. The default, with a model of later
        recall, is poor encoding: Ezzyat et al. 2018 (Nature Communications 9:365)
        stimulated when the probability of recall was below 0.5.
    min_duration_s : float
        How long the probability must have been there.
    release_margin : float
        The state is over when the probability is this far beyond the threshold, on
        the other side; the next can then begin.
    every_s : float
        How often the model is evaluated.
    normalisation_s : float or None
        Time constant of a running mean and standard deviation of each feature, which
        start at the model's. None keeps the model's: for the session it was fitted in.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    model: str = Field(min_length=1)
    threshold: float = Field(default=0.5, gt=0.0, lt=1.0)
    direction: Literal["below", "above"] = "below"
    min_duration_s: float = Field(default=0.0, ge=0.0, le=600.0)
    release_margin: float = Field(default=0.05, ge=0.0, lt=1.0)
    every_s: float = Field(default=0.05, gt=0.0, le=60.0)
    normalisation_s: float | None = Field(default=None, ge=10.0, le=36_000.0)


class Classifier(CompiledDetector):
    """Announces, once, that the probability has crossed its threshold and stayed there.

    At every sample the power of each wavelet is followed; every `every_s` their
    logarithms are z-scored and weighted, and the sum goes through a logistic function.
    The first answer is given when the power has settled: `settled_s` of good samples
    after the start. Flagged samples pass through the wavelets but not into the power,
    and none of them is answered.

    `value` and the output are the probability; before the first answer, that of average
    features. `target_s` is `sample_s`: now.

    Parameters
    ----------
    settings : ClassifierSettings
    info : StreamInfo
    lead_s : float
        Not used: nothing is predicted.

    Attributes
    ----------
    delays_s : tuple of float
        Of each frequency's wavelet; `averaging_s` of the model comes on top.
    settled_s : float

    Raises
    ------
    ConfigError
        The model cannot be read, or the stream lacks one of its channels or is too slow
        for one of its frequencies.
    """

    Settings: ClassVar[type[BaseModel]] = ClassifierSettings

    def __init__(self, settings: ClassifierSettings, info: StreamInfo, lead_s: float) -> None:
        model = load_model(settings.model)
        features = model.features
        problems = [
            *features.problems(info),
            *_contradictions(settings, info),
            *lead_problems(lead_s),
        ]
        if problems:
            raise ConfigError("detector classifier", problems)
        self.delays_s = morlet.delays_s(features.frequencies_hz, features.cycles, info.rate_hz)
        self.settled_s = features.settled_s(info)
        every = max(1, round(settings.every_s * info.rate_hz))
        answers_hz = info.rate_hz / every
        head = np.zeros(_MODEL)
        head[_N_FEATURES] = len(features)
        head[_EVERY] = every
        head[_SETTLED] = math.ceil(self.settled_s * info.rate_hz)
        head[_SIDE] = -1.0 if settings.direction == "below" else 1.0
        head[_THRESHOLD] = settings.threshold
        head[_RELEASE] = settings.threshold - head[_SIDE] * settings.release_margin
        # Less a hair, so that 0.7 s at 10 answers a second is 7, whatever the rounding.
        head[_ENOUGH] = 1 + math.ceil(settings.min_duration_s * answers_hz - 1e-6)
        if settings.normalisation_s is not None:
            head[_GAIN] = -math.expm1(-1.0 / (settings.normalisation_s * answers_hz))
        head[_BIAS] = model.intercept
        variance = np.square(model.sd)
        start = np.zeros(_FEATURES)
        start[_WAIT] = every
        start[_PROBABILITY] = 1.0 / (1.0 + math.exp(-model.intercept))
        super().__init__(
            classifier_kernel,
            np.concatenate([head, model.weights, features.bank(info)]),
            np.concatenate(
                [start, np.zeros(len(features)), model.mean, variance, features.state()]
            ),
            tuple(dict.fromkeys(info.index_of(channel) for channel in features.channels)),
            (f"probability of {model.positive}",),
            _PROBABILITY,
        )


def _contradictions(settings: ClassifierSettings, info: StreamInfo) -> list[Problem]:
    problems = []
    beyond = settings.threshold + settings.release_margin * (
        1.0 if settings.direction == "below" else -1.0
    )
    if not 0.0 < beyond < 1.0:
        problems.append(
            Problem(
                "release_margin",
                f"is {settings.release_margin:g}, which puts the end of the state at a "
                f"probability of {beyond:g}; it must lie between 0 and 1: lower it",
            )
        )
    if settings.every_s * info.rate_hz < 0.5:
        problems.append(
            Problem(
                "every_s",
                f"is {settings.every_s:g} s, less than half a sample at {info.rate_hz:g} Hz: "
                "raise it",
            )
        )
    return problems


@compiled(KERNEL)
def classifier_kernel(
    samples: NDArray[np.float32],
    times_s: NDArray[np.float64],
    flags: NDArray[np.uint8],
    settings: NDArray[np.float64],
    state: NDArray[np.float64],
    out: NDArray[np.float64],
) -> int:
    """See `Classifier`."""
    n = int(settings[_N_FEATURES])
    weights = settings[_MODEL : _MODEL + n]
    bank = settings[_MODEL + n :]
    features = state[_FEATURES : _FEATURES + n]
    mean = state[_FEATURES + n : _FEATURES + 2 * n]
    variance = state[_FEATURES + 2 * n : _FEATURES + 3 * n]
    wavelets = state[_FEATURES + 3 * n :]
    n_found = 0
    for i in range(samples.shape[0]):
        good = flags[i] == 0
        morlet.advance(bank, wavelets, samples[i], good)
        state[_WAIT] -= 1.0
        if good and state[_GOOD] < settings[_SETTLED]:
            state[_GOOD] += 1.0
        if state[_WAIT] > 0.0:
            continue
        state[_WAIT] = settings[_EVERY]
        if not good or state[_GOOD] < settings[_SETTLED]:
            continue

        morlet.log_powers(wavelets, features)
        score = settings[_BIAS]
        gain = settings[_GAIN]
        for u in range(n):
            step = features[u] - mean[u]
            score += weights[u] * step / max(math.sqrt(variance[u]), LEAST_SD)
            mean[u] += gain * step
            variance[u] = (1.0 - gain) * (variance[u] + gain * step * step)
        probability = 1.0 / (1.0 + math.exp(-score))
        state[_PROBABILITY] = probability

        # Once announced, the state lasts until it is released, so that it is announced once.
        announced = state[_LASTED] >= settings[_ENOUGH]
        bound = settings[_RELEASE] if announced else settings[_THRESHOLD]
        if settings[_SIDE] * (probability - bound) < 0.0:
            state[_LASTED] = 0.0
            continue
        state[_LASTED] += 1.0
        if state[_LASTED] == settings[_ENOUGH]:
            n_found = announce(out, n_found, i, times_s[i], probability)
    return n_found
