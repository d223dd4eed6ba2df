"""What a session's ledger says of its course, read row by row: a day's has millions."""

from array import array
from collections import Counter
from dataclasses import dataclass, field
from math import inf, nan
from pathlib import Path
from typing import Any

import numpy as np

from bci_core.bench.floor import Floats
from bci_core.events import Outcome
from bci_core.record.ledger import each_row
from bci_core.record.ledger_format import LedgerRow
from bci_core.report.timeline import happened_s, number

QUANTITIES = ("rss_kib", "handles", "threads")
ENDINGS = ("session_end",)
"""Reasons to disarm that belong to a session that went well."""


class Series:
    """Numbers over time, however many."""

    def __init__(self) -> None:
        self._times_s = array("d")
        self._values = array("d")

    def add(self, when_s: float, value: float) -> None:
        self._times_s.append(when_s)
        self._values.append(value)

    def since(self, start_s: float = -inf) -> tuple[Floats, Floats]:
        """Times and finite values from a time on."""
        times_s, values = np.array(self._times_s), np.array(self._values)
        keep = np.isfinite(values) & np.isfinite(times_s) & (times_s >= start_s)
        return times_s[keep], values[keep]


@dataclass(slots=True)
class Story:
    """The course of one session; times in seconds since it was first armed.

    Attributes
    ----------
    processes : dict of str to dict of str to Series
        For each process its `QUANTITIES`.
    latency_ms : Series
        Received to accepted, one a trigger, when it was accepted.
    cpu_ms : Series
        Of a simulation: processor time that a simulated second takes.
    lost : Series
        Samples lost so far.
    delivered : Series
        One a train of pulses that was delivered, when it was.
    outcomes : Counter
        Of triggers.
    samples, triggers, unaccounted, refused : int
        `unaccounted`: triggers of which nobody knows how they ended.
    disarmed : list of (float, str)
        When and why, without the end of the session.
    ended : dict
        Data of ``session.end``; empty where it never came.
    start : dict
        Data of ``session.start``.
    duration_s : float
        From the first arming to the last row.
    """

    processes: dict[str, dict[str, Series]] = field(default_factory=dict)
    latency_ms: Series = field(default_factory=Series)
    cpu_ms: Series = field(default_factory=Series)
    lost: Series = field(default_factory=Series)
    delivered: Series = field(default_factory=Series)
    outcomes: Counter[str] = field(default_factory=Counter)
    samples: int = 0
    triggers: int = 0
    unaccounted: int = 0
    refused: int = 0
    disarmed: list[tuple[float, str]] = field(default_factory=list)
    ended: dict[str, Any] = field(default_factory=dict)
    start: dict[str, Any] = field(default_factory=dict)
    duration_s: float = 0.0

    def take(self, when_s: float, role: str, taken: dict[str, Any]) -> None:
        """Note what a process takes (`bci_core.session.health.take`)."""
        series = self.processes.setdefault(role, {each: Series() for each in QUANTITIES})
        for each in QUANTITIES:
            series[each].add(when_s, number(taken.get(each)))


def read_story(ledger: Path) -> Story:
    """The course of a session, from its ledger alone.

    Raises
    ------
    SessionError
        There is no such file, or a line that is not a row.
    """
    return _Reader().read(ledger)


class _Reader:
    def __init__(self) -> None:
        self._story = Story()
        self._zero_s: float | None = None
        self._open: set[int] = set()

    def read(self, ledger: Path) -> Story:
        row: LedgerRow | None = None
        for row in each_row(ledger):
            self._note(row)
        story = self._story
        story.unaccounted = len(self._open)
        if row is not None and self._zero_s is not None:
            story.duration_s = row.lsl_s - self._zero_s
        return story

    def _note(self, row: LedgerRow) -> None:
        story, data = self._story, row.data
        match row.event:
            case "session.start":
                story.start = data
            case "session.end":
                story.ended = data
            case "armed" if self._zero_s is None:
                self._zero_s = happened_s(row)
            case "disarmed" | "latched" if self._is_trouble(data):
                told = data.get("detail") or data.get("reason") or row.event
                story.disarmed.append((self._since(happened_s(row)), str(told)))
            case "health":
                self._note_health(data)
            case "samples":
                story.samples = int(data.get("samples") or 0)
                story.lost.add(self._since(row.lsl_s), number(data.get("lost")))
            case "decision":
                self._note_decision(data)
            case "outcome":
                self._note_outcome(data)

    def _is_trouble(self, data: dict[str, Any]) -> bool:
        return self._zero_s is not None and data.get("reason") not in ENDINGS

    def _note_health(self, data: dict[str, Any]) -> None:
        when_s = self._since(number(data.get("lsl_s")))
        for role, taken in data["processes"].items():
            self._story.take(when_s, role, taken)
        if "lost" in data:
            self._story.lost.add(when_s, number(data["lost"]))

    def _note_decision(self, data: dict[str, Any]) -> None:
        if data.get("verdict") == "refused" or data.get("refusal") is not None:
            self._story.refused += 1
        elif data.get("seq"):
            self._story.triggers += 1
            self._open.add(data["seq"])

    def _note_outcome(self, data: dict[str, Any]) -> None:
        outcome = str(data.get("outcome"))
        self._story.outcomes[outcome] += 1
        if outcome != Outcome.UNKNOWN:
            self._open.discard(data.get("seq", 0))
        accepted_s = self._since(number(data.get("accepted_s")))
        latency_s = number(data.get("accepted_s")) - number(data.get("received_s"))
        self._story.latency_ms.add(accepted_s, 1e3 * latency_s)
        if outcome == Outcome.DELIVERED:
            self._story.delivered.add(self._since(number(data.get("onset_s"))), 1.0)

    def _since(self, when_s: float) -> float:
        """Seconds since armed; NaN before."""
        return nan if self._zero_s is None else when_s - self._zero_s
