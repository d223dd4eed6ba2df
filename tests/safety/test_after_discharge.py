from bci_core.safety.after_discharge import AfterDischargeLock
from bci_core.stimulus import BiphasicPulse, PulseTrain, StimProgram

TRAIN = PulseTrain(BiphasicPulse(100.0, 100.0), 10.0)
PAIR = StimProgram(1, "pair", TRAIN, (1, 2))
SHARING = StimProgram(2, "sharing", TRAIN, (2, 3))
OTHER = StimProgram(3, "other", TRAIN, (4, 5))


def stopped() -> AfterDischargeLock:
    lock = AfterDischargeLock()
    lock.note_train(80.0, (4, 5))
    lock.note_train(95.0, (1, 2))
    lock.note_abort(100.0)
    return lock


def test_nothing_is_locked_before_a_guard_has_stopped_anything() -> None:
    lock = AfterDischargeLock()
    lock.note_train(95.0, (1, 2))
    assert lock.waiting(96.0) is None
    assert lock.refusal(PAIR, 96.0) is None


def test_nothing_is_stimulated_for_a_minute() -> None:
    lock = stopped()
    message = "after_discharge_lockout: 59.5 s, limit 60 s (since a guard has stopped stimulation)"
    assert str(lock.waiting(159.5)) == str(lock.refusal(OTHER, 159.5)) == message
    assert lock.waiting(160.0) is None
    assert lock.refusal(OTHER, 160.0) is None


def test_the_electrodes_that_were_in_use_are_banned_for_good() -> None:
    lock = stopped()
    assert lock.banned == {1, 2}
    assert str(lock.refusal(PAIR, 1e6)) == (
        "after_discharge_ban: 2 banned electrodes, limit 0 banned electrodes "
        "(program 1 'pair', electrode 1: in use just before an abort)"
    )
    assert str(lock.refusal(SHARING, 1e6)).startswith("after_discharge_ban: 1 banned")


def test_a_clock_that_steps_back_does_not_shorten_the_wait() -> None:
    lock = stopped()
    lock.note_abort(50.0)
    assert lock.waiting(155.0) is not None
    assert lock.waiting(float("nan")) is not None


def test_a_second_abort_bans_more_and_waits_anew() -> None:
    lock = stopped()
    lock.note_train(200.0, (4, 5))
    lock.note_abort(200.0)
    assert lock.banned == {1, 2, 4, 5}
    assert lock.waiting(259.0) is not None
