"""Therapies escalate within an episode, and begin anew after it."""

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError

from bci_core.events import EventKind, Verdict
from bci_core.stimulus import ProgramPart
from stim_protocols.responsive import ResponsiveProtocol, ResponsiveSettings

THERAPY: dict[str, Any] = {
    "amplitude_ua": 1000.0,
    "phase_us": 160.0,
    "rate_hz": 200.0,
    "train_s": 0.1,
    "electrodes": [1],
}
Feeding = Callable[[Any], Callable[..., tuple[Any, ...]]]


def responsive(n_therapies: int = 3, **keys: Any) -> ResponsiveProtocol:
    therapies = [THERAPY | {"amplitude_ua": 1000.0 + 500.0 * i} for i in range(n_therapies)]
    section = {"therapies": therapies, "post_episode_s": 10.0, "max_episode_s": 60.0}
    return ResponsiveProtocol(ResponsiveSettings.model_validate(section | keys))


@pytest.fixture
def therapy(feed: Feeding) -> Callable[..., list[int]]:
    """Feeds a protocol with onsets at some times; the therapy each got, 0 for none."""
    at = feed(responsive())

    def given(*times_s: float, **found: Any) -> list[int]:
        asked = [at(t, **found) for t in times_s]
        return [triggers[0].program_id if triggers else 0 for triggers in asked]

    return given


def test_each_onset_of_an_episode_gets_the_next_therapy_and_then_none(therapy: Any) -> None:
    assert therapy(1.0, 2.0, 3.0, 4.0, 5.0) == [1, 2, 3, 0, 0]


def test_what_recurs_soon_after_an_end_belongs_to_the_same_episode(therapy: Any, end: Any) -> None:
    assert therapy(1.0) == [1]
    therapy(3.0, **end)
    assert therapy(13.0) == [2]


def test_once_an_episode_is_over_the_first_therapy_comes_again(therapy: Any, end: Any) -> None:
    assert therapy(1.0, 2.0) == [1, 2]
    therapy(3.0, **end)
    assert therapy(13.1) == [1]


def test_an_episode_whose_end_is_never_heard_ends_by_itself(therapy: Any) -> None:
    assert therapy(1.0, 60.0, 119.9, 181.0) == [1, 2, 3, 1]


def test_an_onset_after_an_end_takes_the_end_back(therapy: Any, end: Any) -> None:
    assert therapy(1.0) == [1]
    therapy(2.0, **end)
    assert therapy(5.0, 20.0) == [2, 3]


def test_in_doubt_the_episode_goes_on(therapy: Any, end: Any) -> None:
    assert therapy(1.0) == [1]
    therapy(2.0, veto="blank", **end)
    assert therapy(20.0) == [2]
    therapy(70.0, verdict=Verdict.REFUSED, veto="gap")
    assert therapy(120.0) == [3]


def test_a_refused_onset_uses_no_therapy(therapy: Any) -> None:
    therapy(1.0, verdict=Verdict.REFUSED)
    assert therapy(2.0) == [1]


def test_sham_therapies_count(therapy: Any) -> None:
    assert therapy(1.0, verdict=Verdict.SHAM) == [1]
    assert therapy(2.0) == [2]


def test_an_end_out_of_nowhere_is_nothing(therapy: Any) -> None:
    therapy(1.0, verdict=Verdict.NOTED, kind=EventKind.END)
    assert therapy(2.0) == [1]


def test_the_second_burst_follows_the_first_after_the_gap() -> None:
    protocol = ResponsiveProtocol(
        ResponsiveSettings.model_validate({"therapies": [THERAPY | {"n_bursts": 2, "gap_s": 0.4}]})
    )
    (program,) = protocol.programs()
    burst = program.train
    assert burst.n_pulses == 20
    assert program.more == (ProgramPart(burst, (1,), pytest.approx(burst.duration_s + 0.4)),)


@pytest.mark.parametrize("n_therapies", [0, 6])
def test_there_are_one_to_five_therapies(n_therapies: int) -> None:
    with pytest.raises(ValidationError):
        responsive(n_therapies)


@pytest.mark.parametrize("n_bursts", [0, 3])
def test_of_one_or_two_bursts(n_bursts: int) -> None:
    with pytest.raises(ValidationError):
        ResponsiveSettings.model_validate({"therapies": [THERAPY | {"n_bursts": n_bursts}]})
