"""``bci bench kill``."""

from typing import Annotated

import typer

from bci_core.cli.bench_output import Json, console_for, table, write
from bci_core.cli.saying import saying


def kill(
    role: Annotated[
        list[str] | None, typer.Option("--role", help="Only this process; may be repeated.")
    ] = None,
    trials: Annotated[int, typer.Option("--trials", min=1, help="Kills of each process.")] = 20,
    seed: Annotated[int, typer.Option("--seed", help="Of the instants.")] = 0,
    to: Json = None,
) -> None:
    """Kill each process of a session while current flows; time how long the current outlasts it.

    A witness in this process watches the current of the simulated device. Judged are the
    time, the ledger's chain, and whether every trigger is accounted for.
    Exit status 1 when anything did not hold.

    Example: `bci bench kill --role loop --trials 2`
    """
    from bci_core.bench.kill import ROLES, measure_kills
    from bci_core.errors import InputError

    unknown = sorted(set(role or ()) - set(ROLES))
    if unknown:
        raise InputError(f"no process is called {unknown[0]!r}; there are {', '.join(ROLES)}")
    console = console_for(to)
    with saying(console) as say:
        result = measure_kills(role or ROLES, trials, seed, say)
    shown = table(
        "Current after a SIGKILL, in ms",
        "process",
        "n",
        "in a train",
        "median",
        "max",
        "bound",
        "triggers",
        "unexplained",
    )
    for each, bound_s in result.bound_s.items():
        kills = result.of(each)
        times_ms = sorted(k.outlasted_s * 1e3 for k in kills)
        shown.add_row(
            each,
            str(len(kills)),
            str(sum(k.stimulating for k in kills)),
            f"{times_ms[len(times_ms) // 2]:.2f}",
            f"{times_ms[-1]:.2f}",
            f"{bound_s * 1e3:g}",
            str(sum(k.sent for k in kills)),
            str(sum(k.unexplained for k in kills)),
        )
    console.print(shown)
    failures = result.failures()
    for failure in failures:
        console.print(f"FAILED  {failure}", markup=False)
    write(result.to_dict(), to)
    raise typer.Exit(1 if failures else 0)
