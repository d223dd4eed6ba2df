"""The loop, without input or output.

It is handed detections and the situation they were made in, and answers with
what it did. The live session, the simulation and the replay all call `act`.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from bci_core.contracts import Policy, StimProtocol
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
    """

    decision: Decision
    triggers: tuple[tuple[Trigger, Sent | Refusal], ...] = ()


class ClosedLoop:
    """Detection → policy → protocol → gate.

    Parameters
    ----------
    policy : Policy
    protocol : StimProtocol
    gate : SafetyGate
    clock_offset_s : float
        What is added to a sample's time to get this machine's. Policy, protocol and gate
        go by this machine's clock; decisions are told with the detection as it was made.
    """

    def __init__(
        self,
        policy: Policy,
        protocol: StimProtocol,
        gate: SafetyGate,
        clock_offset_s: float = 0.0,
    ) -> None:
        self.policy = policy
        self.protocol = protocol
        self.gate = gate
        self._offset_s = clock_offset_s
        self._next_seq = 1
        # Optional, as the contract has it.
        self._heed: Callable[[Decision], None] = getattr(protocol, "heed", _nobody)

    def act(self, detection: Detection, situation: Situation) -> Act:
        """Read top to bottom, this is the architecture."""
        decision = self.policy.decide(self._here(detection), situation)
        decision, triggers = self._plan(decision)
        self._next_seq += len(triggers)
        # From a list, whose length is known: see `bci_core.control.plain`.
        answers = tuple([(t, self.gate.deliver(t, situation.now_s)) for t in triggers])
        return Act(replace(decision, detection=detection), answers)

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
