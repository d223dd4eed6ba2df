"""What a device that fires only at once has to be told, and asked: a driver's own part."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import suppress

from bci_core.capabilities import Capabilities
from bci_core.errors import DeviceError
from bci_core.events import Delivery, Refusal
from bci_core.status import Reading
from bci_core.stimulator.queue import Accepted
from bci_core.stimulator.ticks import Ticks
from bci_core.stimulus import StimProgram


class Wire(ABC):
    """The way to a device. See `bci_core.stimulator.at_once.AtOnce`, which calls all of this.

    Each method is handed the time at which it is to happen: of a simulated device when it was
    due, of a real one the present. Each raises `DeviceError` when the device does not answer,
    or not as it should.
    """

    capabilities: Capabilities

    @abstractmethod
    def program_refusals(self, programs: Sequence[StimProgram]) -> list[Refusal]:
        """Every limit that any of these programs passes."""

    @abstractmethod
    def upload(self, programs: Sequence[StimProgram], at_s: float) -> None:
        """Replace all the device holds."""

    @abstractmethod
    def memory(self, loaded: Sequence[StimProgram], at_s: float) -> tuple[StimProgram, ...]:
        """What the device says it holds, asked after these were loaded."""

    @abstractmethod
    def enable(self, at_s: float) -> None:
        """Get ready to fire, and make sure that the device listens."""

    @abstractmethod
    def watch(self, at_s: float) -> None:
        """Make sure that nothing is wrong with it, while armed and after each program."""

    @abstractmethod
    def fire(self, program: StimProgram, at_s: float) -> None:
        """Begin a program, and hear that it has begun."""

    @abstractmethod
    def halt(self, at_s: float) -> None:
        """Stop at once, and hear that it has stopped."""

    @abstractmethod
    def account(self, played: Accepted, at: int, reason: str) -> Delivery:
        """What became of a program that began: the device came to rest at a tick.

        `at` is its end or later when it was whole, and else where it was cut, with `reason`.
        """

    # What follows suits most.

    def reach(self, at_s: float) -> None:
        """Make sure that the device is there, and listens, before it is armed."""
        self.watch(at_s)

    def see_off(self, at_s: float) -> None:
        """Bring it to rest after a program."""
        self.watch(at_s)

    def halt_blindly(self, at_s: float) -> None:
        """Stop a device that may not listen; nothing is raised."""
        with suppress(DeviceError):
            self.halt(at_s)

    def recover(self, at_s: float) -> None:
        """Bring it to rest after a fault; what it held is uploaded anew after that."""
        self.halt(at_s)

    def ready_s(self, at_s: float) -> float:
        """When it can read a command, at the earliest."""
        return at_s

    def locked(self) -> Refusal | None:
        """Why it takes no trigger now."""
        return None

    def own_s(self, at_s: float) -> float:
        """The device's own time, where it tells one; else the host's."""
        return at_s

    def readings(self) -> tuple[Reading, ...]:
        """What it tells of itself in its status."""
        return ()

    def ticks_of(self, program: StimProgram) -> int:
        """How long a program lasts on its clock."""
        return Ticks(self.capabilities.timing_step_us).after(program.duration_s)

    @property
    def connected(self) -> bool:
        """Whether it has been reached so far."""
        return True
