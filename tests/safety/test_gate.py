from dataclasses import replace
from math import inf, nan
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bci_core.capabilities import Capabilities
from bci_core.errors import LinkError, SafetyError
from bci_core.events import Acceptance, Delivery, Outcome, Refusal, Trigger
from bci_core.safety.arming import Arming
from bci_core.safety.arming_settings import ArmingSettings
from bci_core.safety.envelope import SafetyEnvelope, SafetySettings
from bci_core.safety.gate import SafetyGate, Sent
from bci_core.status import ArmingState
from bci_core.stimulus import BiphasicPulse, PulseTrain, StimProgram

# 0.5 uC in 0.4 s and 1 uC in 0.45 s; they share electrode 2.
SHORT = StimProgram(1, "short", PulseTrain(BiphasicPulse(1000.0, 100.0), 10.0, 5), (1, 2))
LONG = StimProgram(2, "long", PulseTrain(BiphasicPulse(1000.0, 100.0), 20.0, 10), (2, 3))
PROGRAMS = (SHORT, LONG)
DEVICE = Capabilities(
    n_channels=16,
    n_sources=16,
    n_programs=15,
    max_parts=8,
    max_pulses=255,
    min_amplitude_ua=1.0,
    max_amplitude_ua=10_000.0,
    amplitude_step_ua=1.0,
    min_phase_us=1.0,
    max_phase_us=65_535.0,
    timing_step_us=1.0,
    min_interphase_us=0.0,
    min_rate_hz=1.0,
    max_rate_hz=5000.0,
    max_ramp_ua_s=1e9,
    max_charge_per_phase_uc=10.0,
    compliance_v=9.5,
    min_lockout_s=0.01,
    max_lease_s=10.0,
    max_command_latency_s=0.01,
    measures=(),
    simulated=True,
)
SIGNED = {"override_reason": "to see one limit at a time", "overridden_by": "tests"}


class SentTriggers:
    """A link that keeps what it was given to send."""

    def __init__(self) -> None:
        self.triggers: list[Trigger] = []
        self.broken = False

    def send(self, trigger: Trigger) -> float:
        if self.broken:
            raise LinkError("stimulator gone")
        self.triggers.append(trigger)
        return 0.25


class Bench:
    """A gate, kept armed, with a clock that only goes forward."""

    def __init__(
        self,
        programs: tuple[StimProgram, ...] = PROGRAMS,
        able: Capabilities = DEVICE,
        **limits: Any,
    ) -> None:
        section = SafetySettings(
            electrode_class="depth", electrode_area_cm2=0.05, **limits, **SIGNED
        )
        self.link = SentTriggers()
        self.arming = Arming(ArmingSettings())
        self.arming.connect(0.0)
        self.arming.configure(0.0)
        self.gate = SafetyGate(
            SafetyEnvelope.from_settings(section), programs, self.link, self.arming
        )
        self.gate.connect(able)
        self.seq = 0

    def arm(self, now_s: float) -> None:
        self.arming.heartbeat(now_s)
        self.arming.samples(now_s)
        if self.arming.check(now_s):
            self.arming.arm(5.0, "operator", now_s)

    def fire(self, now_s: float, program_id: int = 1, **changes: Any) -> Sent | Refusal:
        self.arm(now_s)
        self.seq += 1
        trigger = Trigger(self.seq, program_id, at_s=now_s, deadline_s=now_s + 0.1)
        return self.gate.deliver(replace(trigger, **changes), now_s)

    def refused(self, now_s: float, *args: Any, **changes: Any) -> str:
        before = len(self.link.triggers)
        answer = self.fire(now_s, *args, **changes)
        assert isinstance(answer, Refusal)
        assert len(self.link.triggers) == before
        return str(answer)


def test_a_trigger_within_all_limits_is_sent_as_it_is() -> None:
    bench = Bench()
    bench.arm(100.0)
    trigger = Trigger(1, 2, at_s=100.02, deadline_s=100.03)
    assert bench.gate.deliver(trigger, 100.0) == Sent(seq=1, sent_s=0.25)
    assert bench.link.triggers == [trigger]


def test_a_gate_for_a_program_over_a_limit_does_not_exist() -> None:
    with pytest.raises(SafetyError, match="amplitude: 1000 uA, limit 900 uA"):
        Bench(amplitude_ua=900.0)


def test_disarmed_refuses_with_the_reason() -> None:
    bench = Bench()
    trigger = Trigger(1, 1, at_s=1.0, deadline_s=1.1)
    answer = bench.gate.deliver(trigger, 1.0)
    assert str(answer) == "disarmed: 0 valid lease, limit 1 valid lease (disarmed)"
    bench.arm(1.0)
    answer = bench.gate.deliver(replace(trigger, at_s=1.2, deadline_s=1.3), 1.2)
    assert isinstance(answer, Refusal)
    assert (answer.limit, answer.where) == ("disarmed", "stale")
    assert bench.link.triggers == []


def test_program_that_is_not_loaded() -> None:
    message = Bench().refused(1.0, program_id=3)
    assert message.startswith("program: 3 program id")
    assert "loaded: program 1 'short', program 2 'long'" in message


@pytest.mark.parametrize("seq", [4, 5, -1])
def test_sequence_must_increase(seq: int) -> None:
    bench = Bench()
    bench.fire(1.0, seq=5)
    message = bench.refused(10.0, seq=seq)
    assert message.startswith(f"sequence: {seq} sequence number, limit 6 sequence number")
    assert isinstance(bench.fire(10.0, seq=9), Sent)


def test_a_refused_trigger_does_not_use_up_its_number() -> None:
    bench = Bench()
    assert isinstance(bench.fire(1.0, seq=7, program_id=3), Refusal)
    assert isinstance(bench.fire(1.0, seq=7), Sent)


def test_past_the_deadline_it_is_dropped() -> None:
    bench = Bench()
    assert bench.refused(1.0, at_s=0.9, deadline_s=0.95).startswith("deadline: 0.05 s, limit 0 s")
    assert isinstance(bench.fire(1.0, at_s=0.9, deadline_s=1.0), Sent)


@pytest.mark.parametrize(
    ("at_s", "deadline_s"), [(nan, 2.0), (1.0, nan), (inf, 2.0), (1.5, 1.4), (nan, nan)]
)
def test_a_time_that_cannot_be_kept_is_refused(at_s: float, deadline_s: float) -> None:
    assert Bench().refused(1.0, at_s=at_s, deadline_s=deadline_s).startswith("deadline: ")


@pytest.mark.parametrize(("at_s", "deadline_s"), [(6.1, 6.2), (1.0, 6.1), (inf, inf), (1.0, inf)])
def test_too_far_ahead(at_s: float, deadline_s: float) -> None:
    bench = Bench()
    message = bench.refused(1.0, at_s=at_s, deadline_s=deadline_s)
    assert message.startswith("ahead: ")
    assert "limit 5 s (program 1 'short')" in message
    assert isinstance(bench.fire(1.0, at_s=5.9, deadline_s=6.0), Sent)


def test_lockout_counts_from_the_end_of_the_last_train_of_any_program() -> None:
    bench = Bench(lockout_s=2.0, trains_per_s=100.0)
    end_s = 10.0 + LONG.train.duration_s
    bench.fire(9.0, program_id=2, at_s=10.0, deadline_s=10.1)
    message = bench.refused(end_s + 1.5)
    assert message == "lockout: 1.5 s, limit 2 s (program 1 'short')"
    assert bench.refused(9.5, at_s=9.8, deadline_s=9.9).startswith("lockout: -")
    assert isinstance(bench.fire(end_s + 2.0), Sent)


def test_a_late_trigger_counts_from_now_not_from_its_target() -> None:
    bench = Bench(lockout_s=2.0, trains_per_s=100.0)
    bench.fire(10.09, at_s=10.0, deadline_s=10.1)
    end_s = 10.09 + SHORT.train.duration_s
    assert bench.refused(end_s + 1.95).startswith("lockout: 1.95 s, limit 2 s")


def test_mean_train_rate_over_eight_intervals() -> None:
    bench = Bench(lockout_s=0.5, trains_per_s=0.5)
    for i in range(8):
        assert isinstance(bench.fire(10.0 + i), Sent)
    assert bench.refused(18.0) == "train_rate: 1 trains/s, limit 0.5 trains/s (program 1 'short')"
    assert isinstance(bench.fire(26.0), Sent)
    assert bench.refused(26.99).startswith("train_rate: ")
    assert isinstance(bench.fire(27.0), Sent)


def test_trains_per_hour() -> None:
    bench = Bench(trains_per_hour=3)
    for now_s in (10.0, 20.0, 30.0):
        bench.fire(now_s)
    assert bench.refused(40.0).startswith("trains_per_hour: 4 trains, limit 3 trains")
    # The first train ended at 10.4002 s; until an hour after that it counts in full.
    assert bench.refused(3610.4).startswith("trains_per_hour: 4 trains")
    assert isinstance(bench.fire(3610.41), Sent)
    assert bench.refused(3612.0).startswith("trains_per_hour: 4 trains")


def test_on_time_per_hour() -> None:
    bench = Bench(on_time_per_hour_s=1.0)
    bench.fire(10.0)
    bench.fire(20.0, program_id=2)
    message = bench.refused(30.0)
    assert message == "on_time_per_hour: 1.2506 s, limit 1 s (program 1 'short')"


def test_charge_per_hour_of_each_electrode() -> None:
    bench = Bench(charge_per_hour_uc=1.6)
    assert isinstance(bench.fire(10.0), Sent)  # 0.5 uC on 1 and 2
    assert isinstance(bench.fire(20.0, program_id=2), Sent)  # 1.0 uC on 2 and 3
    message = bench.refused(30.0)
    assert message == "charge_per_hour: 2 uC, limit 1.6 uC (program 1 'short', electrode 2)"
    assert bench.refused(30.0, program_id=2).endswith("(program 2 'long', electrode 2)")
    assert isinstance(bench.fire(3610.5), Sent)


def test_sham_meets_the_same_limits_and_uses_them_up() -> None:
    bench = Bench(charge_per_hour_uc=1.0, lockout_s=2.0)
    bench.fire(10.0, sham=True)
    assert bench.refused(11.0).startswith("lockout: ")
    assert bench.refused(11.0, sham=True).startswith("lockout: ")
    bench.fire(20.0, sham=True)
    assert bench.refused(30.0).startswith("charge_per_hour: 1.5 uC, limit 1 uC")
    assert all(trigger.sham for trigger in bench.link.triggers)


def test_a_program_that_changed_after_the_check_is_still_refused() -> None:
    pulse = BiphasicPulse(1000.0, 100.0)
    bench = Bench((replace(SHORT, train=PulseTrain(pulse, 10.0, 1)),))
    object.__setattr__(pulse, "amplitude_ua", 4000.0)  # as a stray write into memory would
    assert bench.refused(1.0) == "amplitude: 4000 uA, limit 3500 uA (program 1 'short')"


def test_a_link_that_fails_disarms_and_the_train_counts() -> None:
    bench = Bench(lockout_s=2.0)
    bench.link.broken = True
    with pytest.raises(LinkError):
        bench.fire(10.0)
    assert bench.arming.check(10.0) == "link"
    bench.link.broken = False
    assert bench.refused(11.0).startswith("lockout: ")


def delivered(program: StimProgram = SHORT, **changes: Any) -> Delivery:
    """What an honest device says of the trigger of `noted`."""
    train = program.train
    honest = Delivery(
        seq=1,
        outcome=Outcome.DELIVERED,
        onset_s=10.0,
        offset_s=10.0 + train.duration_s,
        n_pulses=train.n_pulses,
        charge_uc=sum([train.pulse.charge_per_phase_uc] * train.n_pulses),
    )
    return replace(honest, **changes)


def noted(delivery: Delivery, *, sham: bool = False) -> tuple[str, str]:
    """Difference found, and the arming's answer, after one trigger for 10 s."""
    bench = Bench()
    bench.fire(10.0, sham=sham)
    for i in range(1, 6):
        bench.arm(10.0 + i / 10)
    difference = bench.gate.note(delivery)
    return difference, bench.arming.check(10.5)


@pytest.mark.parametrize(
    ("delivery", "sham"),
    [
        (delivered(), False),
        (delivered(onset_s=10.1005), False),
        (delivered(outcome=Outcome.ABORTED, n_pulses=2, charge_uc=0.2, offset_s=10.15), False),
        (delivered(outcome=Outcome.ABORTED, n_pulses=0, charge_uc=0.0, offset_s=10.0), False),
        (Delivery(1, Outcome.ABORTED), False),
        (Delivery(1, Outcome.REFUSED, reason="lockout"), False),
        (Delivery(1, Outcome.REFUSED, reason="lockout"), True),
        (Delivery(1, Outcome.SHAM, onset_s=10.0, offset_s=10.4), True),
        (Delivery(1, Outcome.ABORTED), True),
    ],
)
def test_an_honest_report_changes_nothing(delivery: Delivery, sham: bool) -> None:
    assert noted(delivery, sham=sham) == ("", "")


@pytest.mark.parametrize(
    ("delivery", "sham", "difference"),
    [
        (delivered(n_pulses=6), False, "pulses: 6 pulses, limit 5 pulses"),
        (delivered(charge_uc=0.51), False, "charge: 0.51 uC, limit 0.5 uC"),
        (delivered(charge_uc=nan), False, "charge: nan uC, limit 0.5 uC"),
        (delivered(n_pulses=4), False, "pulses: 4 pulses, 5 pulses asked"),
        (delivered(charge_uc=0.49), False, "charge: 0.49 uC, limit at least 0.495 uC"),
        (delivered(), True, "delivered, sham asked"),
        (Delivery(1, Outcome.SHAM, n_pulses=1), True, "pulses: 1 pulses, limit 0 pulses"),
        (Delivery(1, Outcome.SHAM, charge_uc=0.1), True, "charge: 0.1 uC, limit 0 uC"),
        (delivered(outcome=Outcome.ABORTED, n_pulses=2), True, "pulses: 2 pulses, limit 0"),
        (Delivery(1, Outcome.SHAM), False, "sham, stimulation asked"),
        (delivered(outcome=Outcome.REFUSED), False, "pulses: 5 pulses, limit 0 pulses"),
        (delivered(outcome=Outcome.ABORTED, n_pulses=6), False, "pulses: 6 pulses"),
        (delivered(onset_s=10.2), False, "deadline: delivered 0.1 s late, limit 0.001 s"),
        (delivered(onset_s=nan), False, "onset nan s is not before offset"),
        (delivered(offset_s=9.0), False, "onset 10 s is not before offset 9 s"),
        (delivered(onset_s=9.9), False, "current at 10.4002 s, while disarmed"),
        (delivered(seq=2), False, "never sent, or reported before"),
    ],
)
def test_a_report_that_differs_latches(delivery: Delivery, sham: bool, difference: str) -> None:
    found, answer = noted(delivery, sham=sham)
    assert found.startswith(f"trigger {delivery.seq}: {difference}")
    assert answer == f"latched:{found}"


def test_a_trigger_is_reported_once() -> None:
    bench = Bench()
    bench.fire(10.0)
    assert bench.gate.note(delivered()) == ""
    assert bench.gate.note(delivered()) == "trigger 1: never sent, or reported before"


def test_a_hold_is_judged_by_what_was_given_last() -> None:
    low = replace(LONG, train=replace(LONG.train, pulse=BiphasicPulse(200.0, 100.0)))
    hold = replace(LONG, program_id=4, name="hold", holds=(2, 3))
    bench = Bench((low, replace(LONG, program_id=3), hold), replace(DEVICE, holds=True))

    def given(seq: int, program_id: int, amplitude_ua: float, given_id: int = 0) -> str:
        at_s = 10.0 * seq
        bench.fire(at_s, program_id)
        whole = Delivery(
            seq, Outcome.DELIVERED, at_s, at_s + low.duration_s, 10, amplitude_ua * 1e-3
        )
        return bench.gate.note(replace(whole, given_id=given_id))

    assert given(1, 2, 200.0) == ""
    assert given(2, 4, 200.0, given_id=2) == ""
    assert "charge: 1 uC, limit 0.2 uC" in given(3, 4, 1000.0, given_id=2)
    bench.arming.reset("second person", 31.0)
    assert given(4, 4, 1000.0, given_id=3) == (
        "trigger 4: hold: gave program 3, the last before was 2"
    )
    assert bench.arming.check(41.0).startswith("latched:trigger 4: hold")


def copy_of(seq: int, reason: str = "sequence: 1 seq, limit 2 seq") -> Delivery:
    return Delivery(seq, Outcome.REFUSED, reason=reason)


TWICE = "trigger 1: came to the device twice, limit once: sequence: 1 seq, limit 2 seq"


@pytest.mark.parametrize("accepted", [True, False], ids=["accepted", "acceptance lost"])
def test_a_command_that_came_twice_latches_and_its_first_copy_is_the_report(accepted: bool) -> None:
    bench = Bench()
    bench.fire(10.0)
    if accepted:
        bench.gate.note_acceptance(Acceptance(1, 10.0))
    assert bench.gate.note_copy(copy_of(1)) == TWICE
    assert bench.arming.check(10.0) == f"latched:{TWICE}"
    cut = delivered(outcome=Outcome.ABORTED, n_pulses=0, charge_uc=0.0, offset_s=10.0)
    assert bench.gate.note_copy(cut) == ""
    assert bench.gate.note(cut) == ""


def test_a_copy_after_the_report_latches_too() -> None:
    bench = Bench()
    bench.fire(10.0)
    assert bench.gate.note(delivered()) == ""
    assert bench.gate.note_copy(copy_of(1)) == TWICE


@pytest.mark.parametrize(
    "report",
    [
        copy_of(1),  # overtaken by the second, so that the device has met a higher number
        copy_of(2, "deadline: 0.01 s late, limit 0 s late"),
        copy_of(3),  # never sent
    ],
)
def test_a_refusal_of_the_only_copy_is_a_report(report: Delivery) -> None:
    bench = Bench()
    bench.fire(10.0)
    bench.fire(11.0)
    bench.gate.note_acceptance(Acceptance(3, 11.0))
    bench.gate.note_acceptance(Acceptance(2, 11.0, Refusal("deadline", 0.01, 0.0, "s late")))
    assert bench.gate.note_copy(report) == ""


def late_report(seq: int) -> Delivery:
    return Delivery(seq, Outcome.REFUSED, reason="deadline: 0.03 s late, limit 0 s late")


def test_a_run_of_triggers_that_the_device_finds_too_late_disarms() -> None:
    bench = Bench()
    found = []
    for i in range(5):
        bench.fire(10.0 + i)
        bench.gate.note(late_report(i + 1))
        found.append(bench.arming.check(10.0 + i))
    assert found[:4] == [""] * 4
    assert found[4].startswith("device: refused 5 triggers in a row as too late, limit 5; is its")
    bench.fire(20.0)  # whoever may arm may arm again, and the count begins anew
    bench.gate.note(late_report(6))
    assert bench.arming.check(20.0) == ""


def test_what_is_delivered_between_ends_the_run_and_other_refusals_do_not() -> None:
    bench = Bench()
    reports = [late_report(1), late_report(2), delivered(seq=3, onset_s=12.0, offset_s=12.4002)]
    reports += [late_report(4), copy_of(5, "lockout: 0.1 s, limit 0.2 s")]
    reports += [late_report(seq) for seq in (6, 7, 8)]
    for i, report in enumerate(reports):
        bench.fire(10.0 + i)
        assert bench.gate.note(report) == ""
        assert bench.arming.check(10.0 + i) == ""
    bench.fire(20.0)
    bench.gate.note(late_report(9))
    assert "too late" in bench.arming.check(20.0)


def test_current_after_a_disarm_latches() -> None:
    bench = Bench()
    bench.fire(10.0)
    bench.arming.disarm("pause", 10.1)
    bench.arming.check(10.5)
    assert bench.gate.note(delivered()) == "trigger 1: current at 10.4002 s, while disarmed"
    fault = bench.arming.drain()[-1]
    assert (fault.at_s, fault.after) == (10.5, ArmingState.FAULT_LATCHED)


def test_a_device_that_stopped_in_time_is_not_at_fault() -> None:
    bench = Bench()
    bench.fire(10.0)
    bench.arming.disarm("pause", 10.1)
    stopped = delivered(outcome=Outcome.ABORTED, n_pulses=2, charge_uc=0.2, offset_s=10.11)
    assert bench.gate.note(stopped) == ""
    assert bench.arming.state is ArmingState.CONFIGURED


def test_a_device_that_does_not_report_latches() -> None:
    bench = Bench()
    bench.fire(10.0)
    ended_s = 10.1 + SHORT.train.duration_s
    assert bench.gate.overdue(ended_s + 1.0) == ""
    found = bench.gate.overdue(ended_s + 1.1)
    assert found == "trigger 1: unreported 1.1 s after its end, limit 1 s"
    assert bench.arming.check(ended_s + 1.1) == f"latched:{found}"
    assert bench.gate.overdue(ended_s + 9.0) == ""


ASKED = st.lists(
    st.tuples(
        st.sampled_from([0.0, 0.3, 0.5, 0.9, 2.0, 700.0, 3599.0]),  # since the last
        st.sampled_from([-0.05, 0.0, 0.2, 1.0, 4.5, 8.0, nan]),  # at_s from now
        st.sampled_from([1, 2, 3]),
        st.sampled_from([1, 1, 1, 0]),  # step of the sequence number
        st.booleans(),
    ),
    min_size=1,
    max_size=40,
)
TIGHT = {
    "lockout_s": 0.5,
    "trains_per_s": 0.8,
    "trains_per_hour": 9,
    "charge_per_hour_uc": 4.5,
    "on_time_per_hour_s": 3.5,
}


def asked_triggers(asked: list[tuple[float, float, int, int, bool]]) -> list[tuple[float, Trigger]]:
    now_s, seq, triggers = 1000.0, 0, []
    for wait_s, ahead_s, program_id, step, sham in asked:
        now_s += wait_s
        seq += step
        at_s = now_s + ahead_s
        triggers.append((now_s, Trigger(seq, program_id, at_s, at_s + 0.1, sham)))
    return triggers


def answers(triggers: list[tuple[float, Trigger]]) -> list[Sent | Refusal]:
    bench = Bench(**TIGHT)
    found = []
    for now_s, trigger in triggers:
        bench.arm(now_s)
        found.append(bench.gate.deliver(trigger, now_s))
    return found


@settings(derandomize=True, deadline=None, max_examples=100)
@given(ASKED)
def test_whatever_is_asked_what_is_sent_keeps_every_limit(
    asked: list[tuple[float, float, int, int, bool]],
) -> None:
    triggers = asked_triggers(asked)
    found = answers(triggers)
    trains = [
        (max(trigger.at_s, now_s), PROGRAMS[trigger.program_id - 1])
        for (now_s, trigger), answer in zip(triggers, found, strict=True)
        if isinstance(answer, Sent)
    ]
    starts = [start_s for start_s, _ in trains]
    ends = [start_s + program.train.duration_s for start_s, program in trains]
    for end_s, start_s in zip(ends, starts[1:], strict=False):
        assert start_s - end_s >= 0.5 - 1e-6
    for first_s, ninth_s in zip(starts, starts[8:], strict=False):
        assert 8 / (ninth_s - first_s) <= 0.8 + 1e-6
    # Hours that begin just before a train ends hold as much of the earlier ones as any can.
    for hour_s in ends:
        inside = [
            program
            for (start_s, program), end_s in zip(trains, ends, strict=True)
            if end_s >= hour_s and start_s <= hour_s + 3600.0 - 1e-6
        ]
        assert len(inside) <= 9
        assert sum(program.train.duration_s for program in inside) <= 3.5 + 1e-6
        for electrode in (1, 2, 3):
            charge_uc = sum(p.train.charge_uc for p in inside if electrode in p.electrodes)
            assert charge_uc <= 4.5 + 1e-6


@settings(derandomize=True, deadline=None, max_examples=100)
@given(ASKED)
def test_refusals_leave_no_trace_and_answers_repeat(
    asked: list[tuple[float, float, int, int, bool]],
) -> None:
    triggers = asked_triggers(asked)
    found = answers(triggers)
    # Compared as text, since a refused NaN is not equal to itself.
    assert [str(answer) for answer in answers(triggers)] == [str(answer) for answer in found]
    sent = [t for t, answer in zip(triggers, found, strict=True) if isinstance(answer, Sent)]
    assert all(isinstance(answer, Sent) for answer in answers(sent))


@settings(derandomize=True, deadline=None, max_examples=100)
@given(ASKED)
def test_sham_changes_no_answer(asked: list[tuple[float, float, int, int, bool]]) -> None:
    triggers = asked_triggers(asked)
    unblinded = [(now_s, replace(trigger, sham=False)) for now_s, trigger in triggers]
    assert [str(answer) for answer in answers(triggers)] == [str(a) for a in answers(unblinded)]


def test_limits_made_tighter_hold_from_the_next_trigger_on() -> None:
    bench = Bench()
    assert isinstance(bench.fire(10.0), Sent)
    bench.gate.tighten(lockout_s=3.0, amplitude_ua=1000.0)
    assert bench.refused(12.0).startswith("lockout: 1.59")
    assert isinstance(bench.fire(13.5), Sent)
    bench.gate.tighten(amplitude_ua=999.0)
    assert bench.refused(20.0).startswith("amplitude: 1000 uA, limit 999 uA")
    with pytest.raises(SafetyError, match="lockout: 1 s is looser than 3 s"):
        bench.gate.tighten(lockout_s=1.0, amplitude_ua=10.0)
    assert bench.refused(20.0).startswith("amplitude: 1000 uA, limit 999 uA")


def test_the_state_follows_what_was_sent_and_what_is_reported() -> None:
    bench = Bench(lockout_s=0.5)
    bench.fire(10.0)
    assert bench.arming.state is ArmingState.STIMULATING
    for i in range(1, 5):
        bench.arm(10.0 + i / 10)
    bench.gate.note(delivered())
    assert bench.arming.state is ArmingState.RECOVERY
    for i in range(5, 10):
        bench.arm(10.0 + i / 10)
    bench.arm(10.92)
    assert bench.arming.state is ArmingState.ARMED


def test_fewer_trains_an_hour_from_here_on() -> None:
    bench = Bench()
    for i in range(3):
        assert isinstance(bench.fire(10.0 + 10.0 * i), Sent)
    bench.gate.tighten(trains_per_hour=3)
    assert bench.refused(50.0).startswith("trains_per_hour: 4 trains, limit 3 trains")
