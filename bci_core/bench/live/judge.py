"""What must always hold of a live session, judged from the evidence with arithmetic of its own.

Current is judged where it leaves the device, by its own times; what the ledger and the
recording say is compared with it. Shares no code with the loop.
"""

from collections.abc import Callable
from math import inf
from typing import Any

import numpy as np

from bci_core.bench.scenarios.evidence import Evidence, killed
from bci_core.bench.scenarios.judge import (
    ROUND_S,
    STOP_S,
    Check,
    blanked,
    limits_check,
    trusted,
    unexplained_triggers,
)

BOOKS_S = 0.6
"""Rows younger than this may not have reached the disk when whoever writes them is killed."""

FULL_S = 1.0
"""How often a session looks whether its disk is full."""

CLOSING_S = 1.3
"""Longest from a loop's last sample to its count being put down: it hears its device out first."""

ENDS = ("device_disarmed", "disarmed", "latched")


def live_invariants(evidence: Evidence) -> list[Check]:
    """Every one of them, in a fixed order."""
    judges: tuple[Callable[[Evidence], Check], ...] = (
        _files,
        _armed,
        _fresh,
        _after_the_fault,
        _stopped,
        limits_check,
        _logged,
        _explained,
        blanked,
        trusted,
        _counted,
        _ended,
    )
    return [judge(evidence) for judge in judges]


def faults(e: Evidence, kind: str, *which: str) -> list[tuple[float, float]]:
    """When faults of a kind may have been on, to a role or on a path where that is named."""
    return [
        (f["begin_from_s"], f["end_s"])
        for f in e.truth["faults"]
        if f["kind"] == kind and (not which or f["role"] in which or f["path"] in which)
    ]


def stale_s(e: Evidence) -> float:
    """How old the newest sample may be while current flows: seen late, and stopped."""
    limit_s: float = e.rig["arming"]["stale_after_s"]
    return limit_s + ROUND_S + STOP_S


def granted_s(e: Evidence, fault: dict[str, Any]) -> float:
    """How long current may outlast the beginning of a fault that must end it; else inf.

    A device whose host, or whose way to it, is gone stops at once where it can know, and at
    the end of its lease where it cannot. Whatever only the supervisor sees it must act on
    before its heartbeat is missed, which would end it as well.
    """
    session, arming = e.rig["session"], e.rig["arming"]
    lease_s = session["device_lease_s"] + STOP_S
    heartbeat_s = arming["heartbeat_timeout_s"] + ROUND_S + STOP_S
    of_kind: dict[str, dict[str | None, float]] = {
        "process.killed": {
            "loop": STOP_S,
            "stimulator": STOP_S,
            "amplifier": stale_s(e),
            "recorder": heartbeat_s,
            "supervisor": heartbeat_s,
        },
        "process.stopped": {
            "loop": lease_s,
            "stimulator": lease_s,
            "amplifier": stale_s(e),
            "supervisor": heartbeat_s,
        },
        "network.cut": {"commands": lease_s, "samples": stale_s(e), "everything": lease_s},
        "session.disk_full": {None: FULL_S + heartbeat_s},
    }
    return of_kind.get(fault["kind"], {}).get(fault["role"] or fault["path"], inf)


def _files(e: Evidence) -> Check:
    wrong = list(e.broken)
    counts = e.data("samples")
    ready = e.data("loop.ready")
    if counts and ready and not _cut_short(e):
        heard = int(np.sum(e.times_s >= ready[0]["first_sample_s"] - 1e-6))
        if heard < counts[-1]["samples"]:
            wrong.append(f"{heard} samples recorded, {counts[-1]['samples']} used by the loop")
    if not len(e.times_s):
        wrong.append("no sample can be read from the recording")
    told = f"{len(e.rows)} rows, {len(e.times_s)} samples, {len(e.phases)} phases of current"
    return Check("ledger and recording readable", not wrong, "; ".join(wrong[:3]) or told)


def _cut_short(e: Evidence) -> bool:
    """Whether the recording ended before the session: nobody was there to write it."""
    stood = bool(faults(e, "process.stopped", "recorder")) and e.truth["status"] != 0
    gone = killed(e.truth, "recorder", "supervisor")
    return stood or gone or e.truth["books_failed_s"] is not None


def _armed(e: Evidence) -> Check:
    """No current outside what the ledger calls armed, but for the time a stop may take."""
    begins_s = [row["data"]["at_s"] for row in e.rows if row["event"] == "armed"]
    ends_s = [row["data"]["at_s"] for row in e.rows if row["event"] in ENDS]
    worst_s, n_out = 0.0, 0
    for _, _, onset_s, offset_s in e.phases:
        begin_s = max((at_s for at_s in begins_s if at_s <= onset_s), default=inf)
        end_s = min((at_s for at_s in ends_s if at_s >= begin_s), default=inf)
        over_s = offset_s - end_s if begin_s < inf else 1e3
        worst_s = max(worst_s, over_s)
        n_out += over_s > _stop_bound_s(e, end_s)
    told = f"{n_out} phases while disarmed; at most {1e3 * worst_s:.1f} ms after a disarm"
    return Check("no current while disarmed", n_out == 0, told)


def _deaf(e: Evidence) -> list[tuple[float, float]]:
    """When loop and device may not have heard each other."""
    return [
        *faults(e, "process.stopped", "loop", "stimulator"),
        *faults(e, "network.cut", "commands", "everything"),
        *faults(e, "cpu.starved"),
    ]


def _stop_bound_s(e: Evidence, at_s: float) -> float:
    """What a device is granted: its lease, where the order may not have come through."""
    held = _deaf(e)
    lease_s: float = e.rig["session"]["device_lease_s"]
    cut = any(begin_s - STOP_S <= at_s <= end_s + lease_s for begin_s, end_s in held)
    return STOP_S + lease_s + ROUND_S if cut else STOP_S


def _fresh(e: Evidence) -> Check:
    """With every phase of current, samples younger than the limit have come.

    As recorded, and none while the amplifier's process or its way was gone. A train that is
    under way when they turn old has the time that `granted_s` gives the order to stop it, too;
    that none begins is the decisions' part.
    """
    limit_s = stale_s(e)
    lease_s = e.rig["session"]["device_lease_s"]
    silent = [
        (f["begin_s"], inf if f["kind"] == "process.killed" else f["end_from_s"])
        for f in e.truth["faults"]
        if f["role"] == "amplifier" or f["path"] in ("samples", "everything")
    ]
    deaf = _deaf(e)
    times_s = np.sort(e.times_s)
    until_s = inf
    if _cut_short(e):
        until_s = times_s[-1] if len(times_s) else -inf  # Nobody knows of samples after.
    worst_s, n_old, n_judged = 0.0, 0, 0
    for onset_s in e.phases[e.phases[:, 2] <= until_s, 2]:
        known_s = min((b for b, end_s in silent if b <= onset_s < end_s), default=onset_s)
        came = int(np.searchsorted(times_s, known_s, side="right"))
        age_s = onset_s - float(times_s[came - 1]) if came else inf
        granted = any(b <= onset_s <= end_s + lease_s + ROUND_S for b, end_s in deaf)
        worst_s = max(worst_s, age_s)
        n_old += age_s > limit_s + (lease_s if granted else 0.0)
        n_judged += 1
    by_decision_s = e.rig["policy"]["stale_after_s"]
    old = [d for d in e.sent if d["now_s"] - d["sample_s"] > by_decision_s + 1e-9]
    told = (
        f"{n_old} of {n_judged} phases and {len(old)} of {len(e.sent)} decisions on data older "
        f"than the limit; newest sample at most {1e3 * worst_s:.0f} ms old"
    )
    return Check("no current after old data", n_old == 0 and not old, told)


def _after_the_fault(e: Evidence) -> Check:
    """Current of before a fault ends within what is granted; new takes a new arming."""
    rearmed_s = [row["data"]["at_s"] for row in e.rows if row["event"] == "armed"]
    wrong, told = [], []
    for fault in e.truth["faults"]:
        bound_s, begin_s = granted_s(e, fault), fault["begin_s"]
        if bound_s == inf:
            continue
        # What must have ended it may be armed again only after it; what came late is old too.
        again_s = min((at_s for at_s in rearmed_s if at_s > begin_s), default=inf)
        mine = e.phases[(e.phases[:, 3] > begin_s) & (e.phases[:, 2] < again_s)]
        over_s = float(mine[:, 3].max()) - begin_s if len(mine) else 0.0
        if fault["kind"] != "process.killed":  # One shorter than its bound changes nothing.
            over_s = 0.0 if fault["end_s"] - begin_s < bound_s else over_s
        told.append(f"{1e3 * over_s:.1f} ms, limit {1e3 * bound_s:.0f} ms")
        if over_s > bound_s:
            wrong.append(f"{fault['kind']} {fault['role'] or fault['path'] or ''}: {told[-1]}")
    return Check("current ends after the fault", not wrong, "; ".join(wrong or told) or "no fault")


def _stopped(e: Evidence) -> Check:
    """After a press, nothing: the session ends."""
    wrong, told = [], []
    lease_s: float = e.rig["session"]["device_lease_s"] + STOP_S
    heartbeat_s: float = e.rig["arming"]["heartbeat_timeout_s"] + ROUND_S + STOP_S
    held = [*faults(e, "process.stopped", "stimulator"), *faults(e, "cpu.starved")]
    for pressed_s, reaches in e.truth["presses"]:
        bound_s = STOP_S if reaches else heartbeat_s
        if any(begin_s <= pressed_s <= end_s for begin_s, end_s in held):
            bound_s = max(bound_s, lease_s)
        after = e.phases[e.phases[:, 3] > pressed_s]
        over_s = float(after[:, 3].max()) - pressed_s if len(after) else 0.0
        told.append(f"{1e3 * over_s:.1f} ms after a press, limit {1e3 * bound_s:.0f} ms")
        wrong += [told[-1]] if over_s > bound_s else []
    return Check("emergency stop", not wrong, "; ".join(wrong or told) or "not pressed")


def _lost_from_s(e: Evidence, *writers: str) -> float:
    """From when rows may not have reached the disk, for the end of who brings them there."""
    ends_s = [f["begin_from_s"] for f in e.truth["faults"] if f["kind"] == "session.disk_full"]
    ends_s += [begin_s for begin_s, _ in faults(e, "process.killed", *writers)]
    return min(ends_s, default=inf) - BOOKS_S


def _logged(e: Evidence) -> Check:
    from_s = _lost_from_s(e, "loop", "supervisor")
    unexplained = e.unexplained[e.unexplained[:, 2] < from_s]
    young = len(e.unexplained) - len(unexplained)
    first = f", the first at {unexplained[0, 2]:.3f} s" if len(unexplained) else ""
    told = f"{len(unexplained)} of {len(e.phases)} phases of current without a row{first}"
    told += f"; {young} whose rows may have been lost with their writer" if young else ""
    return Check("no current without a ledger line", not len(unexplained), told)


def _explained(e: Evidence) -> Check:
    """As on the virtual clock; of a loop that is gone the device's own reports tell the ends."""
    from_s = _lost_from_s(e, "supervisor")
    gone = not e.data("samples")
    told = {d["seq"] for d in e.data("delivery")} if gone else set()
    granted = [d["seq"] for d in e.sent if d["seq"] in told or d["now_s"] >= from_s]
    mine = {f"trigger {seq} has no outcome" for seq in granted}
    wrong = unexplained_triggers(e)
    found = [each for each in wrong if each not in mine]
    told_so = f"{len(e.sent)} triggers, {len(wrong) - len(found)} told by the device alone, or lost"
    return Check("every trigger accounted for", not found, "; ".join(found[:3]) or told_so)


def _counted(e: Evidence) -> Check:
    """Gaps of the recording, by its times, against what the loop has counted.

    A loop that stands still loses more than the recorder, once its own buffer is full: what
    it has used and counted must then reach until shortly before it closed its books.
    """
    name = "every lost sample counted"
    counts, ready = e.data("samples"), e.data("loop.ready")
    if not counts or not ready or len(e.times_s) < 2:
        return Check(name, True, "the loop did not live to tell its count")
    first_s = ready[0]["first_sample_s"]
    times_s = e.times_s[e.times_s >= first_s - 1e-6]
    period_s = 1.0 / ready[0]["stream"]["rate_hz"]
    gaps = np.round(np.diff(times_s) / period_s).astype(int) - 1
    lost, counted = int(gaps[gaps > 0].sum()), int(counts[-1]["lost"])
    told = f"{counted} counted, {lost} missing in the recording"
    if counted <= lost or not _deaf(e):
        return Check(name, counted == lost, told)
    closed_s = next(row["lsl_s"] for row in reversed(e.rows) if row["event"] == "samples")
    silent_s = closed_s - (first_s + (counts[-1]["samples"] + counted) * period_s)
    told += f"; used and counted reach until {1e3 * silent_s:.0f} ms before the end"
    return Check(name, 0.0 <= silent_s <= CLOSING_S, told)


def _ended(e: Evidence) -> Check:
    """No process is left, and the session's own end is in its exit status."""
    left, status = e.truth["left"], e.truth["status"]
    wrong = [f"{role} still ran" for role in left]
    wrong += ["it did not end by itself"] if status is None else []
    return Check("every process ends", not wrong, "; ".join(wrong) or f"exit status {status}")
