"""Rules of a stimulator's contract about triggers, and what becomes of each."""

from dataclasses import replace
from math import inf, isfinite, nan

from bci_core.errors import SafetyError
from bci_core.events import Delivery, Outcome, Trigger
from bci_core.stimulus import StimProgram
from bci_core.testing.require import require
from bci_core.testing.stimulator_expectations import (
    LATER_S,
    START_S,
    Make,
    accepted,
    armed,
    at_once,
    fire,
    loaded,
    only,
    raises,
    refused,
    run_on,
    soonest_s,
    step_s,
    whole,
)
from bci_core.testing.stimulator_programs import program_for

STEPS = 997
"""In how many steps a span of time is cut where cutting must not matter; a prime."""


def nothing_delivered_unless_armed(make: Make, program: StimProgram | None = None) -> None:
    """A trigger to a disarmed device is refused, and nothing follows."""
    device, good = loaded(make, program)
    refused(device.trigger(at_once(good, 1, START_S), START_S), "a trigger while disarmed")
    only(device.advance(START_S + LATER_S), 1, Outcome.REFUSED)


def at_s_is_honoured(make: Make, program: StimProgram | None = None) -> None:
    """A trigger for later begins then, to the timing step; one for the past, at once."""
    device, good = armed(make, program)
    at_s = fire(device, good, 1)
    end_s = at_s + good.train.duration_s + step_s(device)
    require(
        START_S < device.next_event_s() <= end_s, "a pending train must be the device's next event"
    )
    delivery = only(run_on(device, START_S, end_s), 1, Outcome.DELIVERED)
    require(
        abs(delivery.onset_s - at_s) <= step_s(device),
        f"asked for {at_s} s, began at {delivery.onset_s} s",
    )
    whole(delivery, good.train, step_s(device))
    early, good = armed(make, program)
    accepted(
        early.trigger(Trigger(1, good.program_id, START_S - 5.0, START_S + 60.0), START_S),
        "a trigger for the past, before its deadline",
    )
    until_s = soonest_s(early) + good.train.duration_s
    delivery = only(run_on(early, START_S, until_s), 1, Outcome.DELIVERED)
    waited_s = delivery.onset_s - START_S
    require(
        -1e-9 <= waited_s <= delivery.device_latency_s + step_s(early),
        f"a trigger for the past began {waited_s} s after it was accepted, with a command "
        f"latency of {delivery.device_latency_s} s",
    )


def deadline_drops(make: Make, program: StimProgram | None = None) -> None:
    """What would begin after its deadline is dropped, never delivered late."""
    device, good = armed(make, program)
    for seq, (at_s, deadline_s, sham) in enumerate(
        [
            (START_S - 2.0, START_S - 1.0, False),
            (START_S - 2.0, START_S - 1.0, True),
            (START_S + 0.2, START_S + 0.1, False),
        ],
        start=1,
    ):
        late = Trigger(seq, good.program_id, at_s, deadline_s, sham)
        refused(device.trigger(late, START_S), f"a start after its deadline, sham {sham}")
        only(device.advance(START_S), seq, Outcome.REFUSED)
    require(not device.advance(START_S + LATER_S), "a refused trigger must have no sequel")


def times_must_be_numbers(make: Make, program: StimProgram | None = None) -> None:
    """NaN and infinity never mean "no limit"."""
    device, good = armed(make, program)
    odd = [(v, START_S + 1.0) for v in (nan, inf, -inf)] + [(START_S, v) for v in (nan, inf, -inf)]
    for seq, (at_s, deadline_s) in enumerate(odd, start=1):
        answer = device.trigger(Trigger(seq, good.program_id, at_s, deadline_s), START_S)
        refused(answer, f"at_s {at_s}, deadline_s {deadline_s}")


def sequence_counts_up(make: Make, program: StimProgram | None = None) -> None:
    """A repeated or an older number is refused: a replay, or out of order."""
    device, good = armed(make, program)
    free_s = fire(device, good, 5) + good.train.duration_s
    free_s += 1.1 * device.capabilities.min_lockout_s
    run_on(device, START_S, free_s)
    for seq in (5, 4, 0, -1):
        refused(device.trigger(at_once(good, seq, free_s), free_s), f"number {seq} after 5")
    # Numbers may be left out, and only the number was wrong.
    accepted(device.trigger(at_once(good, 8, free_s), free_s), "number 8 after 5")


def unknown_program_is_refused(make: Make, program: StimProgram | None = None) -> None:
    """A trigger selects from what is loaded, and nothing else."""
    device, good = armed(make, program)
    other = replace(at_once(good, 1, START_S), program_id=good.program_id + 1)
    refused(device.trigger(other, START_S), "an empty slot")


def sham_delivers_nothing(make: Make, program: StimProgram | None = None) -> None:
    """Sham is checked and answered as always; only the current is missing."""
    device, good = armed(make, program)
    accepted(device.trigger(at_once(good, 1, START_S, sham=True), START_S), "a sham trigger")
    until_s = soonest_s(device) + good.train.duration_s
    delivery = only(run_on(device, START_S, until_s), 1, Outcome.SHAM)
    require(isfinite(delivery.onset_s), "sham must tell when it would have begun")


def lockout_is_kept(make: Make, program: StimProgram | None = None) -> None:
    """No train begins within the lockout after another, or in its midst, sham or not."""
    for sham in (False, True):
        device, good = armed(make, program)
        at_s = soonest_s(device)
        end_s = at_s + good.train.duration_s
        first = Trigger(1, good.program_id, at_s, at_s + 1.0, sham)
        accepted(device.trigger(first, START_S), "a first train")
        soon_s = end_s + 0.9 * device.capabilities.min_lockout_s
        before_s = at_s - good.train.duration_s
        for seq, (when_s, what) in enumerate(
            [
                (at_s + 0.5 * good.train.duration_s, "in the midst of another"),
                (soon_s, "within the lockout after another that is pending"),
                (before_s, "so short before another that that comes within its lockout"),
            ],
            start=2,
        ):
            crowding = Trigger(seq, good.program_id, when_s, when_s + 60.0)
            refused(device.trigger(crowding, START_S), f"a train {what}")
        # The lockout counts from the end, also when that is past. A device whose commands
        # take longer than its lockout cannot be asked to be too soon.
        run_on(device, START_S, end_s)
        if device.capabilities.max_command_latency_s < 0.5 * device.capabilities.min_lockout_s:
            soon = Trigger(8, good.program_id, soon_s, soon_s + 60.0)
            refused(device.trigger(soon, end_s), "a train within the lockout after one now over")
        free_s = end_s + device.capabilities.min_lockout_s + 2 * step_s(device)
        run_on(device, end_s, free_s)
        accepted(device.trigger(at_once(good, 9, free_s), free_s), "a train after the lockout")


def a_hold_gives_what_was_given_last(make: Make, program: StimProgram | None = None) -> None:
    """A program that holds gives the last one again, after a disarm none; or it is not loaded."""
    device = make()
    good = program or program_for(device.capabilities)
    hold = replace(good, program_id=good.program_id + 1, name="hold", holds=(good.program_id,))
    # A device that loads one and does not remember would give its strongest.
    if not getattr(device.capabilities, "holds", False):
        raises(SafetyError, "loading what it cannot hold", device.load, [good, hold])
        return
    device.load([good, hold])
    device.arm(device.capabilities.max_lease_s, START_S)
    refused(device.trigger(at_once(hold, 1, START_S), START_S), "a hold with nothing before")
    device.advance(START_S)
    at_s = fire(device, good, 2)
    end_s = at_s + good.train.duration_s + step_s(device)
    given = only(run_on(device, START_S, end_s), 2, Outcome.DELIVERED)
    now_s = end_s + device.capabilities.min_lockout_s
    run_on(device, end_s, now_s)
    accepted(device.trigger(at_once(hold, 3, now_s), now_s), "a hold")
    held = only(run_on(device, now_s, now_s + LATER_S), 3, Outcome.DELIVERED)
    require(
        held.given_id == good.program_id and abs(held.charge_uc - given.charge_uc) <= 1e-9,
        f"gave program {good.program_id} and then held program {held.given_id}",
    )
    device.disarm("conformance", now_s + LATER_S)
    device.arm(device.capabilities.max_lease_s, now_s + LATER_S)
    last = at_once(hold, 4, now_s + LATER_S)
    refused(device.trigger(last, now_s + LATER_S), "a hold of what was given before a disarm")


def one_delivery_a_trigger(make: Make, program: StimProgram | None = None) -> None:
    """Each trigger, whatever becomes of it, ends in exactly one delivery."""
    device, good = armed(make, program)
    able = device.capabilities
    gap_s = able.min_lockout_s + good.train.duration_s + able.max_command_latency_s
    now_s = START_S
    ended: list[Delivery] = []
    for seq in range(1, 13):
        asked = at_once(good, seq, now_s, sham=seq % 3 == 0)
        if seq % 4 == 0:
            asked = replace(asked, program_id=good.program_id + 1)  # not loaded
        device.trigger(asked, now_s)
        if seq % 5:  # else the next follows at once, and is refused
            ended += run_on(device, now_s, now_s + 1.1 * gap_s)
            now_s += 1.1 * gap_s
    device.disarm("conformance check", now_s)
    ended += device.advance(now_s + LATER_S)
    told = sorted(delivery.seq for delivery in ended)
    require(told == list(range(1, 13)), f"12 triggers, and deliveries for {told}")
    require(not device.advance(now_s + 2 * LATER_S), "a delivery must be told once")


def splitting_time_changes_nothing(make: Make, program: StimProgram | None = None) -> None:
    """Many small steps of `advance`, and one large one, end in the same deliveries."""
    one, many = _story(make, program, 1), _story(make, program, STEPS)
    require(one == many, f"at once {one}\n    in {STEPS} steps {many}")


def _story(make: Make, program: StimProgram | None, steps: int) -> list[str]:
    """Deliveries of a train, a sham, an aborted train and one that outlasts its lease."""
    device, good = armed(make, program)
    able = device.capabilities
    gap_s = good.train.duration_s + able.min_lockout_s + able.max_command_latency_s
    ended: list[Delivery] = []
    now_s = START_S

    def wait(for_s: float) -> None:
        nonlocal now_s
        from_s, now_s = now_s, now_s + for_s
        for step in range(1, steps):
            ended.extend(device.advance(from_s + for_s * step / steps))
        ended.extend(device.advance(now_s))

    device.trigger(at_once(good, 1, now_s), now_s)
    wait(1.1 * gap_s)
    device.renew(now_s)
    device.trigger(at_once(good, 2, now_s, sham=True), now_s)
    wait(1.1 * gap_s)
    device.renew(now_s)
    device.trigger(at_once(good, 3, now_s), now_s)
    wait(able.max_command_latency_s + 0.5 * good.train.duration_s)
    device.disarm("conformance check", now_s)
    wait(1.1 * gap_s)
    device.arm(able.max_lease_s, now_s)
    at_s = now_s + able.max_lease_s - 0.3 * good.train.duration_s
    device.trigger(Trigger(4, good.program_id, at_s, at_s + 1.0), now_s)
    wait(2.0 * able.max_lease_s)
    return [repr(delivery) for delivery in ended]
