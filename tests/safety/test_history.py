"""Budgets over hour and day, earlier sessions, and what was delivered beyond what was asked."""

from array import array
from math import inf, nan
from typing import Any

import pytest

from bci_core.events import Delivery, Outcome, Refusal
from bci_core.safety.envelope import SafetyEnvelope, SafetySettings
from bci_core.safety.history import Dose, TrainHistory
from bci_core.safety.windows import AT_ONCE, Window
from bci_core.stimulus import BiphasicPulse, ClickTrain, PulseTrain, StimProgram

# 0.5 uC in 0.4002 s; the second leaves 0.005 uC on electrodes 2 and 3.
SHORT = StimProgram(1, "short", PulseTrain(BiphasicPulse(1000.0, 100.0), 10.0, 5), (1, 2))
LEAVES = StimProgram(
    2,
    "leaves",
    PulseTrain(BiphasicPulse(1000.0, 100.0, recovery_amplitude_ua=990.0), 10.0, 5),
    (2, 3),
)
SIGNED = {"override_reason": "to see one limit at a time", "overridden_by": "tests"}


def history(*earlier: Dose, **limits: Any) -> TrainHistory:
    section = {"electrode_class": "depth", "electrode_area_cm2": 0.05}
    envelope = SafetyEnvelope.from_settings(
        SafetySettings.model_validate(section | limits | SIGNED)
    )
    return TrainHistory(envelope, (SHORT, LEAVES), earlier)


def refused(found: Refusal | None) -> str:
    assert found is not None
    return str(found)


def test_the_day_counts_what_the_hour_has_forgotten() -> None:
    past = history(charge_per_day_uc=1.2)
    past.add(0, 1000.0)
    past.add(0, 8000.0)
    message = refused(past.refusal(0, 20_000.0))
    assert message == "charge_per_day: 1.5 uC, limit 1.2 uC (program 1 'short', electrode 1)"
    # By the minute: the first ended in the one that ended at 1020 s.
    assert past.refusal(0, 1019.0 + 86_400.0) is not None
    assert past.refusal(0, 1020.0 + 86_400.0) is None


def test_on_time_of_the_day() -> None:
    past = history(on_time_per_day_s=1.0)
    past.add(0, 1000.0)
    past.add(0, 10_000.0)
    assert refused(past.refusal(0, 20_000.0)).startswith("on_time_per_day: 1.2006 s, limit 1 s")


def test_what_unbalanced_pulses_leave_is_limited_by_the_hour() -> None:
    past = history(net_charge_per_hour_uc=0.012)
    past.add(1, 1000.0)
    past.add(1, 1010.0)
    message = refused(past.refusal(1, 1020.0))
    assert message == (
        "net_charge_per_hour: 0.015 uC, limit 0.012 uC (program 2 'leaves', electrode 2)"
    )
    assert past.refusal(0, 1020.0) is None
    assert past.refusal(1, 1011.0 + 3600.0) is None


def test_earlier_sessions_count() -> None:
    earlier = Dose(900.0, 2, 0.8, {1: 1.0}, {3: 0.1}, 0.0)
    past = history(earlier, charge_per_day_uc=1.2)
    message = refused(past.refusal(0, 1000.0))
    assert message.startswith("charge_per_day: 1.5 uC, limit 1.2 uC (program 1 'short', electrode")
    assert past.refusal(1, 1000.0) is None
    past = history(earlier, net_charge_per_hour_uc=0.1)
    assert refused(past.refusal(1, 1000.0)).endswith("(program 2 'leaves', electrode 3)")
    past = history(earlier, trains_per_hour=2)
    assert refused(past.refusal(0, 1000.0)).startswith("trains_per_hour: 3 trains")
    past = history(earlier, lockout_s=5.0)
    assert refused(past.refusal(0, 904.0)).startswith("lockout: 4 s, limit 5 s")


def report(**changes: Any) -> Delivery:
    told: dict[str, Any] = {
        "seq": 1,
        "outcome": Outcome.DELIVERED,
        "onset_s": 1000.0,
        "offset_s": 1000.4002,
        "n_pulses": 5,
        "charge_uc": 0.5,
    }
    return Delivery(**told | changes)


def after(delivery: Delivery, index: int = 0, **limits: Any) -> TrainHistory:
    past = history(**limits)
    past.note(index, past.add(index, 1000.0), delivery)
    return past


@pytest.mark.parametrize(
    ("delivery", "value"),
    [
        (report(), "1"),
        (report(charge_uc=0.3), "1"),
        (report(charge_uc=0.7), "1.2"),
        (report(charge_uc=nan), "1.5"),
        (report(charge_uc=inf), "1.5"),
        (Delivery(1, Outcome.SHAM, 1000.0, 1000.4), "1"),
        (Delivery(1, Outcome.REFUSED), "1"),
    ],
)
def test_the_larger_of_asked_and_reported_counts(delivery: Delivery, value: str) -> None:
    past = after(delivery, charge_per_hour_uc=0.6)
    expected = f"charge_per_hour: {value} uC, limit 0.6 uC"
    assert refused(past.refusal(0, 1010.0)).startswith(expected)


@pytest.mark.parametrize(
    ("index", "delivery", "value"),
    [
        (1, report(), "0.01"),
        (1, report(net_charge_uc=0.0005), "0.01"),
        (1, report(net_charge_uc=-0.002), "0.015"),
        (1, report(outcome=Outcome.ABORTED, net_charge_uc=0.1), "0.11"),
        (1, report(net_charge_uc=nan), "2.505"),
        (0, report(outcome=Outcome.ABORTED, net_charge_uc=0.1), "0.105"),
    ],
)
def test_what_a_cut_pulse_leaves_counts(index: int, delivery: Delivery, value: str) -> None:
    past = after(delivery, index, net_charge_per_hour_uc=0.006)
    expected = f"net_charge_per_hour: {value} uC, limit 0.006 uC"
    assert refused(past.refusal(1, 1010.0)).startswith(expected)


def test_a_train_that_came_late_or_lasted_longer_counts_as_it_was() -> None:
    past = after(report(onset_s=1000.2, offset_s=1000.8), lockout_s=1.0)
    assert refused(past.refusal(0, 1001.7)).startswith("lockout: 0.9 s, limit 1 s")
    past = after(report(offset_s=1001.0), on_time_per_hour_s=1.2)
    assert refused(past.refusal(0, 1010.0)).startswith("on_time_per_hour: 1.4002 s, limit 1.2 s")


def test_a_train_that_ended_later_counts_until_an_hour_after_that() -> None:
    past = after(report(onset_s=1000.2, offset_s=1000.8), trains_per_hour=1)
    assert past.refusal(0, 1000.7 + 3600.0) is not None
    assert past.refusal(0, 1000.8 + 3600.0) is None
    # Also when the next was let through before the report came.
    past = history(trains_per_hour=2)
    end_s = past.add(0, 1000.0)
    past.add(0, 1002.0)
    past.note(0, end_s, report(offset_s=1000.8, onset_s=1000.4))
    assert past.refusal(0, 1000.7 + 3600.0) is not None
    assert past.refusal(0, 1000.8 + 3600.0) is None
    past.note(0, 900.0, report(offset_s=950.0, onset_s=949.6))
    assert past.refusal(0, 1000.8 + 3600.0) is None


def test_an_end_that_is_no_time_counts_as_much_again() -> None:
    past = after(report(offset_s=inf), on_time_per_hour_s=1.0)
    assert refused(past.refusal(0, 1010.0)).startswith("on_time_per_hour: 1.2006 s, limit 1 s")


def test_sound_has_a_dose() -> None:
    section = {"electrode_class": "sound", "sound_dose_per_day": 1e-8}
    envelope = SafetyEnvelope.from_settings(SafetySettings.model_validate(section))
    clicks = StimProgram(1, "clicks", ClickTrain(55.0, 0.05, 1.075, 2), (1,))
    past = TrainHistory(envelope, (clicks,))
    past.add(0, 1000.0)
    past.add(0, 1010.0)
    assert past.refusal(0, 1020.0) is not None
    assert refused(past.refusal(0, 1020.0)).startswith("sound_dose_per_day: 1.01725e-08 of the")


def test_forgetting_ahead_of_time_changes_no_answer() -> None:
    one, other = history(trains_per_hour=200), history(trains_per_hour=200)
    for past in (one, other):
        for i in range(200):
            past.add(0, 1000.0 + i)
    assert refused(one.refusal(0, 1250.0)) == refused(other.refusal(0, 1250.0))
    for _ in range(5):
        other.forget(4700.0)
    for at_s in (4700.0, 4750.0):
        assert one.refusal(0, at_s) == other.refusal(0, at_s) is None
    one.add(0, 4700.0)
    other.add(0, 4700.0)
    assert refused(one.refusal(0, 4700.5)) == refused(other.refusal(0, 4700.5))


ONE = array("d", [1.0])


def test_a_window_forgets_a_little_at_a_time() -> None:
    window = Window(10.0, 1, 200)
    for i in range(AT_ONCE + 1):
        window.add(float(i) / 100, float(i) / 100, ONE)
    window.forget(1000.0)
    assert window.sums == [1.0]
    window.forget(5.0)
    assert window.sums == [1.0]
    window.forget(1000.0)
    window.forget(1000.0)
    assert window.sums == [0.0]
    window.add_to_last(ONE)
    assert window.sums == [0.0]


def test_a_window_without_room_counts_longer_and_loses_nothing() -> None:
    window = Window(10.0, 1, 2)
    for start_s in (0.0, 1.0, 2.0):
        window.add(start_s, start_s + 0.5, ONE)
    assert window.sums == [3.0]
    assert window.gone(10.6) == [1.0]
    assert window.gone(12.4) == [1.0]  # the second ends with the third
    assert window.gone(12.5) == [3.0]
    window.add(20.0, 20.5, ONE)
    assert window.sums == [1.0]
