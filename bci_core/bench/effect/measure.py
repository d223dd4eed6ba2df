"""Runs the three conditions of each loop over some seeds, and judges what differs."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from bci_core.bench.effect.cases import Case
from bci_core.bench.effect.intervals import LEVEL, Difference, Values, difference
from bci_core.bench.effect.runs import (
    CONDITIONS,
    Condition,
    Run,
    differing_events,
    run_condition,
    with_amplifier,
)
from bci_core.config.load import load_rig
from bci_core.errors import InputError, RunError

LEAST_SPAN_S = 5.0
"""Of a run, that counts."""
ROUNDING = 1e-9
"""A mean below this is that of differences which cancel."""


@dataclass(frozen=True, slots=True)
class Effect:
    """What one loop has done.

    Attributes
    ----------
    case : Case
    duration_s : float
        Of each run.
    values : dict of str to sequence of ndarray
        The quantity under each condition: one array a seed, one number an event.
    active, sham : Difference
        Stimulated less sham; sham less unstimulated.
    pulses, shams : int
        Triggers delivered in the stimulated runs, and sham ones in the sham runs.
    felt : int
        Stimuli that the brain felt in the sham runs.
    differing : int
        Events of the truth that differ, to the bit, between sham and unstimulated.
    """

    case: Case
    duration_s: float
    values: dict[Condition, Values]
    active: Difference
    sham: Difference
    pulses: int
    shams: int
    felt: int
    differing: int

    @property
    def present(self) -> bool:
        """Whether the interval of the effect lies on the side of 0 that is meant."""
        edge = self.active.low if self.case.sign > 0 else -self.active.high
        return edge > 0.0

    @property
    def sham_is_none(self) -> bool:
        """Whether sham triggers did nothing.

        The interval holds 0; and since that of a weak effect would as well, no stimulus was
        felt, and every event is that of the brain which nobody stimulates.
        """
        return self.sham.holds_zero and self.felt == self.differing == 0 and self.shams > 0

    @property
    def failures(self) -> list[str]:
        """What does not hold, in words."""
        case, failures = self.case, []
        if not self.present:
            failures.append(f"{case.name}: no effect on {case.quantity} is shown against sham")
        if not self.sham_is_none:
            failures.append(
                f"{case.name}: sham is not without effect on {case.quantity} ({self.shams} sham "
                f"triggers, {self.felt} stimuli felt, {self.differing} events differ)"
            )
        return failures

    def n(self, condition: Condition) -> int:
        """Events that count."""
        return sum(len(each) for each in self.values[condition])

    def mean(self, condition: Condition) -> float:
        mean = float(np.concatenate(self.values[condition]).mean())
        return mean if abs(mean) > ROUNDING else 0.0

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        case = {k: v for k, v in asdict(self.case).items() if k != "measure"}
        conditions = {
            each: {
                "n": self.n(each),
                "mean": self.mean(each),
                "runs": [values.tolist() for values in self.values[each]],
            }
            for each in CONDITIONS
        }
        return case | {
            "duration_s": self.duration_s,
            "seeds": len(self.values["active"]),
            "level": LEVEL,
            "conditions": conditions,
            "active_minus_sham": self.active.to_dict(),
            "sham_minus_unstimulated": self.sham.to_dict(),
            "pulses": self.pulses,
            "shams": self.shams,
            "felt_in_sham": self.felt,
            "differing_events_in_sham": self.differing,
            "present": self.present,
            "sham_is_none": self.sham_is_none,
        }


def measure_effect(
    case: Case, n_seeds: int, duration_s: float | None, say: Callable[[str], None]
) -> Effect:
    """Run a loop on `n_seeds` brains.

    Parameters
    ----------
    case : Case
    n_seeds : int
        Seeds 1, 2 and so on of the brain.
    duration_s : float, optional
        Of each run; the case's own where it is left out.
    say : callable (str)
        Is told what is run.

    Raises
    ------
    InputError
        The duration is too short for anything to count.
    RunError
        A session was disarmed, or nothing happened that could be measured.
    """
    duration_s = case.duration_s if duration_s is None else duration_s
    span_s = np.array([case.settle_s, duration_s - case.tail_s])
    least_s = case.settle_s + case.tail_s + LEAST_SPAN_S
    if duration_s < least_s:
        raise InputError(
            f"{case.name}: runs of {duration_s:g} s are too short, give at least {least_s:g}; of "
            f"each, {case.settle_s:g} s at the beginning and {case.tail_s:g} s at the end do not "
            "count"
        )
    rig = load_rig(case.preset)
    values: dict[Condition, list[Any]] = {condition: [] for condition in CONDITIONS}
    pulses = shams = felt = differing = 0
    for seed in range(1, n_seeds + 1):
        seeded = with_amplifier(rig, seed=seed)
        runs: dict[Condition, Run] = {}
        for condition in CONDITIONS:
            say(f"{case.name}: {condition}, seed {seed} of {n_seeds}, {duration_s:g} s")
            runs[condition] = run_condition(seeded, condition, duration_s)
        for condition, run in runs.items():
            values[condition].append(case.measure(run, runs["unstimulated"], span_s))
        pulses += runs["active"].pulses
        shams += runs["sham"].shams
        felt += runs["sham"].count("stimulus")
        differing += differing_events(runs["sham"], runs["unstimulated"])
    for condition, measured in values.items():
        if not sum(map(len, measured)):
            raise RunError(
                f"{case.name}: no {case.events} in {n_seeds} runs of {duration_s:g} s "
                f"({condition}); give a longer --duration, or more --seeds"
            )
    return Effect(
        case=case,
        duration_s=duration_s,
        values=dict(values),
        active=difference(values["active"], values["sham"]),
        sham=difference(values["sham"], values["unstimulated"]),
        pulses=pulses,
        shams=shams,
        felt=felt,
        differing=differing,
    )
