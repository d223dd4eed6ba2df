"""What must always hold, judged from the evidence with arithmetic of its own."""

from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bci_core.bench.scenarios.evidence import Evidence
from bci_core.bench.scenarios.limits import limits_hold

STOP_S = 0.010
"""Longest that current may outlast an order to stop."""

ROUND_S = 0.010
"""Of the loop: what it may be behind, with the samples of one round and the next."""

ONSET_S = 0.002
"""How far the physical onset of a train may lie from what was decided, latency included."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that must hold.

    Attributes
    ----------
    name : str
    holds : bool
    told : str
        The figures, in words.
    """

    name: str
    holds: bool
    told: str


def invariants(evidence: Evidence) -> list[Check]:
    """Every one of them, in a fixed order."""
    judges: tuple[Callable[[Evidence], Check], ...] = (
        _files,
        _armed,
        _fresh,
        _silent_host,
        _stopped,
        limits_check,
        logged,
        explained,
        blanked,
        trusted,
        _counted,
    )
    return [judge(evidence) for judge in judges]


def limits_check(evidence: Evidence) -> Check:
    """Own arithmetic over the current; see `limits`."""
    wrong, told = limits_hold(evidence)
    return Check("within every limit", not wrong, "; ".join(wrong[:3]) or told)


def armed_spans(evidence: Evidence) -> list[tuple[float, float]]:
    """When the ledger says the session was armed."""
    spans: list[tuple[float, float]] = []
    begun_s: float | None = None
    for row in evidence.rows:
        if row["event"] == "armed" and begun_s is None:
            begun_s = row["data"]["at_s"]
        elif row["event"] in ("disarmed", "latched") and begun_s is not None:
            spans.append((begun_s, row["data"]["at_s"]))
            begun_s = None
    if begun_s is not None:
        spans.append((begun_s, inf))
    return spans


def _files(e: Evidence) -> Check:
    wrong = list(e.broken)
    if len(e.times_s) < e.truth["counts"]["handed"]:
        wrong.append(f"{len(e.times_s)} samples recorded, {e.truth['counts']['handed']} handed on")
    told = f"{len(e.rows)} rows, {len(e.times_s)} samples, {len(e.phases)} phases of current"
    return Check("ledger and recording readable", not wrong, "; ".join(wrong[:3]) or told)


def _armed(e: Evidence) -> Check:
    """No current outside what the ledger calls armed, but for the time a stop may take."""
    spans = armed_spans(e)
    failed_s = e.truth["books_failed_s"]
    worst_s, n_out = 0.0, 0
    for _, _, onset_s, offset_s in e.phases:
        begins = [span for span in spans if span[0] <= onset_s]
        end_s = begins[-1][1] if begins else -inf
        if failed_s is not None:
            end_s = min(end_s, failed_s)
        over_s = min(offset_s - end_s, 1e3)
        worst_s = max(worst_s, over_s)
        n_out += over_s > _stop_bound_s(e, end_s)
    return Check(
        "no current while disarmed",
        n_out == 0,
        f"{n_out} phases while disarmed; at most {1e3 * worst_s:.1f} ms after a disarm",
    )


def _stop_bound_s(e: Evidence, at_s: float) -> float:
    """What a device is granted: with its line cut or its host standing still, its lease."""
    cut = e.faults("command.cut", "command.disarm_lost", "loop.stopped")
    if e.truth["plays_on"]:
        cut += e.faults("device.disconnect")
    lease_s: float = e.rig["session"]["device_lease_s"]
    held = any(begin_s - STOP_S <= at_s <= end_s for begin_s, end_s in cut)
    return STOP_S + lease_s + ROUND_S if held else STOP_S


def _fresh(e: Evidence) -> Check:
    """When current begins, samples younger than the limit have come, by their true times."""
    limit_s = e.rig["arming"]["stale_after_s"] + ROUND_S
    lease_s = e.rig["session"]["device_lease_s"]
    arrivals = np.array(e.truth["arrivals"], dtype=np.float64).reshape(-1, 2)
    deaf = e.faults("loop.stopped", "loop.slow", "command.cut", "command.disarm_lost")
    worst_s, n_old = 0.0, 0
    for onset_s in e.phases[:, 2]:
        came = int(np.searchsorted(arrivals[:, 0], onset_s, side="right"))
        age_s = onset_s - float(arrivals[:came, 1].max()) if came else inf
        granted_s = lease_s if _within(onset_s, deaf, lease_s + ROUND_S) else 0.0
        worst_s = max(worst_s, age_s)
        n_old += age_s > limit_s + granted_s
    by_decision = e.rig["policy"]["stale_after_s"]
    old = [d for d in e.sent if d["now_s"] - d["sample_s"] > by_decision + 1e-9]
    return Check(
        "no current after old data",
        n_old == 0 and not old,
        f"{n_old} phases and {len(old)} decisions on data older than the limit; newest sample "
        f"at most {1e3 * worst_s:.0f} ms old",
    )


def _silent_host(e: Evidence) -> Check:
    """A host that says nothing has its device for one lease, and no longer."""
    bound_s = e.rig["session"]["device_lease_s"] + STOP_S
    worst_s = 0.0
    for begin_s, end_s in e.faults("loop.stopped", "command.cut"):
        within = e.phases[(e.phases[:, 2] > begin_s) & (e.phases[:, 2] < end_s)]
        if len(within):
            worst_s = max(worst_s, float(within[:, 3].max()) - begin_s)
    told = f"current for at most {1e3 * worst_s:.0f} ms of silence, limit {1e3 * bound_s:.0f} ms"
    return Check("the lease ends", worst_s <= bound_s, told)


def _stopped(e: Evidence) -> Check:
    """After a press, nothing, until somebody arms again."""
    worst_s, wrong = 0.0, []
    lease_s = e.rig["session"]["device_lease_s"]
    for pressed_s, reaches in e.truth["presses"]:
        # Without the way to the device it is the loop's round that stops it, or the lease.
        bound_s = STOP_S if reaches else STOP_S + ROUND_S
        if not reaches and e.faults("command.disarm_lost", "command.cut", "loop.stopped"):
            bound_s = STOP_S + lease_s + ROUND_S
        rearmed_s = min(
            (at for at, no in e.truth["arm_attempts"] if at > pressed_s and not no), default=inf
        )
        after = e.phases[(e.phases[:, 3] > pressed_s) & (e.phases[:, 2] < rearmed_s)]
        over_s = float(after[:, 3].max()) - pressed_s if len(after) else 0.0
        worst_s = max(worst_s, over_s)
        if over_s > bound_s:
            wrong.append(f"{1e3 * over_s:.0f} ms after a press, limit {1e3 * bound_s:.0f} ms")
    told = f"{len(e.truth['presses'])} presses; current at most {1e3 * worst_s:.1f} ms after one"
    return Check("emergency stop", not wrong, "; ".join(wrong) or told)


def logged(e: Evidence) -> Check:
    """All current is that of a trigger in the ledger."""
    n = len(e.unexplained)
    first = f", the first at {e.unexplained[0, 2]:.3f} s" if n else ""
    told = f"{n} of {len(e.phases)} phases of current without a row of the ledger{first}"
    return Check("no current without a ledger line", n == 0, told)


def explained(e: Evidence) -> Check:
    """Each trigger has one decision and one outcome, which agrees with the current."""
    wrong = unexplained_triggers(e)
    told = f"{len(e.sent)} triggers, {len(e.trains)} with current"
    return Check("every trigger accounted for", not wrong, "; ".join(wrong[:3]) or told)


def unexplained_triggers(e: Evidence) -> list[str]:
    """What does not fit, in words."""
    wrong = []
    failed_s = e.truth["books_failed_s"]
    asked = {d["seq"]: d for d in e.sent}
    ends = [o["seq"] for o in e.data("outcome")]
    wrong += [
        f"trigger {seq} has no outcome" for seq in asked if seq not in ends and failed_s is None
    ]
    wrong += [
        f"trigger {seq} has {ends.count(seq)} outcomes" for seq in {*ends} if ends.count(seq) > 1
    ]
    wrong += [f"outcome of trigger {seq}, which nobody decided" for seq in ends if seq not in asked]
    told_by_loop = {o["seq"]: o["outcome"] for o in e.data("outcome")}
    wrong += [
        f"trigger {t.seq} ended as {told_by_loop[t.seq]!r}, and {len(t.phases)} phases flowed"
        for t in e.trains
        if told_by_loop.get(t.seq) in ("refused", "sham")
    ]
    lies = e.faults("device.silent_clip", "device.stuck_on", "device.clock_drift")
    for train in e.trains:
        told = train.outcome
        if told["outcome"] != "delivered" or _within(train.onset_s, lies, 1.0):
            continue
        decided_s = max(train.decision["target_s"], train.decision["now_s"])
        deadline_s = e.rig["protocol"].get("deadline_s", 0.1)
        late_s = train.onset_s - decided_s
        if not -ONSET_S <= late_s <= deadline_s + ONSET_S:
            wrong.append(f"trigger {train.seq} began {1e3 * late_s:.1f} ms after its time")
        if np.all(train.phases[:, 1] != 0.0) and "acoustic" not in e.rig["stimulator"]["driver"]:
            pulses = _first_phases(train.phases)
            # What a ramp has below the device's least step is a pulse of nothing.
            ramped = abs(pulses[0, 1]) < 0.99 * np.abs(pulses[:, 1]).max()
            if len(pulses) > told["n_pulses"] or (len(pulses) < told["n_pulses"] and not ramped):
                wrong.append(f"trigger {train.seq}: {len(pulses)} pulses, {told['n_pulses']} told")
    return wrong


def _first_phases(phases: NDArray[np.float64]) -> NDArray[np.float64]:
    """The cathodic phases of one channel, of which each pulse has one."""
    mine = phases[phases[:, 0] == phases[0, 0]]
    first: NDArray[np.float64] = mine[mine[:, 1] < 0.0]
    return first


def blanked(e: Evidence) -> Check:
    """No decision to act on a sample that our own current has spoilt."""
    blanking_s = e.rig["blanking"]["blanking_s"]
    wrong = 0
    for decision in e.sent:
        at_s = decision["sample_s"]
        earlier = [t for t in e.trains if t.seq < decision["seq"]]
        if earlier:
            wrong += earlier[-1].onset_s <= at_s < earlier[-1].offset_s + blanking_s - 1e-3
    told = f"{wrong} of {len(e.sent)} triggers decided on samples that current had spoilt"
    return Check("no trigger of our own making", wrong == 0, told)


def trusted(e: Evidence) -> Check:
    """No decision to act within the settling time of a sample that was not to be trusted."""
    monitor = e.rig["monitor"]
    settle_s = monitor["settle_s"]
    if not len(e.times_s):
        return Check("bad samples not acted on", True, "no samples")
    period_s = float(np.median(np.diff(e.times_s)))
    values = e.samples[:, :1]
    bad = ~np.isfinite(values).all(axis=1) | (np.abs(values) >= monitor["rail_uv"]).any(axis=1)
    gaps = np.diff(e.times_s)
    bad[1:] |= (gaps > 1.5 * period_s) | (gaps <= 0.0)
    # In the order they came: times may jump, and the n-th decision is on the n-th sample.
    first_s = e.data("loop.ready")[0]["first_sample_s"] if e.data("loop.ready") else -inf
    start = int(np.searchsorted(e.times_s, first_s - 0.5 * period_s))
    bad[: start + 1] = False
    near = int(settle_s / period_s) - 1
    wrong = 0
    for decision in e.sent:
        at = start + int(decision["sample_index"])
        wrong += bool(bad[max(at - near, 0) : at + 1].any())
    told = f"{wrong} of {len(e.sent)} triggers within {settle_s:g} s of one of {int(bad.sum())}"
    return Check("bad samples not acted on", wrong == 0, told)


def _counted(e: Evidence) -> Check:
    counted = sum(row["lost"] for row in e.data("samples"))
    lost = e.truth["counts"]["lost"]
    if e.truth["books_failed_s"] is not None:
        return Check("every lost sample counted", True, "the ledger failed before the count")
    # What changes times or order looks like loss too, and is counted with it.
    loose = e.faults("samples.reordered", "samples.clock_step", "samples.clock_drift")
    holds = counted >= lost if loose else counted == lost
    return Check("every lost sample counted", holds, f"{counted} counted, {lost} lost")


def _within(at_s: float, spans: list[tuple[float, float]], after_s: float) -> bool:
    return any(begin_s <= at_s <= end_s + after_s for begin_s, end_s in spans)


def figures(e: Evidence) -> dict[str, Any]:
    """What a scenario's line shows."""
    outcomes: dict[str, int] = {}
    for row in e.data("outcome"):
        outcomes[row["outcome"]] = outcomes.get(row["outcome"], 0) + 1
    return {"outcomes": outcomes, "phases": len(e.phases), "trains": len(e.trains)}
