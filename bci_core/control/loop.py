"""The loop, without input or output.

It is handed detections and the situation they were made in, and answers with
what it did. The live session, the simulation and the replay all call `act`.
"""

from dataclasses import dataclass, replace

from bci_core.contracts import Policy, StimProtocol
from bci_core.control.arms import ArmAssigner, Assigned
from bci_core.events import (
    Decision,
    Detection,
    EventKind,
    Refusal,
    Situation,
    Trigger,
    Verdict,
)
from bci_core.safety.gate import SafetyGate, Sent


@dataclass(frozen=True, slots=True)
class Act:
    """What became of one detection.

    Attributes
    ----------
    decision : Decision
    triggers : tuple of (Trigger, Sent or Refusal)
        What was asked of the gate, and its answer. Empty when the policy refused, and at
        the end of an event.
    assigned : Assigned or None
        What the trial was allotted, in a session with control arms.
    before_arm : tuple of Trigger
        The triggers as the protocol planned them, where the trial was allotted.
    """

    decision: Decision
    triggers: tuple[tuple[Trigger, Sent | Refusal], ...] = ()
    assigned: Assigned | None = None
    before_arm: tuple[Trigger, ...] = ()

    @property
    def planned(self) -> tuple[Trigger, ...]:
        """For each of the triggers, what the protocol had planned, whatever the arm."""
        return self.before_arm if self.assigned else tuple([t for t, _ in self.triggers])


class ClosedLoop:
    """Detection → policy → protocol → arm → gate.

    Parameters
    ----------
    policy : Policy
    protocol : StimProtocol
    gate : SafetyGate
    clock_offset_s : float
        What is added to a sample's time to get this machine's. Policy, protocol and gate
        go by this machine's clock; decisions are told with the detection as it was made.
    arms : ArmAssigner, optional
        Allots each trial to a control arm. Policy and protocol never know to which.
    """

    def __init__(
        self,
        policy: Policy,
        protocol: StimProtocol,
        gate: SafetyGate,
        clock_offset_s: float = 0.0,
        arms: ArmAssigner | None = None,
    ) -> None:
        self.policy = policy
        self.protocol = protocol
        self.gate = gate
        self._offset_s = clock_offset_s
        self._arms = arms
        self._next_seq = 1

    def begin(self, first_sample_s: float) -> None:
        """The first sample has come; its time as the detector sees it."""
        if self._arms is not None:
            self._arms.begin(first_sample_s + self._offset_s)

    def act(self, detection: Detection, situation: Situation) -> Act:
        """Read top to bottom, this is the architecture."""
        decision = self.policy.decide(self._here(detection), situation)
        planned = self.protocol.plan(decision, self._next_seq) if _acts(decision) else ()
        self._next_seq += len(planned)
        assigned = self._arms.assign(decision) if planned and self._arms is not None else None
        triggers, before_arm = planned, ()
        if assigned is not None:
            before_arm = planned
            triggers = tuple([assigned.apply(t, situation.now_s) for t in planned])
            if assigned.sham:
                decision = replace(decision, verdict=Verdict.SHAM)
        # From a list, whose length is known: see `bci_core.control.plain`.
        answers = tuple([(t, self.gate.deliver(t, situation.now_s)) for t in triggers])
        return Act(replace(decision, detection=detection), answers, assigned, before_arm)

    def _here(self, detection: Detection) -> Detection:
        """The detection, on this machine's clock."""
        if self._offset_s == 0.0:
            return detection
        return replace(
            detection,
            sample_s=detection.sample_s + self._offset_s,
            target_s=detection.target_s + self._offset_s,
        )


def _acts(decision: Decision) -> bool:
    """Whether to stimulate, or to pretend to. The end of an event is never a reason to."""
    began = decision.detection.kind is EventKind.ONSET
    return began and decision.verdict in (Verdict.STIM, Verdict.SHAM)
