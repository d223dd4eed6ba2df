"""The path to a stimulator in the same process, for simulation and replay."""

from collections.abc import Sequence

from bci_core.capabilities import Capabilities, SoundCapabilities
from bci_core.clock import Clock
from bci_core.contracts import Stimulator
from bci_core.events import Acceptance, Delivery, Trigger
from bci_core.safety.read_back import require_same
from bci_core.status import DeviceStatus, Impedance
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

    def load(self, programs: Sequence[StimProgram]) -> Capabilities | SoundCapabilities:
        self.stimulator.load(programs)
        require_same(programs, self.stimulator.read_back())
        return self.stimulator.capabilities

    def arm(self, lease_s: float) -> None:
        self.stimulator.arm(lease_s, self.clock.now_s())

    def renew(self) -> None:
        self.stimulator.renew(self.clock.now_s())

    def send(self, trigger: Trigger) -> float:
        sent_s = self.clock.now_s()
        acceptance = self.stimulator.trigger(trigger, sent_s)
        if acceptance is not None:
            self._answers.append(acceptance)
        return sent_s

    def poll(self) -> list[Acceptance | Delivery]:
        answers = [*self._answers, *self.stimulator.advance(self.clock.now_s())]
        self._answers.clear()
        return answers

    def disarm(self, reason: str) -> None:
        self.stimulator.disarm(reason, self.clock.now_s())

    def disarmed_reason(self) -> str:
        return self.stimulator.disarmed_reason()

    def reset(self) -> None:
        self.stimulator.reset(self.clock.now_s())

    def poll_status(self) -> tuple[DeviceStatus, float, float] | None:
        now_s = self.clock.now_s()
        return self.stimulator.status(now_s), now_s, now_s

    def impedance(self, electrodes: Sequence[int]) -> tuple[Impedance, ...]:
        return self.stimulator.impedance(electrodes, self.clock.now_s())

    def close(self) -> None:
        self.disarm("link closed")
