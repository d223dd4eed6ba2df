"""A state told from the spectrum of a real recording, beside wavelets that see the future.

The recording's own description says when its alpha was: at about 40 to 80 s, on two
channels. The model is fitted on the first 70 % and judged on the rest, so that it has to
hold as time goes on; what drifts over the minute and a half is mistaken for the state
where frequencies are left in that have no part in it.
"""

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bci_core.bench.accuracy.figure import Figure, Say
from bci_core.clock import LslClock
from bci_core.detection.classifier_fit import fit
from bci_core.detection.spectral_features import SpectralFeatures
from bci_core.record.marks import Mark
from bci_core.record.recording import read_recording
from bci_core.scoring.stretch import Stretch, stretch_of
from bci_core.tuning.holdout import keep_aside
from bci_core.tuning.learn_states import Learnt, default_frequencies, learn_states
from bci_core.tuning.states import ExampleSettings

RECORDING = "openbci_blink_jaw_alpha_90s"
CHANNELS = ("ch7", "ch8")
ALPHA = Mark(40.0, 40.0, "alpha")
KEPT_ASIDE = 0.3
AROUND_ALPHA_HZ = (5.0, 10.0, 20.0)
N_SHUFFLES = 200
SEED = 1


def measure(recordings: Path, say: Say) -> list[Figure]:
    """See the package."""
    path = recordings / f"{RECORDING}.npz"
    if not path.exists():
        say(f"classifier: {path.name} is not there; left out")
        return []
    try:
        name = f"scikit-learn {version('scikit-learn')}, acausal Morlet power"
    except PackageNotFoundError:
        say("classifier: scikit-learn is not installed; left out")
        return []
    recording = read_recording(path, channels=CHANNELS)
    stretch = stretch_of(recording)
    aside = keep_aside(0.0, recording.duration_s, KEPT_ASIDE, None)
    figures = []
    for which, frequencies_hz in (
        ("default frequencies", default_frequencies(recording.rate_hz)),
        ("5, 10 and 20 Hz", AROUND_ALPHA_HZ),
    ):
        say(f"classifier: {which}")
        learnt = learn_states(
            stretch,
            [ALPHA],
            ("alpha", ""),
            SpectralFeatures(channels=CHANNELS, frequencies_hz=frequencies_hz),
            ExampleSettings(),
            aside,
            {"source": path.name},
            LslClock().utc(),
            n_shuffles=N_SHUFFLES,
            seed=SEED,
            say=lambda _line: None,
        )
        figures += _figures(learnt, stretch, f"{RECORDING}, alpha, {which}", name)
    return figures


def _figures(learnt: Learnt, stretch: Stretch, on: str, name: str) -> list[Figure]:
    model, examples = learnt.model, learnt.examples
    reference = fit(
        acausal_rows(stretch, model.features, examples.at_s),
        examples.positive,
        model.features,
        positive=model.positive,
        source=RECORDING,
        groups=examples.block,
        held_out=examples.aside,
    ).figures
    counts = {f"{k}_kept_aside": n for k, n in learnt.counts()["kept_aside"].items()}
    counts["fitted_on"] = model.figures.n_trained
    ours = model.figures
    return [
        Figure("classifier", on, "AUC kept aside", ours.auc, counts=counts,
               reference=reference.auc, reference_name=name),
        Figure("classifier", on, "AUC by chance, 95th percentile", learnt.chance_p95,
               at_least=False, counts={**counts, "shuffles": len(learnt.chance)},
               reference_name="none: labels shuffled in blocks"),
        Figure("classifier", on, "AUC over folds of the part fitted on", ours.auc_cross_validated,
               counts=counts, reference=reference.auc_cross_validated, reference_name=name),
        Figure("classifier", on, "Brier score over that of the base rate",
               ours.brier / ours.brier_of_base_rate, at_least=False, counts=counts,
               reference=reference.brier / reference.brier_of_base_rate, reference_name=name),
    ]  # fmt: skip


def acausal_rows(
    stretch: Stretch, design: SpectralFeatures, at_s: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The same features by Morlet wavelets and averages that lie around each time.

    Returns
    -------
    ndarray, (n_times, n_features)
        In the order of `SpectralFeatures.measured`.
    """
    from scipy import signal

    rate_hz = stretch.info.rate_hz
    rows = np.searchsorted(stretch.times_s, at_s, side="right") - 1
    width = max(1, round(2.0 * design.averaging_s * rate_hz))
    columns = []
    for frequency_hz in design.frequencies_hz:
        sd_s = design.cycles / (2.0 * np.pi * frequency_hz)
        t_s = np.arange(-round(4.0 * sd_s * rate_hz), round(4.0 * sd_s * rate_hz) + 1) / rate_hz
        wavelet = np.exp(2j * np.pi * frequency_hz * t_s - 0.5 * (t_s / sd_s) ** 2)
        wavelet *= 2.0 / np.abs(wavelet).sum()
        for channel in design.channels:
            wave_uv = stretch.samples[:, stretch.info.index_of(channel)].astype(np.float64)
            power = np.abs(signal.fftconvolve(wave_uv - wave_uv.mean(), wavelet, "same")) ** 2
            mean = signal.fftconvolve(power, np.full(width, 1.0 / width), "same")
            columns.append(np.log10(np.maximum(mean[rows], 1e-6)))
    return np.stack(columns, axis=1)
