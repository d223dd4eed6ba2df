"""What the ledger says happened in a session, sorted by kind."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bci_core.control import blinding
from bci_core.events import EventKind, Outcome, Verdict
from bci_core.record.ledger import UNBLINDED, LedgerRow
from bci_core.report.timeline import ArmedSpan, Data, Event, armed_spans, number, timeline

Floats = NDArray[np.float64]


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
        How triggers ended, with their stamps: as the loop heard it, or as the device
        itself told where the loop did not live to hear it.
    contradictions : sequence of int
        Triggers of which loop and device say different things.
    armed : sequence of ArmedSpan
    events : sequence of Event
        Arming, faults, and whatever else has no other place.
    memory : sequence of mapping
        ``lsl_s`` and ``rss_kib`` of the loop's process.
    samples : mapping
        The last counts of the sample monitor.
    blanks : sequence of (float, float)
        Start and end, in sample time, of what was blanked for a stimulus.
    alarms : sequence of mapping
        What the guard found.
    worst_case, overrides : sequence of mapping
        Uses of the safety limits, and the limits that were loosened.
    committed : mapping
        What was published of the control arms; empty in a session without.
    unblinded : mapping
        Who opened a blind session, with ``utc``; empty where nobody has.
    """

    start: Data
    ready: Data
    end: Data
    began_s: float
    ended_s: float
    decisions: Sequence[Data]
    outcomes: Sequence[Data]
    contradictions: Sequence[int]
    armed: Sequence[ArmedSpan]
    events: Sequence[Event]
    memory: Sequence[Data]
    samples: Data
    blanks: Sequence[tuple[float, float]]
    alarms: Sequence[Data]
    worst_case: Sequence[Data]
    overrides: Sequence[Data]
    committed: Data
    unblinded: Data

    @property
    def name(self) -> str:
        return str(self.start.get("name", ""))

    @property
    def is_blind(self) -> bool:
        """Whether what happened in each arm is withheld still."""
        return bool(self.committed.get("blind")) and not self.unblinded

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
        begun = (d for d in self.decisions if d.get("kind") != EventKind.END)
        return len({decision.get("sample_index") for decision in begun})

    @property
    def n_ends(self) -> int:
        """Ends of events that the detector told of."""
        return sum(decision.get("kind") == EventKind.END for decision in self.decisions)

    @property
    def n_guard(self) -> int:
        """Onsets that the guard found."""
        return sum(alarm.get("kind") == EventKind.ONSET for alarm in self.alarms)

    @property
    def triggers(self) -> list[Data]:
        """Decisions that the gate sent to the device."""
        acting = (Verdict.STIM, Verdict.SHAM, blinding.VERDICT)
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
    unblinded = next((r.data | {"utc": r.utc} for r in rows if r.event == UNBLINDED), {})
    rows = [row for row in rows if row.event != UNBLINDED]  # which is after the session
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
        outcomes=_completed(by_event),
        contradictions=_contradictions(by_event),
        armed=armed_spans(rows),
        events=timeline(rows),
        memory=[_loop_memory(row) for row in by_event.get("health", [])],
        samples=last("samples"),
        blanks=_blanks(by_event.get("blank", [])),
        alarms=by_event.get("guard", []),
        worst_case=[use for data in by_event.get("limit.worst_case", []) for use in data["uses"]],
        overrides=_overrides(by_event.get("safety.override", [])),
        committed=last("arms.committed"),
        unblinded=unblinded,
    )


def column(rows: Sequence[Data], key: str) -> Floats:
    """One value a row; NaN where it never came."""
    return np.array([number(row.get(key)) for row in rows], dtype=np.float64)


def _loop_memory(health: Data) -> Data:
    taken = health.get("processes", {}).get("loop", {})
    return {"lsl_s": health.get("lsl_s"), "rss_kib": taken.get("rss_kib")}


_TOLD_TWICE = ("outcome", "onset_s", "offset_s", "n_pulses", "charge_uc")


def _completed(by_event: Mapping[str, list[Data]]) -> list[Data]:
    """Outcomes of the loop, and the device's own deliveries where the loop has none."""
    heard = [o for o in by_event.get("outcome", []) if o.get("outcome") != Outcome.UNKNOWN]
    unknown = [o for o in by_event.get("outcome", []) if o.get("outcome") == Outcome.UNKNOWN]
    stamps = {d.get("seq"): d for d in (*by_event.get("decision", []), *unknown)}
    known = {outcome.get("seq") for outcome in heard}
    told = [
        {**stamps.get(delivery.get("seq"), {}), **delivery}
        for delivery in by_event.get("delivery", [])
        if delivery.get("seq") not in known and "outcome" in delivery
    ]
    known |= {outcome.get("seq") for outcome in told}
    return [*heard, *told, *(o for o in unknown if o.get("seq") not in known)]


def _contradictions(by_event: Mapping[str, list[Data]]) -> list[int]:
    heard = {o.get("seq"): o for o in by_event.get("outcome", [])}
    return [
        int(delivery["seq"])
        for delivery in by_event.get("delivery", [])
        if "outcome" in delivery  # which is withheld in a blind session
        and (loop := heard.get(delivery.get("seq"))) is not None
        and loop.get("outcome") != Outcome.UNKNOWN
        and any(loop.get(key) != delivery.get(key) for key in _TOLD_TWICE)
    ]


def _blanks(rows: Sequence[Data]) -> list[tuple[float, float]]:
    """What was said last of each stimulus holds."""
    last = {row.get("seq"): (number(row.get("start_s")), number(row.get("end_s"))) for row in rows}
    return sorted((start_s, end_s) for start_s, end_s in last.values() if end_s > start_s)


def _overrides(found: Sequence[Data]) -> list[Data]:
    """One row may hold one override, or several under ``overrides``."""
    return [each for data in found for each in data.get("overrides", [data])]
