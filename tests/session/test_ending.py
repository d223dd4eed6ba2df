"""Which of several reasons a session is said to have ended for."""

import pytest

from bci_core.clock import VirtualClock
from bci_core.session.ending import Ending, SessionEnd

COMPLETED = Ending("completed", "ran for 2 s", 0)


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(100.0)


def test_the_first_reason_is_the_cause(clock: VirtualClock) -> None:
    end = SessionEnd(clock)
    end.fail("the amplifier died")
    clock.sleep_until(101.0)
    end.fail("the loop died")
    end.end(COMPLETED)
    assert end.final() == Ending("failed", "the amplifier died", 1)
    assert end.ended_s == 100.0


def test_a_failure_while_closing_undoes_a_success_but_not_its_time(clock: VirtualClock) -> None:
    end = SessionEnd(clock)
    end.end(COMPLETED)
    clock.sleep_until(103.0)
    end.fail("the recorder lacks its last marker")
    assert end.final() == Ending("failed", "the recorder lacks its last marker", 1)
    assert end.ended_s == 100.0


def test_a_failure_is_told_once_with_what_died_first(clock: VirtualClock) -> None:
    end = SessionEnd(clock)
    assert end.failure(["loop: killed"]) is None
    end.end(COMPLETED)
    assert end.failure(["loop: killed"]) is None
    end.fail("no answer")
    assert end.failure(["loop: killed", "no answer"]) == "loop: killed; no answer"
    assert end.failure([]) is None
    assert end.final().reason == "loop: killed; no answer"


def test_without_a_reason_it_has_failed(clock: VirtualClock) -> None:
    assert SessionEnd(clock).final().exit_status == 1
