"""``bci bench safety``: known cases, random stimulation, and what the gate costs."""

from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from bci_core.cli.bench_output import Json, console_for, plain_text, table, write
from bci_core.cli.saying import saying

if TYPE_CHECKING:
    from bci_core.bench.safety import SafetyResult


def safety(
    count: Annotated[
        int, typer.Option("--count", min=1, help="Random programs, and random triggers.")
    ] = 100_000,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the random ones.")] = 0,
    to: Json = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="End with status 1 also when the gate is slow.")
    ] = False,
) -> None:
    """Try the safety limits on known cases and on random programs, rigs and triggers.

    What is accepted is drawn tick by tick as the device would deliver it, and judged by code
    that shares nothing with the check. Ends with status 1 when anything that passes a limit was
    accepted, when something weaker than what was accepted was refused, or when a known case
    does not come out.

    Example: `bci bench safety --count 100000 --json safety.json`
    """
    from bci_core.bench.safety import measure_safety
    from bci_core.clock import LslClock

    console = console_for(to)
    with saying(console) as say:
        result = measure_safety(count, seed, LslClock(), say)
    _show(console, result)
    write(result.to_dict(), to)
    raise typer.Exit(0 if result.holds and (result.within or not strict) else 1)


def _show(console: Console, result: "SafetyResult") -> None:
    known = table("Known cases", "case", "", "computed", "known", "unit", "agrees")
    for vector in result.vectors:
        computed, expected = (
            value if isinstance(value, str) else f"{value:.5g}"
            for value in (vector.value, vector.expected)
        )
        agrees = "[green]yes[/]" if vector.agrees else "[red]no[/]"
        known.add_row(vector.case, vector.what, computed, expected, vector.unit, agrees)
    console.print(known)
    agreeing = sum(vector.agrees for vector in result.vectors)
    tally = result.tally
    console.print(f"{agreeing} of {len(result.vectors)} known cases agree")
    console.print(
        f"{tally.programs} random programs on {tally.rigs} rigs (seed {tally.seed}): "
        f"{tally.accepted} accepted, {tally.n_violations} violations in all\n"
        f"{tally.sounds} of them by sound: {tally.sounds_accepted} accepted\n"
        f"{tally.weaker} weaker forms of what was accepted: {tally.n_reversals} refused\n"
        f"{tally.triggers} random triggers in {tally.sequences} sequences: {tally.sent} sent, "
        f"{tally.latched} reports latched",
        soft_wrap=True,
    )
    often = sorted(tally.refused.items(), key=lambda item: -item[1])
    refused = ", ".join(f"{limit} {times}" for limit, times in often)
    console.print(f"refused by: {refused}", soft_wrap=True)
    for line in (*tally.violations, *tally.reversals):
        console.print(f"[red]failed[/]: {plain_text(line)}", soft_wrap=True)
    costs = table("One trigger, in microseconds", "", "n", "p50", "p99", "added p50", "asked")
    for cost in result.costs:
        mark = "[green]within[/]" if cost.within else "[red]over[/]"
        floor = (f"{cost.floor_p50:.2f}", f"{cost.floor_p99:.2f}")
        costs.add_row(f"{cost.what}: no gate", str(cost.n), *floor, "", "")
        through = (f"{cost.gate_p50:.2f}", f"{cost.gate_p99:.2f}", f"{cost.added_p50:.2f}")
        costs.add_row(f"{cost.what}: gate", str(cost.n), *through, f"≤ 20 {mark}")
    console.print(costs)
