"""A path to a stimulator in the same process that the bench can break."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bci_core.bench.scenarios.plan import FaultPlan, Truth
from bci_core.bench.scenarios.scenario import FaultKind
from bci_core.clock import Clock
from bci_core.contracts import Stimulator
from bci_core.control.direct_link import DirectLink
from bci_core.control.journal import finite_or_null
from bci_core.control.plain import plain
from bci_core.errors import DeviceError
from bci_core.events import Acceptance, Delivery, Emission, Trigger
from bci_core.status import DeviceStatus

ROUND_TRIP_S = 0.0002
"""What the path is said to take; on the virtual clock it takes nothing."""


class FaultyLink(DirectLink):
    """A `DirectLink` on which commands are lost, doubled and delayed.

    As behind a command server, a device that fails at a trigger is disarmed, and the loop
    hears of it as the reason why the device is not armed.

    Parameters
    ----------
    stimulator : Stimulator
    clock : Clock
    plan : FaultPlan
    truth : Truth
    emitted : callable (emissions)
        Takes what has left the device.
    put_down : callable (dict)
        Takes the device's own report of each trigger, as the ledger gets it live.
    """

    def __init__(
        self,
        stimulator: Stimulator,
        clock: Clock,
        plan: FaultPlan,
        truth: Truth,
        emitted: Callable[[Sequence[Emission]], None],
        put_down: Callable[[dict[str, Any]], None],
    ) -> None:
        super().__init__(stimulator, clock)
        self._plan = plan
        self._truth = truth
        self._emitted = emitted
        self._put_down = put_down
        self._status = stimulator.status(clock.now_s())
        self._waiting: list[tuple[float, Trigger]] = []
        self._told = ""

    def round_trip_s(self, n: int) -> NDArray[np.float64]:
        return np.full(n, ROUND_TRIP_S)

    def run_device(self) -> None:
        """Let the device's time run on, and hand it what has been on its way."""
        now_s = self.clock.now_s()
        due = [each for each in self._waiting if each[0] <= now_s]
        self._waiting = [each for each in self._waiting if each[0] > now_s]
        for due_s, trigger in due:
            self._hand(trigger, due_s)
        answers = self.stimulator.advance(now_s)
        for answer in answers:
            self._put_down(finite_or_null(plain(answer)))
        if not self._on(FaultKind.CUT):
            self._answers += answers
        emitted = self.stimulator.emissions()
        if emitted:
            self._emitted(emitted)

    def renew(self) -> None:
        if not self._on(FaultKind.CUT):
            super().renew()

    def send(self, trigger: Trigger) -> float:
        now_s = self.clock.now_s()
        if self._on(FaultKind.CUT) or self._on(FaultKind.LOST):
            self._truth.counts["commands_lost"] += 1
            return now_s
        late = self._plan.active(FaultKind.DELAYED, now_s)
        if late is not None and late.delay_s is not None:
            self._waiting.append((now_s + late.delay_s, trigger))
            return now_s
        again = self._plan.active(FaultKind.DOUBLED, now_s)
        if again is not None and again.delay_s is not None:
            self._waiting.append((now_s + again.delay_s, trigger))
        self._hand(trigger, now_s)
        return now_s

    def poll(self) -> list[Acceptance | Delivery]:
        self.run_device()
        answers = list(self._answers)
        self._answers.clear()
        return answers

    def disarm(self, reason: str) -> None:
        if not (self._on(FaultKind.CUT) or self._on(FaultKind.DISARM_LOST)):
            super().disarm(reason)

    def disarmed_reason(self) -> str:
        if not self._on(FaultKind.CUT):
            self._told = super().disarmed_reason()
        return self._told

    def poll_status(self) -> tuple[DeviceStatus, float, float] | None:
        if self._on(FaultKind.CUT):
            return None
        try:
            return super().poll_status()
        except DeviceError as error:
            self.stimulator.disarm(f"device failed: {error}", self.clock.now_s())
            return None

    def _on(self, kind: FaultKind) -> bool:
        return self._plan.active(kind, self.clock.now_s()) is not None

    def _hand(self, trigger: Trigger, now_s: float) -> None:
        try:
            acceptance = self.stimulator.trigger(trigger, now_s)
        except DeviceError as error:
            self.stimulator.disarm(f"device failed: {error}", now_s)
            return
        if acceptance is not None:
            self._answers.append(acceptance)
