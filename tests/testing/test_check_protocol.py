"""The conformance checks pass a protocol that keeps its contract, and name what one breaks."""

from dataclasses import replace
from math import inf, isfinite
from typing import ClassVar

import pytest
from pydantic import BaseModel, ConfigDict

from bci_core.events import EventKind, Trigger, Verdict
from bci_core.stimulus import BiphasicPulse, ProgramPart, PulseTrain, StimProgram
from bci_core.testing import check_protocol
from bci_core.testing.check_protocol import RULES, trial_decisions

TRAIN = PulseTrain(BiphasicPulse(10.0, 200.0, 60.0), 100.0, 5)
DECISIONS = trial_decisions()


class Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Sound:
    """Every other acting decision, in plain Python; each broken one below differs in one way."""

    Settings: type[BaseModel] = Settings

    def __init__(self):
        self.acted = 0

    def programs(self):
        return (StimProgram(1, "sound", TRAIN, (1,)),)

    def plan(self, decision, next_seq):
        target_s = decision.detection.target_s
        if not (decision.acts and isfinite(target_s)):
            return ()
        self.acted += 1
        sham = decision.verdict is Verdict.SHAM
        return (Trigger(next_seq, 1, target_s, target_s + 0.01, sham),) if self.acted % 2 else ()


class Silent(Sound):
    def plan(self, decision, next_seq):
        return ()


class Lax(Sound):
    class Settings(BaseModel):
        model_config = ConfigDict(frozen=True)


class Thawed(Sound):
    class Settings(BaseModel):
        model_config = ConfigDict(extra="forbid")


class Unending(Sound):
    def programs(self):
        return (StimProgram(1, "sound", replace(TRAIN, n_pulses=inf), (1,)),)


class SlotTwice(Sound):
    def programs(self):
        return super().programs() * 2


class BeforeItself(Sound):
    def programs(self):
        return (replace(super().programs()[0], more=(ProgramPart(TRAIN, (2,), -0.1),)),)


class Escalates(Sound):
    def programs(self):
        stronger = replace(TRAIN.pulse, amplitude_ua=10.0 + self.acted)
        return (StimProgram(1, "sound", replace(TRAIN, pulse=stronger), (1,)),)


def changed(**how):
    class Changed(Sound):
        def plan(self, decision, next_seq):
            asked = super().plan(decision, next_seq)
            return tuple(replace(t, **{k: f(t) for k, f in how.items()}) for t in asked)

    return Changed


class SharesState(Sound):
    seen: ClassVar[list[float]] = []

    def plan(self, decision, next_seq):
        self.seen.append(decision.detection.target_s)
        return super().plan(decision, next_seq) if len(self.seen) % 3 else ()


class LikesEvenNumbers(Sound):
    def plan(self, decision, next_seq):
        asked = super().plan(decision, next_seq)
        return tuple(replace(t, deadline_s=t.deadline_s + (next_seq > 1000)) for t in asked)


class ShamIsLate(Sound):
    def plan(self, decision, next_seq):
        asked = super().plan(decision, next_seq)
        return tuple(replace(t, deadline_s=t.deadline_s + 0.1 * t.sham) for t in asked)


class ActsOnAnything(Sound):
    def plan(self, decision, next_seq):
        onset = replace(decision.detection, kind=EventKind.ONSET)
        verdict = Verdict.SHAM if decision.verdict is Verdict.SHAM else Verdict.STIM
        return super().plan(replace(decision, detection=onset, verdict=verdict), next_seq)


class TakesNan(Sound):
    def plan(self, decision, next_seq):
        target_s = decision.detection.target_s
        if not decision.acts:
            return ()
        sham = decision.verdict is Verdict.SHAM
        return (Trigger(next_seq, 1, target_s, target_s + 0.01, sham),)


class GoesDeafOnInfinity(Sound):
    last_s = -inf

    def plan(self, decision, next_seq):
        pause_s = decision.detection.target_s - self.last_s
        if not decision.acts or not pause_s > 0.1:
            return ()
        self.last_s = decision.detection.target_s
        return super().plan(decision, next_seq)


class Answers(Sound):
    def heed(self, decision):
        return ()


def test_a_sound_protocol_passes():
    check_protocol(Sound)


BROKEN = [
    (Silent, "asks_for_something"),
    (Lax, "settings_are_strict"),
    (Thawed, "settings_are_strict"),
    (Unending, "programs_are_finite"),
    (SlotTwice, "programs_are_finite"),
    (BeforeItself, "programs_are_finite"),
    (Escalates, "programs_are_stable"),
    (changed(program_id=lambda t: 2), "triggers_name_its_programs"),
    (changed(seq=lambda t: t.seq + 1), "sequence_goes_on"),
    (SharesState, "decisions_are_all_it_knows"),
    (LikesEvenNumbers, "numbers_change_nothing"),
    (changed(sham=lambda t: False), "sham_is_only_a_flag"),
    (changed(sham=lambda t: True), "sham_is_only_a_flag"),
    (ShamIsLate, "sham_is_only_a_flag"),
    (changed(at_s=lambda t: t.at_s + 0.001), "targets_are_honoured"),
    (changed(deadline_s=lambda t: t.at_s), "deadlines_are_finite"),
    (changed(deadline_s=lambda t: inf), "deadlines_are_finite"),
    (ActsOnAnything, "what_does_not_act_asks_for_nothing"),
    (TakesNan, "odd_numbers_are_survived"),
    (GoesDeafOnInfinity, "odd_numbers_are_survived"),
    (Answers, "asks_for_something"),
]


@pytest.mark.parametrize(("make", "rule"), BROKEN)
def test_each_way_to_be_broken_is_named(make, rule):
    with pytest.raises(AssertionError, match=rf"the protocol breaks \d+ of {len(RULES)} rules"):
        check_protocol(make)
    (check,) = (check for check in RULES if check.__name__ == rule)
    with pytest.raises(AssertionError):
        check(make, DECISIONS)


def test_nothing_else_is_blamed():
    for make in (Lax, Escalates, ShamIsLate, TakesNan):
        with pytest.raises(AssertionError, match=f"breaks 1 of {len(RULES)} rules"):
            check_protocol(make)


def test_every_rule_is_shown_to_fail():
    assert {rule for _, rule in BROKEN} == {rule.__name__ for rule in RULES}


def test_own_decisions_can_be_handed_in():
    check_protocol(Sound, [decision for decision in DECISIONS if decision.acts][:10])
    with pytest.raises(AssertionError, match="nothing was asked for"):
        check_protocol(Sound, [d for d in DECISIONS if not d.acts])


def test_a_crash_is_told_with_the_rule_it_broke():
    class Crashes(Sound):
        def plan(self, decision, next_seq):
            raise RuntimeError("not today")

    with pytest.raises(AssertionError, match="sequence_goes_on: RuntimeError: not today"):
        check_protocol(Crashes)
