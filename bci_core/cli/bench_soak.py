"""``bci bench soak``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bci_core.cli.bench_output import (
    Json,
    Kept,
    Plot,
    console_for,
    require_writable,
    table,
    write,
)
from bci_core.cli.saying import saying

if TYPE_CHECKING:
    from rich.console import Console

    from bci_core.bench.soak.result import SoakResult

COLOURS = {"ok": "[green]ok[/]", "failed": "[red]FAILED[/]", "unsure": "[yellow]unsure[/]"}


def soak(
    hours: Annotated[
        float, typer.Option("--hours", min=0.0, max=24.0, help="How long it stays armed.")
    ] = 1.0,
    rig: Annotated[
        str, typer.Option("--rig", help="A preset's name, or the path of a rig file.")
    ] = "bench-latency",
    simulated: Annotated[
        bool,
        typer.Option("--simulated/--live", help="On the virtual clock, or in real time."),
    ] = False,
    session: Annotated[
        Path | None, typer.Option("--session", help="Run none: judge this session's folder.")
    ] = None,
    out: Kept = None,
    picture: Plot = None,
    to: Json = None,
) -> None:
    """Run a session for hours; follow memory, file handles, threads, latency and losses.

    Live, with every process of a session; or with --simulated in this process, as fast as it
    goes. A slope is judged with its 95 % interval: what surely grows by more than 64 MiB, a
    handle or a thread in 24 hours, slows by more than a quarter, or was lost, fails, with exit
    status 1. What the session was too short or too restless to tell is said to be unsure.

    Example: `bci bench soak --hours 1 --json soak.json --plot soak.html`
    """
    from bci_core.bench.soak.run import soak as run_soak
    from bci_core.bench.soak.run import soak_of
    from bci_core.report.soak_page import write_soak_page
    from bci_core.session.folder import SessionFolder

    console = console_for(to)
    require_writable("--plot", picture)
    with saying(console) as say:
        if session is not None:
            result = soak_of(SessionFolder.open(session))
        else:
            result = run_soak(rig, hours, simulated, say, out)
    _show(console, result)
    told = result.to_dict()
    write(told, to)
    if picture is not None:
        write_soak_page(picture, told)
    raise typer.Exit(1 if result.failed else 0)


def _show(console: "Console", result: "SoakResult") -> None:
    about = result.about
    counts = about["counts"]
    clock = "simulated" if about["simulated_time"] else "live"
    shown = table(f"{about['rig']}, {clock}, {about['duration_s'] / 3600.0:.2f} h", "", "", "")
    for column in shown.columns[1:]:
        column.justify = "left"
    for check in result.checks:
        shown.add_row(COLOURS[check.verdict], check.name, check.told)
    console.print(shown)
    outcomes = ", ".join(f"{n} {what}" for what, n in counts["outcomes"].items())
    console.print(
        f"{counts['samples']} samples, {counts['triggers']} triggers ({outcomes}), "
        f"{counts['refused']} refused",
        markup=False,
    )
    if "cpu_s" in about:
        console.print(
            f"{about['times_real_time']:.0f} × real time; {about['cpu_s']:.0f} s of processor "
            f"time, {about['times_real_time_of_cpu']:.0f} × real time"
        )
