"""What a live scenario expects beyond the invariants, judged from the same evidence."""

from bci_core.bench.scenarios.evidence import Evidence
from bci_core.bench.scenarios.expected import counts, outcomes_of, refusals, under_way
from bci_core.bench.scenarios.judge import Check
from bci_core.bench.scenarios.scenario import Expectation, Scenario

PLAIN = ("not_armed", "resting")
AT_THE_END = ("session_end", "server stopped")


def live_expectations(scenario: Scenario, e: Evidence) -> list[Check]:
    """Everything that the scenario asks for."""
    expect = scenario.expect
    checks = [_ends(expect, e), _works(expect, e)]
    # How one that ends comes to be disarmed may be of no interest.
    if expect.disarmed or not (expect.left_open or expect.ends):
        checks.insert(0, _disarmed(expect, e))
    if not expect.left_open:
        checks.append(_latched(expect, e))
    if scenario.under_way is not None and e.truth["faults"]:
        checks.append(under_way(scenario.under_way, e))
    checks += [counts("outcome", outcomes_of(e), expect.outcomes)] if expect.outcomes else []
    checks += [counts("refused", refusals(e), expect.refused)] if expect.refused else []
    return checks


def _disarmed(expect: Expectation, e: Evidence) -> Check:
    """By the loop's word or the device's: whoever disarmed first."""
    found = sorted(
        (row["data"]["at_s"], row["data"]["reason"])
        for row in e.rows
        if row["event"] in ("disarmed", "latched", "device_disarmed")
        and row["data"]["reason"] not in PLAIN
    )
    faults = e.truth["faults"]
    begun_s = min((f["begin_s"] for f in faults), default=e.truth["armed_s"])
    from_s = min((f["begin_from_s"] for f in faults), default=begun_s)
    told = "; ".join(f"{1e3 * (at_s - begun_s):.0f} ms: {reason}" for at_s, reason in found[:4])
    if not expect.disarmed:
        before_end = [each for each in found if each[1] not in AT_THE_END]
        return Check("stays armed", not before_end, told or "never disarmed")
    name = f"disarmed for {expect.disarmed!r}"
    matching = [at_s for at_s, reason in found if expect.disarmed in reason]
    holds = bool(matching) and matching[0] - begun_s <= expect.within_s
    holds = holds and found[0][0] >= from_s
    return Check(name, holds, f"{told or 'never'}; limit {1e3 * expect.within_s:.0f} ms")


def _latched(expect: Expectation, e: Evidence) -> Check:
    n = len(e.data("latched"))
    told = f"latched {n} times, reset {len(e.data('reset'))} times"
    name = "latched" if expect.latched else "nothing latched"
    return Check(name, (n > 0) is expect.latched, told)


def _ends(expect: Expectation, e: Evidence) -> Check:
    """Before its time for the reason wanted, or at its time."""
    ends = e.data("session.end")
    status = e.truth["status"]
    how = f"{ends[-1]['status']}: {ends[-1]['reason']}" if ends else "no last row"
    told = f"{how}; exit status {status}"
    if expect.ends:
        return Check(f"ends for {expect.ends!r}", status != 0 and expect.ends in told, told)
    return Check("goes on to its end", status == 0, told)


def _works(expect: Expectation, e: Evidence) -> Check:
    """Current after all faults and the last arming, or in another session."""
    if e.truth["again"] is not None:
        again = e.truth["again"]
        return Check("another session works", not again, again or "it stimulates, and stops")
    over_s = max([f["end_s"] for f in e.truth["faults"]], default=e.truth["armed_s"])
    armed_s = [row["data"]["at_s"] for row in e.rows if row["event"] == "armed"]
    over_s = max([over_s, *armed_s])
    n = sum(train.onset_s > over_s for train in e.trains)
    told = f"{n} trains after the fault and the last of {len(armed_s)} armings"
    return Check("works again", (n > 0) is expect.works_again, told)
