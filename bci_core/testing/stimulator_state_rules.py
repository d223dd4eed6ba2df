"""Rules of a stimulator's contract about programs, arming, the lease and disarming."""

from dataclasses import replace
from math import inf, isnan, nan

from bci_core.errors import DeviceError, SafetyError
from bci_core.events import Outcome, Trigger
from bci_core.stimulus import StimProgram
from bci_core.testing.require import require, require_strict_settings
from bci_core.testing.stimulator_expectations import (
    LATER_S,
    START_S,
    Make,
    armed,
    at_once,
    cut_short,
    fire,
    loaded,
    nothing_in,
    only,
    raises,
    refused,
    soonest_s,
    step_s,
)
from bci_core.testing.stimulator_programs import not_numbers, off_step, over_limit, program_for


def settings_are_strict(make: Make, program: StimProgram | None = None) -> None:  # noqa: ARG001
    """Settings are a frozen pydantic model that refuses unknown keys."""
    require_strict_settings(make())


def disarmed_at_rest(make: Make, program: StimProgram | None = None) -> None:
    """Disarmed is the resting state, before and after programs are loaded."""
    require(make().disarmed_reason() != "", "a fresh device must say why it is not armed")
    device, _ = loaded(make, program)
    require(device.disarmed_reason() != "", "loading must not arm")
    # Nothing is pending, so nothing is due.
    require(device.next_event_s() == inf, "an idle device must have no next event")
    # A heartbeat does not arm.
    require(not device.renew(START_S), "renew must be False while disarmed")
    require(device.disarmed_reason() != "", "renew must not arm")


def arming_needs_a_program_and_a_lease(make: Make, program: StimProgram | None = None) -> None:
    """An empty device, an endless lease, or none at all: not armed."""
    empty = make()
    longest_s = empty.capabilities.max_lease_s
    require(0.0 < longest_s < inf, f"max_lease_s must be a time that ends, not {longest_s} s")
    raises(SafetyError, "arming without a program", empty.arm, longest_s, START_S)
    device, _ = loaded(make, program)
    for lease_s in (longest_s * 1.001, inf, nan, 0.0, -1.0):
        raises(SafetyError, f"a lease of {lease_s} s", device.arm, lease_s, START_S)
        require(device.disarmed_reason() != "", f"a lease of {lease_s} s must not arm")


def over_limit_is_not_loaded(make: Make, program: StimProgram | None = None) -> None:
    """Over a limit is refused, every program named; what was loaded before stays."""
    device, good = loaded(make, program)
    wrong = over_limit(good, device.capabilities)
    for what, bad in wrong:
        beside = replace(bad, program_id=good.program_id % device.capabilities.n_programs + 1)
        raises(SafetyError, what, device.load, [good, beside])
    # One bad program hides no other.
    both = [replace(bad, name=f"wrong-{i}", program_id=i + 1) for i, (_, bad) in enumerate(wrong)]
    message = raises(SafetyError, "two bad programs", device.load, both[:2])
    require(
        "wrong-0" in message and "wrong-1" in message, f"every bad program must be named: {message}"
    )
    device.arm(device.capabilities.max_lease_s, START_S)
    fire(device, good, 1)


def off_step_is_refused(make: Make, program: StimProgram | None = None) -> None:
    """A value between two steps of the device is refused, never rounded."""
    device = make()
    good = program or program_for(device.capabilities)
    for what, bad in off_step(good, device.capabilities):
        raises(SafetyError, what, device.load, [bad])


def amounts_must_be_numbers(make: Make, program: StimProgram | None = None) -> None:
    """NaN, infinity, zero and negative amounts are refused."""
    device = make()
    good = program or program_for(device.capabilities)
    for value in (nan, inf, 0.0, -1.0):
        for what, bad in not_numbers(good, value):
            raises(SafetyError, f"{what} of {value}", device.load, [bad])


def armed_is_locked(make: Make, program: StimProgram | None = None) -> None:
    """Programs cannot change under an armed device."""
    device, good = armed(make, program)
    raises(DeviceError, "loading while armed", device.load, [good])
    require(device.disarmed_reason() == "", "a refused load must not disarm by the way")


def lease_expires(make: Make, program: StimProgram | None = None) -> None:
    """Without a heartbeat the device disarms itself; with one it stays armed."""
    device, _ = armed(make, program)
    lease_s = device.capabilities.max_lease_s
    require(
        device.next_event_s() <= START_S + lease_s + step_s(device),
        "the end of the lease must be a next event",
    )
    require(device.renew(START_S + 0.6 * lease_s), "renew must be True while armed")
    device.advance(START_S + 1.2 * lease_s)
    require(device.disarmed_reason() == "", "a heartbeat must start the lease anew")
    device.advance(START_S + 1.7 * lease_s)
    require(device.disarmed_reason() != "", "the device must disarm when its lease expires")
    # Also when nobody asked it to run on in the meantime.
    now_s = START_S + 1.01 * lease_s
    late, _ = armed(make, program)
    require(not late.renew(now_s), "a lease that has expired must not be renewed")
    late, good = armed(make, program)
    refused(late.trigger(at_once(good, 1, now_s), now_s), "a trigger after the lease")
    only(late.advance(now_s + LATER_S), 1, Outcome.REFUSED)


def lease_end_aborts(make: Make, program: StimProgram | None = None) -> None:
    """Current does not outlast the lease."""
    device, good = armed(make, program)
    end_s = START_S + device.capabilities.max_lease_s
    at_s = end_s - 0.5 * good.train.duration_s
    device.trigger(Trigger(1, good.program_id, at_s, at_s + 1.0), START_S)
    delivery = only(device.advance(end_s + LATER_S), 1, Outcome.ABORTED)
    cut_short(delivery, good.train, end_s, step_s(device))


def disarm_aborts_at_once(make: Make, program: StimProgram | None = None) -> None:
    """A train stops where it is, and the device tells what it delivered until then."""
    device, good = armed(make, program)
    stop_s = fire(device, good, 1) + 0.5 * good.train.duration_s
    device.disarm("conformance check", stop_s)
    require(device.disarmed_reason() == "conformance check", "the reason given must be kept")
    delivery = only(device.advance(stop_s), 1, Outcome.ABORTED)
    cut_short(delivery, good.train, stop_s, step_s(device))
    require("conformance check" in delivery.reason, "an aborted delivery must say why")
    # Nothing follows, whatever comes.
    refused(device.trigger(at_once(good, 2, stop_s), stop_s), "a trigger after disarming")
    only(device.advance(stop_s + LATER_S), 2, Outcome.REFUSED)


def disarm_drops_what_is_pending(make: Make, program: StimProgram | None = None) -> None:
    """A scheduled train that has not begun never begins."""
    device, good = armed(make, program)
    at_s = fire(device, good, 1)
    device.disarm("conformance check", 0.5 * (START_S + soonest_s(device)))
    delivery = only(device.advance(at_s + LATER_S), 1, Outcome.ABORTED)
    nothing_in(delivery)
    require(isnan(delivery.onset_s), "a train that never began has no onset")


def disarm_is_idempotent(make: Make, program: StimProgram | None = None) -> None:
    """Disarming is always possible, any number of times, and tells nothing twice."""
    fresh = make()
    fresh.disarm("conformance check", START_S)
    fresh.disarm("", START_S)
    require(fresh.disarmed_reason() != "", "disarming must leave a fresh device disarmed")
    device, good = armed(make, program)
    stop_s = fire(device, good, 1) + 0.5 * good.train.duration_s
    device.disarm("", stop_s)
    require(device.disarmed_reason() != "", "disarming without a reason must disarm all the same")
    device.disarm("again", stop_s)
    device.disarm("and again", stop_s + LATER_S)
    only(device.advance(stop_s + LATER_S), 1, Outcome.ABORTED)
