"""A stimulator made of a Pulse Pal 2 and stimulus isolators, real or simulated.

The box has four outputs, plays the train an output is programmed with when it is told to,
and knows neither limits, nor arming, nor a clock: `AtOnce` keeps them. That cannot help once
its cable is out: the box does not notice, and plays the train to its end. So no train is
longer than the lease.

The first phase is below 0 V; the isolators turn volts into current.
"""

from collections.abc import Sequence
from typing import ClassVar

from pydantic import BaseModel

from bci_core.errors import DeviceError
from bci_core.events import Delivery, Emission, Refusal
from bci_core.status import DeviceStatus, Reading
from bci_core.stimulator.at_once import AtOnce
from bci_core.stimulator.faults import FaultKind
from bci_core.stimulator.queue import Accepted
from bci_core.stimulus import StimProgram
from drivers.stimulators.pulse_generator_line import BoxLine
from drivers.stimulators.pulse_generator_port import Port, SerialPort
from drivers.stimulators.pulse_generator_programs import (
    CommandedOutput,
    box_parameters,
    held_programs,
    refusals,
)
from drivers.stimulators.pulse_generator_settings import PulseGeneratorSettings
from drivers.stimulators.pulse_generator_simulated import SimulatedPort
from drivers.stimulators.running import Held, Running

GREETING_S = 0.5
"""A status asks the box no more often."""


class PulseGenerator(AtOnce):
    """`load` and `status` open the port.

    Parameters
    ----------
    settings : PulseGeneratorSettings
    port : Port, optional
        Another than the settings name.
    """

    name: ClassVar[str] = "pulse generator"
    Settings: ClassVar[type[BaseModel]] = PulseGeneratorSettings

    def __init__(self, settings: PulseGeneratorSettings, port: Port | None = None) -> None:
        super().__init__(settings, settings.capabilities(), settings.reaction)
        self.settings = settings
        if port is None:
            made = SimulatedPort(settings, self.faults) if self.faults else None
            port = made or SerialPort(settings.port)
        self._line = BoxLine(
            port, settings.answer_timeout_ms * 1e-3, settings.program_timeout_ms * 1e-3
        )
        self._port = port
        self._output = CommandedOutput(self.capabilities)
        self._closed = False
        self._status: DeviceStatus | None = None

    # The way to the box.

    @property
    def connected(self) -> bool:
        return self._line.connected

    def program_refusals(self, programs: Sequence[StimProgram]) -> list[Refusal]:
        return refusals(programs, self.capabilities)

    def upload(self, programs: Sequence[StimProgram], at_s: float) -> None:
        if not self.connected:
            self._line.connect(at_s)
        self._line.program(box_parameters(programs, self.capabilities.amplitude_step_ua), at_s)

    def memory(self, loaded: Sequence[StimProgram], at_s: float) -> tuple[StimProgram, ...]:
        self._line.quiet(at_s)
        box = self._line.memory(at_s)
        return held_programs(loaded, box, self.capabilities.amplitude_step_ua)

    def reach(self, at_s: float) -> None:
        if self.connected:
            self._line.reach(at_s)

    def enable(self, at_s: float) -> None:
        self._line.greet(at_s)

    def fire(self, program: StimProgram, at_s: float) -> None:
        self._line.trigger(program.every_electrode, at_s)

    def watch(self, at_s: float) -> None:
        self._line.quiet(at_s)

    def see_off(self, at_s: float) -> None:
        self._line.rest(at_s)

    def halt(self, at_s: float) -> None:
        self._line.stop(at_s)

    def halt_blindly(self, at_s: float) -> None:
        if self.connected:
            self._line.stop_blindly(at_s)

    def account(self, played: Accepted, at: int, reason: str) -> Delivery:
        """As told to the box, which tells nothing of what it played."""
        if at >= played.end:
            return self.as_commanded(played)
        held = Held(played.program, self._output.slots(played.program))
        running = Running(
            played.trigger, held, played.onset, played.latency_s, self._ticks, self._output, ()
        )
        while running.run(at) is not None:
            pass
        return running.aborted(at, reason)

    def recover(self, at_s: float) -> None:
        self._line.connect(at_s)

    def ready_s(self, at_s: float) -> float:
        if self.connected:
            self._port.waiting(at_s)
        return self._port.not_before_s()

    def locked(self) -> Refusal | None:
        untaken = self._port.untaken()
        return Refusal("locked", untaken, 0, "bytes not taken") if untaken else None

    def own_s(self, at_s: float) -> float:
        return self._port.own_s(at_s)

    def sent_s(self, due_s: float) -> float:
        return self._port.sent_s(due_s, self._now_s)

    def ticks_of(self, program: StimProgram) -> int:
        return Held(program, self._output.slots(program)).ticks

    def readings(self) -> tuple[Reading, ...]:
        return (Reading("isolator", self.settings.isolator_ua_per_v, "uA/V"),)

    # What differs from the contract's usual.

    def read_back(self) -> tuple[StimProgram, ...]:
        if not self.disarmed_reason():
            raise DeviceError(
                "the pulse generator is armed, and to tell what it holds the box would stand "
                "still; disarm it first"
            )
        return super().read_back()

    def status(self, now_s: float) -> DeviceStatus:
        self._run(now_s)
        if self.connected:
            self._port.waiting(now_s)
        elif not self._lease.latched and not self._closed:
            self._line.connect(now_s)
        stale = self.faults is not None and self.faults.active(FaultKind.STALE_STATUS, now_s)
        if stale and self._status is not None:
            return self._status
        idle = self.connected and not self._lease.latched and not self._queue.waiting
        if idle and now_s - self._line.answered_s >= GREETING_S:
            try:
                self._line.greet(now_s)
            except DeviceError as error:
                self._fail(error)
        self._status = super().status(now_s)
        return self._status

    def emissions(self) -> list[Emission]:
        return self._port.emissions(self._now_s)

    def close(self) -> None:
        """Stop, and let the box go. May be called at any time, more than once."""
        self.disarm("closed", self._now_s)
        self._closed = True
        self._line.close()
