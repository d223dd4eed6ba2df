"""What the ledger says happened in a session, sorted by kind."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bci_core.events import Outcome, Verdict
from bci_core.record.ledger import LedgerRow

Floats = NDArray[np.float64]
Data = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ArmedSpan:
    """From arming to disarming, on the LSL clock; times are those of the ledger rows.

    Attributes
    ----------
    from_s, to_s : float
    reason : str
        Why it ended; "" when the ledger ends first.
    """

    from_s: float
    to_s: float
    reason: str


@dataclass(frozen=True, slots=True)
class Event:
    """Something for the timeline.

    Attributes
    ----------
    when_s : float
    kind, text : str
    """

    when_s: float
    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Trace:
    """One session, by what it recorded of itself.

    Attributes
    ----------
    start, ready, end : mapping
        Data of ``session.start``, ``loop.ready`` and ``session.end``; empty when there
        is no such row.
    began_s, ended_s : float
        Times of the first and last row.
    decisions : sequence of mapping
        One a detection, or one a trigger where a detection led to several.
    outcomes : sequence of mapping
        How triggers ended, with their stamps.
    armed : sequence of ArmedSpan
    events : sequence of Event
        Arming, faults, ends of processes.
    memory : sequence of mapping
        ``lsl_s`` and ``rss_kib`` of the loop's process.
    samples : mapping
        The last counts of the sample monitor.
    worst_case, overrides : sequence of mapping
        Uses of the safety limits, and the limits that were loosened.
    """

    start: Data
    ready: Data
    end: Data
    began_s: float
    ended_s: float
    decisions: Sequence[Data]
    outcomes: Sequence[Data]
    armed: Sequence[ArmedSpan]
    events: Sequence[Event]
    memory: Sequence[Data]
    samples: Data
    worst_case: Sequence[Data]
    overrides: Sequence[Data]

    @property
    def name(self) -> str:
        return str(self.start.get("name", ""))

    @property
    def simulated(self) -> bool | None:
        """Whether the stimulator is simulated; None when the session does not say."""
        said = self.start.get("simulated")
        return said if isinstance(said, bool) else None

    @property
    def zero_s(self) -> float:
        """What people count from: the first arming, or the first row where there was none."""
        return self.armed[0].from_s if self.armed else self.began_s

    @property
    def clock_offset_s(self) -> float:
        """What is added to a sample's time to get this machine's."""
        return float(self.ready.get("clock_offset_s") or 0.0)

    @property
    def n_detections(self) -> int:
        return len({decision.get("sample_index") for decision in self.decisions})

    @property
    def triggers(self) -> list[Data]:
        """Decisions that the gate sent to the device."""
        acting = (Verdict.STIM, Verdict.SHAM)
        return [
            d
            for d in self.decisions
            if d.get("verdict") in acting and d.get("seq") and d.get("refusal") is None
        ]

    @property
    def unaccounted(self) -> int:
        """Triggers of which nobody knows how they ended."""
        known = {o.get("seq") for o in self.outcomes if o.get("outcome") != Outcome.UNKNOWN}
        return sum(trigger["seq"] not in known for trigger in self.triggers)

    def with_outcome(self, *outcomes: Outcome) -> list[Data]:
        """Outcomes of some kinds, in order."""
        return [o for o in self.outcomes if o.get("outcome") in outcomes]

    def refusals(self) -> list[Event]:
        """Every refusal, whoever refused: when, by whom, and the reason's short code."""
        found: list[Event] = []
        for decision in self.decisions:
            when_s = number(decision.get("now_s"))
            refusal = decision.get("refusal")
            if decision.get("verdict") == Verdict.REFUSED:
                found.append(Event(when_s, "policy", str(decision.get("reason"))))
            elif isinstance(refusal, Mapping):
                found.append(Event(when_s, "gate", str(refusal.get("limit"))))
        for outcome in self.with_outcome(Outcome.REFUSED):
            code = str(outcome.get("reason")).split(":", 1)[0]
            found.append(Event(number(outcome.get("sent_s")), "device", code))
        return sorted(found, key=lambda event: event.when_s)

    def refused(self) -> dict[str, int]:
        """Number of refusals by reason, most frequent first."""
        return dict(Counter(refusal.text for refusal in self.refusals()).most_common())


def trace(rows: Iterable[LedgerRow]) -> Trace:
    """Sort the rows of a ledger."""
    rows = list(rows)
    by_event: dict[str, list[Data]] = {}
    for row in rows:
        by_event.setdefault(row.event, []).append(row.data)

    def last(event: str) -> Data:
        return by_event.get(event, [{}])[-1]

    return Trace(
        start=last("session.start"),
        ready=last("loop.ready"),
        end=last("session.end"),
        began_s=rows[0].lsl_s if rows else 0.0,
        ended_s=rows[-1].lsl_s if rows else 0.0,
        decisions=by_event.get("decision", []),
        outcomes=by_event.get("outcome", []),
        armed=_armed_spans(rows),
        events=[event for row in rows for event in _timeline(row)],
        memory=by_event.get("memory", []),
        samples=last("samples"),
        worst_case=[use for data in by_event.get("limit.worst_case", []) for use in data["uses"]],
        overrides=_overrides(by_event.get("safety.override", [])),
    )


def column(rows: Sequence[Data], key: str) -> Floats:
    """One value a row; NaN where it never came."""
    return np.array([number(row.get(key)) for row in rows], dtype=np.float64)


def number(value: Any) -> float:
    """A float; NaN for null and for what is no number."""
    if isinstance(value, (int, float)) and isfinite(value):
        return float(value)
    return float("nan")


def _armed_spans(rows: Sequence[LedgerRow]) -> list[ArmedSpan]:
    spans: list[ArmedSpan] = []
    since_s: float | None = None
    for row in rows:
        if row.event == "armed" and since_s is None:
            since_s = row.lsl_s
        elif row.event == "disarmed" and since_s is not None:
            spans.append(ArmedSpan(since_s, row.lsl_s, str(row.data.get("reason", ""))))
            since_s = None
    if since_s is not None:
        spans.append(ArmedSpan(since_s, rows[-1].lsl_s, ""))
    return spans


def _timeline(row: LedgerRow) -> list[Event]:
    data = row.data
    match row.event:
        case "armed":
            text = f"by {data['actor']}" if data.get("actor") else ""
        case "arm.intent":
            text = f"asked by {row.actor}, lease {data.get('lease_s')} s"
        case "disarmed":
            text = str(data.get("reason", ""))
        case "fault":
            text = f"{data.get('node', '')}: {data.get('what', '')}"
        case "node.exit" if data.get("status"):
            text = f"{data.get('node', '')} ended with status {data['status']}"
        case "emergency_stop":
            text = str(data.get("device", ""))
        case "session.end":
            text = f"{data.get('status', '')}: {data.get('reason', '')}"
        case _:
            return []
    return [Event(row.lsl_s, row.event, text)]


def _overrides(found: Sequence[Data]) -> list[Data]:
    """One row may hold one override, or several under ``overrides``."""
    return [each for data in found for each in data.get("overrides", [data])]
