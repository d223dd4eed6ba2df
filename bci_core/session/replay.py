"""Deciding a recorded session again: same samples, same loop, same decisions."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from bci_core.chunk import Chunk, StreamInfo
from bci_core.clock import LslClock
from bci_core.config.load import load_rig
from bci_core.contracts import Capabilities
from bci_core.control.journal import decision_rows
from bci_core.errors import SessionError
from bci_core.events import Acceptance, Delivery, Detection, Situation, Trigger
from bci_core.record.ledger import read_ledger
from bci_core.record.ledger_format import LedgerRow
from bci_core.record.xdf import read_session_xdf
from bci_core.safety.arming import Arming, ArmingSettings
from bci_core.session import build
from bci_core.session.folder import SessionFolder
from bci_core.stimulus import StimProgram

CHUNK = 256


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


class RecordedLink:
    """Stands where the device was: takes everything, answers nothing.

    What the device said has no part in a decision; where it led to disarming, that is
    on record.
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

    def disarmed_reason(self) -> str:
        return ""

    def close(self) -> None: ...


def replay_session(folder: SessionFolder) -> ReplayResult:
    """Run the recorded samples through the loop and compare every decision.

    The detector sees the samples only; policy and gate see what they saw then: the
    recorded times and whether the session was armed.

    Raises
    ------
    SessionError
        The folder lacks what a replay needs.
    """
    clock = LslClock()
    begun_s = clock.now_s()
    rig = load_rig(str(folder.rig))
    ledger = read_ledger(folder.ledger)
    ready = _one(ledger, "loop.ready", folder)
    recorded = [row.data for row in ledger if row.event == "decision"]
    recording = read_session_xdf(folder.xdf, ready["stream"]["name"])
    first = int(np.searchsorted(recording.times_s, ready["first_sample_s"]))
    if first >= len(recording.times_s) or recording.times_s[first] != ready["first_sample_s"]:
        raise SessionError(
            f"{folder.xdf}: the loop's first sample, at {ready['first_sample_s']!r} s, is not in it"
        )
    counts = [row.data["samples"] for row in ledger if row.event == "samples"]
    last = first + counts[0] if counts else len(recording.times_s)
    samples = np.ascontiguousarray(recording.samples[first:last], dtype=np.float32)
    times_s = np.ascontiguousarray(recording.times_s[first:last])
    stream = ready["stream"]
    info = StreamInfo(rig.name, stream["rate_hz"], tuple(stream["channels"]), "replay")
    sensing = build.sensing(rig, info, ready["lead_s"])
    arming = RecordedArming(rig.arming)
    loop = build.wire(rig, RecordedLink(), arming).loop

    made = 0
    difference = ""
    for start in range(0, len(times_s), CHUNK):
        chunk = Chunk(samples[start : start + CHUNK], times_s[start : start + CHUNK])
        for detection in sensing.update(chunk):
            if made == len(recorded):
                difference = _unrecorded(detection, complete=bool(counts))
                break
            was = recorded[made]
            arming.disarmed = was["disarmed"]
            situation = Situation(
                was["received_s"], was["detected_s"], was["now_s"], was["disarmed"]
            )
            now = decision_rows(loop.act(detection, situation))
            difference = _compare(now, recorded[made : made + len(now)])
            if difference:
                break
            made += len(now)
        if difference or made > len(recorded):
            break
    if not difference and made < len(recorded):
        difference = f"decision {made + 1} of {len(recorded)} was recorded, and not made again"
    recorded_s = float(times_s[-1] - times_s[0]) if len(times_s) else 0.0
    return ReplayResult(len(recorded), made, difference, recorded_s, clock.now_s() - begun_s)


def _compare(now: list[dict[str, Any]], then: list[dict[str, Any]]) -> str:
    for made, was in zip(now, then, strict=False):
        for key, value in made.items():
            if was.get(key) != value:
                return (
                    f"sample {made['sample_index']}: {key} was {was.get(key)!r}, "
                    f"replayed as {value!r}"
                )
    return "" if len(now) == len(then) else "a decision led to fewer triggers than replayed"


def _unrecorded(detection: Detection, complete: bool) -> str:
    # A killed session's last decisions may not have reached its ledger.
    if not complete:
        return ""
    return f"sample {detection.sample_index}: detected in the replay, not in the session"


def _one(ledger: list[LedgerRow], event: str, folder: SessionFolder) -> dict[str, Any]:
    found = [row.data for row in ledger if row.event == event]
    if not found:
        raise SessionError(f"{folder.ledger}: has no {event!r} row; the loop never began")
    return dict(found[0])
