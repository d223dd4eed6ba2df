"""The pulse generator's driver, with the simulated box at the far end of a pseudo-terminal."""

from dataclasses import replace
from math import inf, isnan, nan
from typing import Any

import pytest
from pydantic import ValidationError

from bci_core import registry
from bci_core.errors import DeviceError, SafetyError
from bci_core.events import Delivery, Emission, Outcome, Trigger
from bci_core.safety.read_back import require_same
from bci_core.status import ArmingState
from bci_core.stimulator.faults import Faults
from bci_core.stimulus import BiphasicPulse, ClickTrain, ProgramPart, PulseTrain, StimProgram
from bci_core.testing.check_stimulator import check_stimulator
from drivers.stimulators import pulse_generator_bytes as wire
from drivers.stimulators import pulse_generator_simulated
from drivers.stimulators.pulse_generator import PulseGenerator
from drivers.stimulators.pulse_generator_bytes import FileDo, Op
from drivers.stimulators.pulse_generator_programs import AT_REST
from drivers.stimulators.pulse_generator_settings import PulseGeneratorSettings
from drivers.stimulators.pulse_generator_simulated import SimulatedPort

GAIN = {"isolator_ua_per_v": 16.384}  # 0.005 uA a step
PULSE = BiphasicPulse(20.0, 200.0, 100.0)
TRAIN = PulseTrain(PULSE, 100.0, 3)  # pulses at 0, 10 and 20 ms, each 500 us
PROGRAM = StimProgram(1, "three pulses", TRAIN, (1, 2))
OTHER = StimProgram(2, "one pulse", replace(TRAIN, n_pulses=1), (3,))
CYCLE_S = 50e-6


def device(*programs: StimProgram, **settings: Any) -> PulseGenerator:
    made = PulseGenerator(PulseGeneratorSettings(**{**GAIN, **settings}))
    made.load(programs or (PROGRAM, OTHER))
    return made


def armed(*programs: StimProgram, **settings: Any) -> PulseGenerator:
    made = device(*programs, **settings)
    made.arm(made.settings.max_lease_s, 1.0)
    return made


def port_of(made: PulseGenerator) -> SimulatedPort:
    port = made._port
    assert isinstance(port, SimulatedPort)
    return port


def at(seq: int, at_s: float, program_id: int = 1, sham: bool = False) -> Trigger:
    return Trigger(seq, program_id, at_s, at_s + 1.0, sham)


def one(deliveries: list[Delivery]) -> Delivery:
    (delivery,) = deliveries
    return delivery


def shape(emissions: list[Emission], start_s: float) -> list[tuple[int, int, int, float]]:
    """Channel, onset and offset in cycles from a time, and amplitude."""
    return [
        (
            e.channel,
            round((e.onset_s - start_s) / CYCLE_S),
            round((e.offset_s - start_s) / CYCLE_S),
            round(e.amplitude, 6),
        )
        for e in emissions
    ]


def test_it_is_found_by_name_and_keeps_the_contract() -> None:
    found = registry.load("stimulator", "pulse_generator")
    check_stimulator(lambda: found(found.Settings()))
    assert found(found.Settings()).capabilities.simulated


@pytest.mark.parametrize(
    "settings",
    [
        {
            "isolator_ua_per_v": 1000.0,
            "max_amplitude_ua": 3000.0,
            "max_charge_per_phase_uc": 1.0,
            "electrode": {"access_kohm": 1.0, "double_layer_nf": 3000.0},
        },
        {"min_lockout_s": 5.0, "max_lease_s": 0.5},
    ],
)
def test_it_keeps_the_contract_under_other_settings(settings: dict[str, Any]) -> None:
    check_stimulator(lambda: PulseGenerator(PulseGeneratorSettings(**settings)))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"max_amplitude_ua": inf}, "max_amplitude_ua"),
        ({"max_lease_s": None}, "max_lease_s"),
        ({"program_timeout_ms": 500.0}, "program_timeout_ms"),
        ({"max_pulses": -1}, "max_pulses"),
        ({"amplitude": 1.0}, "amplitude"),
        ({"port": "/dev/ttyACM0"}, "isolator_ua_per_v, isolator_compliance_v, usb_latency_ms must"),
        ({"usb_latency_ms": 20.0}, "must be at least 0.0212 s"),
        ({"max_amplitude_ua": 0.01}, "below one step of the converter, 0.0305"),
        (
            {
                "port": "/dev/ttyACM0",
                "isolator_ua_per_v": 100.0,
                "isolator_compliance_v": 40.0,
                "usb_latency_ms": 1.0,
                "faults": [{"kind": "stuck_on", "after_s": 0.0, "for_s": 1.0}],
            },
            "simulated port only",
        ),
    ],
)
def test_no_setting_switches_a_limit_off(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        PulseGeneratorSettings(**settings)


def with_train(**changes: Any) -> StimProgram:
    return replace(PROGRAM, train=replace(TRAIN, **changes))


@pytest.mark.parametrize(
    ("programs", "message"),
    [
        ((with_train(pulse=replace(PULSE, amplitude_ua=20.003)),), "amplitude_step"),
        ((with_train(pulse=replace(PULSE, phase_us=220.0)),), "phase_step: 220 us, limit 50 us"),
        ((with_train(pulse=replace(PULSE, phase_us=50.0)),), "phase: 50 us, limit 100 us"),
        ((with_train(pulse=replace(PULSE, recovery_phase_us=400.0)),), "net_charge"),
        (
            (with_train(rate_hz=130.0, n_pulses=9),),
            "period_step: 7692.31 us, limit 50 us.*129.87012987",
        ),
        ((with_train(ramp_up_pulses=1),), "ramp_up: 1 pulses, limit 0 pulses"),
        ((with_train(ramp_down_pulses=2),), "ramp_down: 2 pulses, limit 0 pulses"),
        ((with_train(n_pulses=300),), "duration: 2.9905 s, limit 2 s"),
        ((PROGRAM, replace(OTHER, electrodes=(2,))), "output_shared: 2 trains on output 2"),
        ((replace(PROGRAM, more=(ProgramPart(TRAIN, (2,), 0.1),)),), "output_shared"),
        ((replace(PROGRAM, electrodes=(5,)),), "electrode: 5 channel, limit 4"),
        ((replace(PROGRAM, train=ClickTrain(60.0, 0.05, 1.0)),), "sound"),
    ],
)
def test_what_the_box_cannot_do_is_refused_and_nothing_loaded(
    programs: tuple[StimProgram, ...], message: str
) -> None:
    made = device()
    with pytest.raises(SafetyError, match=message):
        made.load(programs)
    assert made.read_back() == (PROGRAM, OTHER)


def test_a_rate_may_be_off_by_less_than_half_a_cycle_over_the_train() -> None:
    made = device(with_train(rate_hz=129.87, n_pulses=200), replace(OTHER, electrodes=(4,)))
    assert made.read_back()[0].train == replace(TRAIN, rate_hz=129.87, n_pulses=200)


def test_what_leaves_is_what_was_asked_cathodic_first_on_the_boxs_own_cycles() -> None:
    made = armed()
    made.trigger(at(1, 1.2), 1.0)
    delivery = one(made.advance(1.3))
    assert delivery.outcome is Outcome.DELIVERED
    assert (delivery.onset_s, delivery.offset_s) == pytest.approx((1.2, 1.2205))
    assert delivery.charge_uc == pytest.approx(3 * 20e-6 * 200)
    found = shape(made.emissions(), 1.2)
    assert found[:4] == [(1, 0, 4, -20.0), (2, 0, 4, -20.0), (1, 6, 10, 20.0), (2, 6, 10, 20.0)]
    assert len(found) == 12
    assert made.emissions() == []


def test_a_program_of_several_trains_is_one_trigger() -> None:
    pattern = StimProgram(
        1,
        "pattern",
        replace(TRAIN, n_pulses=1),
        (1,),
        (ProgramPart(replace(TRAIN, n_pulses=2), (3, 4), 0.005), ProgramPart(TRAIN, (2,), 0.0)),
    )
    made = armed(pattern)
    made.trigger(at(1, 1.2), 1.0)
    assert one(made.advance(1.3)).n_pulses == 6
    onsets = [(c, onset) for c, onset, _, ua in shape(made.emissions(), 1.2) if ua < 0]
    assert onsets == [(1, 0), (2, 0), (3, 100), (4, 100), (2, 200), (3, 300), (4, 300), (2, 400)]


def test_an_unequal_second_phase_that_balances() -> None:
    low = replace(PULSE, recovery_amplitude_ua=10.0, recovery_phase_us=400.0)
    made = armed(with_train(pulse=low, n_pulses=1))
    made.trigger(at(1, 1.2), 1.0)
    assert one(made.advance(1.3)).outcome is Outcome.DELIVERED
    assert shape(made.emissions(), 1.2)[::2] == [(1, 0, 4, -20.0), (1, 6, 14, 10.0)]


def test_a_trigger_at_once_begins_within_three_cycles_wherever_in_a_cycle_it_comes() -> None:
    made = armed()
    for seq, now_s in enumerate((1.1, 1.30001, 1.500049, 1.7)):
        made.trigger(at(seq + 1, now_s), now_s)
        delivery = one(made.advance(now_s + 0.1))
        emission = made.emissions()[0]
        assert emission.onset_s == pytest.approx(delivery.onset_s, abs=1e-9)
        assert 2 * CYCLE_S - 1e-9 <= emission.onset_s - now_s <= 3 * CYCLE_S + 1e-9
        assert delivery.device_latency_s <= made.capabilities.max_command_latency_s


def test_a_sham_leaves_nothing_and_reports_its_time() -> None:
    made = armed()
    made.trigger(at(1, 1.2, sham=True), 1.0)
    delivery = one(made.advance(1.3))
    assert (delivery.outcome, delivery.onset_s) == (Outcome.SHAM, pytest.approx(1.2))
    assert made.emissions() == []


@pytest.mark.parametrize("stop_s", [1.19995, 1.2, 1.2001, 1.2031, 1.2101])
def test_disarming_stops_the_box_at_once(stop_s: float) -> None:
    made = armed()
    made.trigger(at(1, 1.2), 1.0)
    made.advance(stop_s)
    made.disarm("asked to", stop_s)
    delivery = one(made.advance(2.0))
    assert delivery.outcome is Outcome.ABORTED
    left = made.emissions()
    assert all(e.offset_s <= stop_s + CYCLE_S for e in left)
    charges = {e.channel: 0.0 for e in left}
    for e in left:
        if e.amplitude < 0.0:
            charges[e.channel] += -e.amplitude * (e.offset_s - e.onset_s)
    assert delivery.charge_uc == pytest.approx(charges.get(1, 0.0), abs=1e-9)


def test_a_lost_lease_stops_the_box() -> None:
    made = armed(with_train(n_pulses=150))
    made.trigger(at(1, 2.5), 1.0)
    assert one(made.advance(10.0)).outcome is Outcome.ABORTED
    assert max(e.offset_s for e in made.emissions()) <= 3.0 + CYCLE_S


def test_a_train_triggered_in_the_cycle_before_the_stop_does_not_begin() -> None:
    made = armed()
    made.trigger(at(1, 1.1), 1.1)
    made.disarm("asked to", 1.1)
    assert one(made.advance(3.0)).outcome is Outcome.ABORTED
    assert made.emissions() == []


def test_a_device_left_to_itself_has_no_trigger_input_and_no_loop() -> None:
    made = PulseGenerator(PulseGeneratorSettings(**GAIN))
    port = port_of(made)
    port.box.receive(wire.packet(Op.LOOP, 1, 1) + wire.fixed_voltage(3, 40_000), -(10**14))
    made.load([PROGRAM])
    assert port.box.bank.parameters.links == ((0,) * 4,) * 2
    assert [port.box.bank.code(i) for i in (1, 2, 3, 4)] == [wire.ZERO] * 4
    made.emissions()
    made.arm(1.0, 1.0)
    port.box.set_line(1, True, 21_000)
    made.trigger(at(1, 1.2), 1.1)
    assert one(made.advance(1.5)).outcome is Outcome.DELIVERED
    assert len(made.emissions()) == 12


def test_closing_lets_the_box_go() -> None:
    made = armed()
    made.trigger(at(1, 1.2), 1.0)
    made.advance(1.2051)
    made.close()
    made.close()
    assert one(made.advance(1.3)).outcome is Outcome.ABORTED
    assert not port_of(made).box.commands.connected
    assert made.status(1.4).state is ArmingState.DISCONNECTED
    made.load([PROGRAM])
    assert made.read_back() == (PROGRAM,)


def test_status_tells_where_it_stands() -> None:
    fresh = PulseGenerator(PulseGeneratorSettings(**GAIN))
    assert fresh.read_back() == ()
    assert fresh.status(0.5).state is ArmingState.SAFE
    made = device()
    assert made.status(0.5).state is ArmingState.CONFIGURED
    made.load([])
    assert made.status(0.6).state is ArmingState.SAFE
    made.load([PROGRAM])
    made.arm(2.0, 1.0)
    first = made.status(1.0)
    assert (first.state, first.at_s) == (ArmingState.ARMED, 1.0)
    assert made.status(1.4).at_s == 1.4
    made.trigger(at(1, 1.7), 1.6)
    assert made.status(1.71).state is ArmingState.STIMULATING
    assert made.status(1.73).state is ArmingState.RECOVERY
    assert made.status(1.9).state is ArmingState.ARMED


def test_it_measures_no_impedance_and_reads_nothing_back_while_armed() -> None:
    made = armed()
    with pytest.raises(DeviceError, match="cannot measure impedance"):
        made.impedance((1, 2), 1.0)
    with pytest.raises(DeviceError, match="disarm it first"):
        made.read_back()
    with pytest.raises(SafetyError, match="armed already"):
        made.arm(1.0, 1.0)
    with pytest.raises(SafetyError, match="nothing to reset"):
        made.reset(1.0)
    refused = made.trigger(at(1, 100.0), 1.0).refusal
    assert refused is not None
    assert refused.limit == "ahead"


def test_what_the_box_does_not_hold_shows_when_it_is_read_back() -> None:
    programs = (PROGRAM, replace(OTHER, more=(ProgramPart(TRAIN, (4,), 0.1),)))
    made = device(*programs)
    require_same(programs, made.read_back())
    port = port_of(made)
    for number, value in ((4, 3), (2, 1000), (11, 5), (1, 0), (7, 0), (10, 1)):
        for channel in (1, 4):
            port.send(wire.program_one(number, channel, value), 0.5)
            assert port.read(1, 1.0) == wire.ACK
            with pytest.raises(SafetyError, match="does not hold"):
                require_same(programs, made.read_back())
        made.load(programs)
    # A trigger input that would fire it, too, is no less wrong.
    port.send(wire.program_one(12, 2, 1), 0.5)
    assert port.read(1, 1.0) == wire.ACK
    with pytest.raises(SafetyError, match="does not hold"):
        require_same(programs, made.read_back())


def test_a_packet_that_somebody_left_half_sent_is_overcome() -> None:
    for rest in (
        wire.program_all(AT_REST)[:50],
        wire.packet(Op.TRIGGER),
        bytes([wire.START]),
        wire.settings_file(FileDo.SAVE, b"x" * 60)[:9],
    ):
        made = PulseGenerator(PulseGeneratorSettings(**GAIN))
        port_of(made).box.receive(rest, -(2 * 10**13) + 1)
        made.load([PROGRAM])
        made.arm(1.0, 1.0)
        made.trigger(at(1, 1.2), 1.1)
        assert one(made.advance(1.5)).outcome is Outcome.DELIVERED
        assert len(made.emissions()) == 12


def test_bytes_nobody_asked_for_latch_it_and_a_reset_begins_anew() -> None:
    made = armed()
    made.trigger(at(1, 1.2), 1.0)
    made.advance(1.201)
    port_of(made).babble(b"\x01", 1.205)
    delivery = one(made.advance(1.21))
    assert delivery.outcome is Outcome.UNKNOWN
    assert delivery.charge_uc == pytest.approx(3 * 20e-6 * 200)
    assert "1 bytes nobody asked for" in made.disarmed_reason()
    assert made.status(1.3).state is ArmingState.FAULT_LATCHED
    with pytest.raises(SafetyError, match="latched"):
        made.arm(1.0, 1.3)
    with pytest.raises(DeviceError, match="latched"):
        made.load([PROGRAM])
    assert made.disarmed_reason() != ""
    made.reset(1.4)
    assert made.disarmed_reason() != ""
    assert made.read_back() == (PROGRAM, OTHER)
    made.arm(1.0, 1.5)
    made.trigger(at(2, 1.6), 1.5)
    assert one(made.advance(1.8)).outcome is Outcome.DELIVERED
    assert len(made.emissions()) >= 12


def test_bytes_nobody_asked_for_do_not_keep_the_abort_from_the_box() -> None:
    made = armed()
    made.trigger(at(1, 1.2), 1.0)
    made.advance(1.2051)
    made.emissions()
    port = port_of(made)
    waiting = port.waiting
    # They come in between the last look and the stop.
    looks = iter([0, 3])
    port.waiting = lambda at_s: next(looks, waiting(at_s))  # type: ignore[method-assign]
    made.disarm("asked to", 1.2052)
    assert made.disarmed_reason() == "asked to"
    assert made.status(1.3).state is ArmingState.FAULT_LATCHED
    assert one(made.advance(1.3)).outcome is Outcome.UNKNOWN
    assert port.box.bank.busy is False


def broken(kind: str, **settings: Any) -> PulseGenerator:
    made = armed(**settings)
    assert made.faults is not None
    made.faults.switch(kind, True)
    return made


@pytest.mark.parametrize(
    ("kind", "outcome", "leaves"),
    [
        # The box plays on to the end of the train: it does not notice.
        ("disconnect", Outcome.UNKNOWN, 12),
        ("drop_ack", Outcome.UNKNOWN, 12),
        ("late_ack", Outcome.UNKNOWN, 12),
    ],
)
def test_an_answer_that_is_missing_latches(kind: str, outcome: Outcome, leaves: int) -> None:
    made = armed()
    assert made.faults is not None
    made.trigger(at(1, 1.2), 1.0)
    made.advance(1.201)
    made.faults.switch(kind, True)
    delivery = one(made.advance(1.25))
    assert delivery.outcome is outcome
    if kind == "disconnect":
        with pytest.raises(DeviceError, match="does not notice"):
            made.status(1.3)
    else:
        assert made.status(1.3).state is ArmingState.FAULT_LATCHED
    made.advance(1.3)
    assert len(made.emissions()) == leaves
    assert made.next_event_s() == inf
    if kind != "late_ack":
        with pytest.raises(DeviceError):
            made.reset(1.4)
    made.faults.switch(kind, False)
    made.reset(1.5)
    made.arm(1.0, 1.6)


def test_a_locked_box_is_sent_nothing_but_the_stop() -> None:
    made = broken("locked")
    refused = made.trigger(at(1, 1.0), 1.0)
    assert refused is not None
    assert refused.refusal is not None
    assert refused.refusal.limit == "locked"
    assert made.next_event_s() == 1.0  # a delivery to tell
    # One that was accepted before is not known to have begun.
    made = armed()
    made.trigger(at(1, 1.2), 1.0)
    assert made.faults is not None
    made.faults.switch("locked", True)
    assert [d.outcome for d in made.advance(1.3)] == [Outcome.UNKNOWN]
    assert made.emissions() == []
    with pytest.raises(DeviceError, match="op code 72"):
        made.reset(1.4)


def test_a_stuck_output_is_opened_by_the_isolator_and_latches() -> None:
    made = broken("stuck_on")
    made.trigger(at(1, 1.2), 1.0)
    made.advance(1.25)
    assert "an isolator has opened its output" in made.disarmed_reason()
    left = made.emissions()
    assert 1.205 < max(e.offset_s for e in left) <= 1.2052 + CYCLE_S
    with pytest.raises(DeviceError, match="still has a fault"):
        made.reset(1.3)


def test_a_stuck_output_comes_to_rest_when_the_train_is_seen_off() -> None:
    made = broken("stuck_on", usb_latency_ms=2.0)
    single = with_train(n_pulses=1)
    made.disarm("to load", 1.0)
    made.load([single])
    made.arm(2.0, 1.0)
    made.trigger(at(1, 1.2), 1.0)
    assert one(made.advance(1.3)).outcome is Outcome.UNKNOWN
    assert 1.2005 < max(e.offset_s for e in made.emissions()) <= 1.2005 + 0.002 + 2 * CYCLE_S


def test_an_electrode_that_comes_off_is_not_noticed_by_the_box() -> None:
    made = broken("silent_clip")
    made.trigger(at(1, 1.2), 1.0)
    assert one(made.advance(1.3)).charge_uc == pytest.approx(3 * 20e-6 * 200)
    assert all(abs(e.amplitude) < 11.0 for e in made.emissions())


def test_a_fast_clock_of_the_box_shortens_its_trains() -> None:
    made = broken("clock_drift")
    made.advance(1.1)
    made.trigger(at(1, 1.2), 1.1)
    made.advance(1.3)
    left = made.emissions()
    assert left[-1].offset_s - left[0].onset_s == pytest.approx(0.0205 / 1.02, rel=1e-4)


def test_a_stale_status_stands_still() -> None:
    made = armed()
    assert made.faults is not None
    made.faults.switch("stale_status", True)
    assert made.status(1.1) == made.status(1.9)


def test_what_it_holds_is_not_what_was_loaded() -> None:
    made = PulseGenerator(PulseGeneratorSettings(**GAIN))
    assert made.faults is not None
    made.faults.switch("echo_error", True)
    made.load([PROGRAM])
    with pytest.raises(SafetyError, match="does not hold"):
        require_same([PROGRAM], made.read_back())


@pytest.mark.parametrize("kind", ["disconnect", "drop_ack", "locked"])
def test_a_box_that_does_not_answer_is_not_loaded(kind: str) -> None:
    made = PulseGenerator(PulseGeneratorSettings(**GAIN))
    assert made.faults is not None
    made.faults.switch(kind, True)
    with pytest.raises(DeviceError):
        made.load([PROGRAM])
    if kind != "disconnect":
        assert made.status(1.0).fault != ""
    # Nor armed, when that begins later.
    made = device()
    assert made.faults is not None
    made.faults.switch(kind, True)
    for call in (made.read_back, lambda: made.arm(1.0, 1.0)):
        with pytest.raises((DeviceError, SafetyError)):
            call()
    assert made.disarmed_reason() != ""


def test_a_box_found_missing_while_it_is_idle_latches() -> None:
    made = device()
    assert made.faults is not None
    made.faults.switch("drop_ack", True)
    assert made.status(5.0).state is ArmingState.FAULT_LATCHED
    made = broken("disconnect")
    for call in (lambda: made.trigger(at(1, 1.2), 1.1), lambda: made.status(1.1)):
        with pytest.raises(DeviceError, match="does not notice"):
            call()
    assert not made.renew(1.2)


def test_planned_faults_count_from_being_armed_and_are_due() -> None:
    made = armed(faults=[{"kind": "disconnect", "after_s": 0.5, "for_s": 0.2}])
    assert made.next_event_s() == pytest.approx(1.5)
    made.trigger(at(1, 1.45), 1.0)
    # Time passes in one step: the train has ended, and been seen off, before.
    assert one(made.advance(1.48)).outcome is Outcome.DELIVERED
    made.advance(1.6)
    assert made.disarmed_reason().startswith("fault: ")
    made.reset(1.8)


def test_a_first_model_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    made = PulseGenerator(PulseGeneratorSettings(**GAIN))
    monkeypatch.setattr(wire, "FIRMWARE", 19)
    with pytest.raises(DeviceError, match="firmware 19, of the first model"):
        made.load([PROGRAM])


def test_something_else_at_the_port_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    made = PulseGenerator(PulseGeneratorSettings(**GAIN))
    monkeypatch.setattr(wire, "hello", lambda _: b"OK!\r\n")
    with pytest.raises(DeviceError, match="answered 4f 4b 21 0d 0a to op code 72"):
        made.load([PROGRAM])


def test_a_short_answer_to_reading_back_latches(monkeypatch: pytest.MonkeyPatch) -> None:
    made = device()
    monkeypatch.setattr(wire, "FILE_SIZE", 100)
    monkeypatch.setattr(port_of(made), "read", lambda size, timeout_s: b"\0" * 7)
    with pytest.raises(DeviceError, match="answered 7 of 100 bytes in time to op code 85"):
        made.read_back()


def test_a_trigger_that_leaves_no_time_is_refused() -> None:
    made = armed(usb_latency_ms=5.0, min_lockout_s=0.02)
    late = made.trigger(Trigger(1, 1, 1.0, 1.002), 1.0).refusal
    assert late is not None
    assert late.limit == "deadline"
    assert isnan(one(made.advance(1.1)).onset_s)
    assert made.trigger(Trigger(2, 1, nan, 2.0), 1.1).refusal is not None


def test_a_port_of_ones_own_is_talked_to() -> None:
    settings = PulseGeneratorSettings(**GAIN)
    faults = Faults()
    made = PulseGenerator(settings, SimulatedPort(settings, faults))
    faults.switch("disconnect", True)
    with pytest.raises(DeviceError, match="disconnect"):
        made.load([PROGRAM])


def test_a_line_that_is_not_open_or_stuck_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    port = SimulatedPort(PulseGeneratorSettings(**GAIN), Faults())
    with pytest.raises(DeviceError, match="not open"):
        port.send(b"\0", 0.0)
    port.open(0.0)
    monkeypatch.setattr(pulse_generator_simulated, "KERNEL_S", 0.0)
    with pytest.raises(DeviceError, match="is stuck"):
        port._from_host(1)
