from math import inf, nan
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from bci_core.errors import SafetyError
from bci_core.safety.arming import Arming
from bci_core.safety.arming_settings import ArmingSettings
from bci_core.safety.transition import transition_event
from bci_core.status import ArmingState

SETTINGS = ArmingSettings(stale_after_s=0.1, heartbeat_timeout_s=1.0)


def configured(at_s: float = 0.0) -> Arming:
    arming = Arming(SETTINGS)
    arming.connect(at_s)
    arming.configure(at_s)
    arming.drain()
    return arming


def armed(at_s: float = 10.0, lease_s: float = 5.0) -> Arming:
    arming = configured(at_s)
    arming.heartbeat(at_s)
    arming.samples(at_s)
    arming.arm(lease_s, "operator", at_s)
    assert arming.check(at_s) == ""
    return arming


def refused(arming: Arming, *, lease_s: float = 5.0, actor: str = "op", now_s: float) -> str:
    before = arming.state
    arming.drain()
    with pytest.raises(SafetyError) as caught:
        arming.arm(lease_s, actor, now_s)
    assert arming.state is before
    assert arming.drain() == []
    return str(caught.value)


def test_disarmed_is_the_resting_state() -> None:
    arming = Arming(SETTINGS)
    assert arming.state is ArmingState.DISCONNECTED
    assert arming.check(0.0) == "disarmed"
    assert not arming.conducts


def test_each_missing_condition_is_named() -> None:
    message = refused(configured(), lease_s=60.5, actor=" ", now_s=1.0)
    assert "actor" in message
    assert "lease: 60.5 s, limit above 0 s to 60 s" in message
    assert "heartbeat: inf s since the last, limit 1 s" in message
    assert "stale: inf s since the last, limit 0.1 s" in message


@pytest.mark.parametrize("lease_s", [nan, inf, 0.0, -1.0, 60.001])
def test_no_lease_is_endless(lease_s: float) -> None:
    arming = configured()
    arming.heartbeat(1.0)
    arming.samples(1.0)
    assert "lease" in refused(arming, lease_s=lease_s, now_s=1.0)


def test_arming_twice_is_refused_and_leaves_the_first_standing() -> None:
    arming = armed()
    assert "already armed" in refused(arming, now_s=10.0)
    assert arming.check(10.0) == ""


def test_samples_go_stale() -> None:
    arming = armed(10.0)
    assert arming.check(10.1) == ""
    assert arming.check(10.11) == "stale"
    transition = arming.drain()[-1]
    assert (transition.before, transition.after) == (ArmingState.ARMED, ArmingState.CONFIGURED)
    assert transition.detail == "stale: 0.11 s since the last, limit 0.1 s"


def test_late_samples_do_not_undo_the_gap() -> None:
    arming = armed(10.0)
    arming.samples(10.2)
    assert arming.check(10.2) == "stale"


def test_heartbeat_runs_out_and_a_late_one_does_not_revive() -> None:
    arming = armed(10.0)
    for i in range(1, 11):
        arming.samples(10.0 + 0.1 * i)
    assert arming.check(11.0) == ""
    arming.samples(11.05)
    assert arming.check(11.05) == "heartbeat"
    arming.heartbeat(11.06)
    assert arming.check(11.06) == "heartbeat"
    arming.arm(5.0, "operator", 11.06)
    assert arming.check(11.06) == ""


def test_lease_runs_out_unless_a_heartbeat_renews_it() -> None:
    arming = armed(10.0, lease_s=0.5)
    for i in range(1, 5):
        arming.samples(10.0 + 0.1 * i)
    arming.heartbeat(10.4)
    for i in range(5, 10):
        arming.samples(10.0 + 0.1 * i)
    assert arming.check(10.9) == ""
    arming.samples(10.95)
    assert arming.check(10.95) == "lease"
    assert arming.drain()[-1].detail == "lease: 0.55 s since the last, limit 0.5 s"


def test_a_heartbeat_before_arming_does_not_shorten_the_lease() -> None:
    arming = configured()
    arming.heartbeat(9.5)
    arming.samples(10.0)
    arming.arm(0.2, "operator", 10.0)
    arming.samples(10.1)
    assert arming.check(10.15) == ""


@pytest.mark.parametrize("reading_s", [9.9, nan, inf, -inf])
@pytest.mark.parametrize("call", ["check", "heartbeat", "samples"])
def test_a_clock_not_to_be_trusted_disarms(call: str, reading_s: float) -> None:
    arming = armed(10.0)
    getattr(arming, call)(reading_s)
    assert arming.state is ArmingState.CONFIGURED
    assert arming.drain()[-1].reason == "clock"
    # At most the one sign of life that came with the reading counts now.
    assert "s since the last" in refused(arming, now_s=10.0)


def test_after_a_clock_step_fresh_signs_of_life_are_enough() -> None:
    arming = armed(1000.0)
    assert arming.check(10.0) == "clock"
    arming.heartbeat(10.0)
    arming.samples(10.0)
    arming.arm(5.0, "operator", 10.0)
    assert arming.check(10.05) == ""


@pytest.mark.parametrize("reason", ["end of block", ""])
def test_disarm_ends_it_whatever_the_words(reason: str) -> None:
    arming = armed(10.0)
    arming.disarm(reason, 10.01)
    assert arming.check(10.01) == (reason or "disarmed")
    arming.disarm("again", 10.02)
    assert arming.check(10.02) == (reason or "disarmed")
    assert [t.reason for t in arming.drain()] == ["arm", reason]


def test_stop_holds_until_reset_by_name() -> None:
    arming = armed(10.0)
    arming.stop("nurse", 10.01)
    assert arming.check(10.01) == "stopped"
    assert "stopped" in refused(arming, now_s=10.02)
    with pytest.raises(SafetyError, match="say who resets"):
        arming.reset("  ", 10.03)
    arming.reset("physician", 10.04)
    assert arming.check(10.04) == "disarmed"
    arming.arm(5.0, "operator", 10.05)
    assert arming.check(10.05) == ""


def test_stop_pressed_before_arming_prevents_it() -> None:
    arming = configured()
    arming.stop("nurse", 1.0)
    arming.heartbeat(1.0)
    arming.samples(1.0)
    assert "stopped: reset it first" in refused(arming, now_s=1.0)


def test_the_first_fault_stays_the_answer_and_all_are_recorded() -> None:
    arming = armed(10.0)
    arming.latch("device reports too much charge", 10.01)
    arming.latch("second", 10.02)
    arming.stop("nurse", 10.03)
    arming.disarm("too late", 10.04)
    assert arming.check(10.05) == "latched:device reports too much charge"
    assert [(t.reason, t.actor) for t in arming.drain()] == [
        ("arm", "operator"),
        ("device reports too much charge", ""),
        ("second", ""),
        ("stopped", "nurse"),
    ]
    assert arming.state is ArmingState.FAULT_LATCHED


def test_nothing_latched_nothing_reset() -> None:
    arming = armed(10.0)
    with pytest.raises(SafetyError, match="nothing is latched, the state is armed"):
        arming.reset("physician", 10.0)
    assert arming.check(10.0) == ""


def test_history_says_who_and_when_and_is_handed_over_once() -> None:
    arming = armed(10.0, lease_s=5.0)
    arming.stop("nurse", 10.05)
    arming.reset("physician", 10.5)
    found = [(t.at_s, str(t.before), str(t.after), t.actor) for t in arming.drain()]
    assert found == [
        (10.0, "configured", "armed", "operator"),
        (10.05, "armed", "stopped", "nurse"),
        (10.5, "stopped", "configured", "physician"),
    ]
    assert arming.drain() == []


def test_current_is_forbidden_before_between_and_after_arming() -> None:
    arming = configured()
    assert arming.forbade(0.0, 0.1)
    arming.heartbeat(10.0)
    arming.samples(10.0)
    arming.arm(5.0, "operator", 10.0)
    assert arming.forbade(9.9, 10.1)
    assert not arming.forbade(10.0, 10.1)
    arming.disarm("pause", 10.05)
    assert not arming.forbade(10.0, 10.15)
    assert arming.forbade(10.0, 10.16)
    arming.heartbeat(20.0)
    arming.samples(20.0)
    arming.arm(5.0, "operator", 20.0)
    assert arming.forbade(10.0, 20.1)
    assert not arming.forbade(20.0, 20.1)


@pytest.mark.parametrize("key", ["stale_after_s", "heartbeat_timeout_s", "lease_s"])
@pytest.mark.parametrize("value", [nan, inf, 0.0, -1.0, 61.0, None, "1"], ids=str)
def test_no_setting_lifts_a_condition(key: str, value: Any) -> None:
    with pytest.raises(ValidationError):
        ArmingSettings.model_validate({key: value})


def test_nothing_is_armed_without_a_device_that_holds_checked_programs() -> None:
    arming = Arming(SETTINGS)
    arming.heartbeat(1.0)
    arming.samples(1.0)
    assert "disconnected: no device holds checked programs" in refused(arming, now_s=1.0)
    arming.connect(1.0)
    assert arming.state is ArmingState.SAFE
    assert "safe: no device holds checked programs" in refused(arming, now_s=1.0)
    arming.configure(1.0)
    arming.arm(5.0, "operator", 1.0)
    assert [transition_event(t) for t in arming.drain()] == ["", "armed"]


@pytest.mark.parametrize("before", ["nothing", "armed", "stopped", "latched"])
def test_programs_are_loaded_while_nothing_can_happen(before: str) -> None:
    arming = Arming(SETTINGS) if before == "nothing" else armed(10.0)
    if before == "stopped":
        arming.stop("nurse", 10.0)
    if before == "latched":
        arming.latch("fault", 10.0)
    state = arming.state
    with pytest.raises(SafetyError, match=f"not configured: the state is {state}"):
        arming.configure(10.0)
    assert arming.state is state


@pytest.mark.parametrize("event", ["connect", "disconnect"])
def test_a_device_that_goes_or_comes_anew_disarms(event: str) -> None:
    arming = armed(10.0)
    getattr(arming, event)(10.01)
    assert arming.check(10.01) == f"{event}ed"
    assert arming.state is (ArmingState.SAFE if event == "connect" else ArmingState.DISCONNECTED)
    assert [transition_event(t) for t in arming.drain()] == ["armed", "disarmed"]


def test_what_is_latched_outlives_the_connection() -> None:
    arming = armed(10.0)
    arming.latch("device reports too much charge", 10.01)
    arming.disconnect(10.02)
    arming.connect(10.03)
    assert arming.state is ArmingState.FAULT_LATCHED
    arming.reset("physician", 10.04)
    assert arming.state is ArmingState.SAFE
    assert [transition_event(t) for t in arming.drain()] == ["armed", "latched", "reset"]


def alive(arming: Arming, from_s: float, until_s: float) -> None:
    steps = round((until_s - from_s) / 0.1)
    for i in range(1, steps + 1):
        arming.heartbeat(from_s + 0.1 * i)
        arming.samples(from_s + 0.1 * i)


def test_a_train_runs_then_its_lockout_and_then_it_is_armed_by_itself() -> None:
    arming = armed(10.0)
    arming.sent(1, 10.05, 10.15, 0.2, 10.0)
    seen = []
    for at_s in (10.0, 10.06, 10.12, 10.16, 10.22, 10.28, 10.34, 10.36):
        arming.heartbeat(at_s)
        arming.samples(at_s)
        assert arming.check(at_s) == ""
        seen.append((str(arming.state), arming.conducts))
    assert seen == [
        ("armed", True),
        *[("stimulating", True)] * 2,
        *[("recovery", False)] * 4,
        ("armed", True),
    ]
    assert len(arming.drain()) == 1


def test_recovery_counts_from_the_end_that_the_device_reports() -> None:
    arming = armed(10.0)
    arming.sent(1, 10.0, 10.05, 0.2, 10.0)
    alive(arming, 10.0, 10.1)
    arming.ended(1, 10.09, 10.1)
    alive(arming, 10.1, 10.2)
    assert arming.check(10.28) == ""
    assert arming.state is ArmingState.RECOVERY
    arming.samples(10.3)
    assert arming.state is ArmingState.ARMED
    # A train that was cut short recovers from there; one that never began from nowhere.
    arming.sent(2, 10.3, 10.5, 0.05, 10.3)
    arming.ended(2, 10.31, 10.32)
    assert arming.state is ArmingState.RECOVERY
    arming.check(10.37)
    assert arming.state is ArmingState.ARMED
    arming.sent(3, 10.6, 10.7, 0.05, 10.38)
    arming.ended(3, nan, 10.39)
    assert arming.state is ArmingState.ARMED


def test_a_train_ahead_must_not_start_within_the_lockout_of_another() -> None:
    arming = armed(10.0)
    arming.sent(1, 10.0, 10.1, 0.2, 10.0)
    with pytest.raises(SafetyError, match=r"start: 10\.29 s, limit at least 10\.3 s"):
        arming.sent(2, 10.29, 10.4, 0.2, 10.0)
    arming.sent(2, 10.3, 10.4, 0.2, 10.0)


@pytest.mark.parametrize(
    ("start_s", "end_s"), [(9.9, 10.1), (10.1, 10.0), (nan, 10.1), (10.0, nan), (10.0, inf)]
)
def test_a_train_that_is_none_is_not_sent(start_s: float, end_s: float) -> None:
    with pytest.raises(SafetyError, match="train: from"):
        armed(10.0).sent(1, start_s, end_s, 0.1, 10.0)


def test_nothing_is_sent_while_not_armed() -> None:
    with pytest.raises(SafetyError, match="trigger 7 not sent:\n  disarmed: arm first"):
        configured().sent(7, 1.0, 1.1, 0.1, 1.0)


def test_the_lockout_outlives_disarming() -> None:
    arming = armed(10.0)
    arming.sent(1, 10.0, 10.5, 0.3, 10.0)
    arming.disarm("pause", 10.05)
    arming.heartbeat(10.1)
    arming.samples(10.1)
    arming.arm(5.0, "operator", 10.1)
    # The device is granted 0.1 s to stop: the lockout lasts until 10.45 s.
    assert arming.state is ArmingState.RECOVERY
    assert [transition_event(t) for t in arming.drain()] == ["armed", "disarmed", "armed"]
    alive(arming, 10.1, 10.4)
    arming.check(10.46)
    assert arming.state is ArmingState.ARMED


def test_after_the_guard_nothing_is_reset_or_armed_for_a_minute() -> None:
    arming = armed(10.0)
    arming.latch("guard:after_discharge", 10.0, guard=True)
    with pytest.raises(SafetyError, match=r"guard: 59\.9 s since it spoke, limit at least 60 s"):
        arming.reset("physician", 69.9)
    assert arming.state is ArmingState.FAULT_LATCHED
    assert "guard: 59.9 s" in refused(arming, now_s=69.9)
    arming.reset("physician", 70.0)
    assert arming.state is ArmingState.CONFIGURED


def test_a_clock_that_steps_back_does_not_shorten_the_minute() -> None:
    arming = armed(1000.0)
    arming.latch("guard:after_discharge", 1000.0, guard=True)
    arming.check(10.0)
    with pytest.raises(SafetyError, match="guard: 59 s"):
        arming.reset("physician", 69.0)
    with pytest.raises(SafetyError, match="guard: nan s"):
        arming.reset("physician", nan)
    arming.reset("physician", 70.0)


@pytest.mark.parametrize("hold_s", [0.0, 59.9, -1.0, nan, inf, None])
def test_the_minute_cannot_be_shortened(hold_s: Any) -> None:
    with pytest.raises(ValidationError):
        ArmingSettings.model_validate({"guard_hold_s": hold_s})


@pytest.mark.parametrize("latched", ["stop", "latch"])
def test_who_armed_cannot_reset(latched: str) -> None:
    arming = armed(10.0)
    getattr(arming, latched)("something", 10.0)
    state = arming.state
    with pytest.raises(SafetyError, match="actor:  Operator armed; a second person has to reset"):
        arming.reset(" Operator", 10.1)
    assert arming.state is state
    arming.reset("physician", 10.1)


def test_a_second_person_in_the_same_role_cannot_reset() -> None:
    arming = configured(10.0)
    arming.heartbeat(10.0)
    arming.samples(10.0)
    arming.arm(5.0, "ada", 10.0, role="operator")
    arming.latch("fault", 10.0)
    with pytest.raises(SafetyError, match="role: Operator, as ada, who armed"):
        arming.reset("ben", 10.1, role="Operator")
    arming.reset("ben", 10.1, role="clinician")


def test_a_fault_outranks_a_stop_and_one_reset_clears_both() -> None:
    arming = armed(10.0)
    arming.stop("nurse", 10.01)
    arming.latch("", 10.02)
    assert arming.state is ArmingState.FAULT_LATCHED
    assert arming.check(10.02) == "latched:"
    arming.stop("nurse", 10.03)
    assert arming.state is ArmingState.FAULT_LATCHED
    arming.reset("physician", 10.04)
    assert arming.state is ArmingState.CONFIGURED


def test_a_copy_goes_its_own_way() -> None:
    arming = armed(10.0)
    arming.sent(1, 10.0, 10.02, 0.02, 10.0)
    other = arming.copy()
    other.stop("nurse", 10.01)
    arming.check(10.01)
    assert arming.state is ArmingState.STIMULATING
    assert len(arming.drain()) == 1


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(
            ["heartbeat", "samples", "samples", "arm", "check", "disarm", "stop", "latch", "reset"]
        ),
        st.sampled_from([0.0, 0.02, 0.05, 0.1, 0.4, 1.2, -0.3, nan]),
    ),
    max_size=60,
)


@settings(derandomize=True, deadline=None, max_examples=500)
@given(EVENTS)
def test_never_armed_without_heartbeat_samples_lease_and_consent(
    events: list[tuple[str, float]],
) -> None:
    arming = configured(100.0)
    lease_s = 0.3
    now_s = 100.0
    heartbeat_s = samples_s = renewed_s = -inf
    stopped = False
    willing = False
    for event, step_s in events:
        reading_s = now_s + step_s
        if not reading_s >= now_s:
            heartbeat_s = samples_s = renewed_s = -inf
            willing = False
        now_s = reading_s if reading_s == reading_s else now_s
        # Whoever is not fresh now has let the arming lapse, whatever comes next.
        willing = (
            willing
            and now_s - heartbeat_s <= 1.0 + 1e-6
            and now_s - samples_s <= 0.1 + 1e-6
            and now_s - renewed_s <= lease_s + 1e-6
        )
        try:
            if event == "arm":
                arming.arm(lease_s, "operator", reading_s)
                willing, renewed_s = True, reading_s
            elif event in ("disarm", "latch", "stop"):
                getattr(arming, event)("somebody", reading_s)
                willing = False
                stopped = stopped or event != "disarm"
            elif event == "reset":
                arming.reset("physician", reading_s)
                stopped = False
            else:
                getattr(arming, event)(reading_s)
        except SafetyError:
            pass
        if reading_s == reading_s and event == "heartbeat":
            heartbeat_s = renewed_s = now_s
        if reading_s == reading_s and event == "samples":
            samples_s = now_s
        if arming.check(now_s) == "":
            assert willing
            assert not stopped
            assert arming.state is ArmingState.ARMED
        else:
            assert arming.state is not ArmingState.ARMED
