"""Deciding a recorded session again: same samples, same loop, same decisions."""

import sys
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import nan
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bci_core.capabilities import Capabilities
from bci_core.chunk import Chunk, StreamInfo
from bci_core.clock import LslClock
from bci_core.config.load import load_rig
from bci_core.config.rig import Rig
from bci_core.control.blinding import withhold
from bci_core.control.journal import decision_rows, guard_row
from bci_core.errors import SessionError
from bci_core.events import Acceptance, Delivery, Detection, EventKind, Outcome, Situation, Trigger
from bci_core.record.ledger_format import LedgerRow
from bci_core.record.revealed import read_rows
from bci_core.record.xdf import read_session_xdf
from bci_core.safety.arming import Arming
from bci_core.safety.arming_settings import ArmingSettings
from bci_core.session import build
from bci_core.session.arms import seed_of
from bci_core.session.doses import earlier_of
from bci_core.session.folder import SessionFolder
from bci_core.session.loop_rows import guard_name
from bci_core.status import DeviceStatus, Impedance
from bci_core.stimulus import StimProgram

CHUNK = 256
BEYOND = "beyond the ledger"
"""Where a ledger that was cut off has no more to compare with."""


@dataclass(frozen=True, slots=True)
class ReplayResult:
    """How a replay compares with its recording.

    Attributes
    ----------
    decisions, agreeing : int
        Recorded decisions, and those made again identically up to the first difference.
    difference : str
        The first difference, or "".
    recorded_s, replay_s : float
        Length of the recording, and time the replay took, reading included.
    """

    decisions: int
    agreeing: int
    difference: str
    recorded_s: float
    replay_s: float

    @property
    def identical(self) -> bool:
        return not self.difference

    @property
    def speed(self) -> float:
        """Times faster than real time."""
        return self.recorded_s / self.replay_s

    def headline(self) -> str:
        """The result in one line."""
        return (
            f"{self.agreeing} of {self.decisions} decisions identical; "
            f"{self.recorded_s:.1f} s in {self.replay_s:.2f} s, {self.speed:.0f} times real time"
        )

    def to_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        return asdict(self) | {"identical": self.identical, "speed": self.speed}


class RecordedArming(Arming):
    """Answers what the arming state machine answered at the time."""

    def __init__(self, settings: ArmingSettings) -> None:
        super().__init__(settings)
        self.disarmed = "disarmed"

    def check(self, now_s: float) -> str:  # noqa: ARG002 - the answer is on record
        return self.disarmed

    def sent(self, *_train: float) -> None:
        """The trains are on record, and so is what they led to."""


class RecordedLink:
    """Stands where the device was: takes everything, answers nothing.

    What the device said is on record, and the gate is told it from there.
    """

    def load(self, _programs: Sequence[StimProgram]) -> Capabilities:
        raise NotImplementedError("a replay loads nothing")

    def arm(self, _lease_s: float) -> None: ...

    def renew(self) -> None: ...

    def send(self, trigger: Trigger) -> float:
        return trigger.at_s

    def poll(self) -> list[Acceptance | Delivery]:
        return []

    def disarm(self, _reason: str) -> None: ...

    def reset(self) -> None: ...

    def disarmed_reason(self) -> str:
        return ""

    def poll_status(self) -> tuple[DeviceStatus, float, float] | None:
        return None

    def impedance(self, _electrodes: Sequence[int]) -> tuple[Impedance, ...]:
        return ()

    def close(self) -> None: ...


def replay_session(folder: SessionFolder) -> ReplayResult:
    """Run the recorded samples through the loop and compare every decision.

    The detectors see the samples, and the blanks that were laid over them; policy and gate
    see what they saw then: the recorded times and whether the session was armed. What the
    guard found is compared as well. Of a session that is still blind, only what it tells can
    be: its arms are unknown, and no decision depends on them.

    Raises
    ------
    SessionError
        The folder lacks what a replay needs.
    """
    clock = LslClock()
    begun_s = clock.now_s()
    rig = load_rig(str(folder.rig))
    ledger = read_rows(folder.ledger)
    ready = _one(ledger, "loop.ready", folder)
    recording = read_session_xdf(folder.xdf, ready["stream"]["name"])
    first = int(np.searchsorted(recording.times_s, ready["first_sample_s"]))
    if first >= len(recording.times_s) or recording.times_s[first] != ready["first_sample_s"]:
        raise SessionError(
            f"{folder.xdf}: the loop's first sample, at {ready['first_sample_s']!r} s, is not in it"
        )
    replay = _Replay(rig, ready, ledger, seed_of(folder, ledger))
    last = first + replay.n_samples if replay.complete else len(recording.times_s)
    samples = np.ascontiguousarray(recording.samples[first:last], dtype=np.float32)
    times_s = np.ascontiguousarray(recording.times_s[first:last])
    difference = replay.run(samples, times_s)
    recorded_s = float(times_s[-1] - times_s[0]) if len(times_s) else 0.0
    return ReplayResult(
        len(replay.decisions), replay.made, difference, recorded_s, clock.now_s() - begun_s
    )


class _Replay:
    """The loop of a session once more, beside what its ledger says."""

    def __init__(
        self, rig: Rig, ready: dict[str, Any], ledger: list[LedgerRow], seed: bytes | None
    ) -> None:
        told: dict[str, list[dict[str, Any]]] = {}
        for row in ledger:
            told.setdefault(row.event, []).append(dict(row.data))
        self.decisions = told.get("decision", [])
        self.made = 0
        self._alarms = told.get("guard", [])
        self._alarms_made = 0
        self._blanks = deque(told.get("blank", []))
        counts = told.get("samples", [])
        self.complete = bool(counts)
        self.n_samples = int(counts[0]["samples"]) if counts else 0
        stream = ready["stream"]
        info = StreamInfo(rig.name, stream["rate_hz"], tuple(stream["channels"]), "replay")
        self._guard = guard_name(rig)
        self._sensing = build.sensing(rig, info, ready["lead_s"])
        self._arming = RecordedArming(rig.arming)
        offset_s = float(ready.get("clock_offset_s") or 0.0)
        wired = build.wire(rig, RecordedLink(), self._arming, offset_s, earlier_of(ledger), seed)
        self._loop, self._gate = wired.loop, wired.gate
        self._gate.connect(build.stimulator(rig).capabilities)
        self._reports = _reports(ledger)
        self._tightened = deque(tightenings(ledger))
        self._loop.begin(ready["first_sample_s"])
        self._blind = seed is None and rig.arms is not None

    def run(self, samples: NDArray[np.float32], times_s: NDArray[np.float64]) -> str:
        """The first difference, or ""."""
        start = 0
        while start < len(times_s):
            stop = min(start + CHUNK, len(times_s), self._lay_blanks(start))
            found = self._sensing.update(Chunk(samples[start:stop], times_s[start:stop]))
            difference = self._decisions_differ(found) or self._alarms_differ()
            if difference:
                return "" if difference == BEYOND else difference
            start = stop
        if self.made < len(self.decisions):
            which = f"decision {self.made + 1} of {len(self.decisions)}"
            return f"{which} was recorded, and not made again"
        if self._alarms_made < len(self._alarms):
            return f"the guard's row {self._alarms_made + 1} was recorded, and not made again"
        return ""

    def _lay_blanks(self, sample: int) -> int:
        """Lay those that held from this sample on; the sample from which the next one did."""
        while self._blanks and self._blanks[0]["at_sample"] <= sample:
            blank = self._blanks.popleft()
            self._sensing.monitor.blank(blank["seq"], blank["start_s"], blank["end_s"])
        return int(self._blanks[0]["at_sample"]) if self._blanks else sys.maxsize

    def _alarms_differ(self) -> str:
        for alarm in self._sensing.alarms:
            if self._alarms_made == len(self._alarms):
                return self._unrecorded(alarm, "found by the guard")
            was = self._alarms[self._alarms_made : self._alarms_made + 1]
            difference = _compare([guard_row(alarm, self._guard)], was)
            if difference:
                return difference
            if alarm.kind is EventKind.ONSET:
                self._gate.after_discharge.note_abort(was[0].get("now_s") or 0.0)
            self._alarms_made += 1
        return ""

    def _decisions_differ(self, found: list[Detection]) -> str:
        for detection in found:
            if self.made >= len(self.decisions):
                return self._unrecorded(detection, "detected")
            while self._tightened and self._tightened[0][0] <= self.made:
                self._gate.tighten(**self._tightened.popleft()[1])
            while self._reports and self._reports[0][0] <= self.made:
                self._gate.note(self._reports.popleft()[1])
            was = self.decisions[self.made]
            self._arming.disarmed = was["disarmed"]
            situation = Situation(
                was["received_s"], was["detected_s"], was["now_s"], was["disarmed"]
            )
            now = decision_rows(self._loop.act(detection, situation))
            if self._blind:
                now = [withhold("decision", row) or row for row in now]
            difference = _compare(now, self.decisions[self.made : self.made + len(now)])
            if difference:
                return difference
            self.made += len(now)
        return ""

    def _unrecorded(self, detection: Detection, how: str) -> str:
        # What a killed session did last may not have reached its ledger.
        if not self.complete:
            return BEYOND
        return f"sample {detection.sample_index}: {how} in the replay, not in the session"


def tightenings(ledger: Sequence[LedgerRow]) -> list[tuple[int, dict[str, float]]]:
    """Limits that were made tighter, each with the number of decisions before it."""
    found = []
    decisions = 0
    for row in ledger:
        decisions += row.event == "decision"
        if row.event == "tightened":
            found.append((decisions, row.data["limits"]))
    return found


_TOLD = frozenset(Outcome) - {Outcome.UNKNOWN}


def _reports(ledger: list[LedgerRow]) -> deque[tuple[int, Delivery]]:
    """What the gate was told of its triggers, each with the number of decisions before it."""
    reports: deque[tuple[int, Delivery]] = deque()
    decisions = 0
    for row in ledger:
        if row.actor != "loop":
            continue
        decisions += row.event == "decision"
        # Of an outcome that nobody knows, or that is sealed, there is nothing to hand on.
        if row.event == "outcome" and row.data["outcome"] in _TOLD:
            told: dict[str, Any] = {k: nan if v is None else v for k, v in row.data.items()}
            told["outcome"] = Outcome(told["outcome"])
            fields = {key: told[key] for key in Delivery.__dataclass_fields__ if key in told}
            reports.append((decisions, Delivery(**fields)))
    return reports


def _compare(now: list[dict[str, Any]], then: list[dict[str, Any]]) -> str:
    for made, was in zip(now, then, strict=False):
        for key, value in made.items():
            if was.get(key) != value:
                return (
                    f"sample {made['sample_index']}: {key} was {was.get(key)!r}, "
                    f"replayed as {value!r}"
                )
    return "" if len(now) == len(then) else "a decision led to fewer triggers than replayed"


def _one(ledger: list[LedgerRow], event: str, folder: SessionFolder) -> dict[str, Any]:
    found = [row.data for row in ledger if row.event == event]
    if not found:
        raise SessionError(f"{folder.ledger}: has no {event!r} row; the loop never began")
    return dict(found[0])
