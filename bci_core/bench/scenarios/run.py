"""Runs scenarios and says what held."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from xml.etree import ElementTree as ET

from bci_core.bench.scenarios.applicable import NotApplicable, not_shown, require_holdable
from bci_core.bench.scenarios.evidence import read_evidence
from bci_core.bench.scenarios.expected import expectations
from bci_core.bench.scenarios.judge import Check, figures, invariants
from bci_core.bench.scenarios.load import Named, rig_of
from bci_core.bench.scenarios.scenario import Scenario
from bci_core.bench.scenarios.session import run_virtual
from bci_core.clock import Clock
from bci_core.config.rig import Rig
from bci_core.errors import BciError, ConfigError
from bci_core.session import build


@dataclass(slots=True)
class Verdict:
    """What became of one scenario.

    Attributes
    ----------
    name : str
    checks : list of Check
    figures : dict
    took_s : float
        Real time.
    not_applicable : str
        Why it says nothing about the stimulator that was put in, or cannot be had on this
        machine; or "".
    """

    name: str
    checks: list[Check]
    figures: dict[str, Any] = field(default_factory=dict)
    took_s: float = 0.0
    not_applicable: str = ""

    @property
    def failed(self) -> list[Check]:
        return [] if self.not_applicable else [c for c in self.checks if not c.holds]

    @property
    def passed(self) -> bool:
        return not (self.failed or self.not_applicable)

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        checks = [{"name": c.name, "holds": bool(c.holds), "told": c.told} for c in self.checks]
        return {
            "name": self.name,
            "passed": self.passed,
            "not_applicable": self.not_applicable,
            "checks": checks,
            "figures": self.figures,
            "took_s": self.took_s,
        }


Judge = Callable[[Named, str | None, Path | None], Verdict]


def judge_scenario(each: Named, stimulator: str | None = None, keep: Path | None = None) -> Verdict:
    """Run one scenario and judge what it has left."""
    scenario = each.scenario
    with TemporaryDirectory() as scratch:
        try:
            rig = rig_of(scenario, stimulator)
            folder = _run(scenario, rig, Path(scratch), replaced=stimulator is not None)
        except NotApplicable as why:
            return Verdict(each.name, [], not_applicable=str(why))
        except BciError as error:
            wanted = scenario.expect.refused_to_start
            holds = bool(wanted) and wanted in str(error)
            return Verdict(each.name, [Check("refused to start", holds, str(error))])
        evidence = read_evidence(folder)
        checks = [*invariants(evidence), *expectations(scenario, evidence)]
        if scenario.expect.refused_to_start:
            checks.append(Check("refused to start", False, "it started"))
        if keep is not None:
            keep_folder(folder, keep / each.name)
        why_not = ""
        if stimulator is not None:
            able = build.stimulator(rig).capabilities
            why_not = not_shown(evidence, checks, able.measures)
        return Verdict(each.name, checks, figures(evidence), not_applicable=why_not)


def _run(scenario: Scenario, rig: Rig, out: Path, *, replaced: bool) -> Path:
    try:
        return run_virtual(scenario, rig, out)
    except ConfigError as error:
        if replaced and not scenario.expect.refused_to_start:
            require_holdable(error)
        raise


def run_scenarios(
    named: Sequence[Named],
    clock: Clock,
    stimulator: str | None = None,
    keep: Path | None = None,
    done: Callable[[Verdict], None] = lambda _: None,
    judge: Judge = judge_scenario,
) -> list[Verdict]:
    """Run scenarios one after the other.

    Parameters
    ----------
    named : sequence of Named
    clock : Clock
        To tell how long each took.
    stimulator : str, optional
        Takes the place of every rig's stimulator.
    keep : Path, optional
        Where session folders are left, one folder a scenario; else they are removed.
    done : callable (Verdict)
        Is told of each as it is over.
    judge : callable (Named, str or None, Path or None) -> Verdict
        Runs one, with `stimulator` and `keep`, and judges what it has left.
    """
    verdicts = []
    for each in named:
        begun_s = clock.now_s()
        verdict = judge(each, stimulator, keep)
        verdict.took_s = clock.now_s() - begun_s
        verdicts.append(verdict)
        done(verdict)
    return verdicts


def keep_folder(folder: Path, where: Path) -> None:
    """Copy a session folder, in the place of what is there."""
    shutil.rmtree(where, ignore_errors=True)
    shutil.copytree(folder, where)


def junit(verdicts: Sequence[Verdict]) -> bytes:
    """Results as JUnit XML, for whatever runs a driver developer's tests."""
    counts = {
        "tests": len(verdicts),
        "failures": sum(bool(v.failed) for v in verdicts),
        "skipped": sum(bool(v.not_applicable) for v in verdicts),
    }
    told = {key: str(count) for key, count in counts.items()}
    suite = ET.Element("testsuite", {"name": "bci bench run"} | told)
    for verdict in verdicts:
        case = ET.SubElement(
            suite,
            "testcase",
            classname="scenarios",
            name=verdict.name,
            time=f"{verdict.took_s:.3f}",
        )
        if verdict.not_applicable:
            ET.SubElement(case, "skipped", message=verdict.not_applicable)
        if verdict.failed:
            text = "\n".join(f"{check.name}: {check.told}" for check in verdict.failed)
            failure = ET.SubElement(case, "failure", message=verdict.failed[0].name)
            failure.text = text
    return bytes(ET.tostring(suite, encoding="utf-8", xml_declaration=True))
