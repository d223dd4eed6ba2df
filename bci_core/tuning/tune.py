"""Tries settings against marks and picks the best that a budget allows."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bci_core.contracts import Detector
from bci_core.detection.monitor_settings import MonitorSettings
from bci_core.errors import BciError, InputError
from bci_core.record.marks import Mark
from bci_core.scoring.run import run_detector
from bci_core.scoring.score import score, truth_of_marks
from bci_core.scoring.stretch import Stretch
from bci_core.tuning.budget import Budget, Figures, figures_of
from bci_core.tuning.holdout import KeptAside, split

Make = Callable[[Mapping[str, Any]], Detector]
"""Makes a fresh detector with these settings in place of its own."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Trial:
    """One combination of settings and what it gave.

    Attributes
    ----------
    settings : mapping
        Those that were swept.
    tuned, aside : mapping of str to (float or None)
        Figures on the part it is chosen by, and on the part kept aside.
    """

    settings: Mapping[str, Any]
    tuned: Figures
    aside: Figures


@dataclass(frozen=True, slots=True)
class Tuning:
    """What a sweep gave.

    Attributes
    ----------
    trials : tuple of Trial
        In the order they were tried.
    chosen : Trial or None
        The best within the budget, on the part to tune on; None where there is none.
    nearest : Trial
        The chosen one, or the one that misses the budget by least.
    aim : str
        ``recall`` or ``f1``: what the best has most of.
    budget : Budget
    aside : KeptAside
    refused : mapping of str to str
        Combinations the detector does not take, each with its reason.
    """

    trials: tuple[Trial, ...]
    chosen: Trial | None
    nearest: Trial
    aim: str
    budget: Budget
    aside: KeptAside
    refused: Mapping[str, str]


def tune(
    make: Make,
    combinations: Sequence[Mapping[str, Any]],
    stretch: Stretch,
    monitor: MonitorSettings,
    marks: Sequence[Mark],
    aside: KeptAside,
    budget: Budget,
    tolerance_s: float,
    say: Say,
) -> Tuning:
    """Run every combination over the whole recording, and choose on the part not kept aside.

    The aim is recall where the budget bounds the false alarms, and F1 where it does
    not, since a detector that fires all the time has perfect recall. Ties go to the
    other of the two, then to fewer false alarms, then to the first that was tried.

    Parameters
    ----------
    make : callable
    combinations : sequence of mapping
        See `bci_core.tuning.sweep`.
    stretch : Stretch
    monitor : MonitorSettings
    marks : sequence of Mark
    aside : KeptAside
    budget : Budget
    tolerance_s : float
        How far outside a mark a detection may lie.
    say : callable (str)
        Is given lines of progress.

    Raises
    ------
    InputError
        No combination can be tried, or one of the two parts has no marks.
    """
    _check_marks(marks, aside, stretch)
    trials: list[Trial] = []
    refused: dict[str, str] = {}
    for number, settings in enumerate(combinations, start=1):
        named = shown(settings)
        try:
            detector = make(settings)
        except BciError as error:
            refused[named] = str(error)
            continue
        run = run_detector(detector, stretch, monitor)
        whole = score(run, truth_of_marks(marks, run, "marks", tolerance_s))
        tuned, kept = (figures_of(part) for part in split(whole, aside))
        trials.append(Trial(settings, tuned, kept))
        say(f"{number} of {len(combinations)}: {named}: {told(tuned)}")
    if not trials:
        first = next(iter(refused.items()), ("nothing", "nothing was given to try"))
        raise InputError(f"no setting can be tried; {first[0]}: {first[1]}")
    aim = "recall" if budget.bounds_false_alarms else "f1"
    within = [trial for trial in trials if budget.kept(trial.tuned)]
    chosen = max(within, key=lambda trial: _merit(trial.tuned, aim)) if within else None
    nearest = chosen or min(
        trials, key=lambda t: (budget.excess(t.tuned), [-m for m in _merit(t.tuned, aim)])
    )
    return Tuning(tuple(trials), chosen, nearest, aim, budget, aside, refused)


def shown(settings: Mapping[str, Any]) -> str:
    """Settings in one line."""
    return ", ".join(
        f"{key} {value:g}" if isinstance(value, float) else f"{key} {value}"
        for key, value in settings.items()
    )


def told(figures: Figures) -> str:
    """The figures people look at first, in one line."""
    return (
        f"recall {_number(figures['recall'])}, precision {_number(figures['precision'])}, "
        f"F1 {_number(figures['f1'])}, {_number(figures['false_per_min'])} false per minute, "
        f"p50 {_number(figures['latency_ms_p50'])} ms "
        f"({figures['tp']:g} found, {figures['fn']:g} missed, {figures['fp']:g} false)"
    )


def _merit(figures: Figures, aim: str) -> list[float]:
    other = "f1" if aim == "recall" else "recall"
    return [figures[aim] or 0.0, figures[other] or 0.0, -(figures["fp"] or 0.0)]


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g}"


def _check_marks(marks: Sequence[Mark], aside: KeptAside, stretch: Stretch) -> None:
    inside = [m.onset_s for m in marks if stretch.times_s[0] <= m.onset_s < stretch.end_s]
    n_aside = int(aside.holds(inside).sum())
    if n_aside == 0 or n_aside == len(inside):
        where = "the part kept aside" if n_aside == 0 else "the part to tune on"
        raise InputError(
            f"{len(inside)} marks in the recording, none of them in {where} ({aside}); "
            "give another --keep-aside or a --seed"
        )
