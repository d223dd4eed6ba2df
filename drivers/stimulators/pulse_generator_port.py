"""The pulse generator's serial port, with a box at the other end or its simulator."""

import termios
from typing import Protocol
from weakref import finalize

import serial

from bci_core.errors import DeviceError
from bci_core.events import Emission
from drivers.stimulators import pulse_generator_bytes as wire
from drivers.stimulators.pulse_generator_bytes import Op

WRITE_TIMEOUT_S = 0.1
FAILURES = (OSError, termios.error)
"""Of a port, or of pyserial about it."""

_BAUD = 115_200  # USB has none, and the driver of the operating system asks for one

LET_GO = wire.packet(Op.ABORT) + wire.packet(Op.ABORT) + wire.packet(Op.DISCONNECT)
"""What a box is left with."""


class Port(Protocol):
    """What the driver needs of its port. Every method but `close` raises `DeviceError`."""

    def open(self, at_s: float) -> None: ...

    def send(self, data: bytes, at_s: float) -> None:
        """Hand bytes over, to leave at a time that has come."""
        ...

    def read(self, size: int, timeout_s: float) -> bytes:
        """Up to that many bytes, as many as come in time."""
        ...

    def waiting(self, at_s: float) -> int:
        """Bytes that have come and were not read."""
        ...

    def drain(self) -> None:
        """Forget them."""
        ...

    def sent_s(self, due_s: float, now_s: float) -> float:
        """When something leaves that was due at a time that has come."""
        ...

    def not_before_s(self) -> float:
        """When the box can read a command, at the earliest."""
        ...

    def untaken(self) -> int:
        """Bytes that were handed over and the box has not taken."""
        ...

    def tripped(self) -> str:
        """What an isolator has opened its output for, or "" where it has not, or cannot tell."""
        ...

    def own_s(self, now_s: float) -> float:
        """The box's own time, where it tells one; else the host's."""
        ...

    def emissions(self, now_s: float) -> list[Emission]: ...

    def close(self) -> None: ...


class SerialPort:
    """A real one, through pyserial.

    Parameters
    ----------
    path : str
        As the operating system calls it: ``/dev/ttyACM0``.
    write_timeout_s : float
        How long the line may take what is sent.
    """

    def __init__(self, path: str, write_timeout_s: float = WRITE_TIMEOUT_S) -> None:
        self._path = path
        self._write_timeout_s = write_timeout_s
        self._serial: serial.Serial | None = None
        self._hang_up: finalize[[serial.Serial], SerialPort] | None = None

    def open(self, at_s: float) -> None:  # noqa: ARG002
        self.close()
        try:
            opened = serial.Serial(
                self._path, _BAUD, timeout=0.0, write_timeout=self._write_timeout_s, exclusive=True
            )
        except (*FAILURES, ValueError) as error:
            raise DeviceError(
                f"the pulse generator's port {self._path!r} cannot be opened: {error}; is the "
                "box connected, and the port not in use?"
            ) from error
        self._serial = opened
        # Also when the process ends without having closed it.
        self._hang_up = finalize(self, let_go, opened)

    def send(self, data: bytes, at_s: float) -> None:  # noqa: ARG002 - it leaves now
        try:
            self._opened().write(data)
        except FAILURES as error:
            raise self._gone(error) from error

    def read(self, size: int, timeout_s: float) -> bytes:
        try:
            opened = self._opened()
            if opened.timeout != timeout_s:
                opened.timeout = timeout_s
            return bytes(opened.read(size))
        except FAILURES as error:
            raise self._gone(error) from error

    def waiting(self, at_s: float) -> int:  # noqa: ARG002
        try:
            return int(self._opened().in_waiting)
        except FAILURES as error:
            raise self._gone(error) from error

    def drain(self) -> None:
        try:
            self._opened().reset_input_buffer()
        except FAILURES as error:
            raise self._gone(error) from error

    def sent_s(self, due_s: float, now_s: float) -> float:
        return max(due_s, now_s)

    def not_before_s(self) -> float:
        return float("-inf")

    def untaken(self) -> int:
        try:
            return int(self._opened().out_waiting)
        except FAILURES as error:
            raise self._gone(error) from error

    def tripped(self) -> str:
        """A rig may have isolators that trip; no wire leads from them to here."""
        return ""

    def own_s(self, now_s: float) -> float:
        """The box tells no time."""
        return now_s

    def emissions(self, now_s: float) -> list[Emission]:  # noqa: ARG002
        """Nobody records what leaves a real box."""
        return []

    def close(self) -> None:
        if self._hang_up is not None:
            self._hang_up()
        self._serial = self._hang_up = None

    def _opened(self) -> serial.Serial:
        if self._serial is None:
            raise DeviceError(
                f"the pulse generator's port {self._path!r} is not open; load programs first"
            )
        return self._serial

    def _gone(self, error: Exception) -> DeviceError:
        return DeviceError(
            f"the pulse generator's port {self._path!r} failed: {error}; if the cable is out, the "
            "box plays its train to the end: it does not notice"
        )


def let_go(opened: serial.Serial) -> None:
    """Stop the box, tell it that its host leaves, and close the port, if it is still there."""
    try:
        opened.write(LET_GO)
    except (*FAILURES, ValueError):
        pass  # the cable is out: nothing can be told to the box
    finally:
        opened.close()
