"""Ripples: simulated ones in real theta, real theta without any, and marks in human recordings.

Every figure is of the detector alone, from its first sample and with its defaults. The
human recording's marks are an offline detector's, so that there the detector is measured at
the threshold of offline studies, `OFFLINE_SD`, as well.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bci_core.bench.accuracy.figure import Figure, Say
from bci_core.bench.accuracy.ripple_shapes import BAND_HZ, implant
from bci_core.chunk import Chunk, StreamInfo
from bci_core.detection.ripple import Ripple, RippleSettings
from bci_core.detection.ripple_settings import OFFLINE_SD
from bci_core.record.marks import Mark
from bci_core.scoring.match import match

SEEDS = (1, 2, 3, 4)
SIZES_SD = ((5.0, 0.90), (8.0, 0.98))
"""Of the implanted ripples, and the F1 asked for."""

MOST_LATE_MS = 20.0
MOST_FALSE_PER_MIN = 2.0
LEAST_MARKS_FOUND = 0.75

IMPLANTED_TOLERANCE_S = 0.03
MARKED_TOLERANCE_S = 0.05
"""How far outside its event a detection still counts for it."""

SHIFTS_S = tuple(np.arange(0.5, 4.6, 0.5).tolist())
"""By which the marks are moved around their recording, to see how many are found by chance."""


@dataclass(frozen=True, slots=True)
class _Background:
    on: str
    wave_uv: NDArray[np.float64]
    rate_hz: float


@dataclass(frozen=True, slots=True)
class _Outcome:
    tp: int
    fp: int
    fn: int
    late_s: tuple[float, ...]

    @property
    def f1(self) -> float:
        return 2.0 * self.tp / max(2 * self.tp + self.fp + self.fn, 1)

    @property
    def counts(self) -> dict[str, int]:
        return {"tp": self.tp, "fp": self.fp, "fn": self.fn}


def measure(recordings: Path, say: Say) -> list[Figure]:
    """See the package."""
    figures = []
    for background in _backgrounds(recordings, say):
        figures += [_false_alarms(background), *_implanted(background, say)]
    return figures + _marked(recordings, say)


def ripples_of(
    wave_uv: NDArray[np.float64], rate_hz: float, settings: RippleSettings | None = None
) -> NDArray[np.float64]:
    """When each ripple was announced on one channel, in seconds."""
    settings = settings or RippleSettings(channels=("wave",))
    detector = Ripple(settings, StreamInfo("bench", rate_hz, ("wave",), "bench"), 0.0)
    samples = wave_uv.astype(np.float32)[:, np.newaxis]
    found = detector.update(Chunk(samples, np.arange(len(samples)) / rate_hz))
    return np.array([detection.sample_s for detection in found])


def _backgrounds(recordings: Path, say: Say) -> Iterator[_Background]:
    for name, rows, to_uv in (
        ("rat_ca1_ec3_theta_60s", ("CA1", "EC3"), 1000.0),
        # Of unknown gain; a count is taken for a microvolt, since only ratios matter.
        ("rat_hpc_hc2_150s", ("",), 1.0),
    ):
        path = recordings / f"{name}.npz"
        if not path.exists():
            say(f"ripple: no {name}; left out")
            continue
        with np.load(path) as held:
            waves = np.atleast_2d(held["data"]).astype(np.float64)
            rate_hz = float(held["fs"])
        for row, wave in zip(rows, waves, strict=True):
            yield _Background(f"{name} {row}".strip(), to_uv * wave, rate_hz)


def _false_alarms(background: _Background) -> Figure:
    minutes = len(background.wave_uv) / background.rate_hz / 60.0
    n = len(ripples_of(background.wave_uv, background.rate_hz))
    offline = _kay(background.wave_uv, background.rate_hz)
    return Figure(
        "ripple", f"{background.on}, as it is", "false per minute", n / minutes, "1/min",
        MOST_FALSE_PER_MIN, False, {"fp": n},
        None if offline is None else len(offline) / minutes, _kay_name(),
    )  # fmt: skip


def _implanted(background: _Background, say: Say) -> Iterator[Figure]:
    for size_sd, least_f1 in SIZES_SD:
        say(f"ripple: {background.on}, {size_sd:g} SD")
        online, offline = [], []
        for seed in SEEDS:
            simulated = implant(background.wave_uv, background.rate_hz, size_sd, seed)
            marks = [
                Mark(float(a), float(b - a))
                for a, b in zip(simulated.onsets_s, simulated.ends_s, strict=True)
            ]
            found_s = ripples_of(simulated.wave, background.rate_hz)
            online.append(_outcome(found_s, marks, IMPLANTED_TOLERANCE_S))
            reference_s = _kay(simulated.wave, background.rate_hz)
            if reference_s is not None:
                offline.append(_outcome(reference_s, marks, IMPLANTED_TOLERANCE_S))
        ours = _together(online)
        on = f"{background.on}, ripples at {size_sd:g} SD"
        yield Figure(
            "ripple", on, "F1", ours.f1, "", least_f1, True, ours.counts,
            _together(offline).f1 if offline else None, _kay_name(),
        )  # fmt: skip
        yield Figure(
            "ripple", on, "median latency after 30 % of the peak",
            1000.0 * float(np.median(ours.late_s)), "ms", MOST_LATE_MS, False, ours.counts,
            reference_name="offline: none",
        )  # fmt: skip


def _marked(recordings: Path, say: Say) -> list[Figure]:
    name = "fedele_ieeg_hfo_5s"
    path = recordings / f"{name}.npz"
    if not path.exists():
        say(f"ripple: no {name}; left out")
        return []
    with np.load(path) as held:
        waves = dict(zip(held["ch"].tolist(), held["data"].astype(np.float64), strict=True))
        rate_hz, length_s = float(held["fs"]), held["data"].shape[1] / float(held["fs"])
        columns = (held["ev_type"].tolist(), held["ev_onset"].tolist(), held["ev_dur"].tolist())
    marks: dict[str, list[Mark]] = {pair: [] for pair in _pairs(list(waves))}
    for kind, onset_s, duration_s in zip(*columns, strict=True):
        sort, _, pair = kind.partition("_")
        marks[pair].append(Mark(onset_s, duration_s, sort, pair))
    human = _Marked(waves, marks, rate_hz, length_s)
    online = RippleSettings(channels=("wave",), species="human")
    offline = online.model_copy(update={"threshold_sd": OFFLINE_SD})
    on = f"{name}, marks of an automatic detector"
    return [
        *_found_of(human, offline, f"{on}, threshold_sd {OFFLINE_SD:g}", LEAST_MARKS_FOUND),
        *_found_of(human, online, f"{on}, default threshold", None),
    ]


@dataclass(frozen=True, slots=True)
class _Marked:
    waves: dict[str, NDArray[np.float64]]
    marks: dict[str, list[Mark]]
    rate_hz: float
    length_s: float


def _found_of(
    marked: _Marked, settings: RippleSettings, on: str, asked: float | None
) -> list[Figure]:
    outcomes, by_chance, beside_fast = [], [], 0
    for pair, there in marked.marks.items():
        first, second = _ends(pair)
        wave_uv = marked.waves[first] - marked.waves[second]
        found_s = ripples_of(wave_uv, marked.rate_hz, settings)
        ripples = [mark for mark in there if mark.kind == "ripple"]
        others = [mark for mark in there if mark.kind != "ripple"]
        beside_fast += _outcome(found_s, others, MARKED_TOLERANCE_S).tp
        outcomes.append(_outcome(found_s, ripples, MARKED_TOLERANCE_S))
        for shift_s in SHIFTS_S:
            moved = [
                Mark((mark.onset_s + shift_s) % marked.length_s, mark.duration_s)
                for mark in ripples
            ]
            by_chance.append(_outcome(found_s, moved, MARKED_TOLERANCE_S))
    ours, chance = _together(outcomes), _together(by_chance)
    n_marks = ours.tp + ours.fn
    counts = {
        "found": ours.tp,
        "marks": n_marks,
        "unmatched": ours.fp,
        "of them on a fast ripple": beside_fast,
        "channels": len(marked.marks),
    }
    no_reference = "none: the marks are the reference"
    return [
        Figure(
            "ripple", on, "marks found", ours.tp / n_marks, "", asked, True, counts,
            reference_name=no_reference,
        ),
        Figure(
            "ripple", on, "marks found by chance, with the marks moved",
            chance.tp / max(chance.tp + chance.fn, 1), "", None, False,
            {"found": chance.tp, "marks": chance.tp + chance.fn}, reference_name=no_reference,
        ),
        Figure(
            "ripple", on, "unmatched per minute and channel",
            60.0 * ours.fp / (len(marked.marks) * marked.length_s), "1/min", None, False, counts,
            reference_name=no_reference,
        ),
        Figure(
            "ripple", on, "median latency after the start of the mark",
            1000.0 * float(np.median(ours.late_s)), "ms", None, False, counts,
            reference_name=no_reference,
        ),
    ]  # fmt: skip


def _pairs(channels: Sequence[str]) -> list[str]:
    """Neighbouring contacts of one electrode, as the marks name them: AHR3-4."""
    pairs = []
    for a, b in pairwise(channels):
        electrode = a.rstrip("0123456789")
        if electrode == b.rstrip("0123456789"):
            pairs.append(f"{a}-{b[len(electrode) :]}")
    return pairs


def _ends(pair: str) -> tuple[str, str]:
    first, _, number = pair.partition("-")
    return first, first.rstrip("0123456789") + number


def _outcome(found_s: NDArray[np.float64], marks: Sequence[Mark], tolerance_s: float) -> _Outcome:
    """What is announced twice is counted as false, once."""
    times_s = found_s.tolist()
    matching = match(times_s, marks, tolerance_s)
    late_s = tuple(
        times_s[d] - marks[m].onset_s for d, m in enumerate(matching.mark_of) if m is not None
    )
    tp = len(matching.found)
    return _Outcome(tp, len(times_s) - tp, len(marks) - tp, late_s)


def _together(outcomes: Sequence[_Outcome]) -> _Outcome:
    return _Outcome(
        sum(o.tp for o in outcomes),
        sum(o.fp for o in outcomes),
        sum(o.fn for o in outcomes),
        tuple(late_s for o in outcomes for late_s in o.late_s),
    )


def _kay(wave_uv: NDArray[np.float64], rate_hz: float) -> NDArray[np.float64] | None:
    """Middle of each ripple by an offline package with its own defaults, for an animal at rest.

    Its own band-pass is made for 1500 Hz only, so it is handed the band without delay.
    """
    try:
        from ripple_detection import Kay_ripple_detector
    except ImportError:
        return None
    from scipy import signal

    times_s = np.arange(len(wave_uv)) / rate_hz
    sos = signal.butter(4, BAND_HZ, btype="bandpass", output="sos", fs=rate_hz)
    in_band = signal.sosfiltfilt(sos, wave_uv)[:, np.newaxis]
    events = Kay_ripple_detector(times_s, in_band, np.zeros(len(wave_uv)), rate_hz)
    middle_s = (events["start_time"] + events["end_time"]) / 2.0
    return np.asarray(middle_s, dtype=np.float64)


def _kay_name() -> str:
    try:
        return f"ripple-detection {version('ripple-detection')}, Kay, 100 to 250 Hz"
    except ImportError:
        return "not installed"
