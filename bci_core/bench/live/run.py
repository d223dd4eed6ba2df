"""Runs live scenarios, one after the other, and says what held."""

from collections.abc import Callable, Sequence
from itertools import count
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
from bci_core.bench.scenarios.run import Verdict, keep_folder, run_scenarios
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
    """As `bci_core.bench.scenarios.run.run_scenarios`, on sessions of real processes.

    Parameters
    ----------
    named, clock, stimulator, keep, done
        As there.
    say : callable (str)
        Is given lines of progress.
    """
    numbers = count(1)

    def judge(each: Named, stimulator: str | None, keep: Path | None) -> Verdict:
        before = f"{next(numbers)} of {len(named)}, {each.name}: "
        return judge_live(each, clock, stimulator, keep, lambda line: say(before + line))

    return run_scenarios(named, clock, stimulator, keep, done, judge)


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
