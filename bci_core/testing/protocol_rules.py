"""The rules of `check_protocol`, one function each; the comment at a `require` is its rule."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import inf, isfinite, nan

from bci_core.contracts import StimProtocol
from bci_core.events import Decision, EventKind, Trigger, Verdict
from bci_core.testing.require import require, require_strict_settings

Make = Callable[[], StimProtocol]
Asked = list[tuple[Trigger, ...]]


def asks_for_something(make: Make, decisions: Sequence[Decision]) -> None:
    """It asks for something to check."""
    # What asks for nothing keeps every other rule for free.
    require(
        any(fed(make(), decisions)),
        "nothing was asked for on the decisions tried, so nothing has been checked; hand in "
        "decisions that it acts on",
    )


def settings_are_strict(make: Make, decisions: Sequence[Decision]) -> None:  # noqa: ARG001
    """Settings are a frozen pydantic model that refuses unknown keys."""
    require_strict_settings(make())


def programs_are_finite(make: Make, decisions: Sequence[Decision]) -> None:  # noqa: ARG001
    """There are programs, each with a slot of its own, and each comes to an end."""
    programs = make().programs()
    slots = [program.program_id for program in programs]
    require(bool(programs), "there is no program: nothing could be loaded")
    require(len(set(slots)) == len(slots), f"a slot is used twice: {slots}")
    require(min(slots) >= 1, f"slots count from 1, and are {slots}")
    for program in programs:
        # A loop that is lost must not leave a stimulus behind that goes on.
        lasts_s = program.duration_s
        require(0.0 < lasts_s < inf, f"{program.name!r} lasts {lasts_s} s")
        for part in program.parts:
            # No part begins before the program does.
            require(0.0 <= part.delay_s < inf, f"{program.name!r} has a part at {part.delay_s} s")


def programs_are_stable(make: Make, decisions: Sequence[Decision]) -> None:
    """The programs are the same however often it is asked, and whatever it was given."""
    # They are checked and loaded before arming, and not again.
    protocol = make()
    before = protocol.programs()
    require(protocol.programs() == before, "asked twice, it has other programs")
    fed(protocol, decisions)
    require(protocol.programs() == before, "after decisions, it has other programs")
    require(make().programs() == before, "another of the same settings has other programs")


def triggers_name_its_programs(make: Make, decisions: Sequence[Decision]) -> None:
    """The programs stated before are all that triggers ever name."""
    protocol = make()
    stated = {program.program_id for program in protocol.programs()}
    named = {trigger.program_id for asked in fed(protocol, decisions) for trigger in asked}
    require(named <= stated, f"asks for programs {sorted(named - stated)}, stated {sorted(stated)}")


def sequence_goes_on(make: Make, decisions: Sequence[Decision]) -> None:
    """Triggers are numbered from `next_seq`, one after the other."""
    protocol, next_seq = make(), 17
    for decision in decisions:
        asked = given(protocol, decision, next_seq)
        wanted = [next_seq + i for i in range(len(asked))]
        numbers = [trigger.seq for trigger in asked]
        require(numbers == wanted, f"numbers {numbers}, asked for {wanted}")
        next_seq += len(asked)


def decisions_are_all_it_knows(make: Make, decisions: Sequence[Decision]) -> None:
    """Two that are given the same decisions ask for the same; they share nothing."""
    alone = fed(make(), decisions)
    one, other = make(), make()
    both = [(given(one, d, seq), given(other, d, seq)) for d, seq in _numbered(decisions, alone)]
    # A recorded session is decided again, and must ask for what it asked then.
    require([a for a, _ in both] == alone, "beside another one, it asks for something else")
    require([b for _, b in both] == alone, "the second one asks for something else")


def numbers_change_nothing(make: Make, decisions: Sequence[Decision]) -> None:
    """What it asks for does not depend on the numbers the triggers get."""
    low, high = fed(make(), decisions, 1), fed(make(), decisions, 100_001)
    moved = [tuple(replace(t, seq=t.seq + 100_000) for t in asked) for asked in low]
    require(moved == high, "with other numbers, it asks for something else")


def sham_is_only_a_flag(make: Make, decisions: Sequence[Decision]) -> None:
    """Sham follows the verdict, and changes nothing else."""
    active, sham = fed(make(), _all(decisions, Verdict.STIM)), fed(make(), _all(decisions))
    for asked, silent in zip(active, sham, strict=True):
        require(not any(t.sham for t in asked), "a verdict of stim led to a sham trigger")
        require(all(t.sham for t in silent), "a verdict of sham led to a trigger with current")
        # Programs, times, deadlines and numbers: only the device's output may differ.
        require(
            tuple(replace(t, sham=False) for t in silent) == asked,
            f"for sham it asks for {silent}, with current for {asked}",
        )
    mixed = fed(make(), decisions)
    require(
        [tuple(replace(t, sham=False) for t in asked) for asked in mixed] == active,
        "what was sham before changes what it asks for later",
    )


def targets_are_honoured(make: Make, decisions: Sequence[Decision]) -> None:
    """Nothing is asked for before its target, and the first trigger at it."""
    for decision, asked in zip(decisions, fed(make(), decisions), strict=True):
        target_s = decision.detection.target_s
        times_s = [trigger.at_s for trigger in asked]
        require(times_s == sorted(times_s), f"triggers are not in the order of time: {times_s}")
        # Later is the business of a control arm, which delays what is asked for here.
        require(not asked or times_s[0] == target_s, f"target {target_s} s, asked for {times_s} s")


def deadlines_are_finite(make: Make, decisions: Sequence[Decision]) -> None:
    """Each trigger has a deadline after its time; both are numbers."""
    for trigger in (trigger for asked in fed(make(), decisions) for trigger in asked):
        at_s, deadline_s = trigger.at_s, trigger.deadline_s
        require(
            isfinite(at_s) and isfinite(deadline_s) and deadline_s > at_s,
            f"asked for {at_s} s, with the deadline {deadline_s} s",
        )


def what_does_not_act_asks_for_nothing(make: Make, decisions: Sequence[Decision]) -> None:
    """A refused or noted decision, and the end of an event, ask for nothing."""
    protocol = make()
    for decision in decisions:
        end = replace(decision.detection, kind=EventKind.END)
        for idle in (
            replace(decision, verdict=Verdict.REFUSED, reason="refractory"),
            replace(decision, verdict=Verdict.NOTED),
            replace(decision, detection=end, verdict=Verdict.NOTED),
            replace(decision, detection=end, verdict=Verdict.STIM),
        ):
            asked = protocol.plan(idle, 1)
            kind = idle.detection.kind
            require(not asked, f"verdict {idle.verdict} at an {kind}: asks for {asked}")


def odd_numbers_are_survived(make: Make, decisions: Sequence[Decision]) -> None:
    """A target that is no time asks for nothing; no value of a detection is too odd for it."""
    acting = next(decision for decision in decisions if decision.acts)
    for odd in (nan, inf, -inf):
        protocol = make()
        missing = replace(acting, detection=replace(acting.detection, target_s=odd))
        require(not given(protocol, missing, 1), f"a target at {odd} s was asked for")
        found = replace(acting.detection, value=odd, spread_s=odd)
        given(protocol, replace(acting, detection=found), 1)
    # What was no time has left nothing behind that would silence it.
    protocol = make()
    for odd in (nan, inf, -inf):
        lost = replace(acting, detection=replace(acting.detection, target_s=odd))
        given(protocol, lost, 1)
    require(any(fed(protocol, decisions)), "after targets that are no times it asks for nothing")


def given(protocol: StimProtocol, decision: Decision, next_seq: int) -> tuple[Trigger, ...]:
    """One decision, handed over as the loop does."""
    if decision.acts:
        return protocol.plan(decision, next_seq)
    heed = getattr(protocol, "heed", None)
    if heed is not None:
        # It tells nothing: what answers could be taken for triggers.
        require(heed(decision) is None, "heed returns something; it must return nothing")
    return ()


def fed(protocol: StimProtocol, decisions: Sequence[Decision], first_seq: int = 1) -> Asked:
    """What it asks for on each of the decisions, in their order."""
    asked: Asked = []
    for decision in decisions:
        asked.append(given(protocol, decision, first_seq))
        first_seq += len(asked[-1])
    return asked


def _numbered(decisions: Sequence[Decision], asked: Asked) -> list[tuple[Decision, int]]:
    starts = [1 + sum(len(a) for a in asked[:i]) for i in range(len(asked))]
    return list(zip(decisions, starts, strict=True))


def _all(decisions: Sequence[Decision], verdict: Verdict = Verdict.SHAM) -> list[Decision]:
    """The same, with every decision that acts of one verdict."""
    return [replace(d, verdict=verdict) if d.acts else d for d in decisions]
