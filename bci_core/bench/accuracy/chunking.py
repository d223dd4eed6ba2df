"""Cuts recordings into chunks in many ways, for every detector: nothing else may be found.

Law 7: for the same samples, any split into chunks gives the same detections at the
same samples, to the bit. Monitor and detector are tried together, as they run live,
and beside the detections the whole state of the kernel has to be the same at the end.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from bci_core import registry
from bci_core.bench.accuracy.chunking_files import FILES
from bci_core.bench.accuracy.figure import Figure, Say
from bci_core.chunk import Chunk, StreamInfo
from bci_core.detection.compiled import CompiledDetector
from bci_core.detection.monitor_settings import MonitorSettings
from bci_core.detection.sensing import Sensing
from bci_core.errors import BciError, InputError
from bci_core.events import Detection
from bci_core.record.recording import READERS, read_recording
from bci_core.scoring.subject import detector_of, settings_of
from bci_core.testing.check_detector import trial_chunk

Make = Callable[[], Sensing]
"""Makes a fresh monitor and detector."""

N_CUTS = 100
"""Random ways to cut each recording, with seeds 0, 1, 2, …"""

MOST_CHUNKS = 250
"""Chunks of one way to cut, at most; many are then of a few samples."""

MOST_SAMPLES = 12_000
"""Of each recording, from its beginning: 10 s at 1.2 kHz, 2 min at 100 Hz."""

MOST_CHANNELS = 4

LEAD_S = 0.01

_QUICK_TREND = {"above_trend_percent": 20.0, "short_s": 0.25, "long_s": 5.0, "learning_s": 1.0}

GIVEN: Mapping[str, Mapping[str, Any]] = {
    "area": _QUICK_TREND | {"min_duration_s": 0.0},
    "band_discriminant": {"bands_hz": ((8.0, 13.0),), "threshold": 1.0, "learning_s": 1.0},
    "band_power": {"band_hz": (8.0, 13.0), "learning_s": 1.0, "threshold_sd": 1.0},
    "line_length": _QUICK_TREND | {"min_duration_s": 0.0},
    "phase": {"band_hz": (5.0, 11.0), "target_deg": 180.0, "min_amplitude_uv": 0.1},
    "spikes": {"threshold_noise_sd": 3.0, "threshold_sd": 1.0, "baseline_learning_s": 0.5},
}
"""What detectors are given beside their channels: what has no default, and what lets them
find something within seconds. Nothing here is meant to find the right thing."""


@dataclass(frozen=True, slots=True)
class Trial:
    """Samples to cut, and where they are from."""

    name: str
    info: StreamInfo
    chunk: Chunk


@dataclass(slots=True)
class Tally:
    """What one detector was tried on, and what came of it."""

    signals: int = 0
    samples: int = 0
    cuts: int = 0
    different: int = 0
    detections: int = 0

    def counts(self) -> dict[str, int]:
        """For a figure."""
        return {
            "signals": self.signals,
            "samples": self.samples,
            "cuts": self.cuts,
            "detections compared": self.detections,
        }


def measure(recordings: Path, say: Say) -> list[Figure]:
    """Cuts that change something, for each registered detector; none is asked for."""
    trials = list(_trials(recordings, say))
    figures = []
    for kind in registry.names("detector"):
        tally = _tried(kind, trials, say)
        if not tally.cuts:
            continue
        figures.append(
            Figure(
                detector=kind,
                on=f"up to {MOST_SAMPLES} samples of each recording, cut in {N_CUTS} random ways",
                what="cuts that change a detection or the state",
                value=tally.different,
                asked=0.0,
                at_least=False,
                counts=tally.counts(),
            )
        )
    return figures


def _tried(kind: str, trials: Sequence[Trial], say: Say) -> Tally:
    tally, why_not = Tally(), ""
    for trial in trials:
        with TemporaryDirectory(prefix="bci-bench-") as folder:
            try:
                make = _suited(kind, trial, Path(folder))
            except BciError as error:
                why_not = f"{trial.name}: {error}"
                continue
            compare(make, trial.chunk, N_CUTS, tally)
        say(f"{kind} on {trial.name}: {tally.different} of {tally.cuts} cuts differ")
    if not tally.cuts:
        say(f"{kind} is left out: it cannot be made for any recording; {why_not}")
    return tally


def _suited(kind: str, trial: Trial, folder: Path) -> Make:
    """On all channels, or on the first where it does not take so many."""
    try:
        make = _maker(kind, trial, trial.info.channels, folder)
        make()
    except BciError:
        make = _maker(kind, trial, trial.info.channels[:1], folder)
        make()
    return make


def compare(make: Make, chunk: Chunk, n_cuts: int, tally: Tally) -> None:
    """Run one chunk whole, then cut in `n_cuts` random ways, and count."""
    whole = _run(make(), chunk, [])
    tally.signals += 1
    tally.samples += len(chunk)
    for seed in range(n_cuts):
        rng = np.random.default_rng(seed)
        n_borders = int(rng.integers(1, MOST_CHUNKS))
        # Borders may coincide: then there is an empty chunk between them.
        borders = np.sort(rng.integers(0, len(chunk) + 1, n_borders)).tolist()
        tally.cuts += 1
        tally.detections += len(whole[0])
        tally.different += _run(make(), chunk, borders) != whole


def _run(sensing: Sensing, chunk: Chunk, borders: Sequence[int]) -> tuple[list[Detection], bytes]:
    """Detections, and the state at the end as bytes, which tell NaN and -0.0 apart."""
    found: list[Detection] = []
    for start, end in zip([0, *borders], [*borders, len(chunk)], strict=True):
        found += sensing.update(Chunk(chunk.samples[start:end], chunk.times_s[start:end]))
    state = sensing.monitor.state.tobytes()
    if isinstance(sensing.detector, CompiledDetector):
        state += sensing.detector.state.tobytes()
    return found, state


def _trials(recordings: Path, say: Say) -> Iterator[Trial]:
    """Noise with a tone that sweeps through every band, then each recording there is."""
    info = StreamInfo("noise and sweep", 1000.0, ("a", "b"), "trial")
    made = trial_chunk(info)
    yield Trial(info.name, info, Chunk(made.samples[:MOST_SAMPLES], made.times_s[:MOST_SAMPLES]))
    for path in sorted(p for p in recordings.glob("*") if p.suffix in READERS):
        try:
            # Counts are taken as microvolts: how large they are makes no difference here.
            recording = read_recording(path, uv_per_count=1.0)
        except InputError as error:
            say(f"{path.name} is left out: {error}")
            continue
        info = StreamInfo(
            path.stem, recording.rate_hz, recording.channels[:MOST_CHANNELS], path.stem
        )
        samples = np.ascontiguousarray(recording.samples[:MOST_SAMPLES, :MOST_CHANNELS])
        times_s = recording.ticks[:MOST_SAMPLES] / recording.rate_hz
        yield Trial(path.stem, info, Chunk(samples, times_s))


def _maker(kind: str, trial: Trial, channels: tuple[str, ...], folder: Path) -> Make:
    info = trial.info
    given = FILES[kind](info, trial.chunk, folder) if kind in FILES else GIVEN.get(kind, {})
    settings = settings_of(kind, given, info, () if kind in FILES else channels)
    return lambda: Sensing(detector_of(kind, settings, info, LEAD_S), info, MonitorSettings())
