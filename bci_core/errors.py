"""Every error this package raises, as one tree.

::

    BciError
    ├── InputError            exit status 2: the user can mend it before anything starts
    │   ├── ConfigError       a rig file; carries every problem found, not only the first
    │   ├── UnknownNameError  a driver, detector, protocol or preset nobody registered
    │   ├── RecordingError    a recording that cannot be read as asked
    │   └── SessionError      a session folder that is missing, incomplete or altered
    ├── SafetyError           exit status 2: a program, limit or rig the safety layer refuses
    └── RunError              exit status 1: something failed while running
        ├── DeviceError       an amplifier or stimulator failed or refused
        ├── LinkError         the command path to a stimulator failed
        ├── StreamLostError   a sample stream ended or never appeared
        ├── LedgerError       the ledger could not be written; stimulation must end
        └── NodeError         a process of the session died or did not come up

A message says what was wrong, where, which limit, in which unit, and what to
do. Errors of libraries (pydantic, zmq, brainflow, OSError of a recording) are
translated where they arise; none reaches a caller.
"""

from collections.abc import Iterable
from dataclasses import dataclass


class BciError(Exception):
    """Root of the tree.

    Attributes
    ----------
    exit_status : int
        What the command line ends with when this error reaches it.
    """

    exit_status = 1


class InputError(BciError):
    """Something the user handed over is wrong. Nothing has been started."""

    exit_status = 2


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in one place.

    Attributes
    ----------
    where : str
        The dotted key, file and line, or row it was found at.
    message : str
        What is wrong, the limit with its unit, and what to write instead.
    line : int or None
        Line of the file, counted from 1, where it is known.
    """

    where: str
    message: str
    line: int | None = None

    def __str__(self) -> str:
        place = f"{self.where} (line {self.line})" if self.line is not None else self.where
        return f"{place}: {self.message}"


class ConfigError(InputError):
    """A rig file has mistakes; all of them are listed.

    Raised by `bci_core.config`. Mend every line of the message, then run
    ``bci check`` again.
    """

    def __init__(self, source: str, problems: Iterable[Problem]) -> None:
        self.source = source
        self.problems = tuple(problems)
        count = len(self.problems)
        head = f"{source}: {count} mistake{'s' if count != 1 else ''}"
        super().__init__("\n".join([head, *(f"  {p}" for p in self.problems)]))


class UnknownNameError(InputError):
    """A name no installed package registers; the message lists those that exist.

    Raised by `bci_core.registry` and `bci_core.config.presets`.
    """


class RecordingError(InputError):
    """A recording cannot be read as asked; the message names the file and the row.

    Raised by `bci_core.record.recording` and the ``recording`` amplifier.
    """


class SessionError(InputError):
    """A session folder is missing, incomplete, or does not verify.

    Raised by ``bci replay``, ``bci report`` and ``bci ledger verify``.
    """


class SafetyError(BciError):
    """The safety layer refuses; the message gives limit, value and unit of each.

    Raised by the static check before arming, and by a request to arm that the
    arming state machine does not grant. Never answered by clipping: lower the
    stimulus, or have the limit changed by whoever is entitled to.
    """

    exit_status = 2


class RunError(BciError):
    """Something failed while a session was running; stimulation has been disarmed."""


class DeviceError(RunError):
    """An amplifier or a stimulator failed, or refused what it was told.

    Raised by drivers. The message carries the device's own code where it has one.
    """


class LinkError(RunError):
    """The command path to the stimulator could not be opened, or was refused.

    Raised by `streams.command_link`: no answer in time, or a key that is not the
    one of this session.
    """


class StreamLostError(RunError):
    """A sample stream never appeared, or ended while it was needed.

    Raised by inlets. The loop answers it by disarming.
    """


class LedgerError(RunError):
    """The ledger could not be written, usually because the disk is full.

    Raised by `bci_core.record.ledger`. No log, no stimulation: the session
    disarms, says so, and keeps what was written.
    """


class NodeError(RunError):
    """A process of the session died, or did not become ready in time.

    Raised by the supervisor; the message names the node and repeats its last words.
    """
