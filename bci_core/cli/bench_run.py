"""``bci bench run``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bci_core.cli.bench_output import Json, console_for, table, write

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from bci_core.bench.scenarios.load import Named


def run(
    sources: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[SCENARIO|DIR]...", help="Names, files or folders; all that ship when none."
        ),
    ] = None,
    stimulator: Annotated[
        str | None, typer.Option("--stimulator", help="Driver in the place of every rig's own.")
    ] = None,
    junit: Annotated[
        Path | None, typer.Option("--junit", help="File for the result as JUnit XML.")
    ] = None,
    keep: Annotated[
        Path | None, typer.Option("--keep", help="Folder to keep the sessions in.")
    ] = None,
    live: Annotated[
        bool, typer.Option("--live", help="Sessions of real processes, and their scenarios.")
    ] = False,
    show_list: Annotated[
        bool, typer.Option("--list", help="Name the scenarios and run none.")
    ] = False,
    mutants: Annotated[
        bool, typer.Option("--mutants", help="Put bugs in, one at a time; show what catches each.")
    ] = False,
    to: Json = None,
) -> None:
    """Break simulated sessions as scenarios say; judge what came of it, on the virtual clock.

    With --live, break sessions of real processes: each stopped and killed, the processor taken
    away, the network cut, the disk full. What this machine cannot do is skipped, with the reason.

    The judge reads the session folder only and shares no code with the loop. Always judged:
    no current while disarmed, after old data, over a limit, or without a ledger line; the
    emergency stop; files readable; lost samples counted; and that it works again afterwards.
    Exit status 1 when anything did not hold.

    Example: `bci bench run --junit bench.xml`
    """
    from bci_core.bench.live.run import run_live_scenarios
    from bci_core.bench.scenarios.load import load_scenarios
    from bci_core.bench.scenarios.run import Verdict, run_scenarios
    from bci_core.bench.scenarios.run import junit as as_junit
    from bci_core.cli.saying import saying
    from bci_core.clock import LslClock
    from bci_core.errors import InputError

    console = console_for(to)
    named = load_scenarios(sources or (), live)
    if show_list:
        for each in named:
            console.print(f"{each.name}: {each.scenario.description}", markup=False, soft_wrap=True)
        raise typer.Exit
    if mutants and live:
        raise InputError("--mutants runs on the virtual clock; leave out --live")
    if mutants:
        raise typer.Exit(_mutants(named, console, to))

    def show(verdict: Verdict) -> None:
        if verdict.not_applicable:
            console.print(
                f"not applicable  {verdict.name}: {verdict.not_applicable}",
                markup=False,
                soft_wrap=True,
            )
            return
        outcomes = ", ".join(
            f"{n} {what}" for what, n in verdict.figures.get("outcomes", {}).items()
        )
        mark = "FAILED" if verdict.failed else "passed"
        console.print(
            f"{mark}  {verdict.name}  ({outcomes or 'no trigger'}; {verdict.took_s:.1f} s)",
            markup=False,
            soft_wrap=True,
        )
        for check in verdict.failed:
            console.print(f"        {check.name}: {check.told}", markup=False, soft_wrap=True)

    if live:
        with saying(console) as say:
            verdicts = run_live_scenarios(named, LslClock(), stimulator, keep, show, say)
    else:
        verdicts = run_scenarios(named, LslClock(), stimulator, keep, show)
    failed = sum(bool(verdict.failed) for verdict in verdicts)
    left_out = sum(bool(verdict.not_applicable) for verdict in verdicts)
    console.print(
        f"{sum(v.passed for v in verdicts)} of {len(verdicts)} scenarios passed, "
        + (f"{left_out} not applicable, {failed} failed, " if left_out else "")
        + f"{sum(len(v.checks) for v in verdicts)} checks, "
        f"in {sum(v.took_s for v in verdicts):.1f} s"
    )
    if junit is not None:
        junit.write_bytes(as_junit(verdicts))
    write([verdict.to_dict() for verdict in verdicts], to)
    raise typer.Exit(1 if failed else 0)


def _mutants(named: "Sequence[Named]", console: "Console", to: Path | None) -> int:
    """A table of what catches each bug. The exit status: 1 when one is not caught."""
    from bci_core.bench.scenarios.mutants import judge_mutants

    shown = table("Bugs put in on purpose", "bug", "scenario", "caught by", "of it")
    results = []
    for mutant, verdict in judge_mutants(named):
        caught = verdict.failed
        by = caught[0].name if caught else "NOT CAUGHT"
        told = caught[0].told if caught else ""
        console.print(f"{'caught' if caught else 'NOT CAUGHT'}  {mutant.name}")
        shown.add_row(mutant.name, verdict.name, by, told)
        results.append(
            {"bug": mutant.name, "scenario": verdict.name, "caught_by": by, "told": told}
        )
    console.print(shown)
    write(results, to)
    return 1 if any(each["caught_by"] == "NOT CAUGHT" for each in results) else 0
