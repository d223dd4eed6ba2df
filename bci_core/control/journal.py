"""Follows each detection to its end and tells whoever records.

One decision row a detection; for each trigger, one outcome row with its seven
stamps when the device has said how it ended. The live loop, the simulation and
the replay write the same rows, so they can be compared.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from math import isfinite, nan
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
    detection: Detection
    stamps: Stamps


class Journal:
    """Rows, markers and counts of one run.

    Parameters
    ----------
    emit : callable (event, data)
        Takes a ledger row.
    mark : callable (marker, when_s)
        Takes a marker: ``stim``, ``sham``, ``aborted``, ``refused:…``, ``end``, ``guard:…``.
    row : callable (values, when_s)
        Takes a row of the ``NAME-loop`` stream, in the order of `ROW`.

    Attributes
    ----------
    counts : Counter
        ``detections``, ``ends`` of what was detected, ``triggers``, each `Outcome`, and
        ``guard``: onsets of the guard.
    refused : Counter
        By reason, whoever refused.
    """

    def __init__(self, emit: Emit, mark: Mark, row: Row) -> None:
        self._emit = emit
        self._mark = mark
        self._row = row
        self._open: dict[int, _Open] = {}
        self.counts: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.last_latency_s = nan

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
        for trigger, answer in act.triggers:
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
            self._open[trigger.seq] = _Open(trigger, decision.detection, stamps)

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
            opened.stamps = replace(opened.stamps, accepted_s=answer.accepted_s)
            if answer.refusal is None:
                self.last_latency_s = answer.accepted_s - opened.stamps.received_s
            return
        del self._open[answer.seq]
        self._close(opened, answer)

    def give_up(self, reason: str) -> None:
        """The device is gone: every open trigger ends with an outcome nobody knows."""
        for seq, opened in sorted(self._open.items()):
            self._close(opened, Delivery(seq, Outcome.UNKNOWN, reason=reason))
        self._open.clear()

    @property
    def waiting(self) -> int:
        """Triggers whose end the device has not told yet."""
        return len(self._open)

    def _refuse(self, reason: str, when_s: float) -> None:
        self.refused[reason] += 1
        self._mark(f"refused:{reason}", when_s)

    def _close(self, opened: _Open, delivery: Delivery) -> None:
        stamps = replace(opened.stamps, onset_s=delivery.onset_s)
        self.counts[delivery.outcome] += 1
        when_s = delivery.onset_s if isfinite(delivery.onset_s) else stamps.sent_s
        if delivery.outcome is Outcome.REFUSED:
            self._refuse(delivery.reason.split(":", 1)[0], when_s)
        else:
            marker = "stim" if delivery.outcome is Outcome.DELIVERED else str(delivery.outcome)
            self._mark(marker, when_s)
        times = plain(stamps)
        amounts = plain(delivery)
        del amounts["onset_s"]
        self._emit("outcome", finite_or_null(amounts | times))
        values = times | amounts
        found = opened.detection
        values |= {"target_s": opened.trigger.at_s, "sham": float(opened.trigger.sham)}
        values |= {"value": found.value, "channel": found.channel, "spread_s": found.spread_s}
        self._row(np.array([values[label] for label, _ in ROW], dtype=np.float64), when_s)


def decision_rows(act: Act) -> list[dict[str, Any]]:
    """Ledger rows of one detection: its decision, once for each trigger it led to."""
    decision = act.decision
    told = plain(decision.detection) | plain(decision.situation)
    told |= {"verdict": str(decision.verdict), "reason": decision.reason}
    told |= {"seq": 0, "program_id": 0, "refusal": None}
    if not act.triggers:
        return [finite_or_null(told)]
    rows = []
    for trigger, answer in act.triggers:
        refusal = plain(answer) if isinstance(answer, Refusal) else None
        asked = {"seq": trigger.seq, "program_id": trigger.program_id, "refusal": refusal}
        rows.append(finite_or_null(told | asked))
    return rows


def guard_row(alarm: Detection, guard: str) -> dict[str, Any]:
    """Ledger row of what a guard found: what of it follows from the samples alone."""
    return finite_or_null({"guard": guard} | plain(alarm))


def finite_or_null(data: dict[str, Any]) -> dict[str, Any]:
    """JSON has no NaN: a time that never came is null."""
    return {k: None if isinstance(v, float) and not isfinite(v) else v for k, v in data.items()}
