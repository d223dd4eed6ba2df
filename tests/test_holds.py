"""Programs that a device gives again: what they may stand for, and what it may have given."""

from dataclasses import replace
from typing import Any

import pytest

from bci_core.errors import SafetyError
from bci_core.events import Delivery, Outcome, Trigger
from bci_core.holds import GivenLast, hold_refusals
from bci_core.safety.check import check_programs
from bci_core.safety.envelope import SafetyEnvelope, SafetySettings
from bci_core.stimulus import BiphasicPulse, ClickTrain, ProgramPart, PulseTrain, StimProgram
from drivers.stimulators.adaptive_ipg_settings import AdaptiveIpgSettings


def program(slot: int, amplitude_ua: float, *, ramp: int = 20, **changes: Any) -> StimProgram:
    train = PulseTrain(BiphasicPulse(amplitude_ua, 60.0), 100.0, 60, ramp, ramp)
    return replace(StimProgram(slot, f"state {slot}", train, (1,)), **changes)


LOW, HIGH = program(1, 100.0), program(3, 500.0)
HOLD = replace(HIGH, program_id=2, name="hold", holds=(1, 3))
TABLE = (LOW, HOLD, HIGH)


def test_a_table_of_states_with_a_hold_is_in_order() -> None:
    assert hold_refusals(TABLE) == []
    envelope = SafetyEnvelope.from_settings(
        SafetySettings(electrode_class="macro", electrode_area_cm2=0.06)
    )
    able = AdaptiveIpgSettings(max_ramp_ma_s=10.0).capabilities()
    check_programs(TABLE, envelope, able)
    with pytest.raises(SafetyError, match="the device does not remember what it gave"):
        check_programs(TABLE, envelope, replace(able, holds=False))


def timed(**changes: Any) -> StimProgram:
    return replace(LOW, train=replace(LOW.train, **changes))


def pulsed(**changes: Any) -> StimProgram:
    assert isinstance(LOW.train, PulseTrain)
    return timed(pulse=replace(LOW.train.pulse, **changes))


@pytest.mark.parametrize(
    ("low", "problem"),
    [
        (replace(LOW, program_id=4), "in that slot is no train of its own"),
        (replace(LOW, holds=(3,)), "in that slot is no train of its own"),
        (replace(LOW, electrodes=(2,)), "other electrodes"),
        (replace(LOW, more=(ProgramPart(LOW.train, (2,)),)), "several trains"),
        (timed(n_pulses=61), "another timing"),
        (timed(rate_hz=99.0), "another timing"),
        (pulsed(phase_us=50.0), "another timing"),
        (pulsed(amplitude_ua=501.0), "stronger than what this one counts as"),
        (pulsed(recovery_amplitude_ua=501.0), "stronger than what this one counts as"),
        (pulsed(recovery_amplitude_ua=90.0), "stronger than what this one counts as"),
        (program(1, 499.0, ramp=0), "stronger than what this one counts as"),
        (replace(LOW, train=ClickTrain(60.0, 0.05, 1.0)), "only trains of pulses are held"),
    ],
)
def test_what_a_hold_may_not_stand_for(low: StimProgram, problem: str) -> None:
    found = [str(refusal) for refusal in hold_refusals((low, HOLD, HIGH))]
    assert any("program 2 'hold'" in line and problem in line for line in found)


def test_a_hold_counts_as_one_of_those_it_stands_for() -> None:
    between = replace(HOLD, train=program(2, 600.0).train)
    (refusal,) = hold_refusals((LOW, between, HIGH))
    assert "none that it holds is the train it counts as" in str(refusal)


def told(seq: int, slot: int, given: int = 0, outcome: Outcome = Outcome.DELIVERED) -> Any:
    return Trigger(seq, slot, 0.0, 1.0), Delivery(seq, outcome, given_id=given)


def test_what_is_held_is_what_was_given_last() -> None:
    given = GivenLast(TABLE)
    assert given.given(*told(1, 1)) == (1, "")
    assert given.given(*told(2, 2, given=1)) == (1, "")
    assert given.given(*told(3, 3, outcome=Outcome.SHAM)) == (3, "")
    assert given.given(*told(4, 2, given=3)) == (3, "")
    # What was refused was not given.
    assert given.given(*told(5, 1, outcome=Outcome.REFUSED)) == (1, "")
    assert given.given(*told(6, 2, outcome=Outcome.REFUSED)) == (2, "")
    assert given.given(*told(7, 2, given=3)) == (3, "")


@pytest.mark.parametrize(
    ("reports", "wrong"),
    [
        ([told(1, 2, given=3)], "hold: gave program 3, the last before was none"),
        ([told(1, 1), told(2, 2, given=3)], "hold: gave program 3, the last before was 1"),
        ([told(1, 1), told(2, 2)], "hold: gave program 0, the last before was 1"),
        ([told(1, 1, given=3)], "gave program 3, asked for 1"),
    ],
)
def test_a_device_that_gave_another_is_found_out(reports: Any, wrong: str) -> None:
    given = GivenLast(TABLE)
    assert [given.given(*each)[1] for each in reports][-1] == wrong
