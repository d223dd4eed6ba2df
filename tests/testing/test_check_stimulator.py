"""The conformance checks pass a stimulator that keeps its contract, and name what one breaks."""

import runpy
from dataclasses import replace
from pathlib import Path

import pytest

from bci_core.contracts import Stimulator
from bci_core.stimulus import BiphasicPulse, PulseTrain, StimProgram
from bci_core.testing.check_stimulator import RULES, check_stimulator
from drivers.stimulators.microstim import Microstim
from drivers.stimulators.microstim_settings import MicrostimSettings

SETTINGS = MicrostimSettings(max_lease_s=1.0)
# By its path: the folders of tests are no packages.
CASES: list[tuple[type[Microstim], str]] = [
    case
    for module in ("broken_stimulators.py", "broken_stimulator_reports.py")
    for case in runpy.run_path(str(Path(__file__).with_name(module)))["CASES"]
]


def make(kind: type[Microstim]) -> Stimulator:
    return kind(SETTINGS)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_each_rule_holds_for_the_simulated_microstimulator(rule) -> None:  # type: ignore[no-untyped-def]
    rule(lambda: make(Microstim), None)


def test_a_program_of_ones_own_can_be_given() -> None:
    program = StimProgram(3, "own", PulseTrain(BiphasicPulse(10.0, 100.0, 60.0), 50.0, 4), (16,))
    check_stimulator(lambda: make(Microstim), program)
    too_strong = replace(
        program, train=replace(program.train, pulse=BiphasicPulse(200.0, 100.0, 60.0))
    )
    with pytest.raises(AssertionError, match="amplitude: 200 uA, limit 100 uA"):
        check_stimulator(lambda: make(Microstim), too_strong)


@pytest.mark.parametrize(("broken", "rules"), CASES)
def test_a_broken_stimulator_is_caught_by_name(broken: type[Microstim], rules: str) -> None:
    with pytest.raises(AssertionError) as caught:
        check_stimulator(lambda: make(broken))
    for rule in rules.split():
        assert f"  {rule}: " in str(caught.value)


def test_every_rule_is_shown_to_catch_something() -> None:
    caught = {rule for _, rules in CASES for rule in rules.split()}
    assert caught == {getattr(rule, "__name__", "") for rule in RULES}
