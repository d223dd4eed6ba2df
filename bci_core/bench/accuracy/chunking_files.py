"""Files for detectors that need one, made of the very samples they are then tried on.

They are to make the detector find something, not to find the right thing.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bci_core.chunk import Chunk, StreamInfo

BAND_HZ = (8.0, 13.0)
BIN_S = 0.1


def templates(info: StreamInfo, chunk: Chunk, folder: Path) -> dict[str, Any]:
    """Settings of an assembly detector: two patterns in the power of a band."""
    from scipy.signal import butter, sosfilt

    from bci_core.detection.assembly_features import AssemblyFeatures
    from bci_core.detection.assembly_templates import AssemblyTemplates, save

    n = len(info.channels)
    size = max(1, round(BIN_S * info.rate_hz))
    sos = butter(2, BAND_HZ, "bandpass", fs=info.rate_hz, output="sos")
    power = sosfilt(sos, chunk.samples - chunk.samples[0], axis=0) ** 2
    whole = power[: len(power) // size * size].reshape(-1, size, n).mean(axis=1)
    values = np.log10(whole + 1e-12)
    signs = np.where(np.arange(n) % 2, -1.0, 1.0)
    made = AssemblyTemplates(
        weights=np.stack([np.ones(n), signs]) / np.sqrt(n),
        thresholds=np.full(2, 0.5),
        mean=values.mean(axis=0),
        sd=np.maximum(values.std(axis=0), 0.01),
        shared=np.zeros(n),
        own_sd=np.ones(n),
        units=info.channels,
        features=AssemblyFeatures(source="band_power", bin_s=BIN_S, band_hz=BAND_HZ),
        provenance={},
    )
    path = folder / "templates.npz"
    save(made, path)
    return {"templates": str(path), "channels": info.channels}


def model(info: StreamInfo, chunk: Chunk, folder: Path) -> dict[str, Any]:
    """Settings of a classifier: all features weigh the same."""
    from bci_core.detection.classifier_model import ClassifierModel, FitFigures
    from bci_core.detection.spectral_features import SpectralFeatures

    features = SpectralFeatures(
        channels=info.channels, frequencies_hz=(6.0, 10.0, 20.0), averaging_s=0.1
    )
    at_s = np.linspace(chunk.times_s[0], chunk.times_s[-1], 200)
    seen = features.measured(chunk, info, at_s)[20:]
    nothing = dict.fromkeys(FitFigures.model_fields, 0)
    made = ClassifierModel(
        features=features,
        mean=tuple(seen.mean(axis=0).tolist()),
        sd=tuple(np.maximum(seen.std(axis=0), 0.01).tolist()),
        weights=(1.0,) * len(features),
        intercept=0.0,
        positive="power",
        figures=FitFigures.model_validate(nothing),
        provenance={},
    )
    path = folder / "model.json"
    made.save(path)
    return {"model": str(path), "every_s": 0.02}


FILES: Mapping[str, Callable[[StreamInfo, Chunk, Path], dict[str, Any]]] = {
    "assembly": templates,
    "classifier": model,
}
"""By name of the detector; each writes a file into a folder and gives the settings."""
