"""Questions to the pulse generator's box, and answers that are exactly what was asked for."""

from contextlib import suppress

from bci_core.errors import DeviceError
from drivers.stimulators import pulse_generator_bytes as wire
from drivers.stimulators.pulse_generator_bytes import BoxParameters, FileDo, Op
from drivers.stimulators.pulse_generator_port import Port
from drivers.stimulators.pulse_generator_programs import AT_REST

FILE: bytes = b"bci.pps"
"""The settings file in which the box writes down what it holds, to be read back. It starts
with another, ``default.pps``."""

_UNSTICK = bytes((128,)) * wire.ALL_SIZE
"""Ends a packet that somebody has left half sent, before anything else does: the first byte of
a handshake, taken as the bits of a trigger, would start two outputs. 128 starts none, is no op
code, makes voltages of 0.04 V, and without a `wire.START` before it is nothing at all."""

_MOST_BYTES = 4096
_WHAT_TO_DO = "switch the box off and on, or press its joystick if its screen says so; then reset"


class BoxLine:
    """The box as its host sees it. Methods raise `DeviceError`.

    Parameters
    ----------
    port : Port
    answer_timeout_s, program_timeout_s : float

    Attributes
    ----------
    connected : bool
    answered_s : float
        When the box last answered; NaN before it has.
    """

    def __init__(self, port: Port, answer_timeout_s: float, program_timeout_s: float) -> None:
        self.port = port
        self.connected = False
        self.answered_s = float("nan")
        self._answer_timeout_s = answer_timeout_s
        self._program_timeout_s = program_timeout_s
        self._hello = b""

    def connect(self, at_s: float) -> None:
        """Open the port, and bring the box to rest, whatever it was doing."""
        self.connected = False
        self.port.open(at_s)
        self.port.send(_UNSTICK, at_s)
        # What it still says to somebody else.
        self.port.read(_MOST_BYTES, self._program_timeout_s)
        self.port.send(wire.packet(Op.HANDSHAKE), at_s)
        hello = self.port.read(len(wire.hello(0)), self._program_timeout_s)
        if len(hello) != len(wire.hello(0)) or hello[0] != wire.HELLO:
            raise _wrong(Op.HANDSHAKE, hello, len(wire.hello(0)))
        firmware = int.from_bytes(hello[1:], "little")
        if firmware < wire.FIRST_FIRMWARE_OF_MODEL_2:
            raise DeviceError(
                f"the box has firmware {firmware}, of the first model, whose amplitudes have 8 "
                "bits; this driver is for Pulse Pal 2, firmware 20 or later"
            )
        self._hello, self.connected = hello, True
        self.port.send(wire.client_name(b"BCI"), at_s)
        # An abort goes to the resting voltage, so that is set first.
        self.program(AT_REST, at_s)
        for output in range(1, wire.N_OUTPUTS + 1):
            # Somebody may have left it looping without end; no other parameter says so.
            self._ask(wire.packet(Op.LOOP, output, 0), Op.LOOP, wire.ACK, at_s)
        self.stop(at_s)

    def program(self, parameters: BoxParameters, at_s: float) -> None:
        """Replace all the box holds."""
        self._ask(wire.program_all(parameters), Op.PROGRAM_ALL, wire.ACK, at_s)

    def memory(self, at_s: float) -> BoxParameters:
        """What the box holds: it writes that down on its card, and reads it out."""
        self.port.send(wire.settings_file(FileDo.SAVE, FILE), at_s)
        self.port.send(wire.packet(Op.READ_SETTINGS), at_s)
        content = self.port.read(wire.FILE_SIZE, self._program_timeout_s)
        if len(content) != wire.FILE_SIZE:
            raise _wrong(Op.READ_SETTINGS, content, wire.FILE_SIZE)
        self.answered_s = at_s
        return wire.unpack_file(content)

    def trigger(self, outputs: tuple[int, ...], at_s: float) -> None:
        """Start trains. The box does not answer that, so a handshake follows, which it does."""
        start = wire.soft_trigger(outputs) + wire.packet(Op.HANDSHAKE)
        self._ask(start, Op.TRIGGER, self._hello, at_s)

    def rest(self, at_s: float) -> None:
        """See a train off: no output stays on, and the box has heard all before this."""
        self._halt(1, at_s)

    def stop(self, at_s: float) -> None:
        """Abort, twice: a train triggered in the cycle before an abort begins all the same."""
        self._halt(2, at_s)

    def stop_blindly(self, at_s: float) -> None:
        """Abort a box that may not listen; nothing is raised."""
        with suppress(DeviceError):
            self.port.send(wire.packet(Op.ABORT) * 2, at_s)
            self.port.drain()

    def greet(self, at_s: float) -> None:
        """Make sure that the box listens."""
        self._ask(wire.packet(Op.HANDSHAKE), Op.HANDSHAKE, self._hello, at_s)

    def quiet(self, at_s: float) -> None:
        """Make sure that the line is there, and that nothing has come unasked or tripped."""
        waiting = self.port.waiting(at_s)
        if waiting:
            self.port.drain()
            raise _unasked(waiting)
        self._not_tripped()

    def reach(self, at_s: float) -> None:
        """Make sure that the line is there, and that the box takes what it is sent."""
        self.port.waiting(at_s)
        untaken = self.port.untaken()
        if untaken:
            raise DeviceError(
                f"the box has not taken {untaken} bytes it was sent: it is locked; {_WHAT_TO_DO}"
            )

    def close(self) -> None:
        """Let the box go."""
        self.connected = False
        self.port.close()

    def _halt(self, aborts: int, at_s: float) -> None:
        stray = self.port.waiting(at_s)
        self.port.drain()  # whatever that was, the abort comes first
        self.port.send(wire.packet(Op.ABORT) * aborts + wire.packet(Op.HANDSHAKE), at_s)
        self._expect(Op.ABORT, self._hello, self._answer_timeout_s, at_s)
        if stray:
            raise _unasked(stray)
        self._not_tripped()

    def _not_tripped(self) -> None:
        tripped = self.port.tripped()
        if tripped:
            raise DeviceError(f"an isolator has opened its output: {tripped}; find out why, reset")

    def _ask(self, packet: bytes, op: Op, expected: bytes, at_s: float) -> None:
        self.quiet(at_s)
        self.port.send(packet, at_s)
        programs = op in (Op.PROGRAM_ALL, Op.LOOP)
        timeout_s = self._program_timeout_s if programs else self._answer_timeout_s
        self._expect(op, expected, timeout_s, at_s)

    def _expect(self, op: Op, expected: bytes, timeout_s: float, at_s: float) -> None:
        answer = self.port.read(len(expected), timeout_s)
        if answer != expected:
            raise _wrong(op, answer, len(expected))
        self.answered_s = at_s


def _unasked(count: int) -> DeviceError:
    return DeviceError(
        f"the box has sent {count} bytes nobody asked for: what it does is not known; {_WHAT_TO_DO}"
    )


def _wrong(op: Op, answer: bytes, size: int) -> DeviceError:
    if len(answer) < size:
        found = f"answered {len(answer)} of {size} bytes in time"
    else:
        found = f"answered {answer[:8].hex(' ')}"
    return DeviceError(
        f"the box {found} to op code {op.value} ({op.name.lower()}); it may have read half of it, "
        f"so what it holds is not known; {_WHAT_TO_DO}"
    )
