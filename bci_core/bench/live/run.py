"""Runs live scenarios, one after the other, and says what held."""

from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bci_core.bench.live.disturb import cannot
from bci_core.bench.live.expected import live_expectations
from bci_core.bench.live.judge import live_invariants
from bci_core.bench.live.session import run_live
from bci_core.bench.scenarios.evidence import read_evidence
from bci_core.bench.scenarios.judge import Check, figures
from bci_core.bench.scenarios.load import Named, rig_of
from bci_core.bench.scenarios.run import Verdict, keep_folder
from bci_core.bench.scenarios.scenario import DEVICE, Scenario
from bci_core.clock import Clock
from bci_core.config.rig import Rig
from bci_core.errors import BciError

REARMS = 5
"""The operator's standing order: a session that a passing fault has disarmed is armed again."""


def run_live_scenarios(
    named: Sequence[Named],
    clock: Clock,
    stimulator: str | None = None,
    keep: Path | None = None,
    done: Callable[[Verdict], None] = lambda _: None,
    say: Callable[[str], None] = lambda _: None,
) -> list[Verdict]:
    """Run scenarios one after the other.

    Parameters
    ----------
    named : sequence of Named
    clock : Clock
    stimulator : str, optional
        Takes the place of every rig's stimulator.
    keep : Path, optional
        Where session folders are left, one folder a scenario; else they are removed.
    done : callable (Verdict)
        Is told of each as it is over.
    say : callable (str)
        Is given lines of progress.
    """
    verdicts = []
    for number, each in enumerate(named, start=1):
        begun_s = clock.now_s()
        before = f"{number} of {len(named)}, {each.name}: "
        verdict = judge_live(each, clock, stimulator, keep, lambda line, b=before: say(b + line))  # type: ignore[misc] # mypy knows no defaults of lambdas
        verdict.took_s = clock.now_s() - begun_s
        verdicts.append(verdict)
        done(verdict)
    return verdicts


def judge_live(
    each: Named,
    clock: Clock,
    stimulator: str | None = None,
    keep: Path | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> Verdict:
    """Run one live scenario and judge what it has left; skipped where it cannot be had."""
    why_not = cannot(each.scenario)
    if why_not:
        return Verdict(each.name, [], not_applicable=why_not)
    with TemporaryDirectory(prefix="bci-bench-") as scratch:
        try:
            rig = live_rig(each.scenario, stimulator)
            folder = run_live(each.scenario, rig, Path(scratch), clock, say)
        except BciError as error:
            return Verdict(each.name, [Check("the session could be had", False, str(error))])
        if keep is not None:
            keep_folder(folder, keep / each.name)
        evidence = read_evidence(folder)
        checks = [*live_invariants(evidence), *live_expectations(each.scenario, evidence)]
        return Verdict(each.name, checks, figures(evidence))


def live_rig(scenario: Scenario, stimulator: str | None = None) -> Rig:
    """The scenario's rig, with an operator's standing order and the faults of its device.

    Raises
    ------
    ConfigError
        The overrides, or the faults, do not fit the rig.
    InputError
        There is no such rig.
    """
    planned: list[dict[str, Any]] = [
        {"kind": fault.kind.removeprefix(DEVICE), "after_s": fault.at_s, "for_s": fault.for_s}
        for fault in scenario.faults
        if fault.kind.startswith(DEVICE)
    ]
    more: dict[str, dict[str, Any]] = {"session": {"max_rearms": REARMS}}
    more |= {"stimulator": {"faults": planned}} if planned else {}
    merged = {
        section: more.get(section, {}) | scenario.overrides.get(section, {})
        for section in {**more, **scenario.overrides}
    }
    return rig_of(scenario.model_copy(update={"overrides": merged}), stimulator)
