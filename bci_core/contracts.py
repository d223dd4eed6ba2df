"""What each part must offer. Structural: nothing has to inherit from these.

A part is a class registered under an entry point (see `bci_core.registry`).
It has a class attribute `Settings`, a frozen pydantic model that forbids
unknown keys: the section of the rig file. `bci_core.testing` holds the
conformance checks, one function a contract.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from pydantic import BaseModel

from bci_core.capabilities import Capabilities, SoundCapabilities
from bci_core.chunk import Chunk, StreamInfo
from bci_core.clock import Clock
from bci_core.events import Acceptance, Decision, Delivery, Detection, Emission, Situation, Trigger
from bci_core.status import DeviceStatus, Impedance
from bci_core.stimulus import StimProgram


@dataclass(slots=True)
class AmplifierCounters:
    """What went through an amplifier, and what did not. Only ever counts up."""

    samples: int = 0
    lost: int = 0
    duplicates: int = 0
    clock_steps: int = 0


class Amplifier(Protocol):
    """What records.

    Life: ``__init__(settings, clock)`` → `describe` → `open` → `read`, again and
    again → `close`. `close` may be called at any time, more than once.

    One that answers to stimulation, as a simulated brain does, also has ``feel(emissions)``:
    it is handed what has left the stimulator, and what it gives from then on shows it. It may
    say ``feeling_read_s``, the longest wait of a `read` after which that does not come too late.

    A simulated one that knows what really happens in its signal may have ``truth()``: the
    events that are over since the last call, one a row of numbers, as ``truth_labels`` and
    ``truth_units`` say. The first label is ``event``, a code that ``truth_events`` names, and
    one is ``onset_s``. They are recorded as stream ``NAME-truth`` and as ``truth.csv``.
    """

    Settings: ClassVar[type[BaseModel]]
    counters: AmplifierCounters
    exhausted: bool
    """True once a source with an end (a recording) has given its last sample."""

    def __init__(self, settings: Any, clock: Clock) -> None: ...

    def describe(self) -> StreamInfo:
        """What `open` will stream, found without starting anything.

        Raises
        ------
        InputError
            The settings ask for a board, file, stream or channel that is not there.
        """
        ...

    def open(self) -> StreamInfo:
        """Start streaming.

        Raises
        ------
        DeviceError
            The device does not answer, or refuses.
        """
        ...

    def read(self, wait_s: float) -> Chunk | None:
        """The samples since the last call, waiting up to `wait_s` for the first.

        Microvolts, in order, each once, on the LSL clock; where samples were lost
        the times skip and `counters.lost` grows. None when there was nothing.

        Raises
        ------
        DeviceError
            The device stopped answering.
        """
        ...

    def close(self) -> None: ...


class Detector(Protocol):
    """Finds neural events. Causal, and blind to chunk borders (law 7).

    ``__init__(settings, info, lead_s)``: `lead_s` is how long before its target an
    event that is predicted must be announced, in seconds (measured by the session).
    It raises `ConfigError` for settings that the stream cannot satisfy: a channel
    that is not there, a band above Nyquist.

    It may also have ``outputs``, labels of what it knows at every sample, with ``output()``
    that gives their values after the last one (both are published and recorded), and
    ``predicts_blanks = True``, when it goes on by itself where `Chunk.flags` say blank and
    wants no bridge after that, and ``reads_counts = True``, when a channel may be silent and
    is not at fault.
    """

    Settings: ClassVar[type[BaseModel]]
    channels: tuple[int, ...]
    """Columns it reads."""

    def __init__(self, settings: Any, info: StreamInfo, lead_s: float) -> None: ...

    def update(self, chunk: Chunk) -> list[Detection]:
        """Advance by these samples; what was found in them, oldest first."""
        ...


class Policy(Protocol):
    """Says whether to act, and why not."""

    Settings: ClassVar[type[BaseModel]]

    def decide(self, detection: Detection, situation: Situation) -> Decision: ...


class StimProtocol(Protocol):
    """From a decision to triggers of programs that are already loaded.

    What it asks for follows from its settings and from the decisions it was given, in their
    order, and from nothing else: no clock, no device, no chance that is not seeded. So a
    recorded session, decided again, asks for the same.

    It may also have ``heed(decision)``, which returns nothing, when it has to hear of
    decisions that do not act: that an event has ended, that one was refused, and the time
    they tell. Each decision goes to either `plan` or ``heed``, once.
    """

    Settings: ClassVar[type[BaseModel]]

    def __init__(self, settings: Any) -> None: ...

    def programs(self) -> tuple[StimProgram, ...]:
        """Everything this protocol may ever ask for; checked before arming."""
        ...

    def plan(self, decision: Decision, next_seq: int) -> tuple[Trigger, ...]:
        """The triggers for one decision to act, numbered from `next_seq`.

        None is an answer too: the decision is then put down as refused by the protocol.
        """
        ...


class Stimulator(Protocol):
    """What stimulates. It trusts nobody: it checks everything again.

    Life: ``__init__(settings)`` → `load` → `arm` → `trigger`, again and again → `disarm`.

    Time is handed in, so the same driver runs live and on a virtual clock. The
    owner calls `advance` at `next_event_s` or earlier, and whenever it likes.

    A simulated device also has ``faults``, the switches of `bci_core.stimulator.faults` by which
    a bench breaks it; see ``docs/write-a-stimulator.md``.
    """

    Settings: ClassVar[type[BaseModel]]
    capabilities: Capabilities | SoundCapabilities

    def __init__(self, settings: Any) -> None: ...

    def load(self, programs: Sequence[StimProgram]) -> None:
        """Replace what the device holds. Only while disarmed.

        Raises
        ------
        SafetyError
            A program is over a limit of the device, or off its steps; nothing was loaded.
            All are named.
        DeviceError
            The device is armed, or failed.
        """
        ...

    def read_back(self) -> tuple[StimProgram, ...]:
        """What the device holds, by its own memory. The host compares before it arms.

        Raises
        ------
        DeviceError
            The device does not answer.
        """
        ...

    def arm(self, lease_s: float, now_s: float) -> None:
        """Accept triggers until `now_s` + `lease_s`, unless renewed.

        Raises
        ------
        SafetyError
            Nothing is loaded, the lease is over the limit, or a fault is latched.
        DeviceError
            The device does not answer.
        """
        ...

    def renew(self, now_s: float) -> bool:
        """Heartbeat: the lease starts anew. False when the device is not armed."""
        ...

    def trigger(self, trigger: Trigger, now_s: float) -> Acceptance | None:
        """Check a trigger and schedule it. None when the device's answer was lost."""
        ...

    def advance(self, now_s: float) -> list[Delivery]:
        """Let the device's time run on to `now_s`; what has ended since."""
        ...

    def next_event_s(self) -> float:
        """When `advance` will next have something to do; infinity when idle."""
        ...

    def disarm(self, reason: str, now_s: float) -> None:
        """Stop at once, in the middle of a phase if need be, and take no more triggers."""
        ...

    def disarmed_reason(self) -> str:
        """Why the device is not armed, or "" when it is."""
        ...

    def reset(self, now_s: float) -> None:
        """Clear a latched fault, deliberately. What follows is disarmed, not armed.

        Raises
        ------
        SafetyError
            Nothing is latched.
        DeviceError
            The fault is still there.
        """
        ...

    def status(self, now_s: float) -> DeviceStatus: ...

    def impedance(self, electrodes: Sequence[int], now_s: float) -> tuple[Impedance, ...]:
        """Measure electrodes, in the order asked. Only while disarmed.

        Raises
        ------
        DeviceError
            It is armed, has no such electrode, or cannot measure.
        """
        ...

    def emissions(self) -> list[Emission]:
        """What has physically left since the last call, in the order of its end.

        Empty for a device that cannot know, as a real one whose output nobody records.
        """
        ...


class StimulatorLink(Protocol):
    """The loop's end of the path to a stimulator, in this process or another."""

    def load(self, programs: Sequence[StimProgram]) -> Capabilities | SoundCapabilities:
        """Load, and compare with what the device then says it holds.

        Raises
        ------
        SafetyError
            As `Stimulator.load`, or the device holds something else than was sent.
        DeviceError, LinkError
        """
        ...

    def arm(self, lease_s: float) -> None: ...

    def renew(self) -> None:
        """Send a heartbeat. Does not wait."""
        ...

    def send(self, trigger: Trigger) -> float:
        """Send and return the time of sending. Does not wait."""
        ...

    def poll(self) -> list[Acceptance | Delivery]:
        """What the device has said since. Does not wait.

        Raises
        ------
        LinkError
            The stimulator is gone.
        """
        ...

    def disarm(self, reason: str) -> None: ...

    def reset(self) -> None: ...

    def disarmed_reason(self) -> str:
        """Why the device said it is not armed, or "" while it has not."""
        ...

    def poll_status(self) -> tuple[DeviceStatus, float, float] | None:
        """What the device has said of itself, when it was asked, and when its answer came.

        None when nothing has come since. Asks again once it has answered; does not wait.
        """
        ...

    def impedance(self, electrodes: Sequence[int]) -> tuple[Impedance, ...]: ...

    def close(self) -> None: ...
