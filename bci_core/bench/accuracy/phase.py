"""Causal phase at each sample against an acausal reference, on real recordings.

The reference is a zero-phase FIR band-pass (Hamming window, three cycles of the lower
edge) with Hilbert's transform. Its own edges, one filter's length at either end of the
recording, are left out; nothing else is. The phase is the detector's output
``phase_deg`` with no lead: the phase now. "Gated" keeps the samples on which the
detector's own gate is open. Settings are the defaults; only the band is given, and for
the gated figures that the upper half of the amplitudes is wanted.
"""

import importlib.metadata
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bci_core.bench.accuracy.figure import Figure, Say
from bci_core.chunk import Chunk, StreamInfo
from bci_core.detection.phase import Phase, PhaseSettings
from bci_core.detection.phase_follow import OUTPUTS

CYCLES_OF_FILTER = 3.0
GATED_QUANTILE = 0.5
REFERENCE_EVERY_S = 0.02

Phases = NDArray[np.complex128]


@dataclass(frozen=True, slots=True)
class Trial:
    """A channel of a recording, and what is asked there; None where nothing is."""

    recording: str
    row: int
    band_hz: tuple[float, float]
    asked_all: float | None = None
    asked_upper: float | None = None
    asked_gated: float | None = None
    window_s: float = 1.0

    def __str__(self) -> str:
        low_hz, high_hz = self.band_hz
        return f"{self.recording}[{self.row}], {low_hz:g} to {high_hz:g} Hz"


TRIALS = (
    Trial("rat_ca1_ec3_theta_60s", 0, (5.0, 11.0), asked_all=0.93, asked_upper=0.97),
    Trial("rat_ca1_ec3_theta_60s", 1, (5.0, 11.0), asked_all=0.93, asked_upper=0.97),
    Trial("rat_hpc_hc2_150s", 0, (4.0, 10.0), asked_all=0.93, asked_upper=0.97),
    Trial("yasa_rest_eo_360s", 1, (8.0, 13.0), asked_gated=0.88),
    Trial("human_m1_pd_beta_10s", 0, (13.0, 30.0)),
    Trial("yasa_n3_30s", 0, (0.5, 2.0), asked_gated=0.75, window_s=5.0),
    Trial("mcsleep_30s", 0, (0.5, 2.0), asked_gated=0.75, window_s=5.0),
    Trial("mcsleep_30s", 1, (0.5, 2.0), asked_gated=0.75, window_s=5.0),
    Trial("mcsleep_30s", 2, (0.5, 2.0), asked_gated=0.75, window_s=5.0),
)
MOST_BIAS_DEG = 3.0


def measure(recordings: Path, say: Say) -> list[Figure]:
    """Resultant length, bias and coverage of the spread, for each estimator."""
    figures: list[Figure] = []
    offline, offline_name = reference_package()
    for trial in TRIALS:
        path = recordings / f"{trial.recording}.npz"
        if not path.exists():
            say(f"phase: {path.name} is not there; left out")
            continue
        say(f"phase: {trial}")
        samples, rate_hz = load(path, trial.row)
        truth = acausal(samples, rate_hz, trial.band_hz)
        inside = slice(edge(rate_hz, trial.band_hz), len(samples) - edge(rate_hz, trial.band_hz))
        theirs = offline(samples, rate_hz, trial.band_hz, trial.window_s) if offline else None
        for estimator in ("oscillator", "echt", "resonator"):
            figures += _figures(
                trial, estimator, samples, rate_hz, truth, inside, theirs, offline_name
            )
    return figures


def load(path: Path, row: int) -> tuple[NDArray[np.float64], float]:
    """One channel of a recording, in its own unit, and its rate in Hz."""
    with np.load(path) as held:
        return np.atleast_2d(held["data"])[row].astype(np.float64), float(held["fs"])


def edge(rate_hz: float, band_hz: tuple[float, float]) -> int:
    """Samples at either end on which the acausal reference is not known."""
    return int(CYCLES_OF_FILTER * rate_hz / band_hz[0])


def acausal(
    samples: NDArray[np.float64], rate_hz: float, band_hz: tuple[float, float]
) -> NDArray[np.complex128]:
    """Analytic signal of the zero-phase band-pass."""
    from scipy import signal

    taps = signal.firwin(edge(rate_hz, band_hz) | 1, band_hz, pass_zero=False, fs=rate_hz)
    in_band = signal.fftconvolve(samples - samples.mean(), taps, mode="same")
    return np.asarray(signal.hilbert(in_band), dtype=np.complex128)


def trace(
    samples: NDArray[np.float64], rate_hz: float, settings: PhaseSettings
) -> dict[str, NDArray[np.float64]]:
    """Outputs of the detector after each sample, by label."""
    info = StreamInfo("recording", rate_hz, (settings.channel,), "recording")
    chunk = Chunk(samples.astype(np.float32)[:, np.newaxis], np.arange(len(samples)) / rate_hz)
    return dict(zip(OUTPUTS, Phase(settings, info, 0.0).trace(chunk).T, strict=True))


def reference_package() -> tuple[
    Callable[[NDArray[np.float64], float, tuple[float, float], float], Phases] | None, str
]:
    """The offline reference, and its name; None where it is not installed."""
    try:
        from meegkit.phase import ECHT
    except ImportError:
        return None, "not installed"

    def echt(
        samples: NDArray[np.float64], rate_hz: float, band_hz: tuple[float, float], window_s: float
    ) -> Phases:
        """Endpoints of windows that end every `REFERENCE_EVERY_S`; NaN in between."""
        n, step = round(window_s * rate_hz), max(round(REFERENCE_EVERY_S * rate_hz), 1)
        transform = ECHT(*band_hz, rate_hz, n_fft=n).fit(samples[:n])
        phases = np.full(len(samples), np.nan, dtype=np.complex128)
        for end in range(n, len(samples) + 1, step):
            phases[end - 1] = transform.transform(samples[end - n : end])[-1, 0]
        return phases

    return echt, f"ecHT of meegkit {importlib.metadata.version('meegkit')}"


def _figures(
    trial: Trial,
    estimator: str,
    samples: NDArray[np.float64],
    rate_hz: float,
    truth: Phases,
    inside: slice,
    theirs: Phases | None,
    theirs_name: str,
) -> list[Figure]:
    asked = PhaseSettings.model_validate(
        {
            "channel": "c",
            "band_hz": trial.band_hz,
            "estimator": estimator,
            "min_amplitude_quantile": GATED_QUANTILE if trial.asked_gated is not None else 0.0,
        }
    )
    shown = {label: values[inside] for label, values in trace(samples, rate_hz, asked).items()}
    true = truth[inside]
    errors = np.exp(1j * np.radians(shown["phase_deg"])) * (true / np.abs(true)).conj()
    upper = np.abs(true) > np.median(np.abs(true))
    is_open = shown["gate_open"] == 1.0
    default = estimator == "oscillator"
    on = f"{trial}, {estimator}"
    kept = {"samples": len(errors), "kept": int(is_open.sum())}

    def theirs_on(mask: NDArray[np.bool_]) -> float | None:
        if theirs is None:
            return None
        known = mask & (np.abs(np.nan_to_num(theirs[inside])) > 0.0)
        if not known.any():
            return None
        relative = theirs[inside][known] * true[known].conj()
        return float(np.abs((relative / np.abs(relative)).mean()))

    def length(
        what: str, mask: NDArray[np.bool_], bound: float | None, counts: dict[str, int]
    ) -> Figure:
        value = float(np.abs(errors[mask].mean()))
        return Figure(
            "phase", on, what, value, "", bound if default else None, True, counts,
            theirs_on(mask), theirs_name,
        )  # fmt: skip

    everything = np.ones(len(errors), dtype=np.bool_)
    bias_deg = float(np.abs(np.degrees(np.angle(errors.mean()))))
    error_deg = np.abs(np.degrees(np.angle(errors)))
    covered = error_deg <= shown["uncertainty_deg"]
    bounded = default and trial.asked_all is not None
    figures = [
        length("R, all samples", everything, trial.asked_all, {"samples": len(errors)}),
        length("R, upper half of amplitudes", upper, trial.asked_upper, {"kept": int(upper.sum())}),
        Figure(
            "phase", on, "bias", bias_deg, "deg", MOST_BIAS_DEG if bounded else None, False,
            {"samples": len(errors)}, None, theirs_name,
        ),
        Figure(
            "phase", on, "errors within one spread (0.68 is right)", float(covered.mean()),
            counts={"samples": len(errors), "within": int(covered.sum())},
            reference_name="none: no package gives a spread",
        ),
    ]  # fmt: skip
    if trial.asked_gated is not None:
        figures.append(length("R, gated", is_open, trial.asked_gated, kept))
    return figures
