"""What a budget means, and that every mistake in one is named."""

import pytest

from bci_core.errors import ConfigError
from bci_core.tuning.budget import FIGURES, parse_budget

FOUND = dict.fromkeys(FIGURES, 1.0) | {"false_per_min": 3.0, "precision": 0.8}


def test_a_budget_is_kept_when_every_bound_is() -> None:
    assert parse_budget("false_per_min<=3").kept(FOUND)
    assert parse_budget(" false_per_min <= 3 , precision>=0.8").kept(FOUND)
    assert not parse_budget("false_per_min<=3, precision>=0.81").kept(FOUND)
    assert not parse_budget("false_per_min<=2.99").kept(FOUND)


def test_the_excess_adds_up_as_shares_of_the_bounds() -> None:
    budget = parse_budget("false_per_min<=2,precision>=1")
    assert budget.excess(FOUND) == pytest.approx(0.5 + 0.2)


def test_a_figure_nobody_could_measure_keeps_no_bound() -> None:
    assert not parse_budget("latency_ms_p50<=50").kept(FOUND | {"latency_ms_p50": None})


def test_a_bound_of_zero_can_be_kept_and_missed() -> None:
    budget = parse_budget("fp<=0")
    assert budget.kept(FOUND | {"fp": 0})
    assert budget.excess(FOUND | {"fp": 4}) == 4.0


@pytest.mark.parametrize(
    ("text", "bounds"),
    [("false_per_min<=2", True), ("f1>=0.5", True), ("latency_ms_p90<=9", False)],
)
def test_it_is_known_whether_false_alarms_are_bounded(text: str, bounds: bool) -> None:
    assert parse_budget(text).bounds_false_alarms is bounds


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("false_per_minute<=2", "did you mean false_per_min?"),
        ("recall<=0.5", "more is better: write recall>="),
        ("false_per_min<2", "less is better: write false_per_min<=, not '<'"),
        ("false_per_min", "write false_per_min<=, then a number"),
        ("false_per_min<=", "a number is missing"),
        ("false_per_min<=two", "'two' is no number"),
        ("false_per_min<=-1", "no bound"),
        ("false_per_min<=nan", "no bound"),
        ("precision>=90", "share, from 0 to 1"),
        ("fp<=1,fp<=2", "bounded twice"),
        ("fp<=1,", "(empty)"),
        ("", "(empty)"),
        ("2 per minute", "write figure<=number"),
    ],
)
def test_each_mistake_is_named(text: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_budget(text)
    assert said in str(caught.value)


def test_all_mistakes_are_named_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_budget("recal>=0.5,precision<=0.9,fp<=x")
    assert len(caught.value.problems) == 3
