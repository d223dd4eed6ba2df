"""``bci bench``: figures, each beside something measured in the same run."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from bci_core.cli.bench_output import (
    BareJson,
    Json,
    console_for,
    judge,
    plain_text,
    table,
    write,
)
from bci_core.cli.options import Source
from bci_core.cli.saying import saying

if TYPE_CHECKING:
    from bci_core.bench.accuracy.figure import Figure
    from bci_core.bench.latency import LatencyResult


app = typer.Typer(help="Measure this machine and this build.", no_args_is_help=True)

Strict = Annotated[bool, typer.Option("--strict", help="End with status 1 when over budget.")]


@app.command(cls=BareJson)
def latency(
    duration_s: Annotated[
        float, typer.Option("--duration", min=1.0, max=3600.0, help="Seconds of measuring.")
    ] = 60.0,
    to: Json = None,
    strict: Strict = False,
) -> None:
    """Time a session from sample to accepted command, beside the bare transport.

    A fifth of the time goes to the bare transport (LSL echo, ZeroMQ hop, no processing),
    three fifths to a whole session with every process and the recorder, a fifth to the bare
    transport again.

    Example: `bci bench latency --duration 60 --json latency.json`
    """
    from bci_core.bench.latency import measure_latency

    console = console_for(to)
    with saying(console) as say:
        result = measure_latency(duration_s, say)
    _show_latency(console, result)
    write(result.to_dict(), to)
    raise typer.Exit(1 if strict and result.budget["pass"] is not True else 0)


@app.command(cls=BareJson)
def startup(
    source: Source = "theta-phase",
    cold: Annotated[bool, typer.Option("--cold", help="Only with an empty kernel cache.")] = False,
    warm: Annotated[bool, typer.Option("--warm", help="Only with a filled kernel cache.")] = False,
    repeats: Annotated[
        int, typer.Option("--repeats", min=1, max=100, help="Sessions started for each.")
    ] = 3,
    to: Json = None,
    strict: Strict = False,
) -> None:
    """Time `bci run` from the start of its process to armed.

    Example: `bci bench startup --json startup.json`
    """
    from bci_core.bench.startup import measure_startup

    chosen = [name for name, asked in (("warm", warm), ("cold", cold)) if asked]
    console = console_for(to)
    with saying(console) as say:
        results = measure_startup(source, chosen or ["warm", "cold"], repeats, say)
    shown = table("From `bci run` to armed, in seconds", "kernel cache", "n", "median", "each")
    for result in results:
        each = "  ".join(f"{time_s:.2f}" for time_s in result.times_s)
        shown.add_row(result.cache, str(len(result.times_s)), f"{result.median_s:.2f}", each)
    console.print(shown)
    for result in results:
        judge(console, f"{result.cache} median", result.median_s, result.budget_s, "s")
    write({result.cache: result.to_dict() for result in results}, to)
    raise typer.Exit(1 if strict and not all(result.within for result in results) else 0)


@app.command(cls=BareJson)
def accuracy(
    only: Annotated[
        list[str] | None, typer.Option("--only", help="One measurement; may be given again.")
    ] = None,
    recordings: Annotated[
        Path | None,
        typer.Option("--recordings", help="Folder of real recordings, if not beside the project."),
    ] = None,
    to: Json = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="End with status 1 when a figure is not reached.")
    ] = False,
) -> None:
    """Measure every detector on real and on implanted events, beside offline packages.

    The offline packages are those of the `reference` extra. Figures on recordings that are not
    there are left out, and named.

    Example: `bci bench accuracy --only ripple --json ripple.json`
    """
    from bci_core.bench.accuracy.run import measure_accuracy

    console = console_for(to)
    with saying(console) as say:
        result = measure_accuracy(recordings, say, only or ())
    _show_accuracy(console, result.figures)
    asked = [figure for figure in result.figures if figure.asked is not None]
    reached = sum(figure.reached is True for figure in asked)
    console.print(f"{reached} of {len(asked)} figures that were asked for are reached")
    if result.absent:
        console.print(
            f"[yellow]left out[/]: figures on {', '.join(result.absent)}, which are not there; "
            "name their folder with --recordings"
        )
    for line in result.left_out:
        console.print(plain_text(line))
    for name, error in result.failed.items():
        console.print(f"[red]failed[/]: {name}:", end=" ")
        console.print(error, markup=False)
    write(result.to_json(), to)
    raise typer.Exit(1 if result.failed or (strict and not result.all_reached) else 0)


def _show_accuracy(console: Console, figures: "Sequence[Figure]") -> None:
    table = Table(title="Accuracy", title_justify="left", box=None, show_edge=False)
    right = ("measured", "asked")
    for heading in ("on", "figure", *right, "reached", "counts", "offline reference"):
        table.add_column(heading, justify="right" if heading in right else "left")
    marks = {True: "[green]yes[/]", False: "[red]no[/]", None: ""}
    detector = on = ""
    for figure in figures:
        if figure.detector != detector:
            detector, on = figure.detector, ""
            table.add_row(f"[bold]{plain_text(detector)}[/]")
        sign = "≥" if figure.at_least else "≤"
        table.add_row(
            "" if figure.on == on else f"  {plain_text(figure.on)}",
            plain_text(figure.what),
            _amount(figure.value, figure.unit),
            "" if figure.asked is None else f"{sign} {_amount(figure.asked, figure.unit)}",
            marks[figure.reached],
            ", ".join(f"{name} {count}" for name, count in figure.counts.items()),
            plain_text(_beside(figure)),
        )
        on = figure.on
    console.print(table)


def _beside(figure: "Figure") -> str:
    if figure.reference is None:
        return figure.reference_name
    return f"{_amount(figure.reference, figure.unit)} ({figure.reference_name})"


def _amount(value: float, unit: str) -> str:
    return f"{value:.3g} {unit}".rstrip()


def _show_latency(console: Console, result: "LatencyResult") -> None:
    shown = table("Milliseconds", "", "n", "p50", "p99", "p99.9", "max")
    for title, part in (("bare transport", result.floor), ("session", result.session)):
        shown.add_row(f"[bold]{title}[/]")
        for key, figures in part.items():
            values = (figures[name] for name in ("p50", "p99", "p999", "max"))
            cells = ["-" if value is None else f"{value:.3f}" for value in values]
            shown.add_row("  " + key.replace("_", " "), str(figures["n"]), *cells)
    shown.add_row("[bold]session over bare transport[/]")
    for key, ratio in result.ratio.items():
        name = key.replace("_", " ")
        cells = ["-" if value is None else f"{value:.2f} ×" for value in ratio.values()]
        shown.add_row(f"  {name}", "", *cells)
    console.print(shown)
    before, after = (part["floor"]["p50"] for part in (result.floor_before, result.floor_after))
    console.print(
        f"floor p50 {before:.3f} ms before, {after:.3f} ms after; {_about(result.about)}",
        markup=False,
    )
    for key, limit in result.budget["limits"].items():
        judge(console, key.replace("_", " "), limit["value_ms"], limit["limit_ms"], "ms")


def _about(about: Mapping[str, Any]) -> str:
    load = about["load_1min"]
    scheduling = about["scheduling"]
    return (
        f"{about['triggers']} triggers, {about['samples_lost']} samples lost; "
        f"{about['cpus']} CPUs, load {load['before']:.1f} to {load['after']:.1f}; "
        f"scheduling {scheduling['session']} (bare: {scheduling['floor']})"
    )
