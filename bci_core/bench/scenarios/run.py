"""Runs scenarios and says what held."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from xml.etree import ElementTree as ET

from bci_core.bench.scenarios.evidence import read_evidence
from bci_core.bench.scenarios.expected import expectations
from bci_core.bench.scenarios.judge import Check, figures, invariants
from bci_core.bench.scenarios.load import Named, rig_of
from bci_core.bench.scenarios.session import run_virtual
from bci_core.clock import Clock
from bci_core.errors import BciError


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
    skipped : str
        Why it was not run, or "".
    """

    name: str
    checks: list[Check]
    figures: dict[str, Any] = field(default_factory=dict)
    took_s: float = 0.0
    skipped: str = ""

    @property
    def failed(self) -> list[Check]:
        return [check for check in self.checks if not check.holds]

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        checks = [{"name": c.name, "holds": bool(c.holds), "told": c.told} for c in self.checks]
        return {
            "name": self.name,
            "passed": not self.failed and not self.skipped,
            "skipped": self.skipped,
            "checks": checks,
            "figures": self.figures,
            "took_s": self.took_s,
        }


def run_scenarios(
    named: Sequence[Named],
    clock: Clock,
    stimulator: str | None = None,
    keep: Path | None = None,
    done: Callable[[Verdict], None] = lambda _: None,
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
    """
    verdicts = []
    for each in named:
        begun_s = clock.now_s()
        verdict = judge_scenario(each, stimulator, keep)
        verdict.took_s = clock.now_s() - begun_s
        verdicts.append(verdict)
        done(verdict)
    return verdicts


def judge_scenario(each: Named, stimulator: str | None = None, keep: Path | None = None) -> Verdict:
    """Run one scenario and judge what it has left."""
    scenario = each.scenario
    with TemporaryDirectory() as scratch:
        try:
            folder = run_virtual(scenario, rig_of(scenario, stimulator), Path(scratch))
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
        return Verdict(each.name, checks, figures(evidence))


def keep_folder(folder: Path, where: Path) -> None:
    """Copy a session folder, in the place of what is there."""
    shutil.rmtree(where, ignore_errors=True)
    shutil.copytree(folder, where)


def junit(verdicts: Sequence[Verdict]) -> bytes:
    """Results as JUnit XML, for whatever runs a driver developer's tests."""
    failed = sum(bool(v.failed) for v in verdicts)
    skipped = sum(bool(v.skipped) for v in verdicts)
    suite = ET.Element(
        "testsuite",
        name="bci bench run",
        tests=str(len(verdicts)),
        failures=str(failed),
        skipped=str(skipped),
    )
    for verdict in verdicts:
        case = ET.SubElement(
            suite,
            "testcase",
            classname="scenarios",
            name=verdict.name,
            time=f"{verdict.took_s:.3f}",
        )
        if verdict.skipped:
            ET.SubElement(case, "skipped", message=verdict.skipped)
        if verdict.failed:
            text = "\n".join(f"{check.name}: {check.told}" for check in verdict.failed)
            failure = ET.SubElement(case, "failure", message=verdict.failed[0].name)
            failure.text = text
    return bytes(ET.tostring(suite, encoding="utf-8", xml_declaration=True))
