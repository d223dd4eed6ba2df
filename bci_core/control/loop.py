"""The loop, without input or output.

It is handed detections and the situation they were made in, and answers with
what it did. The live session, the simulation and the replay all call `act`.
"""

from dataclasses import dataclass

from bci_core.contracts import Policy, StimProtocol
from bci_core.events import Decision, Detection, Refusal, Situation, Trigger
from bci_core.safety.gate import SafetyGate, Sent


@dataclass(frozen=True, slots=True)
class Act:
    """What became of one detection.

    Attributes
    ----------
    decision : Decision
    triggers : tuple of (Trigger, Sent or Refusal)
        What was asked of the gate, and its answer. Empty when the policy refused.
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
    """

    def __init__(self, policy: Policy, protocol: StimProtocol, gate: SafetyGate) -> None:
        self.policy = policy
        self.protocol = protocol
        self.gate = gate
        self._next_seq = 1

    def act(self, detection: Detection, situation: Situation) -> Act:
        """Read top to bottom, this is the architecture."""
        decision = self.policy.decide(detection, situation)
        triggers = self.protocol.plan(decision, self._next_seq)
        self._next_seq += len(triggers)
        return Act(decision, tuple((t, self.gate.deliver(t, situation.now_s)) for t in triggers))
