"""What Pulse Pal is told, byte by byte: whatever it is programmed with survives the line."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.stimulators import pulse_generator_bytes as wire
from drivers.stimulators.pulse_generator_box import PulseGeneratorBox
from drivers.stimulators.pulse_generator_bytes import BoxParameters, FileDo, Op, OutputParameters

LONG, SHORT, BYTE = st.integers(0, 2**32 - 1), st.integers(0, 2**16 - 1), st.integers(0, 255)
OUTPUT = st.builds(
    OutputParameters,
    **dict.fromkeys(
        ["phase1", "interphase", "phase2", "interpulse", "burst", "interburst", "train", "delay"],
        LONG,
    ),
    **dict.fromkeys(["phase1_code", "phase2_code", "resting_code"], SHORT),
    **dict.fromkeys(["biphasic", "custom_train", "custom_target", "custom_loop"], BYTE),
)
LINKS = st.tuples(*[BYTE] * 4)
BOX = st.builds(
    BoxParameters,
    outputs=st.tuples(*[OUTPUT] * 4),
    links=st.tuples(LINKS, LINKS),
    input_modes=st.tuples(BYTE, BYTE),
)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(BOX)
def test_parameters_survive_both_orders_of_bytes(box: BoxParameters) -> None:
    assert wire.unpack_all(wire.pack_all(box)) == box
    assert wire.unpack_file(wire.pack_file(box)) == box


@settings(max_examples=30, deadline=None, derandomize=True)
@given(BOX)
def test_the_box_holds_what_it_was_sent_at_once_and_reads_it_back(box: BoxParameters) -> None:
    device = PulseGeneratorBox()
    device.receive(wire.program_all(box), 0)
    device.receive(wire.settings_file(FileDo.SAVE, b"held.pps"), 1)
    device.receive(wire.packet(Op.READ_SETTINGS), 2)
    device.run(5)
    (_, ack), (_, content) = device.answers()
    assert ack == wire.ACK
    assert device.bank.parameters == wire.unpack_file(content) == box


@settings(max_examples=30, deadline=None, derandomize=True)
@given(BOX)
def test_the_box_holds_what_it_was_sent_one_by_one(box: BoxParameters) -> None:
    device = PulseGeneratorBox()
    for channel, output in enumerate(box.outputs, start=1):
        for number, name in wire.PARAMETER_NAMES.items():
            device.receive(wire.program_one(number, channel, getattr(output, name)), 0)
        for i in (0, 1):
            device.receive(wire.program_one(12 + i, channel, box.links[i][channel - 1]), 0)
    for channel, mode in enumerate(box.input_modes, start=1):
        device.receive(wire.program_one(128, channel, mode), 0)
    device.run(200)
    assert device.bank.parameters == box
    assert [data for _, data in device.answers()] == [wire.ACK] * 70


def test_packets_are_as_the_maker_writes_them() -> None:
    assert wire.packet(Op.HANDSHAKE) == bytes([213, 72])
    assert wire.soft_trigger((1, 4)) == bytes([213, 77, 0b1001])
    assert wire.program_one(4, 2, 20) == bytes([213, 74, 4, 2, 20, 0, 0, 0])
    assert wire.program_one(2, 1, 49_152) == bytes([213, 74, 2, 1, 0, 192])
    assert wire.custom_train(2, [0, 5], [1, 2]) == bytes(
        [213, 76, 2, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 1, 0, 2, 0]
    )
    assert wire.fixed_voltage(3, 0x8001) == bytes([213, 79, 3, 1, 128])
    assert wire.display(b"hi") == bytes([213, 78, 2]) + b"hi"
    assert wire.client_name(b"BCI") == bytes([213, 89]) + b"BCI   "
    assert wire.settings_file(FileDo.LOAD, b"a.pps") == bytes([213, 90, 2, 5]) + b"a.pps"
    assert len(wire.program_all(BoxParameters())) == 180
    assert wire.hello(21) == bytes([75, 21, 0, 0, 0])
    assert replace(OutputParameters(), phase1=3).durations[0] == 3
