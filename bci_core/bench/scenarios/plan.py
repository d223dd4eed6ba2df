"""When which fault is on, and what really happened: the truth that the judge is told."""

import json
from collections import Counter
from collections.abc import Sequence
from math import inf
from pathlib import Path
from typing import Any

from bci_core.bench.scenarios.scenario import Fault

TRUTH = "truth.json"
"""File in the session folder of a bench, written by the bench and by nobody it tests."""


class FaultPlan:
    """The faults of a scenario on the session's clock.

    Parameters
    ----------
    faults : sequence of Fault

    Attributes
    ----------
    zero_s : float
        When the session was armed first; faults count from there, and none is on before.
    """

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        self.zero_s = inf

    def active(self, kind: str, now_s: float) -> Fault | None:
        """The fault of a kind that is on."""
        for fault in self.faults:
            if fault.kind == kind and self.begin_s(fault) <= now_s < self.end_s(fault):
                return fault
        return None

    def begin_s(self, fault: Fault) -> float:
        return self.zero_s + fault.at_s

    def end_s(self, fault: Fault) -> float:
        return self.zero_s + fault.end_s

    def quiet(self, now_s: float) -> bool:
        """Whether every fault is over."""
        return all(self.end_s(fault) <= now_s for fault in self.faults)


class Truth:
    """What the bench has done to a session, for the judge.

    Attributes
    ----------
    counts : Counter
        ``handed`` and ``lost`` samples, ``commands_lost``, ``rows_lost``.
    arrivals : list of (float, float)
        When samples came, and when the newest of them was really taken.
    true_s : list of float
        When each sample that came was really taken, in the order they came.
    presses : list of (float, bool)
        When the emergency stop was pressed, and whether the device was to hear of it.
    device_resets : int
        Resets that the device itself had something to clear by.
    plays_on : bool
        Whether the device does not notice that its cable is out, and plays its program on.
    """

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter(handed=0, lost=0, commands_lost=0, rows_lost=0)
        self.arrivals: list[tuple[float, float]] = []
        self.true_s: list[float] = []
        self.presses: list[tuple[float, bool]] = []
        self.arm_attempts: list[tuple[float, str]] = []
        self.resets: list[float] = []
        self.device_resets = 0
        self.plays_on = False
        self.books_failed_s: float | None = None
        self.failure = ""

    def write(self, path: Path, plan: FaultPlan, end_s: float) -> None:
        """Put it down beside what the session has put down."""
        faults: list[dict[str, Any]] = [
            {"kind": f.kind, "begin_s": plan.begin_s(f), "end_s": plan.end_s(f)}
            for f in plan.faults
        ]
        armed = plan.zero_s < inf
        told = {
            "armed_s": plan.zero_s if armed else None,
            "end_s": end_s,
            "faults": faults if armed else [],
            "counts": dict(self.counts),
            "arrivals": self.arrivals,
            "true_s": self.true_s,
            "presses": self.presses,
            "arm_attempts": self.arm_attempts,
            "resets": self.resets,
            "device_resets": self.device_resets,
            "plays_on": self.plays_on,
            "books_failed_s": self.books_failed_s,
            "failure": self.failure,
        }
        (path / TRUTH).write_text(json.dumps(told), "utf-8")
