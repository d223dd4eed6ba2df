"""``bci bench arming``: the arming state machine, in every order of events."""

from typing import Annotated

import typer

from bci_core.cli.bench_output import Json, console_for, write


def arming(
    depth: Annotated[int, typer.Option("--depth", min=1, max=10, help="Events in an order.")] = 8,
    armed_depth: Annotated[
        int, typer.Option("--armed-depth", min=1, max=10, help="The same, after arming.")
    ] = 5,
    to: Json = None,
) -> None:
    """Explore the arming state machine: all events in all orders, beside a second model.

    Once from the start, and once from armed. Orders that lead to the same state are followed
    once. Exit status 1 when machine and model differ, or current is allowed where it must not
    be: the shortest order of events that shows it is named.

    Example: `bci bench arming --depth 8 --json arming.json`
    """
    from bci_core.bench.arming import TO_ARMED, explore_arming

    console = console_for(to)
    results = {}
    for name, length, start in (("start", depth, ()), ("armed", armed_depth, TO_ARMED)):
        result = results[name] = explore_arming(length, start)
        allowed = ", ".join(f"{state} ({n})" for state, n in result.conducting.items())
        console.print(
            f"from {name}: {result.orders:,} orders of {length} of {result.events} events, by "
            f"{result.states:,} states and {result.transitions:,} transitions; "
            f"current allowed in: {allowed or 'none'}; machine and model agree",
            markup=False,
        )
    write({name: result.to_dict() for name, result in results.items()}, to)
