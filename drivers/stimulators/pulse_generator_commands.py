"""The commands of the simulated Pulse Pal: what each reads, does and answers."""

from collections.abc import Callable, Generator
from dataclasses import replace
from typing import Final

from drivers.stimulators import pulse_generator_bytes as wire
from drivers.stimulators.pulse_generator_bank import OutputBank
from drivers.stimulators.pulse_generator_bytes import BoxParameters, FileDo, Op
from drivers.stimulators.pulse_generator_output import CustomTrain, PulseOutput

Reading = Generator[bool, int, int]
"""Asks for bytes, one at a time, saying whether it gives up if none comes."""

_VALID_FILE: Final = b"\xfc"
_FIRST_FILE: Final = b"default.pps"
_FALLBACK_FILE: Final = b"defaultSettings.pps"
_TOP: Final = b" PULSE PAL v2.0"
_BOTTOM: Final = b" Click for menu"


class Commands:
    """The box's command interpreter and what it writes to.

    Parameters
    ----------
    bank : OutputBank
    answer : callable
        Sends bytes to the host.

    Attributes
    ----------
    cycle : int
        The cycle on which the last byte was read.
    timed_out : bool
        A packet has stopped half way: what is missing of it counts as zeros.
    crashed : bool
        It has overwritten its own memory.
    connected : bool
        Between a handshake and op 81.
    screen : tuple of bytes
        Its two lines.
    files : dict of bytes to bytes
        Its settings files, by name.
    """

    def __init__(self, bank: OutputBank, answer: Callable[[bytes], None]) -> None:
        self.cycle = 0
        self.timed_out = False
        self.crashed = False
        self.connected = False
        self.screen = (_TOP, _BOTTOM)
        self.files = {_FIRST_FILE: wire.pack_file(bank.parameters) + _VALID_FILE}
        self._file = _FIRST_FILE
        self._bank = bank
        self._answer = answer
        self._nowhere = PulseOutput(bank.custom_trains)
        self._pins: dict[int, int] = {}

    def obey(self) -> Reading:
        """Read a command to its end and carry it out. An unknown one does nothing."""
        op = yield from self._byte()
        match op:
            case Op.HANDSHAKE:
                self.connected = True
                self._answer(wire.hello(wire.FIRMWARE))
            case Op.PROGRAM_ALL:
                yield from self._program_all()
            case Op.PROGRAM_ONE:
                yield from self._program_one()
            case Op.CUSTOM_TRAIN_1 | Op.CUSTOM_TRAIN_2:
                yield from self._program_custom(self._bank.custom_trains[op - Op.CUSTOM_TRAIN_1])
            case Op.TRIGGER:
                bits = yield from self._byte()
                self._bank.scheduled = {i for i in range(wire.N_OUTPUTS) if bits >> i & 1}
            case Op.DISPLAY:
                yield from self._display()
            case Op.FIXED_VOLTAGE:
                yield from self._fix_voltage()
            case Op.ABORT:
                self._bank.kill_all(self.cycle)
            case Op.DISCONNECT:
                self.connected = False
                self._bank.kill_all(self.cycle)
                self.screen = (_TOP, _BOTTOM)
            case Op.LOOP:
                yield from self._loop()
            case Op.READ_SETTINGS:
                content = self.files.get(self._file, b"")[: wire.FILE_SIZE]
                self._answer(content.ljust(wire.FILE_SIZE, b"\0"))
            case Op.WRITE_LINE:
                pin = yield from self._byte()
                self._pins[pin] = yield from self._byte()
            case Op.READ_LINE:
                pin = yield from self._byte()
                self._answer(bytes((self._pins.get(pin, 0) & 1,)))
            case Op.CLIENT_NAME:
                name = yield from self._text(6)
                self.screen = (name + b" Connected", _BOTTOM)
            case Op.SETTINGS_FILE:
                yield from self._settings_file()
        return 0

    def load_defaults(self) -> None:
        """What it does when it has lost its settings; they overwrite its settings file, too."""
        self._bank.program(BoxParameters())
        for output in self._bank.outputs:
            output.uses_bursts = False
        self._save()

    def _byte(self) -> Reading:
        if self.timed_out:
            return 0
        return (yield True)

    def _number(self, size: int) -> Reading:
        value = 0
        for place in range(size):
            value |= (yield from self._byte()) << (8 * place)
        return value

    def _text(self, length: int) -> Generator[bool, int, bytes]:
        text = bytearray()
        for _ in range(length):
            text.append((yield from self._byte()))
        return bytes(text)

    def _output(self, number: int) -> PulseOutput:
        """Beyond its four outputs the firmware writes into other memory; here nowhere."""
        if 1 <= number <= wire.N_OUTPUTS:
            return self._bank.outputs[number - 1]
        return self._nowhere

    def _program_all(self) -> Reading:
        payload = yield from self._text(wire.ALL_SIZE)
        self._bank.program(wire.unpack_all(payload))
        self._answer(wire.ACK)  # also when the end of the packet never came
        for output in self._bank.outputs:
            output.refresh_bursts()
            output.code = output.parameters.resting_code  # not written before the next train
        return 0

    def _program_one(self) -> Reading:
        parameter = yield from self._byte()
        channel = yield from self._byte()
        output = self._output(channel)
        if parameter in wire.PARAMETER_NAMES:
            value = yield from self._number(wire.PARAMETER_SIZES.get(parameter, 1))
            changed = {wire.PARAMETER_NAMES[parameter]: value}
            output.parameters = replace(output.parameters, **changed)
        elif parameter in (12, 13):
            self._link(parameter - 12, channel - 1, (yield from self._byte()))
        elif parameter == 128:
            mode = yield from self._byte()
            first, second = self._bank.input_modes
            self._bank.input_modes = (mode, second) if channel == 1 else (first, mode)
        if parameter < 14:
            output.refresh_bursts()
        if parameter == 17:
            output.code = output.parameters.resting_code
        self._answer(wire.ACK)
        return 0

    def _link(self, number: int, output: int, linked: int) -> None:
        links = [list(row) for row in self._bank.links]
        if 0 <= output < wire.N_OUTPUTS:
            links[number][output] = linked
        self._bank.links = (tuple(links[0]), tuple(links[1]))

    def _program_custom(self, train: CustomTrain) -> Reading:
        train.count = yield from self._number(4)
        if train.count > wire.MAX_CUSTOM_PULSES:
            self.crashed = True
            return 0
        for i in range(train.count):
            train.times[i] = yield from self._number(4)
        for i in range(train.count):
            train.codes[i] = yield from self._number(2)
        self._answer(wire.ACK)
        return 0

    def _display(self) -> Reading:
        length = yield from self._byte()
        text = yield from self._text(length)
        first, _, second = text.partition(b"\xfe")
        self.screen = (first, second)
        return 0

    def _fix_voltage(self) -> Reading:
        number = yield from self._byte()
        code = yield from self._number(2)
        if 1 <= number <= wire.N_OUTPUTS:
            self._bank.hold(number, code, self.cycle)
        self._answer(wire.ACK)
        return 0

    def _loop(self) -> Reading:
        number = yield from self._byte()
        output = self._output(number)
        output.looping = bool((yield from self._byte()))
        if 1 <= number <= wire.N_OUTPUTS:
            if output.looping:
                self._bank.scheduled.add(number - 1)
            else:
                self._bank.kill(number, self.cycle)
        self._answer(wire.ACK)
        return 0

    def _settings_file(self) -> Reading:
        # The one command that waits for its bytes without end.
        do = yield False
        length = yield False
        name = bytearray()
        for _ in range(length):
            name.append((yield False))
        self._file = bytes(name)
        match do:
            case FileDo.SAVE:
                self._save()
            case FileDo.LOAD:
                content = self.files.get(self._file, b"")
                if content[wire.FILE_SIZE :] == _VALID_FILE:
                    self._bank.program(wire.unpack_file(content[: wire.FILE_SIZE]))
                    self._answer(wire.pack_all(self._bank.parameters))
                else:
                    self.load_defaults()
                    self._file = _FALLBACK_FILE
            case FileDo.DELETE:
                self.files.pop(self._file, None)
        return 0

    def _save(self) -> None:
        self.files[self._file] = wire.pack_file(self._bank.parameters) + _VALID_FILE
