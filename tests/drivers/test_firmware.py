"""What the simulated stimulators have in common: patterns, faults at a time, their own clock."""

from dataclasses import replace
from math import inf
from typing import Any

import pytest

from bci_core.errors import DeviceError, SafetyError
from bci_core.events import Outcome, Trigger
from bci_core.status import ArmingState
from bci_core.stimulator.faults import DRIFT, FaultKind
from bci_core.stimulator.limits import pulses_of
from bci_core.stimulus import BiphasicPulse, ClickTrain, ProgramPart, PulseTrain, StimProgram
from drivers.stimulators.acoustic import Acoustic, clicks_of
from drivers.stimulators.acoustic_settings import AcousticSettings
from drivers.stimulators.adaptive_ipg import AdaptiveIpg
from drivers.stimulators.adaptive_ipg_settings import AdaptiveIpgSettings
from drivers.stimulators.device_clock import DeviceClock
from drivers.stimulators.firmware_settings import NumberedElectrode
from drivers.stimulators.microstim import Microstim
from drivers.stimulators.microstim_settings import MicrostimSettings
from drivers.stimulators.recorder_stim import RecorderStim
from drivers.stimulators.recorder_stim_settings import RecorderStimSettings

SHORT = PulseTrain(BiphasicPulse(20.0, 100.0, 60.0), 500.0, 4)  # 6.26 ms
LONG = PulseTrain(BiphasicPulse(10.0, 3000.0, 60.0), 50.0, 2)  # 6.06 ms a pulse
PATTERN = StimProgram(
    1,
    "pattern",
    LONG,
    (1,),
    (ProgramPart(SHORT, (2, 3), 0.001), ProgramPart(SHORT, (4,), 0.05)),
)


def armed(program: StimProgram = PATTERN, **settings: Any) -> Microstim:
    made = Microstim(MicrostimSettings(**{"command_latency_ms": 0.0, **settings}))
    made.load([program])
    made.arm(made.settings.max_lease_s, 0.0)
    return made


def fault(kind: str, after_s: float = 0.0, for_s: float = 100.0) -> dict[str, Any]:
    return {"faults": ({"kind": kind, "after_s": after_s, "for_s": for_s},)}


def test_a_pattern_plays_each_train_at_its_own_time_on_its_own_electrodes() -> None:
    device = armed()
    device.trigger(Trigger(1, 1, 0.1, 1.0), 0.0)
    (delivery,) = device.advance(0.5)
    left = device.emissions()
    starts = {e.channel: min(x.onset_s for x in left if x.channel == e.channel) for e in left}
    assert starts == pytest.approx({1: 0.1, 2: 0.101, 3: 0.101, 4: 0.15})
    assert delivery.n_pulses == PATTERN.n_pulses == 10
    assert delivery.charge_uc == pytest.approx(PATTERN.charge_uc)
    assert delivery.offset_s == pytest.approx(0.1 + PATTERN.duration_s)


def test_a_pattern_is_cut_in_every_train_that_is_under_way() -> None:
    device = armed()
    device.trigger(Trigger(1, 1, 0.1, 1.0), 0.0)
    device.disarm("stop", 0.10305)  # in the long pause, and in the second short pulse
    (delivery,) = device.advance(0.5)
    assert delivery.outcome is Outcome.ABORTED
    assert "pulse 1 of train 1 was cut and left 0.03 uC" in delivery.reason
    assert "pulse 2 of train 2 was cut and left 0.001 uC" in delivery.reason
    assert delivery.n_pulses == 1  # the first short one, behind the long one
    assert max(e.offset_s for e in device.emissions()) <= 0.10305 + 1e-6


@pytest.mark.parametrize(
    ("program", "message"),
    [
        (
            replace(PATTERN, more=(ProgramPart(SHORT, (1,), 0.001),)),
            "overlap: 2 trains on electrode 1, limit 1",
        ),
        (
            replace(
                PATTERN,
                electrodes=tuple(range(1, 10)),
                more=(ProgramPart(SHORT, tuple(range(11, 20)), 0.0),),
            ),
            "sources: 18 electrodes at once, limit 16",
        ),
        (replace(PATTERN, more=(ProgramPart(SHORT, (2,), -0.1),)), "delay: -0.1 s, limit 0 s"),
        (
            replace(PATTERN, more=(ProgramPart(ClickTrain(50.0, 0.05, 1.0), (2,), 0.1),)),
            "sound: 1 click trains, limit 0",
        ),
        (
            replace(PATTERN, train=replace(SHORT, ramp_up_pulses=4)),
            "ramp_up: 4 pulses, limit 3 pulses",
        ),
        (
            replace(
                PATTERN,
                train=replace(
                    SHORT,
                    pulse=BiphasicPulse(20.0, 100.0, 60.0, 10.0, 200.0),
                    ramp_up_pulses=2,
                ),
            ),
            "ramp_of_unequal_phases: -10 uA, limit 0 uA",
        ),
    ],
)
def test_a_pattern_that_cannot_be_played_is_refused(program: StimProgram, message: str) -> None:
    with pytest.raises(SafetyError) as caught:
        Microstim(MicrostimSettings()).load([program])
    assert message in str(caught.value)


def test_refusals_carry_the_makers_numbers() -> None:
    loud = replace(PATTERN, train=replace(LONG, pulse=BiphasicPulse(10.0, 4000.0, 60.0)))
    device = Microstim(MicrostimSettings())
    with pytest.raises(SafetyError, match=r"charge_per_phase: 0.04 uC.* \[error -123\]"):
        device.load([loud])
    assert device.status(1.0).code == -123
    many = [
        replace(PATTERN, program_id=i + 1, more=(), train=replace(SHORT, n_pulses=i + 1))
        for i in range(16)
    ]
    with pytest.raises(SafetyError, match=r"waveforms: 16 different trains, limit 15"):
        device.load(many)


def test_trigger_mode_locks_out_what_is_not_stopping() -> None:
    device = armed()
    with pytest.raises(DeviceError, match=r"in trigger mode \(error -103\)"):
        device.read_back()
    device.disarm("done", 0.1)
    assert device.read_back() == (PATTERN,)


def test_planned_faults_count_from_the_first_arming_and_pass() -> None:
    device = armed(**fault("locked", after_s=1.0, for_s=0.5))
    assert device.next_event_s() == pytest.approx(1.0)
    answers = []
    for seq, at_s in enumerate((0.5, 1.2, 1.6), start=1):
        device.renew(at_s)
        answer = device.trigger(Trigger(seq, 1, at_s, at_s + 1.0), at_s)
        assert answer is not None
        answers.append(answer.refusal.limit if answer.refusal else "")
    assert answers == ["", "locked", ""]


def test_what_has_left_so_far_is_told_while_a_program_runs() -> None:
    device = armed()
    device.trigger(Trigger(1, 1, 0.1, 1.0), 0.0)
    device.advance(0.1065)
    so_far = device.emissions()
    assert {e.channel for e in so_far} == {1, 2, 3}
    assert max(e.offset_s for e in so_far) <= 0.1065
    device.advance(0.5)
    rest = device.emissions()
    assert len(so_far) + len(rest) == 2 * (2 + 2 * 4 + 4)


def test_a_lost_device_has_stopped_by_itself() -> None:
    device = armed(**fault("disconnect", after_s=0.1015))
    device.trigger(Trigger(1, 1, 0.1, 1.0), 0.0)
    (delivery,) = device.advance(0.5)
    assert delivery.reason.startswith("host lost")
    assert delivery.offset_s == pytest.approx(0.1015)


def test_a_stuck_output_counts_what_it_gave_and_nobody_can_arm_until_reset() -> None:
    device = armed(replace(PATTERN, more=()), **fault("stuck_on"))
    device.trigger(Trigger(1, 1, 0.1, 1.0), 0.0)
    (delivery,) = device.advance(0.5)
    assert delivery.outcome is Outcome.ABORTED
    assert delivery.net_charge_uc == pytest.approx(0.05)  # 10 uA for the 5 ms of the watchdog
    assert delivery.charge_uc == pytest.approx(0.03 + 0.05)
    assert device.status(0.5).state is ArmingState.FAULT_LATCHED
    with pytest.raises(DeviceError, match="it stays latched"):
        device.reset(0.6)
    with pytest.raises(SafetyError, match="has latched a fault, stuck on"):
        device.arm(1.0, 0.6)


def test_a_stuck_output_of_sham_gives_nothing() -> None:
    device = armed(**fault("stuck_on"))
    device.trigger(Trigger(1, 1, 0.1, 1.0, sham=True), 0.0)
    (delivery,) = device.advance(0.5)
    assert delivery.outcome is Outcome.SHAM
    assert device.emissions() == []


def test_a_fast_clock_fires_early_and_believes_itself_on_time() -> None:
    device = armed(max_lease_s=20.0, **fault("clock_drift", after_s=1.0))
    for now_s in (1.0, 1.5, 2.0):
        device.advance(now_s)
    assert device.status(2.0).at_s == pytest.approx(2.0 + DRIFT * 1.0, abs=1e-6)
    device.trigger(Trigger(1, 1, 3.0, 4.0), 2.0)
    assert device.next_event_s() < 3.0 + PATTERN.duration_s
    (delivery,) = device.advance(3.5)
    assert delivery.onset_s == pytest.approx(3.0)
    begun_s = min(e.onset_s for e in device.emissions())
    assert begun_s == pytest.approx(1.0 + 2.0 / (1.0 + DRIFT), abs=1e-6)


def test_a_clock_that_has_drifted_stays_ahead() -> None:
    clock = DeviceClock()
    assert (clock.own_s(5.0), clock.host_s(5.0)) == (5.0, 5.0)
    clock.drift(True, 10.0)
    clock.drift(True, 11.0)
    assert clock.own_s(20.0) == pytest.approx(10.0 * DRIFT + 20.0)
    assert clock.host_s(clock.own_s(17.0)) == pytest.approx(17.0)
    clock.drift(False, 20.0)
    assert clock.own_s(30.0) == pytest.approx(30.0 + 10.0 * DRIFT)
    assert clock.host_s(clock.own_s(30.0)) == pytest.approx(30.0)


def test_a_fault_found_while_stopping_is_latched_too() -> None:
    chip = RecorderStim(
        RecorderStimSettings(odd_electrodes=(NumberedElectrode(number=1, access_kohm=5000.0),))
    )
    train = PulseTrain(BiphasicPulse(20.0, 200.0, 40.0), 100.0, 3)
    chip.load([StimProgram(1, "three", train, (1,))])
    chip.arm(1.0, 0.0)
    chip.trigger(Trigger(1, 1, 0.1, 1.0), 0.0)
    chip.disarm("stop", 0.115)
    assert chip.disarmed_reason() == "stop"
    assert chip.status(0.2).fault.startswith("compliance: ")


def test_an_unknown_fault_is_refused_with_those_there_are() -> None:
    device = armed()
    with pytest.raises(DeviceError, match="no fault is called 'gremlins'; there are disconnect"):
        device.faults.switch("gremlins", True)
    assert device.faults.next_change_s(0.0) == inf
    device.faults.switch(FaultKind.LOCKED, True)
    device.faults.switch(FaultKind.LOCKED, False)
    assert not device.faults.active(FaultKind.LOCKED, 1.0)


def test_sound_and_current_are_not_taken_for_each_other() -> None:
    with pytest.raises(DeviceError, match="it plays no sound"):
        pulses_of(ClickTrain(50.0, 0.05, 1.0))
    with pytest.raises(DeviceError, match="of a device for sound"):
        clicks_of(PATTERN)
    implant = AdaptiveIpg(AdaptiveIpgSettings(mode="responsive"))
    with pytest.raises(SafetyError, match="program_slot: 17 slot, limit 16 slot"):
        implant.load([replace(PATTERN, program_id=17)])


def test_a_click_cut_before_it_is_heard_leaves_nothing() -> None:
    device = Acoustic(AcousticSettings())
    device.load([StimProgram(1, "click", ClickTrain(20.0, 0.05, 1.0), (1,))])
    device.arm(1.0, 0.0)
    device.trigger(Trigger(1, 1, 0.5, 1.0), 0.0)
    device.disarm("stop", 0.50003)  # one sample of the rise, which rounds to silence
    (delivery,) = device.advance(0.6)
    assert delivery.outcome is Outcome.ABORTED
    assert device.emissions() == []


@pytest.mark.parametrize("settings", [{"step_ua": 0.3}, {"sample_rate_hz": 44_100.0}])
def test_steps_that_the_chip_does_not_have(settings: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must be one of"):
        RecorderStimSettings(**settings)
