"""Whether the limits hold: known cases, random stimulation before an independent judge, cost."""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from bci_core.bench.safety_cost import GateCost, measure_costs
from bci_core.bench.safety_oracle import ROUNDINGS, draw, judge
from bci_core.bench.safety_random import random_program, random_rig, weaker
from bci_core.bench.safety_sequences import play
from bci_core.bench.safety_sound import DEVICE as SOUND_DEVICE
from bci_core.bench.safety_sound import judge_sound, random_clicks, random_envelope, softer
from bci_core.bench.safety_vectors import Vector, vectors
from bci_core.clock import Clock
from bci_core.safety.check import ProgramCheck
from bci_core.stimulus import StimProgram

Say = Callable[[str], None]

PROGRAMS_A_RIG = 10
SOUNDS_OF = 10
"""One in so many programs is of sound, which has fewer limits."""

SAY_EVERY = 5000
MOST_NAMED = 5
"""Failures that are told in full."""


@dataclass(slots=True)
class Tally:
    """What became of the random programs and triggers.

    Attributes
    ----------
    seed : int
    rigs, programs, accepted : int
    weaker : int
        Weaker forms of accepted programs.
    sounds, sounds_accepted : int
        Of the programs, those by sound.
    sequences, triggers, sent, latched : int
    refused : dict
        By limit, programs and triggers.
    violations, reversals : list of str
        Something was accepted that passes a limit; something weaker than what was accepted
        was refused. The first few.
    n_violations, n_reversals : int
        All of them.
    """

    seed: int
    rigs: int = 0
    programs: int = 0
    accepted: int = 0
    weaker: int = 0
    sounds: int = 0
    sounds_accepted: int = 0
    sequences: int = 0
    triggers: int = 0
    sent: int = 0
    latched: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)
    reversals: list[str] = field(default_factory=list)
    n_violations: int = 0
    n_reversals: int = 0

    def refuse(self, limits: Iterable[str]) -> None:
        for limit in limits:
            self.refused[limit] = self.refused.get(limit, 0) + 1

    def violated(self, what: str) -> None:
        self.n_violations += 1
        self.violations += [what] if len(self.violations) < MOST_NAMED else []

    def reversed_by(self, what: str) -> None:
        self.n_reversals += 1
        self.reversals += [what] if len(self.reversals) < MOST_NAMED else []


@dataclass(frozen=True, slots=True)
class SafetyResult:
    """Everything that was found."""

    vectors: list[Vector]
    tally: Tally
    costs: list[GateCost]

    @property
    def holds(self) -> bool:
        """Whether every known case agrees, and no random one fails."""
        agrees = all(vector.agrees for vector in self.vectors)
        return agrees and not (self.tally.n_violations or self.tally.n_reversals)

    @property
    def within(self) -> bool:
        """Whether the gate is as quick as was asked."""
        return all(cost.within for cost in self.costs)

    def to_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        return {
            "vectors": [asdict(vector) for vector in self.vectors],
            "random": asdict(self.tally),
            "gate_us": [cost.to_dict() for cost in self.costs],
            "pass": self.holds and self.within,
        }


def measure_safety(count: int, seed: int, clock: Clock, say: Say) -> SafetyResult:
    """Run all of it.

    Parameters
    ----------
    count : int
        Random programs; and of the random triggers about as many.
    seed : int
    clock : Clock
    say : callable (str)
        Is given lines of progress.
    """
    say("known cases")
    known = vectors()
    say("gate: cost of a trigger")
    costs = measure_costs(clock)
    tally = Tally(seed)
    sounds = count // SOUNDS_OF
    try_programs(tally, count - sounds, say)
    try_sounds(tally, sounds, say)
    try_sequences(tally, count, say)
    return SafetyResult(known, tally, costs)


def try_programs(tally: Tally, count: int, say: Say) -> None:
    """Check random programs; what is accepted goes before the judge, and so do weaker forms."""
    rng = np.random.default_rng([tally.seed, 0])
    for i in range(count):
        if i % SAY_EVERY == 0:
            say(f"random programs: {i} of {count}, {tally.accepted} accepted")
        if i % PROGRAMS_A_RIG == 0:
            rig = random_rig(rng)
            check = ProgramCheck(rig.envelope, rig.able)
            tally.rigs += 1
        program = random_program(rng, rig)
        tally.programs += 1
        refusals = check.refusals(program)
        tally.refuse(refusal.limit for refusal in refusals)
        if refusals:
            continue
        tally.accepted += 1
        rounding = ROUNDINGS[i % len(ROUNDINGS)]
        for wrong in judge(draw(program, rig.facts, rounding), rig.facts, rig.limits):
            tally.violated(f"program {i}: {wrong}: {program}")
        _try_weaker(tally, check, program, weaker(rng, program, rig))


def try_sounds(tally: Tally, count: int, say: Say) -> None:
    """The same with programs by sound."""
    rng = np.random.default_rng([tally.seed, 2])
    for i in range(count):
        if i % SAY_EVERY == 0:
            say(f"random sounds: {i} of {count}, {tally.sounds_accepted} accepted")
        if i % PROGRAMS_A_RIG == 0:
            envelope = random_envelope(rng)
            check = ProgramCheck(envelope, SOUND_DEVICE)
            tally.rigs += 1
        program = random_clicks(rng, envelope.limits())
        tally.programs += 1
        tally.sounds += 1
        refusals = check.refusals(program)
        tally.refuse(refusal.limit for refusal in refusals)
        if refusals:
            continue
        tally.accepted += 1
        tally.sounds_accepted += 1
        for wrong in judge_sound(program, envelope.limits()):
            tally.violated(f"sound {i}: {wrong}: {program}")
        _try_weaker(tally, check, program, softer(rng, program))


def _try_weaker(
    tally: Tally, check: ProgramCheck, program: StimProgram, forms: Iterable[StimProgram]
) -> None:
    for less in forms:
        tally.weaker += 1
        for refusal in check.refusals(less)[:1]:
            tally.reversed_by(f"{refusal}: {less}, but not {program}")


def try_sequences(tally: Tally, count: int, say: Say) -> None:
    """Play random sequences through a gate, until so many triggers were asked for."""
    rng = np.random.default_rng([tally.seed, 1])
    while tally.triggers < count:
        if tally.sequences % (SAY_EVERY // 40) == 0:
            say(f"random triggers: {tally.triggers} of {count}, {tally.sent} sent")
        played = play(rng)
        tally.sequences += 1
        tally.triggers += played.triggers
        tally.sent += played.sent
        tally.latched += played.latched
        tally.refuse(played.refused)
        for wrong in played.wrong:
            tally.violated(f"sequence {tally.sequences}: {wrong}")
