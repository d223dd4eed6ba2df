"""What a scenario file may say, and what the shipped ones cover."""

from pathlib import Path

import pytest

from bci_core.bench.scenarios.load import load_scenarios, parse_scenario, rig_of, shipped
from bci_core.bench.scenarios.scenario import FaultKind
from bci_core.errors import ConfigError, InputError
from bci_core.stimulator.faults import FaultKind as DeviceFault

WRONG = """description = "Wrong in five places"
rig = "trains"
duration_s = 5.0
duration = 3.0

[[faults]]
kind = "samples.gone"
at_s = 1.0
for_s = 1.0

[[faults]]
kind = "samples.lost"
at_s = 1.0
for_s = 1.0

[[faults]]
kind = "samples.late"
at_s = -1.0
for_s = 1.0

[expect]
disarmd = "stale"
within_s = 0.0
"""


def test_every_mistake_is_told_at_once_with_its_line() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_scenario(WRONG, "wrong.toml")
    found = {(p.line, p.where) for p in caught.value.problems}
    assert found == {
        (4, "duration"),
        (11, "faults.1"),
        (18, "faults.2.at_s"),
        (22, "expect.disarmd"),
        (23, "expect.within_s"),
    }
    told = str(caught.value)
    assert "did you mean disarmed?" in told
    assert "no fault is called 'samples.lost'" in told


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        ('kind = "samples.late"\nat_s = 1.0\nfor_s = 1.0', "needs delay_s"),
        ('kind = "samples.gone"\nat_s = 1.0\nfor_s = 1.0\ndelay_s = 1.0', "has delay_s"),
        ('kind = "samples.gone"\nat_s = 1.0', "lasts more than 0 s"),
        ('kind = "session.stop"\nat_s = 1.0\nfor_s = 1.0', "a press and a kill have none"),
        ('kind = "samples.gone"\nat_s = 1.0\nfor_s = 9.0', "before the 5 s of duration_s"),
    ],
)
def test_a_fault_has_what_its_kind_needs(fault: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        parse_scenario(
            f'description = "x"\nrig = "trains"\nduration_s = 5.0\n[[faults]]\n{fault}', "x"
        )


def test_a_scenario_is_found_by_name_file_and_folder(tmp_path: Path) -> None:
    text = 'description = "mine"\nrig = "trains"\nduration_s = 5.0\n'
    mine = tmp_path / "mine.toml"
    mine.write_text(text)
    named = load_scenarios(["no-fault", str(mine), str(tmp_path)])
    assert [each.name for each in named] == ["no-fault", "mine", "mine"]
    with pytest.raises(InputError, match="bci bench run --list"):
        load_scenarios(["no-such"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="has no scenario"):
        load_scenarios([str(tmp_path / "empty")])


def test_an_override_that_does_not_fit_the_rig_is_a_mistake() -> None:
    text = 'description = "x"\nrig = "trains"\nduration_s = 5.0\n[overrides.policy]\nrefractory = 1'
    with pytest.raises(ConfigError, match="write refractory_s"):
        rig_of(parse_scenario(text, "x"))


def test_the_seed_goes_to_everything_random() -> None:
    text = 'description = "x"\nrig = "trains"\nduration_s = 5.0\nseed = 7'
    rig = rig_of(parse_scenario(text, "x"))
    assert (rig.amplifier.settings.seed, rig.stimulator.settings.seed) == (7, 7)


def test_each_fault_comes_with_and_without_stimulation_under_way() -> None:
    scenarios = shipped()
    assert len(scenarios) >= 40
    covered = {
        (fault.kind, each.scenario.under_way)
        for each in scenarios
        for fault in each.scenario.faults
    }
    presumed = {FaultKind.DISARM_LOST}  # matters where there is something to disarm only
    kinds = {*map(str, FaultKind)} - presumed | {f"device.{kind}" for kind in DeviceFault}
    assert {(kind, way) for kind in kinds for way in (True, False)} <= covered
    assert {(kind, True) for kind in presumed} <= covered


def test_every_shipped_rig_and_override_is_right() -> None:
    different = {
        (each.scenario.rig, repr(each.scenario.overrides)): each.scenario for each in shipped()
    }
    assert len(different) > 10
    for scenario in different.values():
        assert rig_of(scenario).name
