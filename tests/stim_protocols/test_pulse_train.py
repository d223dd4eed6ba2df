from math import inf, nan
from typing import Any

import pytest
from pydantic import ValidationError

from bci_core import registry
from bci_core.events import Decision, Detection, Situation, Trigger, Verdict
from bci_core.safety.check import check_programs
from bci_core.safety.envelope import SafetyEnvelope, SafetySettings
from bci_core.stimulus import BiphasicPulse, PulseTrain, StimProgram
from stim_protocols.pulse_train import PulseTrainProtocol, PulseTrainSettings

SECTION: dict[str, Any] = {
    "amplitude_ua": 20,
    "phase_us": 200,
    "interphase_us": 53.0,
    "rate_hz": 100.0,
    "n_pulses": 5,
    "electrodes": [1, 3],
}


def protocol(**keys: Any) -> PulseTrainProtocol:
    return PulseTrainProtocol(PulseTrainSettings.model_validate(SECTION | keys))


def decision(verdict: Verdict, target_s: float = 12.5) -> Decision:
    detection = Detection(sample_index=7, sample_s=12.4, target_s=target_s, value=1.0)
    return Decision(detection, Situation(12.41, 12.41, 12.41), verdict)


def test_found_by_name() -> None:
    assert registry.load("protocol", "pulse_train") is PulseTrainProtocol


def test_one_program_as_the_rig_says() -> None:
    train = PulseTrain(BiphasicPulse(20.0, 200.0, 53.0), rate_hz=100.0, n_pulses=5)
    assert protocol().programs() == (StimProgram(1, "pulse_train", train, (1, 3)),)


def test_the_second_phase_may_differ() -> None:
    (program,) = protocol(recovery_amplitude_ua=10.0, recovery_phase_us=400.0).programs()
    assert program.train.pulse.second_amplitude_ua == 10.0
    assert program.train.pulse.net_charge_uc == pytest.approx(0.0)


def test_the_programs_pass_the_check_of_a_utah_electrode() -> None:
    settings = SafetySettings(electrode_class="microelectrode", electrode_area_cm2=2e-5)
    check_programs(protocol().programs(), SafetyEnvelope.from_settings(settings))


@pytest.mark.parametrize(("verdict", "sham"), [(Verdict.STIM, False), (Verdict.SHAM, True)])
def test_a_decision_to_act_is_one_trigger_at_its_target(verdict: Verdict, sham: bool) -> None:
    asked = protocol(deadline_s=0.25).plan(decision(verdict), 42)
    assert asked == (Trigger(42, program_id=1, at_s=12.5, deadline_s=12.75, sham=sham),)


def test_a_refused_decision_asks_for_nothing() -> None:
    assert protocol().plan(decision(Verdict.REFUSED), 42) == ()


def test_planning_is_pure() -> None:
    planner = protocol()
    first = planner.plan(decision(Verdict.STIM), 1)
    planner.plan(decision(Verdict.STIM, target_s=99.0), 2)
    assert planner.plan(decision(Verdict.STIM), 1) == first


@pytest.mark.parametrize("value", [nan, inf, 0, -1, "20", True], ids=str)
@pytest.mark.parametrize(
    "key", ["amplitude_ua", "phase_us", "rate_hz", "n_pulses", "deadline_s", "recovery_phase_us"]
)
def test_amounts_are_numbers_above_zero(key: str, value: Any) -> None:
    with pytest.raises(ValidationError) as caught:
        protocol(**{key: value})
    assert [error["loc"] for error in caught.value.errors()] == [(key,)]


@pytest.mark.parametrize("electrodes", [[], [0], [1.5], "1"])
def test_electrodes_are_channel_numbers(electrodes: Any) -> None:
    with pytest.raises(ValidationError):
        protocol(electrodes=electrodes)


@pytest.mark.parametrize("key", ["amplitude_ua", "phase_us", "rate_hz", "n_pulses", "electrodes"])
def test_what_is_delivered_has_no_default(key: str) -> None:
    with pytest.raises(ValidationError):
        PulseTrainSettings.model_validate({k: v for k, v in SECTION.items() if k != key})


def test_an_unknown_key_is_a_mistake() -> None:
    with pytest.raises(ValidationError):
        protocol(amplitude_ma=1.0)
