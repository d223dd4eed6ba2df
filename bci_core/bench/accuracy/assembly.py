"""How much more often stored assemblies come back than chance would have them.

Templates are learnt on the first half of a recording of sorted spikes, and recognised
by the detector, bin by bin, in the second. Two kinds of chance: each unit of the second
half shifted in time by itself; and its spikes relabelled, which leaves the rate of the
population as it was in every bin, and so controls for changes of rate that all cells
share. Beside them, without a bound, relabelling within blocks of 10 s, which leaves every
unit's own slower changes too.
"""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bci_core.bench.accuracy.figure import Figure, Say
from bci_core.chunk import Chunk, StreamInfo
from bci_core.detection.assembly import Assembly, AssemblySettings
from bci_core.detection.assembly_features import AssemblyFeatures
from bci_core.detection.assembly_learning import learn_templates
from bci_core.detection.assembly_shuffles import relabelled, shifted
from bci_core.detection.assembly_templates import AssemblyTemplates, save

RECORDING = "nelpy_w-maze_spikes"
BIN_S = 0.025
ASKED_RATIO = 4.0
N_SHUFFLES = 20
BLOCK_S = 10.0
SEED = 1
NO_REFERENCE = "none: elephant 1.2 finds assemblies, but recognises no stored ones"


def measure(recordings: Path, say: Say) -> list[Figure]:
    """Ratios of activations in the recording to those in each kind of chance."""
    path = recordings / f"{RECORDING}.npz"
    if not path.exists():
        say(f"assembly: {path.name} is not there; left out")
        return []
    with np.load(path) as held:
        counts = binned_spikes(held["data"], held["unit"], BIN_S)
    half = len(counts) // 2
    say(f"assembly: learning on {half} bins of {counts.shape[1]} units")
    features = AssemblyFeatures(source="counts", bin_s=BIN_S)
    templates = learn_templates(counts[:half], unit_labels(counts), features)
    with tempfile.TemporaryDirectory(prefix="bci-assembly-") as folder:
        return _figures(save_each(templates, Path(folder)), counts[half:], say)


def _figures(files: Sequence[Path], second: NDArray[np.float64], say: Say) -> list[Figure]:
    found = activations(files, second)
    minutes = len(second) * BIN_S / 60.0
    on = f"{RECORDING}, second half"
    figures = [
        Figure(
            "assembly",
            on,
            "activations per template",
            float(found.mean() / minutes),
            "1/min",
            counts={"templates": len(files), "activations": int(found.sum())},
            reference_name=NO_REFERENCE,
        )
    ]
    rng = np.random.default_rng(SEED)
    block = round(BLOCK_S / BIN_S)
    chances: tuple[tuple[str, float | None, Callable[[], NDArray[np.float64]]], ...] = (
        ("units shifted", ASKED_RATIO, lambda: shifted(second, rng)),
        ("population rate kept in each bin", ASKED_RATIO, lambda: relabelled(second, rng)),
        (
            f"population rate kept, and each unit's in {BLOCK_S:g} s",
            None,
            lambda: relabelled(second, rng, block),
        ),
    )
    for name, asked, make in chances:
        say(f"assembly: {N_SHUFFLES} shuffles, {name}")
        chance = sum((activations(files, make()) for _ in range(N_SHUFFLES)), np.zeros(1))
        each = found / np.maximum(chance / N_SHUFFLES, 1.0 / N_SHUFFLES)
        figures.append(
            Figure(
                "assembly",
                on,
                f"activations over chance, {name}",
                float(found.sum() / (chance.sum() / N_SHUFFLES)),
                asked=asked,
                counts={
                    "templates": len(files),
                    f"templates_at_{ASKED_RATIO:g}": int((each >= ASKED_RATIO).sum()),
                    "activations": int(found.sum()),
                    "activations_in_shuffles": int(chance.sum()),
                    "shuffles": N_SHUFFLES,
                },
                reference_name=NO_REFERENCE,
            )
        )
    return figures


def binned_spikes(
    times_s: NDArray[np.float64], unit: NDArray[np.int16], bin_s: float
) -> NDArray[np.float64]:
    """Spikes of each unit in bins from the first spike on, (n_bins, n_units)."""
    bins = np.floor((times_s - times_s.min()) / bin_s).astype(np.int64)
    counts = np.zeros((int(bins.max()) + 1, int(unit.max()) + 1))
    np.add.at(counts, (bins, unit), 1.0)
    return counts


def activations(files: Sequence[Path], counts: NDArray[np.float64]) -> NDArray[np.int64]:
    """How often the detector announces the template of each file, (n_files,)."""
    times_s = np.arange(len(counts), dtype=np.float64) * BIN_S
    chunk = Chunk(np.ascontiguousarray(counts, dtype=np.float32), times_s)
    info = StreamInfo("sorter", 1.0 / BIN_S, unit_labels(counts), "sorter", kind="counts")
    found = [
        Assembly(AssemblySettings(templates=str(file)), info, 0.0).update(chunk) for file in files
    ]
    return np.array([len(detections) for detections in found], dtype=np.int64)


def unit_labels(counts: NDArray[np.float64]) -> tuple[str, ...]:
    """One for each column."""
    return tuple(f"unit {u}" for u in range(counts.shape[1]))


def save_each(templates: AssemblyTemplates, folder: Path) -> list[Path]:
    """One file a template: the detector announces one of several that begin at once."""
    files = [folder / f"{k}.npz" for k in range(len(templates))]
    for k, file in enumerate(files):
        one = slice(k, k + 1)
        save(
            replace(
                templates, weights=templates.weights[one], thresholds=templates.thresholds[one]
            ),
            file,
        )
    return files
