"""Whether announced up-states and troughs of the slow oscillation are in their half-wave.

The half-wave is that of a zero-phase band-pass (0.5 to 2 Hz), whose analytic phase is
read at the announced moment. Settings are the defaults, but for the pause, which would
only leave fewer to count.
"""

from pathlib import Path
from typing import Literal

import numpy as np

from bci_core.bench.accuracy.figure import Figure, Say
from bci_core.bench.accuracy.phase import acausal, edge, load
from bci_core.chunk import Chunk, StreamInfo
from bci_core.detection.slow_oscillation import SlowOscillation, SlowOscillationSettings

SLEEP = (("yasa_n3_30s", 0), ("mcsleep_30s", 0), ("mcsleep_30s", 1), ("mcsleep_30s", 2))
BAND_HZ = (0.5, 2.0)
LEAD_S = 0.02
ASKED = 0.85
NO_REFERENCE = "none: no package predicts up-states"


def measure(recordings: Path, say: Say) -> list[Figure]:
    """Shares of announcements in the right half-wave, over all recordings and for each."""
    figures: list[Figure] = []
    targets: tuple[Literal["up", "down"], ...] = ("up", "down")
    for target in targets:
        right, total, minutes = 0, 0, 0.0
        for name, row in SLEEP:
            path = recordings / f"{name}.npz"
            if not path.exists():
                say(f"slow_oscillation: {path.name} is not there; left out")
                continue
            hits, found, seconds = _right(path, row, target)
            say(f"slow_oscillation: {name}[{row}], {target}: {hits} of {found}")
            right, total, minutes = right + hits, total + found, minutes + seconds / 60.0
        if total:
            counts = {"right": right, "wrong": total - right}
            on = f"{len(SLEEP)} channels of sleep EEG, {target}-states"
            figures += [
                Figure(
                    "slow_oscillation", on, "in the right half-wave", right / total,
                    asked=ASKED, counts=counts, reference_name=NO_REFERENCE,
                ),
                Figure(
                    "slow_oscillation", on, "announcements", total / minutes, "1/min",
                    counts={"announced": total}, reference_name=NO_REFERENCE,
                ),
            ]  # fmt: skip
    return figures


def _right(path: Path, row: int, target: Literal["up", "down"]) -> tuple[int, int, float]:
    """Announcements in the right half-wave, all announcements, and seconds looked at."""
    samples, rate_hz = load(path, row)
    times_s = np.arange(len(samples)) / rate_hz
    phase = np.unwrap(np.angle(acausal(samples, rate_hz, BAND_HZ)))
    asked = SlowOscillationSettings(channel="c", target=target, pause_s=0.0)
    info = StreamInfo("recording", rate_hz, ("c",), "recording")
    found = SlowOscillation(asked, info, LEAD_S).update(
        Chunk(samples.astype(np.float32)[:, np.newaxis], times_s)
    )
    edge_s = edge(rate_hz, BAND_HZ) / rate_hz / 2.0  # half the filter hangs over the end
    targets_s = np.array([d.target_s for d in found])
    targets_s = targets_s[(targets_s > edge_s) & (targets_s < times_s[-1] - edge_s)]
    up = np.cos(np.interp(targets_s, times_s, phase)) > 0.0
    right = up if target == "up" else ~up
    return int(right.sum()), len(targets_s), float(times_s[-1] - 2.0 * edge_s)
