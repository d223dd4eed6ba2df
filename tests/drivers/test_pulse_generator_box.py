"""The simulated Pulse Pal against what its firmware does: every op code, every trap."""

from dataclasses import replace
from math import inf

import pytest

from drivers.stimulators import pulse_generator_bytes as wire
from drivers.stimulators.pulse_generator_bank import Spell
from drivers.stimulators.pulse_generator_box import (
    PAUSE_AFTER_CLICK,
    READ_TIMEOUT,
    RELOAD,
    Health,
    PulseGeneratorBox,
)
from drivers.stimulators.pulse_generator_bytes import (
    ZERO,
    BoxParameters,
    FileDo,
    Op,
    OutputParameters,
)

LOW, HIGH = ZERO - 1000, ZERO + 1000
PULSES = OutputParameters(
    phase1=2,
    interphase=1,
    phase2=3,
    interpulse=4,
    train=16,  # two pulses
    phase1_code=LOW,
    phase2_code=HIGH,
    biphasic=1,
)
START = 2
"""From the cycle in which a trigger is read to the output."""


def box_with(output: OutputParameters = PULSES, **more: object) -> PulseGeneratorBox:
    """Outputs 1 to 3 play it, output 4 is at rest."""
    silent = replace(output, phase1_code=ZERO, phase2_code=ZERO)
    parameters = BoxParameters((output, output, output, silent), **more)  # type: ignore[arg-type]
    box = PulseGeneratorBox(parameters)
    box.receive(wire.program_all(parameters), 0)
    box.run(1)
    assert box.answers() == [(0, wire.ACK)]
    return box


def spells(box: PulseGeneratorBox, until: int) -> list[tuple[int, int, int]]:
    """Onset, offset and code of output 1, whole and up to a cycle."""
    box.run(until)
    return [(s.onset, s.offset, s.code) for s in box.bank.spells(until, inf) if s.output == 1]


def played(output: OutputParameters, cycles: int = 200) -> list[tuple[int, int, int]]:
    """What a trigger makes of it, from the first possible cycle."""
    box = box_with(output)
    box.receive(wire.soft_trigger((1,)), 10)
    box.run(10 + cycles)
    found = box.bank.spells(10 + cycles, 0)
    return [(s.onset - 10 - START, s.offset - 10 - START, s.code) for s in found if s.output == 1]


def answers(box: PulseGeneratorBox, data: bytes, at: int = 10, until: int = 2000) -> bytes:
    box.receive(data, at)
    box.run(until)
    return b"".join(answer for _, answer in box.answers())


def test_handshake_tells_the_firmware() -> None:
    box = PulseGeneratorBox()
    assert answers(box, wire.packet(Op.HANDSHAKE)) == bytes([75, 21, 0, 0, 0])
    assert box.commands.connected


def test_a_biphasic_train() -> None:
    assert played(PULSES) == [(0, 2, LOW), (3, 6, HIGH), (10, 12, LOW), (13, 16, HIGH)]


def test_a_delay_comes_before_a_train() -> None:
    assert played(replace(PULSES, delay=7))[0] == (7, 9, LOW)


def test_phases_and_pulses_that_touch() -> None:
    touching = replace(PULSES, interphase=0, interpulse=0, train=10)
    assert played(touching) == [(0, 2, LOW), (2, 5, HIGH), (5, 7, LOW), (7, 10, HIGH)]


def test_a_monophasic_train_and_one_that_is_cut_by_its_end() -> None:
    mono = replace(PULSES, biphasic=0, train=13)
    assert played(mono) == [(0, 2, LOW), (6, 8, LOW), (12, 13, LOW)]


def test_a_duration_of_zero_is_missed_and_the_output_stays_until_the_end() -> None:
    assert played(replace(PULSES, phase1=0)) == [(0, 16, LOW)]


def test_bursts() -> None:
    bursts = replace(PULSES, biphasic=0, interpulse=1, burst=6, interburst=10, train=30)
    # The next burst begins with a pulse of its own.
    assert played(bursts) == [(0, 2, LOW), (3, 5, LOW), (16, 18, LOW), (19, 21, LOW)]


def test_a_burst_too_short_for_a_pulse_is_on_all_the_same() -> None:
    short = replace(PULSES, burst=2, interburst=5, train=4)
    assert played(short)[0] == (0, 2, LOW)


CUSTOM = replace(PULSES, custom_train=1, phase1=2, train=100)


def custom(
    output: OutputParameters, times: list[int], codes: list[int], number: int = 1
) -> list[tuple[int, int, int]]:
    box = box_with(output)
    box.receive(wire.custom_train(number, times, codes), 5)
    box.receive(wire.soft_trigger((1,)), 10)
    box.run(300)
    assert box.answers() == [(5, wire.ACK)]
    return [
        (s.onset - 10 - START, s.offset - 10 - START, s.code)
        for s in box.bank.spells(300, 0)
        if s.output == 1
    ]


@pytest.mark.parametrize("number", [1, 2])
def test_custom_pulses_with_their_mirror_image(number: int) -> None:
    output = replace(CUSTOM, custom_train=number)
    assert custom(output, [0, 20], [LOW, LOW - 5], number) == [
        (0, 2, LOW),
        (3, 6, HIGH),
        (20, 22, LOW - 5),
        (23, 26, HIGH + 5),
    ]


def test_custom_pulses_with_touching_phases() -> None:
    assert custom(replace(CUSTOM, interphase=0), [3], [LOW]) == [(3, 5, LOW), (5, 8, HIGH)]


def test_custom_monophasic_pulses_touch_when_closer_than_they_are_long() -> None:
    mono = replace(CUSTOM, biphasic=0)
    assert custom(mono, [0, 2, 10], [LOW, HIGH, LOW]) == [(0, 2, LOW), (2, 4, HIGH), (10, 12, LOW)]


def test_custom_pulses_loop_until_the_train_is_over() -> None:
    looped = replace(CUSTOM, biphasic=0, custom_loop=1, train=24)
    assert custom(looped, [0, 6], [LOW, HIGH]) == [
        (0, 2, LOW),
        (6, 8, HIGH),
        (8, 10, LOW),
        (14, 16, HIGH),
        (16, 18, LOW),
        (22, 24, HIGH),
    ]
    # Pulses that touch go round, too.
    wave = custom(replace(looped, train=8), [0, 2], [LOW, HIGH])
    assert wave[:2] == [(0, 2, LOW), (2, 4, HIGH)]


def test_custom_loop_of_touching_pulses() -> None:
    looped = replace(CUSTOM, biphasic=0, custom_loop=1, train=30)
    wave = custom(looped, [0, 2, 4], [LOW, HIGH, LOW])
    assert wave[:3] == [(0, 2, LOW), (2, 4, HIGH), (4, 8, LOW)]


def test_custom_bursts() -> None:
    bursts = replace(CUSTOM, custom_target=1, burst=12, interburst=1, train=100)
    first = [(0, 2, LOW), (3, 6, HIGH)]
    second = [(40, 42, LOW - 5), (43, 46, HIGH + 5)]
    assert custom(bursts, [0, 40], [LOW, LOW - 5])[:2] == first
    assert [w for w in custom(bursts, [0, 40], [LOW, LOW - 5]) if w[0] >= 40][:2] == second
    # Monophasic, within bursts.
    mono = custom(replace(bursts, biphasic=0), [0, 40], [LOW, HIGH])
    assert mono[:2] == [(0, 2, LOW), (6, 8, LOW)]


def test_bursts_go_on_where_a_custom_train_is_chosen_without_the_rest() -> None:
    # The firmware looks at its bursts anew only when it is told of another parameter.
    box = box_with(replace(PULSES, biphasic=0, interpulse=1, burst=5, interburst=10, train=60))
    box.receive(wire.program_one(14, 1, 1), 5)
    box.receive(wire.custom_train(1, [1, 4], [LOW, HIGH]), 6)
    box.receive(wire.soft_trigger((1,)), 10)
    assert [s[:2] for s in spells(box, 200)] == [(13, 15), (16, 17)]


@pytest.mark.parametrize("train", [0, 3])
def test_bursts_of_a_train_that_there_is_not(train: int) -> None:
    odd = replace(PULSES, custom_train=train, custom_target=1, burst=12, interburst=9, train=50)
    wave = played(odd)
    assert all(offset <= 50 for _, offset, _ in wave)


def test_a_custom_train_without_pulses_or_from_nowhere_ends() -> None:
    for biphasic in (0, 1):
        none = replace(CUSTOM, biphasic=biphasic, train=60)
        # The first code of the empty memory is the lowest; a monophasic train ends before it.
        assert len(custom(none, [], [])) <= 1
        nowhere = custom(replace(none, custom_train=9, custom_loop=1), [], [])
        assert all(offset <= 60 for _, offset, _ in nowhere)


def test_a_custom_train_longer_than_the_memory_ends_the_box() -> None:
    box = box_with()
    box.receive(wire.packet(Op.CUSTOM_TRAIN_1) + (6000).to_bytes(4, "little"), 10)
    assert answers(box, wire.packet(Op.HANDSHAKE), 20) == b""
    assert box.health is Health.CRASHED
    box.click(3000)
    assert box.health is Health.CRASHED


def test_soft_trigger_is_silent_and_takes_two_cycles() -> None:
    box = box_with()
    assert answers(box, wire.soft_trigger((1, 3))) == b""
    onsets = {s.output: s.onset for s in reversed(box.bank.spells(2000, 0))}
    assert onsets == {1: 12, 3: 12}


def test_a_trigger_of_a_busy_output_is_remembered_and_abort_does_not_forget_it() -> None:
    box = box_with()
    box.receive(wire.soft_trigger((1,)), 10)
    box.receive(wire.soft_trigger((1,)), 15)
    assert [onset for onset, _, code in spells(box, 100) if code == LOW] == [12, 22, 29, 39]
    box.receive(wire.soft_trigger((1,)), 110)
    box.receive(wire.soft_trigger((1,)), 112)
    box.receive(wire.packet(Op.ABORT), 115)
    assert [onset for onset, _, code in spells(box, 200) if code == LOW] == [112, 116, 126]


def test_abort_is_silent_and_a_train_triggered_one_cycle_before_begins_all_the_same() -> None:
    box = box_with()
    box.receive(wire.soft_trigger((1,)), 10)
    assert answers(box, wire.packet(Op.ABORT), 13, until=50) == b""
    assert spells(box, 60) == [(12, 13, LOW)]
    box.receive(wire.soft_trigger((1,)) + wire.packet(Op.ABORT), 60)
    assert len(spells(box, 100)) == 4
    box.receive(wire.soft_trigger((1,)) + wire.packet(Op.ABORT) * 2, 100)
    assert spells(box, 200) == []
    assert not box.bank.busy


def test_disconnect_aborts() -> None:
    box = box_with()
    answers(box, wire.packet(Op.HANDSHAKE) + wire.client_name(b"ABCDEF"), 10, until=12)
    assert box.commands.screen[0] == b"ABCDEF Connected"
    box.receive(wire.soft_trigger((1,)), 20)
    assert answers(box, wire.packet(Op.DISCONNECT), 23, until=50) == b""
    assert spells(box, 60) == [(22, 23, LOW)]
    assert not box.commands.connected
    assert b"PULSE PAL" in box.commands.screen[0]


def test_a_pulled_cable_is_not_noticed() -> None:
    box = box_with()
    box.receive(wire.soft_trigger((1,)), 10)
    assert len(spells(box, 10_000)) == 4


def test_display() -> None:
    box = box_with()
    assert answers(box, wire.display(b"one\xfetwo")) == b""
    assert box.commands.screen == (b"one", b"two")


def test_a_fixed_voltage_stays_until_an_abort() -> None:
    box = box_with()
    assert answers(box, wire.fixed_voltage(2, HIGH), 10, until=300) == wire.ACK
    assert box.bank.code(2) == HIGH
    assert box.bank.spells(300, 100) == [Spell(10, 300, 2, HIGH)]
    box.receive(wire.packet(Op.ABORT), 400)
    box.run(500)
    assert box.bank.spells(500, 0) == [Spell(300, 400, 2, HIGH)]
    assert answers(box, wire.fixed_voltage(7, HIGH), 600) == wire.ACK
    assert [box.bank.code(i) for i in (1, 2, 3, 4)] == [ZERO] * 4


def test_a_resting_voltage_is_written_with_the_next_change_only() -> None:
    box = box_with()
    assert answers(box, wire.program_one(17, 1, HIGH), 10, until=20) == wire.ACK
    assert box.bank.code(1) == ZERO
    box.receive(wire.packet(Op.ABORT), 30)
    box.run(40)
    assert box.bank.code(1) == HIGH


def test_a_loop_goes_on_until_it_is_switched_off() -> None:
    box = box_with()
    assert answers(box, wire.packet(Op.LOOP, 1, 1), 10, until=15_000) == wire.ACK
    assert box.bank.busy
    assert answers(box, wire.packet(Op.LOOP, 1, 0), 15_000, until=15_001) == wire.ACK
    assert not box.bank.busy
    assert answers(box, wire.packet(Op.LOOP, 9, 1), 15_010, until=15_100) == wire.ACK
    assert not box.bank.busy


def test_programming_an_output_that_is_not_there_is_acknowledged() -> None:
    box = box_with()
    before = box.bank.parameters
    for at, parameter in ((10, 4), (20, 12), (30, 17)):
        assert answers(box, wire.program_one(parameter, 0, 1), at, until=at + 1) == wire.ACK
    assert box.bank.parameters == before
    assert answers(box, wire.packet(Op.PROGRAM_ONE, 99, 1), 110) == wire.ACK


def test_lines_are_written_and_read() -> None:
    box = box_with()
    assert answers(box, wire.packet(Op.READ_LINE, 5)) == b"\0"
    assert answers(box, wire.packet(Op.WRITE_LINE, 5, 1), 3000, 4000) == b""
    assert answers(box, wire.packet(Op.READ_LINE, 5), 5000, 6000) == b"\1"


def test_settings_files_are_saved_loaded_and_deleted() -> None:
    box = box_with()
    held = box.bank.parameters
    assert answers(box, wire.settings_file(FileDo.SAVE, b"a.pps"), 10, 20) == b""
    answers(box, wire.program_one(4, 1, 77), 30, 40)
    content = answers(box, wire.settings_file(FileDo.LOAD, b"a.pps"), 50, 60)
    assert wire.unpack_all(content) == held == box.bank.parameters
    answers(box, wire.settings_file(FileDo.DELETE, b"a.pps"), 70, 80)
    assert answers(box, wire.packet(Op.READ_SETTINGS), 90, 100) == bytes(wire.FILE_SIZE)
    assert answers(box, wire.settings_file(FileDo(1), b"b.pps")[:2] + b"\7\0", 110, 120) == b""
    # One that is not there is not answered, and the box holds its defaults.
    assert answers(box, wire.settings_file(FileDo.LOAD, b"a.pps"), 130, 140) == b""
    assert box.bank.parameters == BoxParameters()


def test_a_settings_command_waits_for_its_bytes_without_end() -> None:
    box = box_with()
    whole = wire.settings_file(FileDo.SAVE, b"late.pps")
    box.receive(whole[:6], 10)
    box.run(10_000_000)
    assert box.health is Health.WORKING
    assert answers(box, whole[6:] + wire.packet(Op.HANDSHAKE), 10_000_000, 10_000_002) != b""
    assert b"late.pps" in box.commands.files


def test_unknown_op_codes_and_garbage_do_nothing() -> None:
    box = box_with()
    before = box.bank.parameters
    for op in (0, 71, 83, 84, 88, 91, 212, 213, 255):
        assert answers(box, wire.packet(op), 10, 20) == b""
    garbage = bytes(byte for byte in range(256) if byte != wire.START)
    assert answers(box, garbage, 30, 3000) == b""
    assert box.bank.parameters == before
    assert answers(box, wire.packet(Op.HANDSHAKE), 3010, 3011) == wire.hello(21)


def test_garbage_takes_a_cycle_a_byte() -> None:
    box = PulseGeneratorBox()
    box.receive(bytes(100) + wire.packet(Op.HANDSHAKE), 10)
    box.run(500)
    assert box.answers() == [(110, wire.hello(21))]


def test_a_packet_in_pieces_is_read_and_stops_the_outputs_meanwhile() -> None:
    box = box_with()
    box.receive(wire.soft_trigger((1,)), 10)
    packet = wire.program_one(11, 2, 5)
    box.receive(packet[:3], 12)  # the first phase has just begun
    box.receive(packet[3:], 512)
    assert spells(box, 1000)[:2] == [(12, 514, LOW), (515, 518, HIGH)]
    assert box.answers() == [(512, wire.ACK)]
    assert box.bank.parameters.outputs[1].delay == 5


def test_a_packet_that_stops_half_way_is_filled_with_zeros_acknowledged_and_fatal() -> None:
    box = box_with()
    box.receive(wire.soft_trigger((1,)), 10)
    box.receive(wire.program_one(4, 1, 0x01020304)[:6], 12)
    box.run(12 + READ_TIMEOUT - 1)
    assert box.answers() == []
    box.run(12 + READ_TIMEOUT)
    assert box.answers() == [(12 + READ_TIMEOUT, wire.ACK)]
    assert box.bank.parameters.outputs[0].phase1 == 0x0304
    assert box.health is Health.COMMUNICATION_FAILURE
    # It answers nothing, and its output stays on.
    assert answers(box, wire.packet(Op.HANDSHAKE), 20_000, 200_000) == b""
    assert box.bank.code(1) == LOW
    assert box.commands.screen[0] == b"COMM. FAILURE!"
    # A press of the joystick, and it is back with its defaults, fired by input 1.
    box.click(200_000)
    box.run(200_000 + RELOAD + 10)
    assert box.health is Health.WORKING
    assert [data for _, data in box.answers()] == [wire.hello(21)]
    assert box.bank.parameters == BoxParameters()


def test_a_click_ends_trains_and_holds_the_box_for_a_second() -> None:
    box = box_with()
    box.click(5)  # nothing runs: the menu, which is not simulated
    box.receive(wire.soft_trigger((1,)), 10)
    box.click(13)
    assert spells(box, 1000) == [(12, 13, LOW)]
    assert answers(box, wire.packet(Op.HANDSHAKE), 1001, PAUSE_AFTER_CLICK) == b""
    assert answers(box, b"", 1001, PAUSE_AFTER_CLICK + 100) != b""
    # While it waits for the rest of a packet it does not look at its joystick.
    box.receive(wire.packet(Op.TRIGGER), 50_000)
    box.click(50_100)
    assert box.health is Health.WORKING


LINKED = ((1, 0, 0, 0), (0, 0, 0, 0))


def test_an_input_triggers_what_is_linked_to_it() -> None:
    box = box_with(links=LINKED)
    box.set_line(1, True, 100)
    box.set_line(1, False, 104)
    box.set_line(2, True, 300)
    assert [s[0] for s in spells(box, 1000)] == [101, 104, 111, 114]


def test_an_input_in_toggle_mode_ends_the_train() -> None:
    box = box_with(links=LINKED, input_modes=(1, 0))
    for at, high in ((100, True), (102, False), (112, True)):
        box.set_line(1, high, at)
    assert spells(box, 1000)[-1] == (111, 113, LOW)


def test_a_gated_train_ends_with_its_input_unless_another_holds_it() -> None:
    box = box_with(links=LINKED, input_modes=(2, 0))
    for at, high in ((100, True), (111, False)):
        box.set_line(1, high, at)
    assert spells(box, 1000)[-1] == (111, 112, LOW)
    both = box_with(links=((1, 0, 0, 0), (1, 0, 0, 0)), input_modes=(2, 2))
    for at, line, high in ((100, 1, True), (105, 2, True), (111, 1, False)):
        both.set_line(line, high, at)
    assert spells(both, 1000)[-1] == (114, 117, HIGH)


def test_a_stuck_output_comes_to_rest_only_when_it_is_aborted() -> None:
    box = box_with()
    box.bank.stuck = True
    box.receive(wire.soft_trigger((1,)), 10)
    box.run(100)
    assert box.bank.code(1) == HIGH
    box.receive(wire.packet(Op.ABORT), 100)
    box.run(101)
    assert box.bank.code(1) == ZERO
