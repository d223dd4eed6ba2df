"""When a session was armed, and everything in its ledger that a reader should know of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

from bci_core.record.ledger import LedgerRow

Data = Mapping[str, Any]

ALARMING = frozenset(
    {
        "fault",
        "emergency_stop",
        "client_refused",
        "client_deaf",
        "device_failed",
        "malformed",
    }
)
"""Events that are never part of a session that went well."""

_ELSEWHERE = frozenset(
    {
        "arms.committed",
        "blank",
        "decision",
        "delivery",
        "dose",
        "health",
        "limit.worst_case",
        "loop.ready",
        "outcome",
        "safety.approval",
        "safety.override",
        "samples",
        "session.start",
    }
)
"""Events that have a place of their own in the report. Whatever else there is, is listed."""


@dataclass(frozen=True, slots=True)
class ArmedSpan:
    """From arming to disarming, on the LSL clock.

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

    @property
    def alarming(self) -> bool:
        return self.kind in ALARMING


def armed_spans(rows: Sequence[LedgerRow]) -> list[ArmedSpan]:
    """Spans in order; one that never ended lasts to the last row."""
    spans: list[ArmedSpan] = []
    since_s: float | None = None
    for row in rows:
        if row.event == "armed" and since_s is None:
            since_s = happened_s(row)
        elif row.event in ("disarmed", "latched") and since_s is not None:
            spans.append(ArmedSpan(since_s, happened_s(row), str(row.data.get("reason", ""))))
            since_s = None
    if since_s is not None:
        spans.append(ArmedSpan(since_s, rows[-1].lsl_s, ""))
    return spans


def timeline(rows: Sequence[LedgerRow]) -> list[Event]:
    """Everything that has no other place in the report, in order of time."""
    events = [
        Event(happened_s(row), row.event, _text(row))
        for row in rows
        if row.event not in _ELSEWHERE and not (row.event == "node.exit" and _went_well(row.data))
    ]
    return sorted(events, key=lambda event: event.when_s)


def happened_s(row: LedgerRow) -> float:
    """When it happened, where the row says so; else when the row was written."""
    at_s = number(row.data.get("at_s"))
    return at_s if isfinite(at_s) else row.lsl_s


def number(value: Any) -> float:
    """A float; NaN for null and for what is no number."""
    if isinstance(value, (int, float)) and isfinite(value):
        return float(value)
    return float("nan")


def _went_well(data: Data) -> bool:
    return data.get("status") == 0


def _text(row: LedgerRow) -> str:
    data = row.data
    match row.event:
        case "arm.intent":
            return f"asked by {row.actor}, lease {data.get('lease_s')} s"
        case "armed":
            return f"by {data['actor']}" if data.get("actor") else ""
        case "disarmed" | "device_disarmed":
            return str(data.get("reason", ""))
        case "fault":
            return f"{data.get('node', '')}: {data.get('what', '')}"
        case "node.exit":
            return f"{data.get('node', '')} ended with status {data.get('status')}"
        case "session.end":
            return f"{data.get('status', '')}: {data.get('reason', '')}"
    return ", ".join(f"{key}: {_said(value)}" for key, value in data.items() if key != "at_s")


def _said(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
