"""Twins of the quality of the signal and of assemblies."""

import math
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from bci_core.bench.accuracy.cost_bands import Filter, Floats, OnePoles, butterworth
from bci_core.chunk import StreamInfo
from bci_core.detection.assembly import Assembly, AssemblySettings
from bci_core.detection.assembly_features import LEAST_POWER, AssemblyFeatures
from bci_core.detection.assembly_templates import AssemblyTemplates, save
from bci_core.detection.monitor_flags import (
    FLAG_FLAT,
    FLAG_LEAD_OFF,
    FLAG_LINE_NOISE,
    FLAG_NOT_FINITE,
    FLAG_RAILED,
)
from bci_core.detection.signal_quality import SignalQualitySettings

N_TEMPLATES = 6


class SignalQualityTwin:
    """Flags, share of line noise and impedance of each channel, (3 * n_channels,).

    A value that is not finite or railed is flagged, but would be taken into the averages.
    """

    def __init__(self, settings: SignalQualitySettings, info: StreamInfo) -> None:
        n, self._rate_hz = len(info.channels), info.rate_hz
        if settings.mains_hz is None or settings.lead_off_hz is None:
            raise ValueError("the twin watches both tones; choose settings that have them")
        self._flat_n = max(2.0, math.ceil(settings.flat_s * info.rate_hz))
        self._rail_uv, self._lead_off_na = settings.rail_uv, settings.lead_off_na
        self._most_line = settings.max_line_noise
        self._most_uv = settings.max_impedance_kohm * settings.lead_off_na
        pole = math.exp(-1.0 / (settings.quality_s * info.rate_hz))
        self._mean, self._power = OnePoles(pole, 1, n), OnePoles(pole, 1, n)
        self._tones_hz = (settings.mains_hz, settings.lead_off_hz)
        self._tones = [OnePoles(pole, 1, n) for _ in self._tones_hz]
        self._first = np.zeros(n)
        self._last, self._run = np.full(n, np.nan), np.zeros(n)
        self._seen = 0

    def step(self, samples: NDArray[np.float32]) -> Floats:
        """Take a chunk in."""
        values = samples.astype(np.float64)
        if self._seen == 0:
            self._first = values[0]
        times_s = np.arange(self._seen, self._seen + len(values)) / self._rate_hz
        self._seen += len(values)
        swing = values - self._first
        swing = swing - self._mean.step(swing)
        power = self._power.step(swing * swing)
        line, tone = (
            np.abs(pole.step(swing * np.exp(-2j * np.pi * hz * times_s)[:, np.newaxis]))
            for pole, hz in zip(self._tones, self._tones_hz, strict=True)
        )
        share = 2.0 * line * line / np.where(power > 0.0, power, np.inf)
        flags = np.where(share > self._most_line, FLAG_LINE_NOISE, 0)
        flags |= np.where(2.0 * tone > self._most_uv, FLAG_LEAD_OFF, 0)
        flags |= np.where(np.abs(values) >= self._rail_uv, FLAG_RAILED, 0)
        flags |= np.where(np.isfinite(values), 0, FLAG_NOT_FINITE)
        for i, row in enumerate(values):
            self._run = np.where(row == self._last, self._run + 1.0, 1.0)
            self._last = row
            flags[i] |= np.where(self._run >= self._flat_n, FLAG_FLAT, 0)
        return np.concatenate([flags[-1], share[-1], 2.0 * tone[-1] / self._lead_off_na])


def _templates(info: StreamInfo) -> AssemblyTemplates:
    rng = np.random.default_rng(0)
    n = len(info.channels)
    weights = rng.normal(size=(N_TEMPLATES, n))
    return AssemblyTemplates(
        weights=weights / np.linalg.norm(weights, axis=1, keepdims=True),
        thresholds=np.full(N_TEMPLATES, 10.0),
        mean=rng.normal(1.0, 0.2, n),
        sd=rng.uniform(0.3, 0.6, n),
        shared=rng.uniform(0.0, 0.5, n),
        own_sd=rng.uniform(0.5, 1.0, n),
        units=info.channels,
        features=AssemblyFeatures(source="band_power", bin_s=0.02, band_hz=(70.0, 150.0)),
        provenance={"source": "made up, to time it"},
    )


def assembly_for(info: StreamInfo) -> Assembly:
    """A detector of made-up patterns in the high gamma power of all channels."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "templates.npz"
        save(_templates(info), path)
        return Assembly(AssemblySettings(templates=str(path)), info, 0.0)


class AssemblyTwin:
    """Strength of each pattern, (n_templates,)."""

    def __init__(self, info: StreamInfo) -> None:
        self._templates = _templates(info)
        features = self._templates.features
        if features.band_hz is None:
            raise ValueError("the twin takes band power; choose templates of it")
        self._filter = Filter(butterworth(features.band_hz, features.order, info.rate_hz))
        self._size = round(features.bin_s * info.rate_hz)
        self._sum, self._in_bin = np.zeros(len(info.channels)), 0
        self._strengths = np.zeros(N_TEMPLATES)

    def step(self, samples: NDArray[np.float32]) -> Floats:
        """Take a chunk in; a bin has a whole number of them."""
        in_band = self._filter.step(samples.astype(np.float64))
        self._sum += (in_band * in_band).sum(axis=0)
        self._in_bin += len(samples)
        if self._in_bin == self._size:
            power = np.log10(np.maximum(self._sum / self._size, LEAST_POWER))
            self._strengths = self._templates.strengths(power[np.newaxis])[0]
            self._sum[:], self._in_bin = 0.0, 0
        return self._strengths
