"""The path to a stimulator in the same process, for simulation and replay."""

from collections.abc import Sequence

from bci_core.clock import Clock
from bci_core.contracts import Capabilities, Stimulator
from bci_core.events import Acceptance, Delivery, Trigger
from bci_core.stimulus import StimProgram


class DirectLink:
    """Satisfies `bci_core.contracts.StimulatorLink` without a wire in between.

    Parameters
    ----------
    stimulator : Stimulator
    clock : Clock
        The device's time as well: `poll` lets it run on to the clock's.
    """

    def __init__(self, stimulator: Stimulator, clock: Clock) -> None:
        self.stimulator = stimulator
        self.clock = clock
        self._answers: list[Acceptance | Delivery] = []

    def load(self, programs: Sequence[StimProgram]) -> Capabilities:
        self.stimulator.load(programs)
        return self.stimulator.capabilities

    def arm(self, lease_s: float) -> None:
        self.stimulator.arm(lease_s, self.clock.now_s())

    def renew(self) -> None:
        self.stimulator.renew(self.clock.now_s())

    def send(self, trigger: Trigger) -> float:
        sent_s = self.clock.now_s()
        self._answers.append(self.stimulator.trigger(trigger, sent_s))
        return sent_s

    def poll(self) -> list[Acceptance | Delivery]:
        answers = [*self._answers, *self.stimulator.advance(self.clock.now_s())]
        self._answers.clear()
        return answers

    def disarm(self, reason: str) -> None:
        self.stimulator.disarm(reason, self.clock.now_s())

    def disarmed_reason(self) -> str:
        return self.stimulator.disarmed_reason()

    def close(self) -> None:
        self.disarm("link closed")
