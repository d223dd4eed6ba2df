"""What a scenario expects beyond the invariants, judged from the same evidence."""

from collections import Counter
from collections.abc import Mapping

import numpy as np

from bci_core.bench.scenarios.evidence import Evidence
from bci_core.bench.scenarios.judge import Check
from bci_core.bench.scenarios.scenario import Expectation, PhaseExpectation, Range, Scenario

QUIET_S = 0.3
"""Without current for this long before, a fault has come with no stimulation under way."""

GAP_S = 0.06
"""Two phases of current closer than this are of one train here."""


def expectations(scenario: Scenario, e: Evidence) -> list[Check]:
    """Everything that the scenario asks for."""
    expect = scenario.expect
    disarmed = _first_disarm(e)
    stricter = bool(expect.may_disarm and disarmed and expect.may_disarm in disarmed[1])
    checks = [_works(expect, e)]
    if not stricter:
        checks = [_disarmed(expect, e, disarmed), _latched(expect, e), *checks]
    if e.truth["failure"]:
        checks.append(Check("the session ran to its end", False, e.truth["failure"]))
    if scenario.under_way is not None:
        checks.append(under_way(scenario.under_way, e))
    if not stricter:
        asked = (
            (outcomes_of(e), "outcome", expect.outcomes),
            (refusals(e), "refused", expect.refused),
        )
        checks += [counts(what, found, wanted) for found, what, wanted in asked if wanted]
    if expect.phase is not None:
        checks.append(_phase(expect.phase, e))
    return checks


def _first_disarm(e: Evidence) -> tuple[float, str] | None:
    """When, and why."""
    return next(
        (
            (row["data"]["at_s"], row["data"]["reason"])
            for row in e.rows
            if row["event"] in ("disarmed", "latched")
            and row["data"]["at_s"] < e.truth["end_s"]
            and row["data"]["reason"] not in ("session_end", "not_armed")
        ),
        None,
    )


def _disarmed(expect: Expectation, e: Evidence, found: tuple[float, str] | None) -> Check:
    if not expect.disarmed:
        told = f"disarmed: {found[1]}" if found else "armed throughout"
        return Check("stays armed", not found, told)
    words = (expect.disarmed,) if isinstance(expect.disarmed, str) else expect.disarmed
    name = f"disarmed for {' or '.join(map(repr, words))}"
    failed_s = e.truth["books_failed_s"]
    if failed_s is not None and words == ("ledger",):
        # The row that would tell could not be written; the current tells.
        after = e.phases[e.phases[:, 2] > failed_s]
        return Check(name, not len(after), f"{len(after)} phases after the ledger failed")
    if not found:
        return Check(name, False, "never disarmed")
    at_s, reason = found
    after_s = at_s - min(f["begin_s"] for f in e.truth["faults"])
    holds = any(word in reason for word in words) and after_s <= expect.within_s
    told = f"{1e3 * after_s:.0f} ms after the fault, limit {1e3 * expect.within_s:.0f} ms: {reason}"
    return Check(name, holds, told)


def _latched(expect: Expectation, e: Evidence) -> Check:
    n = len([row for row in e.rows if row["event"] == "latched"])
    of_device = e.truth["device_resets"]
    told = f"latched {n} times, reset {len(e.truth['resets'])} times, the device {of_device} times"
    if expect.latched:
        return Check("latched", n + of_device > 0, told)
    return Check("nothing latched", n == 0, told)


def _works(expect: Expectation, e: Evidence) -> Check:
    """Current after all faults, and after the operator's last arming."""
    over_s = max([f["end_s"] for f in e.truth["faults"]], default=e.truth["armed_s"] or 0.0)
    armed_s = [at_s for at_s, refused in e.truth["arm_attempts"] if not refused]
    over_s = max([over_s, *armed_s])
    n = sum(train.onset_s > over_s for train in e.trains)
    if not expect.works_again:
        return Check("does not work again", n == 0, f"{n} trains after the fault")
    told = f"{n} trains after the fault and the last of {len(armed_s)} armings"
    return Check("works again", n > 0, told)


def under_way(wanted: bool, e: Evidence) -> Check:
    """Whether current flowed when the first fault began, or had not for a while."""
    begin_s = min(f["begin_s"] for f in e.truth["faults"])
    onsets_s, offsets_s = e.phases[:, 2], e.phases[:, 3]
    if wanted:
        before = offsets_s[offsets_s <= begin_s]
        near = bool(len(before)) and begin_s - before[-1] < GAP_S
        told = "current when the fault began" if near else "no current when the fault began"
        return Check("stimulation under way", near, told)
    near = bool(np.any((offsets_s > begin_s - QUIET_S) & (onsets_s < begin_s)))
    told = f"{'current' if near else 'none'} in the {QUIET_S:g} s before the fault"
    return Check("no stimulation under way", not near, told)


def outcomes_of(e: Evidence) -> Counter[str]:
    """How many triggers ended how."""
    return Counter(o["outcome"] for o in e.data("outcome"))


def refusals(e: Evidence) -> Counter[str]:
    """Refusals of policy, gate and device, by reason."""
    found: Counter[str] = Counter()
    for decision in e.data("decision"):
        if decision["refusal"]:
            found[decision["refusal"]["limit"]] += 1
        elif decision["verdict"] == "refused":
            found[decision["reason"]] += 1
    for outcome in e.data("outcome"):
        if outcome["outcome"] == "refused":
            found[outcome["reason"].split(":", 1)[0]] += 1
    return found


def counts(what: str, found: Mapping[str, int], wanted: Mapping[str, Range]) -> Check:
    """Whether each number lies within its range."""
    holds = all(low <= found.get(key, 0) <= high for key, (low, high) in wanted.items())
    told = ", ".join(f"{key} {n}" for key, n in sorted(found.items())) or "none"
    limits = ", ".join(f"{key} {low} to {high}" for key, (low, high) in wanted.items())
    return Check(f"{what}: {limits}", holds, told)


def _phase(wanted: PhaseExpectation, e: Evidence) -> Check:
    """Phase at each onset, by a sine fitted to one cycle around it, at its true times."""
    omega = 2.0 * np.pi * wanted.frequency_hz
    half_s = 0.5 / wanted.frequency_hz
    errors = []
    true_s = np.array(e.truth["true_s"])
    for train in e.trains:
        near = np.abs(true_s - train.onset_s) <= half_s
        value, at_s = e.samples[near, 0], true_s[near] - train.onset_s
        if near.sum() < 8 or not np.isfinite(value).all():
            continue
        design = np.column_stack((np.cos(omega * at_s), np.sin(omega * at_s), np.ones(len(at_s))))
        (a, b, _), *_ = np.linalg.lstsq(design, value, rcond=None)
        errors.append(np.arctan2(-b, a) - np.radians(wanted.target_deg))
    if not errors:
        return Check("phase", False, "no train to judge")
    mean_deg = float(np.degrees(np.angle(np.mean(np.exp(1j * np.array(errors))))))
    told = f"{mean_deg:+.1f} deg off over {len(errors)} trains, limit {wanted.within_deg:g} deg"
    return Check("phase", abs(mean_deg) <= wanted.within_deg, told)
