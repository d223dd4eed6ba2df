"""Scenarios run on the virtual clock, and what the judge says when something is wrong."""

import ast
import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from typer.testing import CliRunner

from bci_core.bench import scenarios
from bci_core.bench.scenarios.evidence import read_evidence
from bci_core.bench.scenarios.judge import invariants
from bci_core.bench.scenarios.load import Named, load_scenarios, parse_scenario
from bci_core.bench.scenarios.mutants import MUTANTS, judge_mutant
from bci_core.bench.scenarios.run import judge_scenario, junit, run_scenarios
from bci_core.cli.app import app
from bci_core.clock import LslClock
from bci_core.safety.unreported import Unreported


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a short scenario that passes."""
    keep = tmp_path_factory.mktemp("kept")
    text = 'description = "x"\nrig = "trains"\nduration_s = 3.0'
    verdict = judge_scenario(Named("short", parse_scenario(text, "x")), keep=keep)
    assert not verdict.failed, verdict.failed
    assert verdict.figures["outcomes"]["delivered"] >= 2
    return keep / "short"


def failing(folder: Path) -> set[str]:
    return {check.name for check in invariants(read_evidence(folder)) if not check.holds}


def rewrite(session: Path, to: Path, change: Any) -> Path:
    """The session with other ledger rows, whose chain is made to fit again or left torn."""
    to.mkdir()
    for name in ("rig.toml", "truth.json", "session.xdf"):
        (to / name).write_bytes((session / name).read_bytes())
    rows = [json.loads(line) for line in (session / "ledger.jsonl").read_text().splitlines()]
    lines = [json.dumps(row, separators=(",", ":")) for row in change(rows)]
    (to / "ledger.jsonl").write_text("\n".join(lines) + "\n")
    return to


def test_the_judge_has_nothing_to_say_of_a_session_as_it_was(session: Path, tmp_path: Path) -> None:
    assert failing(session) == set()
    assert failing(rewrite(session, tmp_path / "same", lambda rows: rows)) == set()


def test_the_judge_misses_a_row_of_the_ledger(session: Path, tmp_path: Path) -> None:
    def without_decisions(rows: list[Any]) -> list[Any]:
        return [row for row in rows if row["event"] != "decision" or not row["data"]["seq"]]

    found = failing(rewrite(session, tmp_path / "less", without_decisions))
    assert {"no current without a ledger line", "ledger and recording readable"} <= found


def test_the_judge_sees_current_after_a_disarm(session: Path, tmp_path: Path) -> None:
    def disarmed_early(rows: list[Any]) -> list[Any]:
        for row in rows:
            if row["event"] == "disarmed":
                row["data"]["at_s"] -= 1.0
        return rows

    assert "no current while disarmed" in failing(
        rewrite(session, tmp_path / "early", disarmed_early)
    )


@pytest.mark.parametrize(
    "name", ["samples-gone-while-stimulating", "stop-and-disarm-lost", "over-the-device"]
)
def test_a_scenario_passes_and_ends_the_same_each_time(name: str) -> None:
    named = load_scenarios([name])
    first, second = judge_scenario(named[0]), judge_scenario(named[0])
    assert first.failed == []
    assert first.checks == second.checks


@pytest.mark.parametrize("name", ["stale samples do not disarm", "sham stimulates"])
def test_a_bug_is_caught_and_taken_out_again(name: str) -> None:
    (mutant,) = [each for each in MUTANTS if each.name == name]
    named = load_scenarios(mutant.scenarios)
    assert judge_mutant(mutant, named).failed
    assert not judge_scenario(named[0]).failed


def test_the_command_tells_what_failed_to_people_and_programs(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.toml"
    wrong.write_text(
        'description = "x"\nrig = "trains"\nduration_s = 2.5\n[expect]\ndisarmed = "stale"'
    )
    xml, as_json = tmp_path / "bench.xml", tmp_path / "bench.json"
    ran = CliRunner().invoke(
        app, ["bench", "run", str(wrong), "--junit", str(xml), "--json", str(as_json)]
    )
    assert ran.exit_code == 1
    assert "FAILED  wrong" in ran.output
    assert "disarmed for 'stale': never disarmed" in ran.output
    suite = ET.parse(xml).getroot()  # noqa: S314 - our own
    assert (suite.get("tests"), suite.get("failures")) == ("1", "1")
    (verdict,) = json.loads(as_json.read_text())
    assert verdict["passed"] is False


def test_the_command_lists_scenarios() -> None:
    ran = CliRunner().invoke(app, ["bench", "run", "--list"])
    assert ran.exit_code == 0
    assert "no-fault: Nothing is broken" in ran.output


def test_another_stimulator_takes_the_place_of_the_rig_s() -> None:
    named = load_scenarios(["trough-of-20-hz"])[0]
    assert judge_scenario(named, "pulse_generator").passed
    verdict = judge_scenario(named, "acoustic")
    assert (verdict.passed, verdict.failed) == (False, [])
    assert verdict.not_applicable == "the scenario is for current, and 'acoustic' for sound"
    (case,) = ET.fromstring(junit([verdict])).iter("skipped")  # noqa: S314 - our own
    assert case.get("message") == verdict.not_applicable


@pytest.mark.parametrize(
    ("scenario", "driver", "why"),
    [
        ("trough-of-20-hz", "adaptive_ipg", "may rise by 3000 uA/s, and this stimulus has no ramp"),
        ("responsive-bursts-without-a-fault", "pulse_generator", "cannot hold these programs"),
        ("device-silent-clip-while-stimulating", "adaptive_ipg", "no current was clipped"),
        ("responsive-bursts-without-a-fault", "microstim", "kOhm for class ecog"),
    ],
)
def test_what_says_nothing_about_a_driver_is_not_counted(
    scenario: str, driver: str, why: str
) -> None:
    (verdict,) = run_scenarios(load_scenarios([scenario]), LslClock(), driver)
    assert why in verdict.not_applicable
    assert (verdict.passed, verdict.failed) == (False, [])


def test_a_device_that_is_asked_for_half_its_step_refuses() -> None:
    named = load_scenarios(["over-the-device"])[0]
    verdict = judge_scenario(named, "recorder_stim")
    assert verdict.passed, verdict.failed
    assert "the recorder/stimulator loaded nothing" in verdict.checks[0].told


def test_a_refused_second_copy_that_hides_current_is_found() -> None:
    """As a loop would have it that takes the refusal of the copy for the trigger's end."""
    named = load_scenarios(["command-doubled-while-stimulating"])[0]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Unreported, "of_second_copy", lambda *_: False)
        failed = judge_scenario(named).failed
    told = next(c.told for c in failed if c.name == "every trigger accounted for")
    assert "ended as 'refused', and" in told


@pytest.mark.parametrize("module", ["evidence", "limits", "judge"])
def test_the_judge_shares_no_code_with_the_loop(module: str) -> None:
    source = Path(scenarios.__path__[0], f"{module}.py").read_text()
    imported = {
        node.module
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("bci_core")
    }
    assert imported <= {"bci_core.bench.scenarios.evidence", "bci_core.bench.scenarios.limits"}
