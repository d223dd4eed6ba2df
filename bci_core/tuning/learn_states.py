"""From a recording and marks of a state to a model, and how far to trust it."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w
from numpy.typing import NDArray

from bci_core.detection.classifier_fit import chance_auc, fit
from bci_core.detection.classifier_model import ClassifierModel
from bci_core.detection.monitor import SampleMonitor
from bci_core.detection.monitor_settings import MonitorSettings
from bci_core.detection.spectral_features import EZZYAT_HZ, SpectralFeatures
from bci_core.errors import ConfigError, InputError
from bci_core.record.marks import Mark
from bci_core.scoring.stretch import Stretch
from bci_core.tuning.holdout import KeptAside
from bci_core.tuning.states import Examples, ExampleSettings, examples_of

MODEL, SECTION, PAGE, FIGURES = "model.json", "detector.toml", "classifier.html", "learning.json"
"""Files that `Learnt.write` makes."""

N_BINS = 5
"""Of the probability, for the reliability diagram."""

HIGHEST_SHARE = 0.4
"""Of the rate: frequencies above are left out by default, where an amplifier's own filter is."""

LEAST_BLOCKS = 2
"""Of each state in each part: labels of fewer cannot change places."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Bin:
    """Examples whose probability lies between two bounds.

    Attributes
    ----------
    low, high : float
    n : int
    probability, observed : float
        Mean of the probabilities, and share of examples that are positive.
    """

    low: float
    high: float
    n: int
    probability: float
    observed: float


@dataclass(frozen=True, slots=True)
class Learnt:
    """A model with everything that speaks for and against it.

    Attributes
    ----------
    model : ClassifierModel
        Fitted on the examples that are not kept aside.
    negative : str
        What the other state is, in words.
    examples : Examples
    probability : ndarray, (n_examples,)
        By the model.
    chance : ndarray, (n_shuffles,)
        AUC on the part kept aside, of models whose labels were shuffled in blocks.
    aside : KeptAside
    settings : ExampleSettings
    made : datetime
    """

    model: ClassifierModel
    negative: str
    examples: Examples
    probability: NDArray[np.float64]
    chance: NDArray[np.float64]
    aside: KeptAside
    settings: ExampleSettings
    made: datetime

    @property
    def chance_p95(self) -> float:
        """What one in twenty of the shuffled models exceeds."""
        return float(np.quantile(self.chance, 0.95))

    @property
    def chance_share(self) -> float:
        """Share of shuffled models that are as good; this one counted among them."""
        as_good = int(np.count_nonzero(self.chance >= self.model.figures.auc))
        return (1 + as_good) / (1 + len(self.chance))

    def reliability(self) -> tuple[Bin, ...]:
        """What was observed where the model said so much, on the part kept aside."""
        said = self.probability[self.examples.aside]
        was = self.examples.positive[self.examples.aside]
        bounds = np.linspace(0.0, 1.0, N_BINS + 1)
        which = np.minimum((said * N_BINS).astype(int), N_BINS - 1)
        return tuple(
            Bin(
                float(bounds[k]),
                float(bounds[k + 1]),
                int((which == k).sum()),
                float(said[which == k].mean()),
                float(was[which == k].mean()),
            )
            for k in range(N_BINS)
            if (which == k).any()
        )

    def counts(self) -> dict[str, dict[str, int]]:
        """Examples and blocks of each state in each part."""
        told = {}
        for name, aside in (("fitted_on", False), ("kept_aside", True)):
            (positive, in_blocks), (negative, others) = (
                self.examples.count(state, aside) for state in (True, False)
            )
            told[name] = {
                "positive": positive,
                "negative": negative,
                "positive_blocks": in_blocks,
                "negative_blocks": others,
            }
        return told

    def to_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        figures = self.model.figures
        return {
            "positive": self.model.positive,
            "negative": self.negative,
            "made": self.made.isoformat(),
            **self.model.provenance,
            "features": self.model.features.model_dump(mode="json"),
            "examples": {
                **self.settings.model_dump(mode="json"),
                "margin_s": self.examples.margin_s,
                "flagged": self.examples.flagged,
                **self.counts(),
            },
            "kept_aside": {
                "spans_s": [list(span) for span in self.aside.spans_s],
                "total_s": self.aside.total_s,
                "seed": self.aside.seed,
            },
            "auc": figures.auc,
            "auc_cross_validated": figures.auc_cross_validated,
            "chance": {
                "shuffles": len(self.chance),
                "auc_median": float(np.median(self.chance)),
                "auc_p95": self.chance_p95,
                "share_as_good": self.chance_share,
            },
            "brier": figures.brier,
            "brier_of_base_rate": figures.brier_of_base_rate,
            "base_rate": figures.base_rate,
            "penalty_c": figures.penalty_c,
            "reliability": [asdict(each) for each in self.reliability()],
        }

    def section(self, model: Path, threshold: float, direction: str) -> str:
        """Section ``[detector]`` of a rig as TOML, under a comment of where it comes from."""
        figures, told = self.model.figures, self.model.provenance
        counts = self.counts()["kept_aside"]
        comment = [
            f"Learnt by bci learn classifier on {self.made:%Y-%m-%d %H:%M} UTC, bci {told['bci']}",
            f"{self.model.positive} against {self.negative}",
            f"recording {told['source']}",
            f"  sha256 {told['source_sha256']}",
            f"marks {told['marks']}",
            f"  sha256 {told['marks_sha256']}",
            f"on the part kept aside, {self.aside}, {counts['positive']} and "
            f"{counts['negative']} examples in {counts['positive_blocks']} and "
            f"{counts['negative_blocks']} blocks:",
            f"  AUC {figures.auc:.3f} (chance {np.median(self.chance):.3f}, p95 "
            f"{self.chance_p95:.3f}), Brier {figures.brier:.3f} (base rate "
            f"{figures.brier_of_base_rate:.3f})",
        ]
        table = {
            "kind": "classifier",
            "model": model.as_posix(),
            "threshold": threshold,
            "direction": direction,
        }
        return "".join(f"# {line}\n" for line in comment) + tomli_w.dumps({"detector": table})

    def write(self, folder: Path, threshold: float, direction: str) -> None:
        """Write `MODEL`, `SECTION`, `PAGE` and `FIGURES`.

        Raises
        ------
        InputError
            The folder cannot be written.
        """
        from bci_core.tuning.classifier_page import render

        section = self.section(folder / MODEL, threshold, direction)
        texts = {
            SECTION: section,
            PAGE: render(self, section),
            FIGURES: json.dumps(self.to_dict(), indent=2, allow_nan=False) + "\n",
        }
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self.model.save(folder / MODEL)
            for name, text in texts.items():
                (folder / name).write_text(text, "utf-8")
        except OSError as error:
            raise InputError(f"{folder}: cannot be written ({error.strerror})") from error


def default_frequencies(rate_hz: float) -> tuple[float, ...]:
    """Those of Ezzyat et al. 2018 that a rate can hold."""
    return tuple(f for f in EZZYAT_HZ if f <= HIGHEST_SHARE * rate_hz)


def learn_states(
    stretch: Stretch,
    marks: Sequence[Mark],
    kinds: tuple[str, str],
    design: SpectralFeatures,
    settings: ExampleSettings,
    aside: KeptAside,
    provenance: Mapping[str, str],
    made: datetime,
    *,
    n_shuffles: int,
    seed: int,
    say: Say,
) -> Learnt:
    """Cut into examples, fit, judge, and see what shuffled labels would have given.

    Parameters
    ----------
    stretch : Stretch
    marks : sequence of Mark
    kinds, design, settings, aside
        See `bci_core.tuning.states.examples_of`.
    provenance : mapping
        ``source``, ``source_sha256``, ``marks``, ``marks_sha256``.
    made : datetime
    n_shuffles, seed : int
        See `bci_core.detection.classifier_fit.chance_auc`.
    say : callable (str)
        Is given lines of progress.

    Raises
    ------
    InputError
        A part lacks a state, or scikit-learn is missing.
    ConfigError
        The recording lacks a channel, or is too slow for a frequency.
    """
    problems = design.problems(stretch.info)
    if problems:
        raise ConfigError("the features", problems)
    columns = tuple(stretch.info.index_of(name) for name in design.channels)
    samples = np.array(stretch.samples, order="C")
    monitor = SampleMonitor(MonitorSettings(), stretch.info.rate_hz, columns)
    flags = monitor.update(samples, stretch.times_s)
    examples = examples_of(stretch, flags, samples, marks, kinds, design, settings, aside)
    positive = kinds[0] or " or ".join(sorted({m.kind for m in marks} - {""})) or "marked"
    negative = kinds[1] or f"not {positive}"
    _require_blocks(examples, positive, negative, aside)
    say(f"fitting on {int((~examples.aside).sum())} examples of {len(design)} features")
    model = fit(
        examples.rows,
        examples.positive,
        design,
        positive=positive,
        source=provenance["source"],
        groups=examples.block,
        held_out=examples.aside,
    )
    model = model.model_copy(update={"provenance": {**model.provenance, **provenance}})
    say(f"fitting {n_shuffles} times with labels shuffled in blocks")
    chance = chance_auc(
        examples.rows,
        examples.positive,
        examples.block,
        examples.aside,
        model.figures.penalty_c,
        n_shuffles=n_shuffles,
        seed=seed,
    )
    probability = model.probability(examples.rows)
    return Learnt(model, negative, examples, probability, chance, aside, settings, made)


def _require_blocks(examples: Examples, positive: str, negative: str, aside: KeptAside) -> None:
    lacking = []
    for part, is_aside in (("part to fit on", False), (f"part kept aside, {aside}", True)):
        for name, state in ((positive, True), (negative, False)):
            n, blocks = examples.count(state, is_aside)
            least = LEAST_BLOCKS if is_aside else LEAST_BLOCKS + 1
            if blocks < least:
                lacking.append(
                    f"{name!r} has {n} examples in {blocks} blocks in the {part}; at least "
                    f"{least} blocks are needed"
                )
    if lacking:
        raise InputError(
            "too little to learn from: "
            + "; ".join(lacking)
            + ". Give another --keep-aside or a --seed, a smaller --block, or longer marks"
        )
