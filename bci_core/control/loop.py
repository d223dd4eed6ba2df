"""The loop, without input or output.

It is handed detections and the situation they were made in, and answers with
what it did. The live session, the simulation and the replay all call `act`.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from bci_core.contracts import Policy, StimProtocol
from bci_core.control.arms import ArmAssigner, Assigned
from bci_core.events import Decision, Detection, Refusal, Situation, Trigger, Verdict
from bci_core.safety.gate import SafetyGate, Sent

BY_PROTOCOL = "protocol"
"""Reason of a decision to act for which the protocol asked for nothing."""


@dataclass(frozen=True, slots=True)
class Act:
    """What became of one detection.

    Attributes
    ----------
    decision : Decision
    triggers : tuple of (Trigger, Sent or Refusal)
        What was asked of the gate, and its answer. Empty when policy or protocol refused,
        and at the end of an event.
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
        # Optional, as the contract has it.
        self._heed: Callable[[Decision], None] = getattr(protocol, "heed", _nobody)

    def begin(self, first_sample_s: float) -> None:
        """The first sample has come; its time as the detector sees it."""
        if self._arms is not None:
            self._arms.begin(first_sample_s + self._offset_s)

    def act(self, detection: Detection, situation: Situation) -> Act:
        """Read top to bottom, this is the architecture."""
        decision = self.policy.decide(self._here(detection), situation)
        decision, planned = self._plan(decision)
        self._next_seq += len(planned)
        assigned = self._arms.assign(decision) if planned and self._arms is not None else None
        triggers = before_arm = planned
        if assigned is not None:
            triggers = tuple([assigned.apply(t, situation.now_s) for t in planned])
            if assigned.sham:
                decision = replace(decision, verdict=Verdict.SHAM)
        # From a list, whose length is known: see `bci_core.control.plain`.
        answers = tuple([(t, self.gate.deliver(t, situation.now_s)) for t in triggers])
        return Act(replace(decision, detection=detection), answers, assigned, before_arm)

    def _plan(self, decision: Decision) -> tuple[Decision, tuple[Trigger, ...]]:
        """What the protocol asks for; when it asks for nothing, the decision says so."""
        if not decision.acts:
            self._heed(decision)
            return decision, ()
        triggers = self.protocol.plan(decision, self._next_seq)
        if not triggers:
            decision = replace(decision, verdict=Verdict.REFUSED, reason=BY_PROTOCOL)
        return decision, triggers

    def _here(self, detection: Detection) -> Detection:
        """The detection, on this machine's clock."""
        if self._offset_s == 0.0:
            return detection
        return replace(
            detection,
            sample_s=detection.sample_s + self._offset_s,
            target_s=detection.target_s + self._offset_s,
        )


def _nobody(decision: Decision) -> None:
    """Heeds for a protocol that does not have to."""
