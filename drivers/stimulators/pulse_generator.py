"""A stimulator made of a Pulse Pal 2 and stimulus isolators, real or simulated.

The box has four outputs, plays the train an output is programmed with when it is told to,
and knows neither limits, nor arming, nor a clock: all that is here. What is here cannot be
once its cable is out: the box does not notice, and plays the train to its end. So no train is
longer than the lease.

The first phase is below 0 V; the isolators turn volts into current.
"""

from collections.abc import Sequence
from math import inf
from typing import ClassVar

from pydantic import BaseModel

from bci_core.errors import DeviceError, SafetyError
from bci_core.events import (
    Acceptance,
    ArmingState,
    Delivery,
    DeviceStatus,
    Emission,
    Impedance,
    Outcome,
    Reading,
    Refusal,
    Trigger,
)
from bci_core.stimulus import StimProgram
from drivers.stimulators.faults import FaultKind, Faults
from drivers.stimulators.pulse_generator_bytes import CYCLE_US
from drivers.stimulators.pulse_generator_line import BoxLine
from drivers.stimulators.pulse_generator_port import Port, SerialPort
from drivers.stimulators.pulse_generator_programs import (
    box_parameters,
    held_programs,
    refusals,
)
from drivers.stimulators.pulse_generator_queue import Queue
from drivers.stimulators.pulse_generator_settings import PulseGeneratorSettings
from drivers.stimulators.pulse_generator_simulated import BEFORE_ANY_TIME_S, SimulatedPort
from drivers.stimulators.running import Held
from drivers.stimulators.ticks import Ticks

GREETING_S = 0.5
"""A status asks the box no more often."""


class PulseGenerator:
    """Satisfies `bci_core.contracts.Stimulator`. `load` and `status` open the port.

    Parameters
    ----------
    settings : PulseGeneratorSettings
    port : Port, optional
        Another than the settings name.

    Attributes
    ----------
    faults : Faults or None
        None for a real box.
    """

    Settings: ClassVar[type[BaseModel]] = PulseGeneratorSettings

    def __init__(self, settings: PulseGeneratorSettings, port: Port | None = None) -> None:
        self.settings = settings
        self.capabilities = settings.capabilities()
        self.faults = Faults(settings.faults) if settings.simulated else None
        if port is None:
            made = SimulatedPort(settings, self.faults) if self.faults else None
            port = made or SerialPort(settings.port)
        self._line = BoxLine(
            port, settings.answer_timeout_ms * 1e-3, settings.program_timeout_ms * 1e-3
        )
        self._port = port
        self._ticks = Ticks(CYCLE_US)
        self._now_s = BEFORE_ANY_TIME_S
        self._held: dict[int, Held] = {}
        self._disarmed = "not armed yet"
        self._latched = ""
        self._closed = False
        self._lease = 0
        self._lease_end = 0
        self._ended: list[Delivery] = []
        self._status: DeviceStatus | None = None
        self._queue = Queue(settings, self.capabilities, self._ticks, self._now)

    @property
    def _now(self) -> int:
        return self._ticks.at(self._now_s)

    def load(self, programs: Sequence[StimProgram]) -> None:
        if not self._disarmed:
            raise DeviceError("the pulse generator is armed; disarm it before loading programs")
        if self._latched:
            raise DeviceError(f"the pulse generator has latched a fault, {self._latched}; reset it")
        found = refusals(programs, self.capabilities)
        if found:
            lines = "\n".join(f"  {refusal}" for refusal in found)
            raise SafetyError(f"the pulse generator loaded nothing, these limits forbid:\n{lines}")
        try:
            if not self._line.connected:
                self._line.connect(self._now_s)
            self._program(programs)
        except DeviceError as error:
            self._fail(error)
            raise
        self._held = {p.program_id: Held(p, self._queue.output.slots(p)) for p in programs}
        self._queue.restart()

    def read_back(self) -> tuple[StimProgram, ...]:
        if not self._disarmed:
            raise DeviceError(
                "the pulse generator is armed, and to tell what it holds the box would stand "
                "still; disarm it first"
            )
        if not self._held:
            return ()
        try:
            self._line.quiet(self._now_s)
            box = self._line.memory(self._now_s)
        except DeviceError as error:
            self._fail(error)
            raise
        loaded = {number: held.program for number, held in self._held.items()}
        return held_programs(loaded, box, self.capabilities.amplitude_step_ua)

    def arm(self, lease_s: float, now_s: float) -> None:
        self._run(now_s)
        self._reach()
        if not self._disarmed:
            raise SafetyError("the pulse generator is armed already; disarm it first")
        if self._latched:
            raise SafetyError(f"the pulse generator has latched a fault, {self._latched}; reset it")
        if not self._held:
            raise SafetyError("the pulse generator holds no program; load one before arming")
        longest_s = self.settings.max_lease_s
        if not 0.0 < lease_s <= longest_s:
            asked = Refusal("lease", lease_s, longest_s, "s")
            raise SafetyError(f"the pulse generator was not armed; {asked}; it must be above 0 s")
        try:
            self._line.greet(now_s)
        except DeviceError as error:
            self._fail(error)
            raise
        self._lease = max(1, self._ticks.at(lease_s))
        self._lease_end = self._now + self._lease
        self._disarmed = ""
        if self.faults:
            self.faults.begin(now_s)

    def renew(self, now_s: float) -> bool:
        self._run(now_s)
        if self._disarmed:
            return False
        self._lease_end = self._now + self._lease
        return True

    def trigger(self, trigger: Trigger, now_s: float) -> Acceptance | None:
        self._run(now_s)
        if self._line.connected:
            self._port.waiting(self._now_s)
        free_s = max(self._now_s, self._port.not_before_s())
        answer = self._queue.admit(trigger, self._held, self._why_not(), self._now_s, free_s)
        if isinstance(answer, Refusal):
            self._ended.append(Delivery(trigger.seq, Outcome.REFUSED, reason=str(answer)))
            return Acceptance(trigger.seq, free_s, answer)
        if self._queue.begins(self._now_s):
            self._begin(self._now_s)
            if self._disarmed:
                return None  # the box has not confirmed it
        return Acceptance(trigger.seq, free_s)

    def advance(self, now_s: float) -> list[Delivery]:
        self._run(now_s)
        ended, self._ended = self._ended, []
        return ended

    def next_event_s(self) -> float:
        if self._ended:
            return self._now_s
        if self._disarmed:
            return inf
        due_s = self._ticks.seconds(int(min(self._queue.due(), self._lease_end)))
        return min(due_s, self.faults.next_change_s(self._now_s)) if self.faults else due_s

    def disarm(self, reason: str, now_s: float) -> None:
        self._run(now_s)
        if not self._disarmed:
            self._stop(reason or "disarmed", self._now, now_s)

    def disarmed_reason(self) -> str:
        return self._disarmed

    def reset(self, now_s: float) -> None:
        self._run(now_s)
        if not self._latched:
            raise SafetyError("the pulse generator has latched nothing; there is nothing to reset")
        # What the box holds is not known: everything anew.
        self._line.connect(now_s)
        self._program([held.program for held in self._held.values()])
        self._latched = ""

    def status(self, now_s: float) -> DeviceStatus:
        self._run(now_s)
        if self._line.connected:
            self._port.waiting(now_s)
        elif not self._latched and not self._closed:
            self._line.connect(now_s)
        stale = self.faults is not None and self.faults.active(FaultKind.STALE_STATUS, now_s)
        if stale and self._status is not None:
            return self._status
        idle = self._line.connected and not self._latched and not self._queue.waiting
        if idle and now_s - self._line.answered_s >= GREETING_S:
            try:
                self._line.greet(now_s)
            except DeviceError as error:
                self._fail(error)
        self._status = DeviceStatus(
            at_s=self._port.own_s(now_s),
            state=self._state(),
            fault=self._latched,
            readings=(Reading("isolator", self.settings.isolator_ua_per_v, "uA/V"),),
        )
        return self._status

    def impedance(self, electrodes: Sequence[int], now_s: float) -> tuple[Impedance, ...]:  # noqa: ARG002
        raise DeviceError(
            "the pulse generator cannot measure impedance; measure electrodes "
            f"{', '.join(map(str, electrodes))} at the isolator"
        )

    def emissions(self) -> list[Emission]:
        return self._port.emissions(self._now_s)

    def close(self) -> None:
        """Stop, and let the box go. May be called at any time, more than once."""
        self.disarm("closed", self._now_s)
        self._closed = True
        self._line.close()

    def _reach(self) -> None:
        """Raise `DeviceError` where the box cannot be reached, or takes nothing."""
        if self._line.connected:
            self._line.reach(self._now_s)

    def _why_not(self) -> Refusal | None:
        """What speaks against any trigger."""
        if self._disarmed:
            return Refusal("disarmed", 0, 0, "s of lease", self._disarmed)
        untaken = self._port.untaken()
        return Refusal("locked", untaken, 0, "bytes not taken") if untaken else None

    def _program(self, programs: Sequence[StimProgram]) -> None:
        parameters = box_parameters(programs, self.capabilities.amplitude_step_ua)
        self._line.program(parameters, self._now_s)

    def _state(self) -> ArmingState:
        if self._latched:
            return ArmingState.FAULT_LATCHED
        if not self._line.connected:
            return ArmingState.DISCONNECTED
        if self._disarmed:
            return ArmingState.CONFIGURED if self._held else ArmingState.SAFE
        if self._queue.under_way(self._now):
            return ArmingState.STIMULATING
        if self._queue.recovering(self._now):
            return ArmingState.RECOVERY
        return ArmingState.ARMED

    def _run(self, now_s: float) -> None:
        """Do everything that is due by now, in its order. Time never runs back."""
        if now_s > self._now_s:
            self._now_s = now_s
        while not self._disarmed:
            due = self._queue.due()
            if min(due, self._lease_end) > self._now:
                break
            if due >= self._lease_end:
                self._stop("lease expired", self._lease_end, self._sent_s(self._lease_end))
            elif self._queue.playing is not None:
                self._see_off(self._sent_s(due))
            else:
                self._begin(self._sent_s(due))
        if not self._disarmed:
            try:
                self._line.quiet(self._now_s)
            except DeviceError as error:
                self._fail(error)

    def _sent_s(self, due: float) -> float:
        return self._port.sent_s(self._ticks.seconds(int(due)), self._now_s)

    def _begin(self, at_s: float) -> None:
        """Tell the box to begin. It is not told of a sham, which takes its time all the same."""
        first = self._queue.begin(at_s)
        if isinstance(first, Delivery):
            self._ended.append(first)
        elif not first.trigger.sham:
            outputs = self._held[first.trigger.program_id].program.every_electrode
            try:
                self._line.trigger(outputs, at_s)
            except DeviceError as error:
                self._fail(error, at_s)

    def _see_off(self, at_s: float) -> None:
        """Bring the box to rest after a train, and hear that it is there."""
        try:
            self._line.rest(at_s)
        except DeviceError as error:
            self._fail(error, at_s)
        else:
            self._ended.append(self._queue.finish())

    def _stop(self, reason: str, at: int, at_s: float) -> None:
        self._disarmed = reason
        try:
            self._line.stop(at_s)
        except DeviceError as error:
            self._latched = str(error)
        self._ended += self._queue.drop(at, reason, known=not self._latched)

    def _fail(self, error: DeviceError, at_s: float | None = None) -> None:
        """Latch a fault; what the box does is not known from here on."""
        self._latched = str(error)
        if self._line.connected:
            self._line.stop_blindly(self._now_s if at_s is None else at_s)
        if not self._disarmed:
            self._disarmed = f"fault: {error}"
        self._ended += self._queue.drop(self._now, self._disarmed, known=False)
