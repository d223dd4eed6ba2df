"""Follows each detection to its end and tells whoever records.

One decision row a detection; for each trigger, one outcome row with its seven
stamps when the device has said how it ended. The live loop, the simulation and
the replay write the same rows, so they can be compared. In a blind session the ends of
triggers are told when they no longer tell the arm, and markers, counts and stream rows
have only what every arm has in common.
"""

from bisect import insort
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from math import inf, isfinite, nan
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bci_core.control.blinding import HoldBack, marker, outcome_told, withhold
from bci_core.control.loop import Act
from bci_core.control.plain import plain
from bci_core.events import (
    Acceptance,
    Delivery,
    Detection,
    EventKind,
    Outcome,
    Refusal,
    Stamps,
    Trigger,
    Verdict,
    Veto,
)

ROW = (
    ("seq", "count"),
    ("sample_s", "s"),
    ("received_s", "s"),
    ("detected_s", "s"),
    ("decided_s", "s"),
    ("sent_s", "s"),
    ("accepted_s", "s"),
    ("onset_s", "s"),
    ("offset_s", "s"),
    ("target_s", "s"),
    ("value", "detector"),
    ("sham", "boolean"),
    ("n_pulses", "count"),
    ("charge_uc", "microcoulombs"),
    ("device_latency_s", "s"),
    ("channel", "column"),
    ("spread_s", "s"),
)
"""Labels and units of the ``NAME-loop`` stream, one row a trigger."""

MASK = tuple((str(veto), "boolean") for veto in Veto)
"""Labels and units of the ``NAME-mask`` stream, one row a change of the monitor's flags."""

LAST_MARKER = "session:end"
"""The loop's last word in the ``NAME-events`` stream."""

Emit = Callable[[str, dict[str, Any]], None]
Mark = Callable[[str, float], None]
Row = Callable[[NDArray[np.float64], float], None]


@dataclass(slots=True)
class _Open:
    trigger: Trigger
    planned: Trigger
    detection: Detection
    stamps: Stamps


class Journal:
    """Rows, markers and counts of one run.

    Parameters
    ----------
    emit : callable (event, data)
        Takes a ledger row.
    mark : callable (marker, when_s)
        Takes a marker: ``stim``, ``sham``, ``aborted``, or for all three ``stim_or_sham``;
        ``refused:…``, ``copy``, ``end``, ``guard:…``.
    row : callable (values, when_s)
        Takes a row of the ``NAME-loop`` stream, in the order of `ROW`.

    Attributes
    ----------
    counts : Counter
        ``detections``, ``ends`` of what was detected, ``triggers``, each `Outcome` or
        ``done`` for what may not be told apart, ``guard``: onsets of the guard, and
        ``copies``: commands that reached the device a second time.
    refused : Counter
        By reason, whoever refused.
    hold : HoldBack or None
        Of a blind session, which it makes this journal's.
    """

    def __init__(self, emit: Emit, mark: Mark, row: Row) -> None:
        self._emit = emit
        self._mark = mark
        self._row = row
        self._open: dict[int, _Open] = {}
        self.counts: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.last_latency_s = nan
        self.hold: HoldBack | None = None
        self._held: list[tuple[float, _Open, Delivery]] = []

    def note_act(self, act: Act, decided_s: float) -> None:
        """Take over what the loop did with one detection."""
        for data in decision_rows(act):
            self._emit("decision", data)
        decision = act.decision
        if decision.detection.kind is EventKind.END:
            self.counts["ends"] += 1
            self._mark("end", decision.situation.now_s)
        else:
            self.counts["detections"] += 1
        if decision.verdict is Verdict.REFUSED:
            self._refuse(decision.reason, decision.situation.now_s)
        for (trigger, answer), planned in zip(act.triggers, act.planned, strict=True):
            if isinstance(answer, Refusal):
                self._refuse(answer.limit, decision.situation.now_s)
                continue
            self.counts["triggers"] += 1
            stamps = Stamps(
                sample_s=decision.detection.sample_s,
                received_s=decision.situation.received_s,
                detected_s=decision.situation.detected_s,
                decided_s=decided_s,
                sent_s=answer.sent_s,
            )
            self._open[trigger.seq] = _Open(trigger, planned, decision.detection, stamps)

    def note_guard(self, alarm: Detection, guard: str, now_s: float) -> None:
        """Take over what the guard found."""
        self.counts["guard"] += alarm.kind is EventKind.ONSET
        self._emit("guard", guard_row(alarm, guard) | {"now_s": now_s})
        self._mark(f"guard:{alarm.kind}", now_s)

    def note(self, answer: Acceptance | Delivery) -> None:
        """Take over what the device said about a trigger."""
        opened = self._open.get(answer.seq)
        if opened is None:
            return
        if isinstance(answer, Acceptance):
            if isfinite(opened.stamps.accepted_s):
                return  # of a second copy
            opened.stamps = replace(opened.stamps, accepted_s=answer.accepted_s)
            if answer.refusal is None:
                self.last_latency_s = answer.accepted_s - opened.stamps.received_s
            return
        del self._open[answer.seq]
        self._end(opened, answer)

    def note_copy(self, refusal: Delivery, now_s: float) -> None:
        """Take over that a command reached the device again, and was refused the second time."""
        self.counts["copies"] += 1
        self._emit("copy", {"seq": refusal.seq, "reason": refusal.reason, "at_s": now_s})
        self._mark("copy", now_s)

    def release(self, now_s: float) -> None:
        """Tell the ends of triggers that are due, in the order in which they became so."""
        while self._held and self._held[0][0] <= now_s:
            _, opened, delivery = self._held.pop(0)
            self._close(opened, delivery)

    def give_up(self, reason: str) -> None:
        """The device is gone: every open trigger ends with an outcome nobody knows."""
        for seq, opened in sorted(self._open.items()):
            self._end(opened, Delivery(seq, Outcome.UNKNOWN, reason=reason))
        self._open.clear()
        self.release(inf)

    @property
    def waiting(self) -> int:
        """Triggers whose end the device has not told yet."""
        return len(self._open)

    def _refuse(self, reason: str, when_s: float) -> None:
        self.refused[reason] += 1
        self._mark(f"refused:{reason}", when_s)

    def _end(self, opened: _Open, delivery: Delivery) -> None:
        if self.hold is None:
            self._close(opened, delivery)
            return
        due = (self.hold.until_s(opened.planned), opened, delivery)
        insort(self._held, due, key=lambda held: (held[0], held[2].seq))

    def _close(self, opened: _Open, delivery: Delivery) -> None:
        stamps = replace(opened.stamps, onset_s=delivery.onset_s)
        outcome, blind = delivery.outcome, self.hold is not None
        self.counts[outcome_told(outcome) if blind else outcome] += 1
        onset_s = opened.planned.at_s if blind else delivery.onset_s
        when_s = onset_s if isfinite(onset_s) else stamps.sent_s
        if outcome is Outcome.REFUSED:
            self._refuse(delivery.reason.split(":", 1)[0], when_s)
        elif blind:
            self._mark(marker(outcome), when_s)
        else:
            self._mark("stim" if outcome is Outcome.DELIVERED else str(outcome), when_s)
        times = plain(stamps)
        amounts = plain(delivery)
        del amounts["onset_s"]
        told = finite_or_null(amounts | times)
        self._emit("outcome", told)
        found = opened.detection
        values: dict[str, Any] = {"value": found.value, "channel": found.channel}
        values |= {"spread_s": found.spread_s}
        if blind:
            values |= withhold("outcome", told) or {}
            values |= {"target_s": opened.planned.at_s, "sham": None}
        else:
            values |= told | {"target_s": opened.trigger.at_s, "sham": opened.trigger.sham}
        columns = [nan if values[label] is None else float(values[label]) for label, _ in ROW]
        self._row(np.array(columns, dtype=np.float64), when_s)


def decision_rows(act: Act) -> list[dict[str, Any]]:
    """Ledger rows of one detection: its decision, once for each trigger it led to."""
    decision = act.decision
    told = plain(decision.detection) | plain(decision.situation)
    told |= {"verdict": str(decision.verdict), "reason": decision.reason}
    told |= {"seq": 0, "program_id": 0, "refusal": None}
    if act.assigned is not None:
        given = plain(act.assigned)
        told |= {key: given[key] for key in ("trial", "slot", "arm", "delay_s")}
    if not act.triggers:
        return [finite_or_null(told)]
    rows = []
    asked: dict[str, Any]
    for trigger, answer in act.triggers:
        refusal = plain(answer) if isinstance(answer, Refusal) else None
        asked = {"seq": trigger.seq, "program_id": trigger.program_id, "refusal": refusal}
        if act.assigned is not None:
            asked["at_s"] = trigger.at_s
        rows.append(finite_or_null(told | asked))
    return rows


def guard_row(alarm: Detection, guard: str) -> dict[str, Any]:
    """Ledger row of what a guard found: what of it follows from the samples alone."""
    return finite_or_null({"guard": guard} | plain(alarm))


def finite_or_null(data: dict[str, Any]) -> dict[str, Any]:
    """JSON has no NaN: a time that never came is null."""
    return {k: None if isinstance(v, float) and not isfinite(v) else v for k, v in data.items()}
