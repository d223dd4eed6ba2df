"""Seizures and afterdischarges simulated in human background; false alarms on it as it is."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bci_core.bench.accuracy.figure import Figure, Say
from bci_core.bench.accuracy.simulated_seizures import (
    INTRACRANIAL,
    RATE_HZ,
    SCALP,
    SimulatedEpilepsy,
    excerpt,
    stitched,
    surrogate,
    with_after_discharges,
    with_seizures,
)
from bci_core.chunk import Chunk, StreamInfo
from bci_core.contracts import Detector
from bci_core.detection.after_discharge import AfterDischarge
from bci_core.detection.area import Area
from bci_core.detection.half_wave import HalfWave
from bci_core.detection.line_length import LineLength
from bci_core.events import EventKind

TRIO: Mapping[str, type[Detector]] = {
    "line_length": LineLength,
    "area": Area,
    "half_wave": HalfWave,
}

MINUTES = 30.0
"""Of each background, in each of its two kinds."""

SEIZURE_EVERY_S = 450.0
AFTER_DISCHARGE_EVERY_S = 120.0
MOST_FALSE_PER_HOUR = 1.0
SEED = 20

KINDS = (("stitched", stitched), ("surrogate", surrogate))

AS_THEY_ARE = (
    ("yasa_rest_eo_360s", 2),
    ("openbci_blink_jaw_alpha_90s", 8),
    ("mcsleep_30s", 3),
    ("osn_eeg_30s", 1),
    ("osn_ieeg_30s", 1),
    ("yasa_n2_15s", 1),
    ("rat_ca1_ec3_theta_60s", 2),
    ("rat_hpc_hc2_150s", 1),
)
"""Recordings and their rows, long enough for a trend to be learnt."""


def measure(recordings: Path, say: Say) -> list[Figure]:
    """See the package. Detectors have their defaults."""
    backgrounds = list(_backgrounds(recordings, say))
    if not backgrounds:
        return []
    figures = []
    for name, kind in TRIO.items():
        say(f"seizure: {name} in {_hours(backgrounds):g} h of background")
        figures += _figures_of(name, kind, backgrounds, with_seizures, SEIZURE_EVERY_S)
    say(f"seizure: after_discharge in {_hours(backgrounds):g} h of background")
    figures += _figures_of(
        "after_discharge", AfterDischarge, backgrounds, with_after_discharges,
        AFTER_DISCHARGE_EVERY_S,
    )  # fmt: skip
    return figures + _as_they_are(recordings, say)


Background = tuple[str, NDArray[np.float64], float]
"""Which kind, its samples, and the seconds of the recording behind it."""


def _backgrounds(recordings: Path, say: Say) -> Iterator[Background]:
    for k, which in enumerate(INTRACRANIAL + SCALP):
        part = excerpt(recordings, which)
        if part is None:
            say(f"seizure: no {which[0]}; left out")
            continue
        for number, (kind, make) in enumerate(KINDS):
            rng = np.random.default_rng([SEED, k, number])
            yield kind, make(part, round(MINUTES * 60.0 * RATE_HZ), rng), len(part) / RATE_HZ


def _figures_of(
    name: str,
    detector: type[Detector],
    backgrounds: list[Background],
    add: Callable[[NDArray[np.float64], float, np.random.Generator], SimulatedEpilepsy],
    every_s: float,
) -> list[Figure]:
    counts = {"found": 0, "missed": 0}
    false = dict.fromkeys((kind for kind, _ in KINDS), 0)
    late_s: list[float] = []
    for k, (kind, samples, _) in enumerate(backgrounds):
        ill = add(samples, every_s, np.random.default_rng([SEED, 1000 + k]))
        hit = np.zeros(len(ill.events_s), dtype=bool)
        for at_s in onsets_s(detector, ill.samples_uv[:, np.newaxis], RATE_HZ):
            inside = np.flatnonzero((ill.events_s[:, 0] <= at_s) & (at_s <= ill.events_s[:, 1]))
            if len(inside) == 0:
                false[kind] += 1
            elif not hit[inside[0]]:
                hit[inside[0]] = True
                late_s.append(float(at_s - ill.events_s[inside[0], 0]))
        counts["found"] += int(hit.sum())
        counts["missed"] += int((~hit).sum())
    event = "afterdischarges" if name == "after_discharge" else "seizures"
    new_min = sum(new_s for kind, _, new_s in backgrounds if kind == "stitched") / 60.0
    on = f"simulated {event} in {_hours(backgrounds):g} h of human background"
    asked = None if name == "after_discharge" else MOST_FALSE_PER_HOUR
    figures = [
        Figure(
            name, on, "found", counts["found"] / max(1, sum(counts.values())), "",
            None if name == "after_discharge" else 1.0, True, counts,
            reference_name="no offline reference",
        ),
        Figure(
            name, on, "median latency", float(np.median(late_s or [np.nan])), "s", None, False,
            counts, reference_name="no offline reference",
        ),
    ]  # fmt: skip
    for kind, _ in KINDS:
        hours = _hours([b for b in backgrounds if b[0] == kind])
        made = "stitched from" if kind == "stitched" else "surrogates of"
        figures.append(
            Figure(
                name, f"{hours:g} h, {made} {new_min:.1f} min of human recordings",
                "false per hour", false[kind] / hours, "/h", asked, False,
                {"false": false[kind], "minutes": round(60.0 * hours)},
                reference_name="no offline reference",
            )
        )  # fmt: skip
    return figures


def _as_they_are(recordings: Path, say: Say) -> list[Figure]:
    figures = []
    for name, rows in AS_THEY_ARE:
        path = recordings / f"{name}.npz"
        if not path.exists():
            say(f"seizure: no {name}; left out")
            continue
        with np.load(path) as held:
            samples = np.atleast_2d(held["data"])[:rows].T.astype(np.float32)
            rate_hz = float(held["fs"])
        false = len(onsets_s(AfterDischarge, samples, rate_hz))
        minutes = len(samples) / rate_hz / 60.0
        figures.append(
            Figure(
                "after_discharge", f"{name} as it is, {rows} channels", "false alarms",
                float(false), "", None, False, {"false": false, "seconds": round(60.0 * minutes)},
                reference_name="no offline reference",
            )
        )  # fmt: skip
    return figures


def onsets_s(detector: type[Detector], samples: NDArray[np.float32], rate_hz: float) -> list[float]:
    """Times of the onsets on these channels, by the detector with its defaults."""
    channels = tuple(f"C{c}" for c in range(samples.shape[1]))
    info = StreamInfo("background", rate_hz, channels, "background")
    made = detector(detector.Settings(channels=channels), info, 0.0)
    times_s = np.arange(len(samples)) / rate_hz
    found = made.update(Chunk(np.ascontiguousarray(samples), times_s))
    return [d.sample_s for d in found if d.kind is EventKind.ONSET]


def _hours(backgrounds: list[Background]) -> float:
    return sum(len(samples) for _, samples, _ in backgrounds) / RATE_HZ / 3600.0
