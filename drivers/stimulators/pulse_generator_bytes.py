"""The bytes that Pulse Pal 2 understands, and those it answers with.

Each packet is the byte 213, an op code, and what that op code takes; numbers are little
endian. The box has no way to refuse: it acknowledges, answers, or is silent.

References
----------
Sanworks, Pulse Pal firmware 2.0.1 and its Python interface, github.com/sanworks/PulsePal.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

START: Final = 213
"""First byte of every packet."""

ACK: Final = b"\x01"
HELLO: Final = 75
"""First byte of the answer to a handshake; four bytes of firmware number follow."""

FIRST_FIRMWARE_OF_MODEL_2: Final = 20
"""Lower numbers are the first model's, whose amplitudes have 8 bits."""

FIRMWARE: Final = 21
"""Of 2.0.1, which the simulated box says it has."""

N_OUTPUTS, N_INPUTS, N_CUSTOM_TRAINS = 4, 2, 2
MAX_CUSTOM_PULSES: Final = 5001
CYCLE_US: Final = 50.0
MAX_CYCLES: Final = 72_000_000
"""3600 s, the longest duration its own menu offers."""

ZERO: Final = 32_768
"""Code of the converter for 0 V; it has 16 bits over +-10 V."""

VOLTS_A_CODE: Final = 20.0 / 65_536


class Op(IntEnum):
    """Op codes. 83 and 84 were the first model's memory and mean nothing to the second."""

    HANDSHAKE = 72
    PROGRAM_ALL = 73
    PROGRAM_ONE = 74
    CUSTOM_TRAIN_1 = 75
    CUSTOM_TRAIN_2 = 76
    TRIGGER = 77
    DISPLAY = 78
    FIXED_VOLTAGE = 79
    ABORT = 80
    DISCONNECT = 81
    LOOP = 82
    READ_SETTINGS = 85
    WRITE_LINE = 86
    READ_LINE = 87
    CLIENT_NAME = 89
    SETTINGS_FILE = 90


class FileDo(IntEnum):
    """What op code 90 does with a settings file."""

    SAVE = 1
    LOAD = 2
    DELETE = 3


@dataclass(frozen=True, slots=True)
class OutputParameters:
    """What one output is programmed with; durations in cycles, voltages as converter codes.

    The default is what the box loads when it has lost its settings.
    """

    phase1: int = 2
    interphase: int = 2
    phase2: int = 2
    interpulse: int = 20
    burst: int = 0
    interburst: int = 0
    train: int = 20_000
    delay: int = 0
    phase1_code: int = 49_152
    phase2_code: int = 16_384
    resting_code: int = ZERO
    biphasic: int = 0
    custom_train: int = 0
    custom_target: int = 0
    custom_loop: int = 0

    @property
    def durations(self) -> tuple[int, ...]:
        """In the order of the packets and of the settings file."""
        return (
            self.phase1,
            self.interphase,
            self.phase2,
            self.interpulse,
            self.burst,
            self.interburst,
            self.train,
            self.delay,
        )

    @property
    def codes(self) -> tuple[int, int, int]:
        return (self.phase1_code, self.phase2_code, self.resting_code)

    @property
    def modes(self) -> tuple[int, int, int, int]:
        return (self.biphasic, self.custom_train, self.custom_target, self.custom_loop)


@dataclass(frozen=True, slots=True)
class BoxParameters:
    """All a box is programmed with.

    Attributes
    ----------
    outputs : tuple of OutputParameters
        Of outputs 1 to 4.
    links : tuple of tuple of int
        For each trigger input, which outputs it fires. The default lets input 1 fire all.
    input_modes : tuple of int
        0 normal, 1 toggle, 2 gated.
    """

    outputs: tuple[OutputParameters, ...] = field(default=(OutputParameters(),) * N_OUTPUTS)
    links: tuple[tuple[int, ...], ...] = ((1, 1, 1, 1), (0, 0, 0, 0))
    input_modes: tuple[int, int] = (0, 0)


_ALL = struct.Struct("<32I12H16B8B2B")
_FILE_OUTPUT = struct.Struct("<8IB3H3B")
_FILE_INPUT = struct.Struct("<5B")
ALL_SIZE: Final = _ALL.size
FILE_SIZE: Final = N_OUTPUTS * _FILE_OUTPUT.size + N_INPUTS * _FILE_INPUT.size
"""178 bytes both, in different orders."""

PARAMETER_SIZES: Final = dict.fromkeys((2, 3, 17), 2) | dict.fromkeys(range(4, 12), 4)
"""Bytes of a value by its parameter number, where that is not 1."""

PARAMETER_NAMES: Final = {
    1: "biphasic",
    2: "phase1_code",
    3: "phase2_code",
    4: "phase1",
    5: "interphase",
    6: "phase2",
    7: "interpulse",
    8: "burst",
    9: "interburst",
    10: "train",
    11: "delay",
    14: "custom_train",
    15: "custom_target",
    16: "custom_loop",
    17: "resting_code",
}
"""Parameters of an output by their numbers; 12 and 13 link the inputs, 128 is an input's mode."""


def packet(op: int, *payload: int) -> bytes:
    """An op code with single bytes."""
    return bytes((START, op, *payload))


def program_all(parameters: BoxParameters) -> bytes:
    """Op 73. Answered by `ACK`."""
    return packet(Op.PROGRAM_ALL) + pack_all(parameters)


def pack_all(parameters: BoxParameters) -> bytes:
    """Every parameter in the order of op 73, which op 90 answers in, too."""
    outputs = parameters.outputs
    return _ALL.pack(
        *(value for output in outputs for value in output.durations),
        *(value for output in outputs for value in output.codes),
        *(value for output in outputs for value in output.modes),
        *(link for links in parameters.links for link in links),
        *parameters.input_modes,
    )


def unpack_all(payload: bytes) -> BoxParameters:
    """What `pack_all` packed."""
    values = _ALL.unpack(payload)
    outputs = tuple(
        OutputParameters(
            *values[8 * i : 8 * i + 8],
            *values[32 + 3 * i : 35 + 3 * i],
            *values[44 + 4 * i : 48 + 4 * i],
        )
        for i in range(N_OUTPUTS)
    )
    return BoxParameters(outputs, (values[60:64], values[64:68]), (values[68], values[69]))


def pack_file(parameters: BoxParameters) -> bytes:
    """Every parameter in the order of the settings file."""
    parts = [
        _FILE_OUTPUT.pack(
            *output.durations,
            output.biphasic,
            *output.codes,
            output.custom_train,
            output.custom_target,
            output.custom_loop,
        )
        for output in parameters.outputs
    ]
    for links, mode in zip(parameters.links, parameters.input_modes, strict=True):
        parts.append(_FILE_INPUT.pack(mode, *links))
    return b"".join(parts)


def unpack_file(content: bytes) -> BoxParameters:
    """What `pack_file` packed."""
    border = N_OUTPUTS * _FILE_OUTPUT.size
    outputs = [
        OutputParameters(*(values[:8] + values[9:12] + values[8:9] + values[12:]))
        for values in _FILE_OUTPUT.iter_unpack(content[:border])
    ]
    inputs = list(_FILE_INPUT.iter_unpack(content[border:]))
    return BoxParameters(
        tuple(outputs), tuple(each[1:] for each in inputs), (inputs[0][0], inputs[1][0])
    )


def program_one(parameter: int, channel: int, value: int) -> bytes:
    """Op 74. Answered by `ACK`."""
    size = PARAMETER_SIZES.get(parameter, 1)
    return packet(Op.PROGRAM_ONE, parameter, channel) + value.to_bytes(size, "little")


def custom_train(number: int, times: Sequence[int], codes: Sequence[int]) -> bytes:
    """Op 75 or 76: pulses at times of their own, in cycles. Answered by `ACK`."""
    op = Op.CUSTOM_TRAIN_1 if number == 1 else Op.CUSTOM_TRAIN_2
    count = len(times)
    return packet(op) + struct.pack(f"<I{count}I{len(codes)}H", count, *times, *codes)


def soft_trigger(outputs: Sequence[int]) -> bytes:
    """Op 77. Not answered."""
    return packet(Op.TRIGGER, sum(1 << (output - 1) for output in outputs))


def display(text: bytes) -> bytes:
    """Op 78; 254 breaks the line. Not answered."""
    return packet(Op.DISPLAY, len(text)) + text


def fixed_voltage(output: int, code: int) -> bytes:
    """Op 79. Answered by `ACK`."""
    return packet(Op.FIXED_VOLTAGE, output) + code.to_bytes(2, "little")


def client_name(name: bytes) -> bytes:
    """Op 89: six letters for its display. Not answered."""
    return packet(Op.CLIENT_NAME) + name.ljust(6)[:6]


def settings_file(do: FileDo, name: bytes) -> bytes:
    """Op 90. Only a file that could be loaded is answered, by its content as in op 73."""
    return packet(Op.SETTINGS_FILE, do, len(name)) + name


def hello(firmware: int) -> bytes:
    """The answer to a handshake."""
    return bytes((HELLO,)) + firmware.to_bytes(4, "little")
