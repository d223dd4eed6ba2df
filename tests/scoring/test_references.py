"""The acausal references find what was put in, when it was put in."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from bci_core.chunk import Chunk, StreamInfo
from bci_core.detection.monitor_settings import MonitorSettings
from bci_core.events import Detection
from bci_core.record.marks import Mark
from bci_core.scoring.judge import judge
from bci_core.scoring.match import match
from bci_core.scoring.reference import REFERENCES, has_reference, reference
from bci_core.scoring.run import Run, run_detector
from bci_core.scoring.stretch import Stretch


class Fixed:
    """Predicts given times, each on the sample `lead` before it."""

    channels = (0,)

    def __init__(self, targets_s: Any = (), lead: int = 2) -> None:
        self.targets_s = np.asarray(targets_s, dtype=float)
        self.lead = lead
        self.seen = 0

    def update(self, chunk: Chunk) -> list[Detection]:
        found = []
        for row, t in enumerate(chunk.times_s.tolist()):
            period_s = 1.0 / 250.0
            due = self.targets_s[
                (self.targets_s - self.lead * period_s >= t - 1e-9)
                & (self.targets_s - self.lead * period_s < t + period_s - 1e-9)
            ]
            found += [Detection(self.seen + row, t, float(due[0]), 1.0)] if len(due) else []
        self.seen += len(chunk)
        return found


def noise(duration_s: float, rate_hz: float, seed: int = 0) -> np.ndarray:
    """1/f above 1 Hz, 20 uV."""
    rng = np.random.default_rng(seed)
    n = round(duration_s * rate_hz)
    hz = np.fft.rfftfreq(n, 1 / rate_hz)
    shape = 1.0 / np.maximum(hz, 1.0)
    x = np.fft.irfft(shape * np.exp(2j * np.pi * rng.random(len(hz))), n)
    return 20.0 * x / x.std()


def bursts(
    x: np.ndarray, rate_hz: float, hz: float, size_uv: float, onsets_s: np.ndarray, length_s: float
) -> np.ndarray:
    t = np.arange(len(x)) / rate_hz
    out = x.copy()
    for onset_s in onsets_s:
        inside = (t >= onset_s) & (t < onset_s + length_s)
        window = np.hanning(int(inside.sum()))
        out[inside] += size_uv * window * np.cos(2 * np.pi * hz * t[inside])
    return out


def run_on(x: np.ndarray, rate_hz: float, detector: Any = None, spoil: slice | None = None) -> Run:
    samples = x.astype(np.float32)[:, np.newaxis]
    if spoil is not None:
        samples[spoil] = np.nan
    info = StreamInfo("test", rate_hz, ("Cz",), "test")
    on = Stretch(samples, np.arange(len(x)) / rate_hz, info)
    return run_detector(detector or Fixed(), on, MonitorSettings(settle_s=0.2))


def agreement(found: tuple[Mark, ...], onsets_s: np.ndarray, length_s: float) -> tuple[int, int]:
    """True and false among what the reference found, by the middle of each."""
    middles = [(m.onset_s + m.end_s) / 2 for m in found]
    matching = match(middles, [Mark(float(t), length_s) for t in onsets_s], 0.0)
    return len(matching.found), len(matching.false_alarms)


def test_ripples() -> None:
    onsets_s = np.arange(2.0, 58.0, 2.0) + 0.3
    x = bursts(noise(60.0, 1250.0), 1250.0, 170.0, 15.0, onsets_s, 0.08)
    truth = reference("ripple", SimpleNamespace(band_hz=(150.0, 250.0)), run_on(x, 1250.0))
    assert truth is not None
    hits, wrong = agreement(truth.marks, onsets_s, 0.08)
    assert hits == len(onsets_s)
    assert wrong <= 2
    starts = [m.onset_s for m in truth.marks if np.abs(onsets_s - m.onset_s).min() < 0.05]
    late_s = [min(starts, key=lambda s: abs(s - t)) - t for t in onsets_s]
    assert 0.0 < np.median(late_s) < 0.03


def test_spindles() -> None:
    onsets_s = np.arange(5.0, 110.0, 10.0)
    x = bursts(noise(120.0, 200.0), 200.0, 13.5, 45.0, onsets_s, 1.2)
    truth = reference("spindle", SimpleNamespace(band_hz=(11.0, 16.0)), run_on(x, 200.0))
    assert truth is not None
    hits, wrong = agreement(truth.marks, onsets_s, 1.2)
    assert (hits, wrong) == (len(onsets_s), 0)
    assert all(0.5 <= m.duration_s <= 2.0 for m in truth.marks)


def test_slow_oscillations() -> None:
    t = np.arange(6000) / 100.0
    large = (t % 10.0) < 5.0
    x = np.where(large, 80.0, 10.0) * np.cos(2 * np.pi * 0.8 * t)
    truth = reference("slow_oscillation", SimpleNamespace(), run_on(x, 100.0))
    assert truth is not None
    middles = np.array([(m.onset_s + m.end_s) / 2 for m in truth.marks])
    assert 15 <= len(middles) <= 26
    assert np.all((middles % 10.0) < 5.6)
    assert all(abs(m.duration_s - 1.25) < 0.35 for m in truth.marks)
    small = reference("slow_oscillation", SimpleNamespace(), run_on(x / 10.0, 100.0))
    assert small is not None
    assert small.marks == ()


def test_band_power() -> None:
    onsets_s = np.arange(10.0, 110.0, 20.0)
    x = bursts(noise(120.0, 200.0), 200.0, 20.0, 60.0, onsets_s, 2.0)
    settings = SimpleNamespace(
        band_hz=(15.0, 25.0), threshold_sd=4.0, release_sd=1.0, min_duration_s=0.2,
        smoothing_s=0.1, min_sd_uv=0.01,
    )  # fmt: skip
    truth = reference("band_power", settings, run_on(x, 200.0))
    assert truth is not None
    assert agreement(truth.marks, onsets_s, 2.0) == (5, 0)


PHASE = SimpleNamespace(band_hz=(4.0, 8.0), target_deg=180.0, min_amplitude_uv=20.0, channel="Cz")


def troughs(duration_s: float = 30.0, hz: float = 6.0) -> tuple[np.ndarray, np.ndarray]:
    t = np.arange(round(250 * duration_s)) / 250.0
    x = 50.0 * np.cos(2 * np.pi * hz * t) + noise(duration_s, 250.0) / 10.0
    return x, np.arange(0.5 / hz, duration_s, 1.0 / hz)


@pytest.mark.parametrize("late_deg", [0.0, 30.0, -45.0])
def test_phase(late_deg: float) -> None:
    x, targets_s = troughs()
    aimed_s = targets_s + late_deg / 360.0 / 6.0
    told = judge("phase", PHASE, run_on(x, 250.0, Fixed(aimed_s))).to_dict()  # type: ignore[arg-type]
    assert told["phase"]["mean_error_deg"] == pytest.approx(late_deg, abs=1.0)
    assert told["phase"]["resultant_length"] > 0.999
    assert told["phase"]["circular_sd_deg"] < 2.0
    assert told["phase"]["right_half_wave"] == 1.0
    assert told["phase"]["n"] == told["tp"]
    assert told["tp"] > 170
    assert (told["fp"], told["fn"]) == (0, 0)
    assert told["latency_ms"]["p50"] == pytest.approx(late_deg / 360.0 / 6.0 * 1e3, abs=0.6)


@pytest.mark.parametrize(
    ("target", "polarity", "target_deg"),
    [("up", 1, 0.0), ("up", -1, 180.0), ("down", 1, 180.0), ("down", -1, 0.0)],
)
def test_up_states_and_down_states_are_phases(
    target: str, polarity: int, target_deg: float
) -> None:
    settings = SimpleNamespace(target=target, polarity=polarity, band_hz=(4.0, 8.0), channel="Cz")
    x, troughs_s = troughs()
    told = judge("spikes", settings, run_on(x, 250.0, Fixed(troughs_s))).to_dict()  # type: ignore[arg-type]
    assert told["phase"]["target_deg"] == target_deg
    off = abs(told["phase"]["mean_error_deg"])
    assert off == pytest.approx(0.0 if target_deg == 180.0 else 180.0, abs=1.0)
    assert told["phase"]["right_half_wave"] == (1.0 if target_deg == 180.0 else 0.0)


def test_a_gate_by_quantile_keeps_the_larger_cycles() -> None:
    x, targets_s = troughs()
    x[: len(x) // 2] /= 2.0
    by_half = SimpleNamespace(
        **vars(PHASE) | {"min_amplitude_uv": 0.0, "min_amplitude_quantile": 0.5}
    )
    told = judge("phase", by_half, run_on(x, 250.0, Fixed(targets_s))).to_dict()  # type: ignore[arg-type]
    assert told["marks"] == pytest.approx(len(targets_s) / 2, abs=8)


def test_cycles_that_are_too_small_are_no_events() -> None:
    x, targets_s = troughs()
    x[3000:5000] /= 10.0
    quiet = (targets_s > 12.2) & (targets_s < 19.8)
    told = judge("phase", PHASE, run_on(x, 250.0, Fixed(targets_s))).to_dict()  # type: ignore[arg-type]
    assert told["fn"] == 0
    assert abs(told["fp"] - int(quiet.sum())) <= 3


def test_lost_cycles_are_missed_and_unknown_ones_not_judged() -> None:
    x, targets_s = troughs()
    told = judge(
        "phase",
        PHASE,
        run_on(x, 250.0, Fixed(np.delete(targets_s, slice(50, 60)))),  # type: ignore[arg-type]
    ).to_dict()
    assert (told["fn"], told["fp"]) == (10, 0)
    spoilt = run_on(x, 250.0, Fixed(targets_s), spoil=slice(2000, 2500))
    told = judge("phase", PHASE, spoilt).to_dict()  # type: ignore[arg-type]
    assert (told["fn"], told["fp"]) == (0, 0)
    assert told["not_judged"] >= 12


def test_events_in_bad_samples_are_not_judged() -> None:
    onsets_s = np.arange(5.0, 110.0, 10.0)
    x = bursts(noise(120.0, 200.0), 200.0, 13.5, 45.0, onsets_s, 1.2)
    spoilt = run_on(x, 200.0, spoil=slice(3020, 3040))  # within the second
    truth = reference("spindle", SimpleNamespace(band_hz=(11.0, 16.0)), spoilt)
    assert truth is not None
    assert agreement(truth.marks, onsets_s, 1.2)[0] >= len(onsets_s) - 1
    assert len(truth.marks) + len(truth.unjudged) == len(onsets_s)


@pytest.mark.parametrize("band_hz", [(1.0, 2.0), (10.0, 20.0), (20.0, 99.9)])
@pytest.mark.parametrize("kind", sorted(REFERENCES))
def test_every_reference_bears_silence_and_very_little(
    kind: str, band_hz: tuple[float, float]
) -> None:
    settings = SimpleNamespace(
        band_hz=band_hz, threshold_sd=3.0, release_sd=1.0, min_duration_s=0.2,
        smoothing_s=0.1, min_sd_uv=0.01, target_deg=0.0, min_amplitude_uv=1.0,
    )  # fmt: skip
    assert has_reference(kind)
    for n in (1, 5, 3000):
        truth = reference(kind, settings, run_on(np.zeros(n), 200.0))
        assert truth is None or truth.marks == ()
    nothing = run_on(np.full(3000, np.nan), 200.0)
    truth = reference(kind, settings, nothing)
    assert truth is None or truth.marks == ()
