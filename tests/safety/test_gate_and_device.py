"""The gate with a device: its capabilities, its electrodes, what it measures, and its status."""

from dataclasses import replace
from math import inf, nan
from typing import Any

import pytest

from bci_core.bench.safety_vectors import DEVICE
from bci_core.capabilities import SoundCapabilities
from bci_core.errors import SafetyError
from bci_core.events import Delivery, Outcome, Refusal, Trigger
from bci_core.safety.arming import Arming
from bci_core.safety.arming_settings import ArmingSettings
from bci_core.safety.device_watch import DISAGREE_S
from bci_core.safety.envelope import SafetyEnvelope, SafetySettings
from bci_core.safety.gate import SafetyGate, Sent
from bci_core.status import ArmingState, DeviceStatus, Impedance
from bci_core.stimulus import BiphasicPulse, ClickTrain, ProgramPart, PulseTrain, StimProgram

PULSE = BiphasicPulse(1000.0, 100.0)
SHORT = StimProgram(1, "short", PulseTrain(PULSE, 10.0, 5), (1, 2))
RAMPED = replace(SHORT, train=PulseTrain(PULSE, 10.0, 5, ramp_up_pulses=2))
MEASURING = replace(DEVICE, compliance_v=9.5, measures=("charge", "net_charge", "output_v"))
SPEAKER = SoundCapabilities(
    *(2, 2, 4, 4, 10),
    *(30.0, 80.0, 0.5, 0.01, 0.2, 0.05, 20.8, 0.1, 5.0, 0.04),
    measures=(),
    simulated=True,
)


class Link:
    def __init__(self) -> None:
        self.disarmed: list[str] = []

    def send(self, trigger: Trigger) -> float:
        return trigger.at_s

    def disarm(self, reason: str) -> None:
        self.disarmed.append(reason)


class Bench:
    def __init__(self, program: StimProgram = SHORT, able: Any = MEASURING, **section: Any) -> None:
        section = {"electrode_class": "depth", "electrode_area_cm2": 0.05} | section
        if section["electrode_class"] == "sound":
            del section["electrode_area_cm2"]
        envelope = SafetyEnvelope.from_settings(SafetySettings.model_validate(section))
        self.link = Link()
        self.arming = Arming(ArmingSettings())
        self.arming.connect(0.0)
        self.arming.configure(0.0)
        link: Any = self.link
        self.gate = SafetyGate(envelope, [program], link, self.arming)
        if able is not None:
            self.gate.connect(able)
        self.seq = 0

    def keep(self, now_s: float) -> None:
        self.arming.heartbeat(now_s)
        self.arming.samples(now_s)
        why = self.arming.check(now_s)
        if why and not why.startswith("latched"):
            self.arming.arm(5.0, "operator", now_s)

    def fire(self, now_s: float = 10.0, **changes: Any) -> Sent | Refusal:
        self.keep(now_s)
        self.seq += 1
        return self.gate.deliver(
            replace(Trigger(self.seq, 1, now_s, now_s + 0.1), **changes), now_s
        )

    def status(self, now_s: float, state: ArmingState = ArmingState.ARMED, **told: Any) -> str:
        self.keep(now_s)
        asked_s, told_s = told.pop("asked_s", now_s), told.pop("told_s", now_s)
        status = DeviceStatus(told.pop("at_s", now_s), state, **told)
        return self.gate.note_status(status, asked_s, told_s, now_s)


def noted(program: StimProgram = SHORT, able: Any = MEASURING, **report: Any) -> str:
    bench = Bench(program, able)
    assert isinstance(bench.fire(), Sent)
    told: dict[str, Any] = {
        "seq": 1,
        "outcome": Outcome.DELIVERED,
        "onset_s": 10.0,
        "offset_s": 10.0 + program.duration_s,
        "n_pulses": program.n_pulses,
        "charge_uc": program.charge_in_steps_uc(1.0),
        "output_v": 1.04,
    }
    for i in range(1, 6):
        bench.keep(10.0 + i / 10)
    difference = bench.gate.note(Delivery(**told | report))
    assert bench.arming.check(10.5) == (f"latched:{difference}" if difference else "")
    return difference.removeprefix("trigger 1: ")


def test_a_gate_that_knows_of_no_device_lets_nothing_through() -> None:
    bench = Bench(able=None)
    answer = bench.fire()
    assert str(answer) == (
        "device: 0 connected devices, limit 1 connected devices (the gate knows of none)"
    )
    bench.gate.connect(MEASURING)
    assert isinstance(bench.fire(), Sent)


@pytest.mark.parametrize(
    ("able", "message"),
    [
        (replace(MEASURING, compliance_v=1.0), "compliance: 1.04 V, limit 1 V"),
        (SPEAKER, "device: for sound, limit: one for electrode class depth"),
    ],
)
def test_a_device_that_cannot_is_not_connected(able: Any, message: str) -> None:
    bench = Bench()
    with pytest.raises(SafetyError, match=message):
        bench.gate.connect(able)
    assert str(bench.fire()).startswith("device: 0 connected devices")


def test_electrodes_that_are_shorted_or_open_are_all_named() -> None:
    bench = Bench(able=None)
    measured_kohm = {1: 0.01, 2: 1.0, 3: nan}
    short, fine, broken = (Impedance(e, kohm, 1000.0) for e, kohm in measured_kohm.items())
    with pytest.raises(SafetyError) as caught:
        bench.gate.connect(MEASURING, [short, fine, broken])
    lines = str(caught.value).splitlines()[1:]
    assert lines[0].strip().startswith("electrode 1: impedance: 0.01 kOhm, limit 0.05 to 3.5 kOhm")
    assert lines[1].strip().startswith("electrode 3: impedance: nan kOhm")
    with pytest.raises(SafetyError, match=r"compliance: 3.54 V, limit 3 V"):
        bench.gate.connect(replace(MEASURING, compliance_v=3.0), [Impedance(2, 3.5, 1000.0)])
    bench.gate.connect(MEASURING, [fine])
    assert isinstance(bench.fire(), Sent)


@pytest.mark.parametrize(
    ("report", "difference"),
    [
        ({}, ""),
        ({"charge_uc": 0.504}, ""),
        ({"charge_uc": 0.506}, "charge: 0.506 uC, limit 0.505 uC"),
        ({"charge_uc": 0.49}, "charge: 0.49 uC, limit at least 0.495 uC"),
        ({"net_charge_uc": 0.0009}, ""),
        ({"net_charge_uc": -0.0009}, ""),
        ({"net_charge_uc": 0.0011}, "net_charge: 0.0011 uC, limit 0.001 uC"),
        ({"net_charge_uc": -0.0011}, "net_charge: 0.0011 uC, limit 0.001 uC"),
        ({"net_charge_uc": nan}, "net_charge: nan uC, limit 0.001 uC"),
        ({"output_v": 9.49}, ""),
        ({"output_v": 9.5}, "output_v: 9.5 V, limit below 9.5 V"),
        ({"output_v": -12.0}, "output_v: 12 V, limit below 9.5 V"),
        ({"output_v": inf}, "output_v: inf V, limit below 9.5 V"),
        ({"output_v": nan}, "output_v: not read back, limit below 9.5 V"),
        ({"offset_s": 10.45}, "train: lasted 0.45 s, limit 0.4002 s"),
        (
            {"outcome": Outcome.ABORTED, "n_pulses": 2, "charge_uc": 0.2, "net_charge_uc": 0.1},
            "",
        ),
        (
            {"outcome": Outcome.ABORTED, "n_pulses": 2, "charge_uc": 0.2, "net_charge_uc": 0.11},
            "net_charge: 0.11 uC, limit 0.101 uC",
        ),
        ({"outcome": Outcome.ABORTED, "n_pulses": 0, "charge_uc": 0.0, "output_v": nan}, ""),
    ],
)
def test_what_was_measured_is_held_to_what_was_asked(
    report: dict[str, Any], difference: str
) -> None:
    assert noted(**report) == difference


def test_a_ramp_is_compared_as_the_device_rounds_it() -> None:
    coarse = replace(MEASURING, amplitude_step_ua=500.0)  # 0, 500, 1000, 1000, 1000 uA
    assert noted(RAMPED, coarse, charge_uc=0.35) == ""
    found = noted(RAMPED, coarse, charge_uc=RAMPED.charge_uc)
    assert found == "charge: 0.4 uC, limit 0.3535 uC"


def test_a_device_that_measures_no_output_owes_none() -> None:
    assert noted(able=replace(MEASURING, measures=()), output_v=nan) == ""


def test_direct_current_bounds_what_a_pulse_may_leave() -> None:
    micro = replace(SHORT, train=PulseTrain(BiphasicPulse(20.0, 200.0), 200.0, 5))
    bench = Bench(micro, electrode_class="microelectrode", electrode_area_cm2=2e-5)
    bench.fire()
    report = Delivery(1, Outcome.DELIVERED, 10.0, 10.0 + micro.duration_s, 5, 0.02)
    found = bench.gate.note(replace(report, net_charge_uc=1e-5, output_v=1.0))
    assert found == "trigger 1: net_charge: 1e-05 uC, limit 7.5e-06 uC"


def test_sound_carries_no_charge_and_no_voltage() -> None:
    clicks = StimProgram(1, "clicks", ClickTrain(55.0, 0.05, 1.075, 2), (1,))
    for report, difference in (
        ({}, ""),
        ({"output_v": 3.0}, ""),
        ({"charge_uc": 0.1}, "trigger 1: charge: 0.1 uC, limit 0 uC"),
        ({"net_charge_uc": 0.1}, "trigger 1: net_charge: 0.1 uC, limit 0 uC"),
    ):
        bench = Bench(clicks, SPEAKER, electrode_class="sound")
        assert isinstance(bench.fire(), Sent)
        told = Delivery(1, Outcome.DELIVERED, 10.0, 11.125, 2)
        assert bench.gate.note(replace(told, **report)) == difference
    with pytest.raises(SafetyError, match="device: for current, limit: one for electrode class"):
        Bench(clicks, MEASURING, electrode_class="sound")


def test_more_than_was_asked_counts_once_the_latch_is_reset() -> None:
    bench = Bench(charge_per_hour_uc=1.3)
    bench.fire()
    report = Delivery(1, Outcome.DELIVERED, 10.0, 10.4002, 5, 0.9, output_v=1.0)
    assert "charge: 0.9 uC" in bench.gate.note(report)
    bench.arming.reset("second person", 11.0)
    answer = bench.fire(11.0)
    assert str(answer).startswith("charge_per_hour: 1.4 uC, limit 1.3 uC")


def test_net_charge_is_budgeted_as_the_device_rounds_it() -> None:
    uneven = BiphasicPulse(1000.0, 100.0, 0.0, recovery_amplitude_ua=500.0, recovery_phase_us=200.0)
    program = replace(SHORT, train=PulseTrain(uneven, 10.0, 5, ramp_up_pulses=1))
    coarse = replace(MEASURING, amplitude_step_ua=100.0)  # 500 and 250 uA, rounded to 200
    limits = {"net_charge_fraction": 0.3, "override_reason": "ramp", "overridden_by": "tests"}
    bench = Bench(program, coarse, **limits, net_charge_per_hour_uc=0.015)
    assert isinstance(bench.fire(10.0), Sent)
    assert str(bench.fire(20.0)).startswith("net_charge_per_hour: 0.02 uC, limit 0.015 uC")


def test_connecting_again_forgets_no_budget() -> None:
    bench = Bench(charge_per_hour_uc=0.8)
    assert isinstance(bench.fire(10.0), Sent)
    bench.gate.connect(MEASURING)
    assert str(bench.fire(20.0)).startswith("charge_per_hour: 1 uC, limit 0.8 uC")


def test_after_a_guard_has_stopped_it_the_gate_waits_and_the_pair_is_banned() -> None:
    bench = Bench()
    bench.fire(10.0)
    bench.gate.after_discharge.note_abort(12.0)
    assert str(bench.fire(71.0)).startswith("after_discharge_lockout: 59 s, limit 60 s")
    assert str(bench.fire(72.0)).startswith("after_discharge_ban: 2 banned electrodes")


def test_a_program_that_changed_is_refused_even_within_the_limits() -> None:
    pulse = BiphasicPulse(1000.0, 100.0)
    train = PulseTrain(pulse, 10.0, 1)
    part = ProgramPart(train, (3,), 0.5)
    bench = Bench(StimProgram(1, "short", train, (1,), (part,)))
    object.__setattr__(part, "delay_s", 0.6)  # as a stray write into memory would
    assert str(bench.fire()) == (
        "program_changed: 1 changes since the check, limit 0 changes since the check "
        "(program 1 'short')"
    )
    object.__setattr__(part, "delay_s", 0.5)
    assert isinstance(bench.fire(), Sent)


def test_a_status_that_agrees_changes_nothing() -> None:
    bench = Bench()
    for now_s in (10.0, 10.5, 11.0, 11.0):
        assert bench.status(now_s, at_s=now_s - 3.0) == ""
    bench.fire(11.5)
    assert bench.status(11.6, ArmingState.STIMULATING, at_s=8.6) == ""
    assert bench.status(12.5, ArmingState.STIMULATING, at_s=9.5) == ""
    assert bench.arming.check(12.5) == ""
    assert bench.link.disarmed == []


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        ({"fault": "source 3 open", "code": -108}, "device fault: source 3 open, code -108"),
        ({"state": ArmingState.FAULT_LATCHED}, "device fault: latched, cause not told, code 0"),
        ({"at_s": nan}, "device clock: nan s, limit finite"),
    ],
)
def test_a_fault_of_the_device_latches(told: dict[str, Any], reason: str) -> None:
    bench = Bench()
    assert bench.status(10.0, **told) == reason
    assert bench.arming.check(10.0) == f"latched:{reason}"
    assert bench.link.disarmed == [reason]


def test_a_device_clock_that_stands_still_disarms() -> None:
    bench = Bench()
    for now_s in (10.0, 10.5, 11.0):
        assert bench.status(now_s, at_s=3.0) == ""
    assert bench.status(11.1, at_s=3.0) == "device status: 1.1 s old, limit 1 s"
    assert bench.arming.check(11.1) == "device status: 1.1 s old, limit 1 s"


def test_a_host_that_was_busy_between_question_and_answer_blames_no_clock() -> None:
    bench = Bench()
    bench.keep(10.0)
    # Too long a wait to set the clocks by, then one that is short, then a host that hung.
    assert bench.status(10.5, asked_s=10.0, at_s=10.0) == ""
    assert bench.status(11.0, asked_s=11.0, at_s=11.0) == ""
    assert bench.status(13.5, asked_s=11.5, at_s=11.5) == ""
    assert bench.status(14.0, asked_s=13.9, at_s=13.95) == ""
    # 0.3 s before it was asked is nobody's waiting.
    assert "device clock: off by 0.3 s" in bench.status(15.0, asked_s=14.5, at_s=14.2)


def test_a_clock_that_drifts_as_quartz_does_is_granted_that_and_no_more() -> None:
    bench = Bench()
    assert bench.status(10.0) == ""
    assert bench.status(1010.0, at_s=1010.09) == ""
    assert "off by 0.11 s, limit 0.1 s" in bench.status(1020.0, at_s=1020.11)


def test_an_answer_is_judged_by_when_it_came_not_by_when_it_was_read() -> None:
    bench = Bench()
    assert bench.status(10.1, asked_s=10.0, told_s=10.001, at_s=10.0) == ""
    found = bench.status(11.1, asked_s=11.0, told_s=11.001, at_s=11.03)
    assert found.startswith("device clock: off by 0.03 s, limit 0.0202")


@pytest.mark.parametrize(("rate", "says"), [(1.02, "off by 0.2 s"), (0.98, "off by 0.2 s")])
def test_a_device_clock_that_runs_away_latches(rate: float, says: str) -> None:
    bench = Bench()
    assert bench.status(10.0) == ""
    assert bench.status(11.0, at_s=10.0 + 1.0 * rate) == ""
    found = bench.status(20.0, at_s=10.0 + 10.0 * rate)
    assert found.startswith(f"device clock: {says}, limit 0.022 s")
    assert bench.arming.check(20.0) == f"latched:{found}"


@pytest.mark.parametrize(
    ("state", "says", "latches"),
    [
        (ArmingState.STIMULATING, "stimulating, nothing was asked", True),
        (ArmingState.CONFIGURED, "configured while armed here", False),
        (ArmingState.STOPPED, "stopped while armed here", False),
    ],
)
def test_a_state_that_differs_for_long_disarms_or_latches(
    state: ArmingState, says: str, latches: bool
) -> None:
    bench = Bench()
    assert bench.status(10.0, state) == ""
    assert bench.status(10.0 + DISAGREE_S, state) == ""
    found = bench.status(10.75, state)
    assert found == f"device {says}, for 0.75 s, limit 0.5 s"
    assert bench.arming.check(10.75) == (f"latched:{found}" if latches else found)


def test_an_answer_from_before_the_arming_tells_nothing_of_after_it() -> None:
    bench = Bench()
    assert bench.status(10.0, ArmingState.CONFIGURED) == ""
    # The lease of the device has ended; with the loop disarmed nobody reads the next answer.
    bench.arming.disarm("device: lease expired", 10.01)
    bench.keep(11.0)
    assert bench.status(11.1, ArmingState.CONFIGURED, asked_s=10.005) == ""
    assert bench.status(11.2, ArmingState.CONFIGURED) == ""
    assert bench.status(11.8, ArmingState.CONFIGURED) == (
        "device configured while armed here, for 0.6 s, limit 0.5 s"
    )


def test_a_device_that_is_armed_while_the_gate_is_not_is_disarmed() -> None:
    bench = Bench()
    for now_s in (10.0, 11.0):
        found = bench.gate.note_status(DeviceStatus(now_s, ArmingState.ARMED), *[now_s] * 3)
    assert found == "device armed while disarmed here, for 1 s, limit 0.5 s"
    assert bench.link.disarmed == [found]
    assert bench.gate.note_status(DeviceStatus(12.0, ArmingState.CONFIGURED), *[12.0] * 3) == ""
