"""The simulated microstimulator: what it refuses, when it fires, what it reports."""

from dataclasses import replace
from math import inf, isnan, nan
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from bci_core import registry
from bci_core.errors import DeviceError, SafetyError
from bci_core.events import Acceptance, Delivery, Outcome, Trigger
from bci_core.stimulator.schedule import MAX_SCHEDULED
from bci_core.stimulus import BiphasicPulse, PulseTrain, StimProgram
from bci_core.testing.check_stimulator import check_stimulator
from drivers.stimulators.microstim import Microstim
from drivers.stimulators.microstim_settings import MicrostimSettings

PULSE = BiphasicPulse(20.0, 200.0, 60.0)
TRAIN = PulseTrain(PULSE, 100.0, 3)  # pulses at 0, 10 and 20 ms, each 460 us
PROGRAM = StimProgram(1, "three pulses", TRAIN, (1, 2))
SINGLE = StimProgram(2, "one pulse", replace(TRAIN, n_pulses=1), (1,))


def device(*programs: StimProgram, **settings: Any) -> Microstim:
    made = Microstim(MicrostimSettings(**{"command_latency_ms": 0.0, **settings}))
    made.load(programs or (PROGRAM, SINGLE))
    return made


def armed(*programs: StimProgram, **settings: Any) -> Microstim:
    made = device(*programs, **settings)
    made.arm(made.settings.max_lease_s, 0.0)
    return made


def at(seq: int, at_s: float, program_id: int = 1, sham: bool = False) -> Trigger:
    return Trigger(seq, program_id, at_s, at_s + 1.0, sham)


def limit_of(answer: Acceptance) -> str:
    return answer.refusal.limit if answer.refusal else ""


def one(deliveries: list[Delivery]) -> Delivery:
    (delivery,) = deliveries
    return delivery


def test_it_is_found_by_name_and_keeps_the_contract() -> None:
    found = registry.load("stimulator", "microstim")
    check_stimulator(lambda: found(found.Settings()))


@pytest.mark.parametrize(
    "settings",
    [
        {"command_latency_ms": 4.0, "command_latency_sigma": 0.4, "seed": 3},
        {"min_lockout_s": 5.0, "max_lease_s": 0.5},
        {"max_amplitude_ua": 2.0, "max_charge_per_phase_uc": 5e-4, "max_rate_hz": 10.0},
    ],
)
def test_it_keeps_the_contract_under_other_settings(settings: dict[str, Any]) -> None:
    check_stimulator(lambda: Microstim(MicrostimSettings(**settings)))


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({"max_amplitude_ua": 216.0}, "max_amplitude_ua"),
        ({"min_lockout_s": 0.0}, "min_lockout_s"),
        ({"max_lease_s": inf}, "max_lease_s"),
        ({"max_rate_hz": nan}, "max_rate_hz"),
        ({"max_charge_per_phase_uc": None}, "max_charge_per_phase_uc"),
        ({"max_trains_per_min": -1}, "max_trains_per_min"),
        ({"amplitude": 10.0}, "amplitude"),
    ],
)
def test_no_setting_switches_a_limit_off(settings: dict[str, Any], key: str) -> None:
    with pytest.raises(ValidationError, match=key):
        MicrostimSettings(**settings)


def test_the_latency_a_host_must_reckon_with_is_its_99_9_percent_point() -> None:
    slow = MicrostimSettings(command_latency_ms=4.0, command_latency_sigma=0.5)
    drawn_ms = 4.0 * np.exp(0.5 * np.random.default_rng(1).standard_normal(400_000))
    told_s = slow.capabilities().max_command_latency_s
    assert told_s == pytest.approx(np.quantile(drawn_ms, 0.999) * 1e-3, rel=0.02)
    assert MicrostimSettings().capabilities().max_command_latency_s == pytest.approx(1e-4)


def with_pulse(**changes: Any) -> StimProgram:
    return replace(PROGRAM, train=replace(TRAIN, pulse=replace(PULSE, **changes)))


def with_train(**changes: Any) -> StimProgram:
    return replace(PROGRAM, train=replace(TRAIN, **changes))


@pytest.mark.parametrize(
    ("program", "message"),
    [
        (with_pulse(amplitude_ua=101.0), "amplitude: 101 uA, limit 100 uA (program 1 'three"),
        (with_pulse(amplitude_ua=0.0), "amplitude: 0 uA, limit 1 uA"),
        (with_pulse(amplitude_ua=nan), "amplitude: nan uA"),
        (with_pulse(amplitude_ua=20.5), "amplitude_step: 20.5 uA, limit 1 uA"),
        (with_pulse(recovery_amplitude_ua=300.0), "recovery_amplitude: 300 uA, limit 100 uA"),
        (with_pulse(phase_us=70_000.0), "phase: 70000 us, limit 65535 us"),
        (with_pulse(phase_us=200.25), "phase_step: 200.25 us, limit 1 us"),
        (with_pulse(recovery_phase_us=0.0), "recovery_phase: 0 us, limit 1 us"),
        (with_pulse(interphase_us=52.0), "interphase: 52 us, limit 53 us"),
        (with_pulse(interphase_us=inf), "interphase: inf us, limit 65535 us"),
        (with_pulse(amplitude_ua=100.0, phase_us=301.0), "charge_per_phase: 0.0301 uC, limit 0.03"),
        (with_pulse(recovery_phase_us=198.0), "net_charge: 4e-05 uC, limit 0 uC"),
        (with_train(rate_hz=501.0), "rate: 501 Hz, limit 500 Hz"),
        (with_train(rate_hz=3.0), "rate: 3 Hz, limit 4 Hz"),
        (with_train(n_pulses=256), "n_pulses: 256 pulses, limit 255 pulses"),
        (with_train(n_pulses=1.5), "n_pulses_step"),
        (
            with_train(pulse=BiphasicPulse(1.0, 1000.0, 60.0), rate_hz=500.0),
            "fit: 1.03 pulse periods, limit 1 pulse periods",
        ),
        (replace(PROGRAM, electrodes=(97,)), "electrode: 97 channel, limit 96 channel"),
        (replace(PROGRAM, electrodes=(0,)), "electrode: 0 channel, limit 1 channel"),
        (replace(PROGRAM, electrodes=()), "electrodes: 0 electrodes, limit 1 electrodes"),
        (replace(PROGRAM, electrodes=(1, 1)), "electrodes: 2 electrodes, limit 1 electrodes"),
        (replace(PROGRAM, program_id=16), "program_slot: 16 slot, limit 15 slot"),
    ],
)
def test_each_limit_is_refused_with_value_and_unit(program: StimProgram, message: str) -> None:
    empty = Microstim(MicrostimSettings())
    with pytest.raises(SafetyError) as caught:
        empty.load([program])
    assert message in str(caught.value)
    with pytest.raises(SafetyError, match="holds no program"):
        empty.arm(1.0, 0.0)


def test_limits_are_inclusive() -> None:
    # 1 ms of current in 1 ms: 2 * 437 + 126 us at 1000 Hz; 3 nC at 3 uA and 1 ms.
    full = StimProgram(1, "full", PulseTrain(BiphasicPulse(1.0, 437.0, 126.0), 1000.0, 255), (16,))
    edge = StimProgram(15, "edge", PulseTrain(BiphasicPulse(3.0, 1000.0, 53.0), 4.0), (1,))
    device(full, edge, max_rate_hz=1000.0, max_charge_per_phase_uc=0.003)


def test_all_mistakes_are_named_at_once_and_nothing_is_loaded() -> None:
    holding = device()
    with pytest.raises(SafetyError) as caught:
        holding.load([with_train(rate_hz=501.0), replace(SINGLE, program_id=1, electrodes=(99,))])
    for limit in ("program_slot: 2 programs", "rate: 501 Hz", "electrode: 99 channel"):
        assert limit in str(caught.value)
    holding.arm(1.0, 0.0)
    assert limit_of(holding.trigger(at(1, 0.0, program_id=2), 0.0)) == ""


def test_it_must_be_disarmed_to_be_loaded_or_armed() -> None:
    ready = armed()
    with pytest.raises(DeviceError, match="is armed; disarm it before loading"):
        ready.load([PROGRAM])
    with pytest.raises(SafetyError, match="is armed already"):
        ready.arm(1.0, 0.0)


def test_it_fires_by_its_own_timer() -> None:
    ready = armed()
    ready.trigger(at(1, 0.123456789), 0.0)
    assert ready.advance(0.14) == []
    assert one(ready.advance(1.0)) == Delivery(
        1,
        Outcome.DELIVERED,
        onset_s=0.123457,  # the next whole microsecond, never before
        offset_s=0.143917,
        n_pulses=3,
        charge_uc=pytest.approx(TRAIN.charge_uc),  # type: ignore[arg-type]
        output_v=pytest.approx(1.0),  # type: ignore[arg-type] # 20 uA on 40 kOhm and 20 nF
    )


def test_the_next_event_is_the_end_of_a_train_or_of_the_lease() -> None:
    idle = device()
    assert idle.next_event_s() == inf
    idle.arm(1.0, 0.0)
    assert idle.next_event_s() == 1.0
    idle.trigger(at(1, 0.5), 0.0)
    assert idle.next_event_s() == pytest.approx(0.52046)
    idle.trigger(at(1, 0.5), 0.1)  # refused: there is something to tell at once
    assert idle.next_event_s() == pytest.approx(0.1)


def test_command_latency_delays_only_what_is_due_sooner() -> None:
    slow = armed(command_latency_ms=4.0)
    slow.trigger(at(1, 0.0), 0.0)
    slow.trigger(at(2, 0.5), 0.0)
    soon, later = slow.advance(1.0)
    assert (soon.onset_s, later.onset_s) == (0.004, 0.5)
    assert soon.device_latency_s == later.device_latency_s == pytest.approx(0.004)


def test_latency_is_lognormal_and_follows_from_the_seed() -> None:
    def drawn(seed: int) -> list[float]:
        slow = device(command_latency_ms=3.0, command_latency_sigma=0.3, seed=seed)
        for seq in range(1, 2001):
            slow.trigger(at(seq, 0.0), 0.0)  # disarmed: refused, but drawn all the same
        return [delivery.device_latency_s for delivery in slow.advance(0.0)]

    logs = np.log(drawn(1))
    assert np.median(drawn(1)) == pytest.approx(0.003, rel=0.03)
    assert np.std(logs) == pytest.approx(0.3, rel=0.05)
    assert drawn(1) == drawn(1) != drawn(2)


@pytest.mark.parametrize(
    ("trigger", "limit"),
    [
        (Trigger(0, 1, 0.5, 1.0), "sequence"),
        (Trigger(1, 3, 0.5, 1.0), "program"),
        (Trigger(1, 1, nan, 1.0), "not_finite"),
        (Trigger(1, 1, 0.5, inf), "not_finite"),
        (Trigger(1, 1, 0.5, 0.4999999), "deadline"),
        (Trigger(1, 1, 0.5000001, 0.5000004), "deadline"),  # starts on the next whole us
        (Trigger(1, 1, 11.0, 12.0), "ahead"),
        (Trigger(1, 1, 1e308, 1e308), "ahead"),
    ],
)
def test_each_way_a_trigger_can_be_wrong(trigger: Trigger, limit: str) -> None:
    ready = armed()
    answer = ready.trigger(trigger, 0.1)
    assert limit_of(answer) == limit
    delivery = one(ready.advance(0.1))
    assert delivery.outcome is Outcome.REFUSED
    assert delivery.reason == str(answer.refusal)


def test_a_late_command_is_dropped_because_of_the_devices_own_latency() -> None:
    slow = armed(command_latency_ms=50.0)
    assert limit_of(slow.trigger(Trigger(1, 1, 0.0, 0.04), 0.0)) == "deadline"
    assert limit_of(slow.trigger(Trigger(2, 1, 0.0, 0.06), 0.0)) == ""


def test_numbers_start_again_with_new_programs_only() -> None:
    ready = armed()
    ready.trigger(at(7, 0.0), 0.0)
    ready.disarm("pause", 0.5)
    ready.arm(1.0, 0.5)
    assert limit_of(ready.trigger(at(7, 0.6), 0.5)) == "sequence"
    ready.disarm("new programs", 0.5)
    ready.load([PROGRAM])
    ready.arm(1.0, 0.5)
    assert limit_of(ready.trigger(at(1, 0.6), 0.5)) == ""


def test_trains_keep_their_distance_on_both_sides() -> None:
    ready = armed(min_lockout_s=0.1)
    assert limit_of(ready.trigger(at(1, 0.5), 0.0)) == ""
    overlapping = ready.trigger(at(2, 0.51), 0.0)
    assert str(overlapping.refusal) == "overlap: 0.01046 s, limit 0 s (trigger 2)"
    assert limit_of(ready.trigger(at(3, 0.61), 0.0)) == "lockout"
    assert limit_of(ready.trigger(at(4, 0.39), 0.0)) == "lockout"
    assert limit_of(ready.trigger(at(5, 0.62046), 0.0)) == ""
    assert limit_of(ready.trigger(at(6, 0.37954), 0.0)) == ""
    first, second, third = [d for d in ready.advance(1.5) if d.outcome is Outcome.DELIVERED]
    assert (first.seq, second.seq, third.seq) == (6, 1, 5)
    assert second.onset_s - first.offset_s == pytest.approx(0.1)


def test_the_lockout_outlives_disarming() -> None:
    ready = armed(min_lockout_s=1.0)
    ready.trigger(at(1, 0.0), 0.0)
    ready.disarm("pause", 0.005)
    ready.arm(1.0, 0.006)
    assert limit_of(ready.trigger(at(2, 0.5), 0.006)) == "lockout"
    ready.disarm("pause", 0.01)
    ready.arm(2.0, 0.01)
    assert limit_of(ready.trigger(at(3, 1.005), 0.01)) == ""


def test_a_train_that_never_began_locks_nothing_out() -> None:
    ready = armed(min_lockout_s=1.0, max_trains_per_min=1)
    ready.trigger(at(1, 1.0), 0.0)
    ready.disarm("pause", 0.5)
    ready.arm(1.0, 0.5)
    assert limit_of(ready.trigger(at(2, 0.6), 0.5)) == ""


def test_trains_a_minute_are_counted_over_any_minute() -> None:
    ready = armed(SINGLE, max_trains_per_min=3, max_lease_s=60.0, max_ahead_s=60.0)
    for seq, at_s in enumerate((1.0, 5.0, 20.0), start=1):
        assert limit_of(ready.trigger(at(seq, at_s, 2), 0.0)) == ""
    full = ready.trigger(at(4, 10.0, 2), 0.5)
    assert str(full.refusal) == "train_rate: 4 trains/min, limit 3 trains/min (trigger 4)"
    ready.renew(30.0)
    assert limit_of(ready.trigger(at(5, 60.9, 2), 30.0)) == "train_rate"
    assert limit_of(ready.trigger(at(6, 61.0, 2), 30.0)) == ""
    ready.renew(62.0)
    assert limit_of(ready.trigger(at(7, 64.9, 2), 62.0)) == "train_rate"
    assert limit_of(ready.trigger(at(8, 65.0, 2), 62.0)) == ""


def test_it_holds_only_so_many_trains() -> None:
    ready = armed(SINGLE)
    for seq in range(1, MAX_SCHEDULED + 1):
        assert limit_of(ready.trigger(at(seq, 0.1 * seq, 2), 0.0)) == ""
    assert limit_of(ready.trigger(at(99, 5.0, 2), 0.0)) == "scheduled"


@pytest.mark.parametrize(
    ("stop_s", "offset_s", "n_pulses", "charged_us", "left_uc"),
    [
        (0.0001, 0.0001, 0, 100.0, 0.002),  # in the first phase
        (0.00023, 0.0002, 0, 200.0, 0.004),  # between the phases
        (0.00036, 0.00036, 0, 200.0, 0.002),  # in the second phase
        (0.01005, 0.01005, 1, 250.0, 0.001),  # in the second pulse
        (0.005, 0.00046, 1, 200.0, None),  # between two pulses
        (0.02, 0.01046, 2, 400.0, None),  # just before the third
    ],
)
def test_an_abort_reports_what_was_delivered(
    stop_s: float, offset_s: float, n_pulses: int, charged_us: float, left_uc: float | None
) -> None:
    ready = armed()
    ready.trigger(at(1, 0.0), 0.0)
    ready.disarm("stop", stop_s)
    delivery = one(ready.advance(stop_s))
    assert delivery.outcome is Outcome.ABORTED
    assert delivery.onset_s == 0.0
    assert delivery.offset_s == pytest.approx(offset_s, abs=1e-9)
    assert delivery.n_pulses == n_pulses
    assert delivery.charge_uc == pytest.approx(20.0 * charged_us * 1e-6)
    if left_uc is None:
        assert delivery.reason == "stop"
    else:
        assert delivery.reason.endswith(f"was cut and left {left_uc:g} uC unrecovered")


def test_an_aborted_sham_delivered_nothing() -> None:
    ready = armed()
    ready.trigger(at(1, 0.0, sham=True), 0.0)
    ready.disarm("stop", 0.005)
    delivery = one(ready.advance(0.005))
    assert (delivery.outcome, delivery.onset_s) == (Outcome.ABORTED, 0.0)
    assert (delivery.n_pulses, delivery.charge_uc) == (0, 0.0)
    assert isnan(delivery.offset_s)


def test_the_lease_ends_on_the_device_however_late_it_is_asked() -> None:
    ready = device()
    ready.arm(0.5, 0.0)
    ready.trigger(at(1, 0.49), 0.0)
    delivery = one(ready.advance(60.0))
    assert delivery.reason == "lease expired"
    assert delivery.offset_s == pytest.approx(0.49046)
    assert delivery.n_pulses == 1
    assert ready.disarmed_reason() == "lease expired"


def test_the_first_cause_of_disarming_is_kept() -> None:
    ready = armed()
    ready.disarm("emergency stop", 0.1)
    ready.disarm("host lost", 0.2)
    assert ready.disarmed_reason() == "emergency stop"


def test_its_time_never_runs_back() -> None:
    ready = armed()
    ready.advance(0.5)
    ready.trigger(at(1, 0.2), 0.2)
    assert one(ready.advance(0.6)).onset_s == 0.5


def test_it_keeps_time_to_the_microsecond_on_a_clock_that_has_run_for_months() -> None:
    late_s = 1e7 + 0.25
    ready = device()
    ready.arm(1.0, late_s)
    ready.trigger(Trigger(1, 1, late_s + 0.123456, late_s + 0.2), late_s)
    delivery = one(ready.advance(late_s + 0.5))
    assert delivery.onset_s == pytest.approx(late_s + 0.123456, abs=1e-8)
    assert delivery.offset_s - delivery.onset_s == pytest.approx(TRAIN.duration_s, abs=1e-8)
