"""Spindles: against the marks of offline packages, and against the truth of simulated sleep."""

from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bci_core.bench.accuracy.figure import Figure, Say
from bci_core.bench.accuracy.simulated_sleep import simulated_sleep
from bci_core.chunk import Chunk, StreamInfo
from bci_core.detection.monitor_settings import MonitorSettings
from bci_core.detection.sensing import Sensing
from bci_core.detection.spindle import Spindle, SpindleSettings
from bci_core.events import EventKind

LEAST_F1 = 0.75
MOST_LATE_MS = 400.0

MARKED = (
    ("yasa_n2_15s", "spindles_yasa"),
    ("osn_eeg_30s", "spindles_onnx"),
    ("osn_ieeg_30s", "spindles_onnx"),
)
"""Recordings that bring marks, by YASA and by OpenSpindleNet's network, and where they stand."""

OTHER_SLEEP = (
    ("mcsleep_30s", 0),
    ("mcsleep_30s", 1),
    ("mcsleep_30s", 2),
    ("yasa_n3_30s", 0),
)
"""More sleep, recording and row, that YASA is run on where it is installed."""

SIMULATED_MINUTES = 60.0
SIMULATED_SEEDS = (101, 102, 103)

NOT_INSTALLED = "not installed"

Spans = NDArray[np.float64]
"""(n, 2): start and end of each event, in seconds."""


def measure(recordings: Path, say: Say) -> list[Figure]:
    """See the package. Every figure is of the monitor and the detector with its defaults."""
    return [
        *_against_shipped_marks(recordings, say),
        *_against_yasa(recordings, say),
        *_in_simulated_sleep(say),
    ]


def _against_shipped_marks(recordings: Path, say: Say) -> list[Figure]:
    marks, found, names = [], [], []
    yasa: list[Spans] = []
    late_after_rise: list[float] = []
    for name, key in MARKED:
        path = recordings / f"{name}.npz"
        if not path.exists():
            say(f"spindle: no {name}; left out")
            continue
        with np.load(path) as held:
            wave, rate_hz = held["data"].astype(float), float(held["fs"])
            marks.append(held[key].astype(float))
        found.append(spindles_of(wave, rate_hz))
        late_after_rise += _after_rise_s(wave, rate_hz, marks[-1], found[-1])
        offline = _yasa_spindles(wave, rate_hz)
        yasa += [] if offline is None else [offline]
        names.append(name)
    if not marks:
        return []
    on = f"marks shipped with {', '.join(names)}"
    counts, late_s = _compared(found, marks)
    # YASA's own marks are among them: it is the easier judge of itself.
    reference = _f1(_compared(yasa, marks)[0]) if len(yasa) == len(marks) else None
    return [
        Figure(
            "spindle", on, "F1", _f1(counts), "", LEAST_F1, True, counts, reference, _yasa_name()
        ),
        Figure(
            "spindle", on, "median latency after the start of the mark",
            1000.0 * float(np.median(late_s)), "ms", MOST_LATE_MS, False, counts,
            reference_name="offline: none",
        ),
        Figure(
            "spindle", on, "median latency after sigma reaches 30 % of its peak",
            1000.0 * float(np.median(late_after_rise or [np.nan])), "ms", None, False, counts,
            reference_name="offline: none",
        ),
    ]  # fmt: skip


def _against_yasa(recordings: Path, say: Say) -> list[Figure]:
    if _yasa_name() == NOT_INSTALLED:
        say("spindle: yasa is not installed (the reference extra); figures on it left out")
        return []
    same = [(name, 0) for name, _ in MARKED]
    return [
        *_yasa_figures(recordings, same, LEAST_F1, MOST_LATE_MS, say),
        *_yasa_figures(recordings, OTHER_SLEEP, None, None, say),
    ]


def _yasa_figures(
    recordings: Path,
    rows: Sequence[tuple[str, int]],
    least_f1: float | None,
    most_late_ms: float | None,
    say: Say,
) -> list[Figure]:
    marks, found, names = [], [], []
    for name, row in rows:
        path = recordings / f"{name}.npz"
        if not path.exists():
            say(f"spindle: no {name}; left out")
            continue
        with np.load(path) as held:
            wave = np.atleast_2d(held["data"])[row].astype(float)
            rate_hz = float(held["fs"])
        offline = _yasa_spindles(wave, rate_hz)
        if offline is not None:
            marks.append(offline)
            found.append(spindles_of(wave, rate_hz))
            names.append(f"{name} row {row}")
    if not marks:
        return []
    on = f"{_yasa_name()} on {', '.join(names)}"
    counts, late_s = _compared(found, marks)
    return [
        Figure("spindle", on, "F1", _f1(counts), "", least_f1, True, counts, 1.0, _yasa_name()),
        Figure(
            "spindle", on, "median latency after the start of the mark",
            1000.0 * float(np.median(late_s)), "ms", most_late_ms, False, counts,
            reference_name="offline: none",
        ),
    ]  # fmt: skip


def _in_simulated_sleep(say: Say) -> list[Figure]:
    marks, found = [], []
    offline: list[Spans] = []
    for seed in SIMULATED_SEEDS:
        say(f"spindle: simulated sleep, {SIMULATED_MINUTES:g} min, seed {seed}")
        night = simulated_sleep(SIMULATED_MINUTES, seed=seed)
        wave = night.samples_uv.astype(float)
        marks.append(night.spindles_s)
        found.append(spindles_of(wave, night.rate_hz))
        yasa = _yasa_spindles(wave, night.rate_hz)
        offline += [] if yasa is None else [yasa]
    minutes = SIMULATED_MINUTES * len(SIMULATED_SEEDS)
    on = f"simulated sleep of {minutes / 60.0:g} h, all stages, with artefacts"
    counts, late_s = _compared(found, marks)
    reference = _compared(offline, marks)[0] if offline else None
    return [
        Figure(
            "spindle", on, "F1", _f1(counts), "", LEAST_F1, True, counts,
            None if reference is None else _f1(reference), _yasa_name(),
        ),
        Figure(
            "spindle", on, "false per minute", counts["fp"] / minutes, "/min", None, False, counts,
            None if reference is None else reference["fp"] / minutes, _yasa_name(),
        ),
        Figure(
            "spindle", on, "median latency after a tenth of the envelope",
            1000.0 * float(np.median(late_s)), "ms", MOST_LATE_MS, False, counts,
            reference_name="offline: none",
        ),
    ]  # fmt: skip


def spindles_of(wave: NDArray[np.float64], rate_hz: float) -> Spans:
    """Onset and end of each spindle, as a session would find them; without the vetoed."""
    info = StreamInfo("recording", rate_hz, ("EEG",), "recording")
    detector = Spindle(SpindleSettings(channel="EEG"), info, 0.0)
    sensing = Sensing(detector, info, MonitorSettings())
    times_s = np.arange(len(wave)) / rate_hz
    found = sensing.update(Chunk(wave.astype(np.float32)[:, np.newaxis], times_s))
    spans = []
    for d in found:
        if d.kind is EventKind.ONSET:
            spans.append([d.sample_s, float(times_s[-1]), d.veto != ""])
        else:
            spans[-1][1] = d.sample_s
    return np.array([span[:2] for span in spans if not span[2]], dtype=float).reshape(-1, 2)


def matched(found: Spans, marks: Spans) -> list[tuple[int, int]]:
    """Which found event belongs to which mark: in order, overlapping, each once."""
    pairs = []
    taken: set[int] = set()
    for i, (start_s, end_s) in enumerate(found):
        for k, (from_s, to_s) in enumerate(marks):
            if k not in taken and start_s <= to_s and end_s >= from_s:
                taken.add(k)
                pairs.append((i, k))
                break
    return pairs


def _compared(found: Sequence[Spans], marks: Sequence[Spans]) -> tuple[dict[str, int], list[float]]:
    """Counts over all recordings, and how late each true one was, in seconds."""
    counts = {"tp": 0, "fp": 0, "fn": 0}
    late_s: list[float] = []
    for here, there in zip(found, marks, strict=True):
        pairs = matched(here, there)
        counts["tp"] += len(pairs)
        counts["fp"] += len(here) - len(pairs)
        counts["fn"] += len(there) - len(pairs)
        late_s += [float(here[i, 0] - there[k, 0]) for i, k in pairs]
    return counts, late_s or [float("nan")]


def _f1(counts: dict[str, int]) -> float:
    return 2.0 * counts["tp"] / max(1, 2 * counts["tp"] + counts["fp"] + counts["fn"])


def _after_rise_s(
    wave: NDArray[np.float64], rate_hz: float, marks: Spans, found: Spans
) -> list[float]:
    """How late after the acausal envelope of sigma first reaches 30 % of its peak in the mark."""
    from scipy import signal

    band_hz = SpindleSettings(channel="EEG").band_hz
    sos = signal.butter(2, band_hz, btype="bandpass", output="sos", fs=rate_hz)
    envelope = np.abs(signal.hilbert(signal.sosfiltfilt(sos, wave - wave.mean())))
    late_s = []
    for i, k in matched(found, marks):
        start, end = (round(s * rate_hz) for s in marks[k])
        peak = start + int(np.argmax(envelope[start:end]))
        low = np.flatnonzero(envelope[start:peak] < 0.3 * envelope[peak])
        rise = start + (int(low[-1]) + 1 if len(low) else 0)
        late_s.append(float(found[i, 0] - rise / rate_hz))
    return late_s


def _yasa_spindles(wave: NDArray[np.float64], rate_hz: float) -> Spans | None:
    """What YASA finds offline, or None where it is not installed."""
    try:
        import yasa
    except ImportError:
        return None
    found = yasa.spindles_detect(wave, rate_hz, verbose="error")
    if found is None:
        return np.zeros((0, 2))
    return np.asarray(found.summary()[["Start", "End"]].to_numpy(), dtype=float)


def _yasa_name() -> str:
    try:
        return f"yasa {version('yasa')}"
    except PackageNotFoundError:
        return NOT_INSTALLED
