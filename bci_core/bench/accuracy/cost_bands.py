"""Twins of the detectors that follow the power of bands."""

import math
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bci_core.chunk import StreamInfo
from bci_core.detection.band_discriminant_settings import BandDiscriminantSettings
from bci_core.detection.band_power import BandPowerSettings
from bci_core.detection.baseline import CLIP_SD
from bci_core.detection.classifier import Classifier, ClassifierSettings
from bci_core.detection.classifier_model import ClassifierModel, FitFigures
from bci_core.detection.spectral_features import SpectralFeatures

Floats = NDArray[np.float64]

EVERY_S = 0.048
"""A whole number of chunks."""


class Filter:
    """Second-order sections over channels, block by block, from rest at the first sample."""

    def __init__(self, sos: Floats) -> None:
        from scipy import signal

        self._sos, self._signal = sos, signal
        self._state: Any = None

    def step(self, samples: Floats) -> Floats:
        """(n_samples, n_channels) in, the same out."""
        if self._state is None:
            rest = self._signal.sosfilt_zi(self._sos)
            self._state = rest[:, :, np.newaxis] * samples[0]
        filtered, self._state = self._signal.sosfilt(self._sos, samples, axis=0, zi=self._state)
        return np.asarray(filtered)


class OnePoles:
    """Equal one-pole filters in series, block by block, from zero."""

    def __init__(self, pole: complex, order: int, n_channels: int) -> None:
        from scipy.signal import lfilter

        self._lfilter = lfilter
        self._gain = [(1.0 - pole) ** order if isinstance(pole, float) else 1.0]
        self._poles = np.poly([pole] * order)
        self._state = np.zeros((order, n_channels), dtype=type(pole))

    def step(self, samples: NDArray[Any]) -> NDArray[Any]:
        """(n_samples, n_channels) in, the same out."""
        filtered, self._state = self._lfilter(
            self._gain, self._poles, samples, axis=0, zi=self._state
        )
        return np.asarray(filtered)


class Baseline:
    """`bci_core.detection.baseline` of many values at once, value by value in time."""

    def __init__(self, memory: float, learning: float, floor: float, n: int) -> None:
        self._gain, self._memory = -math.expm1(-1.0 / memory), memory
        self._learning, self._floor = learning, floor
        self._count, self._mean, self._variance, self._run = np.zeros((4, n))

    def step(self, values: Floats) -> Floats:
        """Heights of one value of each, 0 where nothing is learnt yet; then learn from them."""
        learnt = self._count >= self._learning
        deviation = np.maximum(np.sqrt(self._variance), self._floor)
        step = values - self._mean
        heights = np.where(learnt, step / deviation, 0.0)
        self._run = np.where(
            step > 0.0, np.maximum(self._run, 0.0) + 1.0, np.minimum(self._run, 0.0) - 1.0
        )
        other = np.abs(self._run) > self._memory
        for part in (self._count, self._mean, self._variance, self._run):
            part[other] = 0.0
        reach = np.where(learnt & ~other, CLIP_SD * deviation, np.inf)
        step = np.clip(np.where(other, values, step), -reach, reach)
        self._count += 1.0
        weight = np.maximum(self._gain, 1.0 / self._count)
        self._mean += weight * step
        self._variance = (1.0 - weight) * (self._variance + weight * step * step)
        return heights


class OneBaseline:
    """`Baseline` of a single value, in plain numbers, which is quicker than arrays of one."""

    def __init__(self, memory: float, learning: float, floor: float) -> None:
        self._gain, self._memory = -math.expm1(-1.0 / memory), memory
        self._learning, self._floor = learning, floor
        self._count = self._mean = self._variance = self._run = 0.0

    def step(self, values: Floats) -> Floats:
        """As `Baseline.step`."""
        value = float(values[0])
        learnt = self._count >= self._learning
        deviation = max(math.sqrt(self._variance), self._floor)
        step = value - self._mean
        height = step / deviation if learnt else 0.0
        self._run = max(self._run, 0.0) + 1.0 if step > 0.0 else min(self._run, 0.0) - 1.0
        if abs(self._run) > self._memory:
            self._count = self._mean = self._variance = self._run = 0.0
            step = value
        elif learnt:
            step = min(max(step, -CLIP_SD * deviation), CLIP_SD * deviation)
        self._count += 1.0
        weight = max(self._gain, 1.0 / self._count)
        self._mean += weight * step
        self._variance = (1.0 - weight) * (self._variance + weight * step * step)
        return np.array([height])


def baseline_of(
    time_constant_s: float, learning_s: float, floor: float, rate_hz: float, n: int
) -> Baseline | OneBaseline:
    """The quicker of the two for `n` values."""
    memory, learning = time_constant_s * rate_hz, learning_s * rate_hz
    if n == 1:
        return OneBaseline(memory, learning, floor)
    return Baseline(memory, learning, floor, n)


def butterworth(band_hz: tuple[float, float], order: int, rate_hz: float) -> Floats:
    """Band-pass, as second-order sections."""
    from scipy import signal

    return np.asarray(signal.butter(order, band_hz, btype="bandpass", output="sos", fs=rate_hz))


class BandPowerTwin:
    """Envelope and height, (n_channels, 2)."""

    def __init__(self, settings: BandPowerSettings, info: StreamInfo) -> None:
        n, rate_hz = len(info.channels), info.rate_hz
        self._filter = Filter(butterworth(settings.band_hz, settings.order, rate_hz))
        self._smooth = OnePoles(math.exp(-1.0 / (settings.smoothing_s * rate_hz)), 1, n)
        self._baseline = baseline_of(
            settings.baseline_s, settings.learning_s, settings.min_sd_uv, rate_hz, n
        )

    def step(self, samples: NDArray[np.float32]) -> Floats:
        """Take a chunk in."""
        in_band = self._filter.step(samples.astype(np.float64))
        envelope = np.sqrt(self._smooth.step(in_band * in_band))
        for row in envelope:
            height = self._baseline.step(row)
        return np.stack([envelope[-1], height], axis=1)


class BandDiscriminantTwin:
    """The discriminant of one band in standard deviations, (n_channels,)."""

    def __init__(self, settings: BandDiscriminantSettings, info: StreamInfo) -> None:
        n, rate_hz = len(info.channels), info.rate_hz
        self._update = round(settings.update_s * rate_hz)
        updates_hz = rate_hz / self._update
        self._filter = Filter(butterworth(settings.bands_hz[0], settings.order, rate_hz))
        self._blocks = np.zeros((round(settings.averaging_s * updates_hz), n))
        self._sum, self._height, self._in_block, self._n_blocks = np.zeros(n), np.zeros(n), 0, 0
        self._baseline = baseline_of(
            settings.baseline_s, settings.learning_s, settings.min_sd_uv, updates_hz, n
        )

    def step(self, samples: NDArray[np.float32]) -> Floats:
        """Take a chunk in; an update has a whole number of them."""
        in_band = self._filter.step(samples.astype(np.float64))
        self._sum += (in_band * in_band).sum(axis=0)
        self._in_block += len(samples)
        if self._in_block == self._update:
            self._blocks = np.roll(self._blocks, -1, axis=0)
            self._blocks[-1] = self._sum / self._update
            self._sum[:] = 0.0
            self._in_block = 0
            self._n_blocks += 1
            if self._n_blocks >= len(self._blocks):
                self._height = self._baseline.step(np.sqrt(self._blocks.mean(axis=0)))
        return self._height


def _model(info: StreamInfo) -> ClassifierModel:
    design = SpectralFeatures(channels=info.channels, averaging_s=0.05)
    n = len(design)
    nothing = FitFigures(
        n_trained=0,
        n_held_out=0,
        base_rate=0.5,
        auc=0.5,
        brier=0.25,
        brier_of_base_rate=0.25,
        auc_cross_validated=0.5,
        penalty_c=1.0,
    )
    return ClassifierModel(
        features=design,
        mean=(1.0,) * n,
        sd=(0.5,) * n,
        weights=tuple(np.random.default_rng(0).normal(0.0, 0.02, n).tolist()),
        intercept=0.1,
        positive="nothing",
        figures=nothing,
        provenance={"source": "made up, to time it"},
    )


def classifier_for(info: StreamInfo) -> Classifier:
    """A classifier of all channels at the default frequencies."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "model.json"
        _model(info).save(path)
        return Classifier(ClassifierSettings(model=str(path), every_s=EVERY_S), info, 0.0)


class ClassifierTwin:
    """The probability, (1, 1)."""

    def __init__(self, info: StreamInfo) -> None:
        model, rate_hz = _model(info), info.rate_hz
        self._model, self._every = model, round(EVERY_S * rate_hz)
        self._settled = math.ceil(model.features.settled_s(info) * rate_hz)
        n = len(info.channels)
        self._wavelets, self._scales = [], []
        for f in model.features.frequencies_hz:
            decay = 2.0 * 2.0 * math.pi * f / model.features.cycles
            pole = complex(np.exp(complex(-decay, 2.0 * math.pi * f) / rate_hz))
            turn = np.exp(-2j * math.pi * f / rate_hz)
            self._wavelets.append(OnePoles(pole, 4, n))
            self._scales.append(4.0 / abs((1.0 - turn) / (1.0 - pole * turn) ** 4) ** 2)
        smoothing = math.exp(-1.0 / (model.features.averaging_s * rate_hz))
        self._smooth = OnePoles(smoothing, 1, len(model.features))
        self._last: Any = None
        self._seen = 0
        self._probability = 1.0 / (1.0 + math.exp(-model.intercept))

    def step(self, samples: NDArray[np.float32]) -> Floats:
        """Take a chunk in; between two answers lies a whole number of them."""
        values = samples.astype(np.float64)
        steps = np.diff(values, axis=0, prepend=values[:1] if self._last is None else self._last)
        self._last = values[-1:]
        powers = []
        for wavelet, scale in zip(self._wavelets, self._scales, strict=True):
            y = wavelet.step(steps)
            powers.append(scale * (y.real * y.real + y.imag * y.imag))
        power = self._smooth.step(np.concatenate(powers, axis=1))[-1]
        self._seen += len(samples)
        if self._seen % self._every == 0 and self._seen >= self._settled:
            features = np.log10(np.maximum(power, 1e-6))
            self._probability = float(self._model.probability(features[np.newaxis])[0])
        return np.array([[self._probability]])
