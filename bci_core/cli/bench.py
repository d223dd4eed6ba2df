"""``bci bench``: figures, each beside something measured in the same run."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from bci_core.bench.latency import LatencyResult

app = typer.Typer(help="Measure this machine and this build.", no_args_is_help=True)

Json = Annotated[
    Path | None, typer.Option("--json", help="File for the result as JSON; - for standard output.")
]
Strict = Annotated[bool, typer.Option("--strict", help="End with status 1 when over budget.")]
Source = Annotated[str, typer.Argument(help="A preset's name, or the path of a rig file.")]


@app.command()
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

    console = _console(to)
    with _progress(console) as say:
        result = measure_latency(duration_s, say)
    _show_latency(console, result)
    _write(result.to_dict(), to)
    raise typer.Exit(1 if strict and result.budget["pass"] is not True else 0)


@app.command()
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
    console = _console(to)
    with _progress(console) as say:
        results = measure_startup(source, chosen or ["warm", "cold"], repeats, say)
    table = _table("From `bci run` to armed, in seconds", "kernel cache", "n", "median", "each")
    for result in results:
        each = "  ".join(f"{time_s:.2f}" for time_s in result.times_s)
        table.add_row(result.cache, str(len(result.times_s)), f"{result.median_s:.2f}", each)
    console.print(table)
    for result in results:
        _judge(console, f"{result.cache} median", result.median_s, result.budget_s, "s")
    _write({result.cache: result.to_dict() for result in results}, to)
    raise typer.Exit(1 if strict and not all(result.within for result in results) else 0)


@app.command()
def memory(
    source: Source = "bench-latency",
    duration_s: Annotated[
        float, typer.Option("--duration", min=10.0, max=86_400.0, help="Seconds to stay armed.")
    ] = 600.0,
    to: Json = None,
) -> None:
    """Fit the resident memory of the loop's process over a session.

    Example: `bci bench memory --duration 600 --json memory.json`
    """
    from bci_core.bench.memory import measure_memory

    console = _console(to)
    with _progress(console) as say:
        result = measure_memory(source, duration_s, say)
    console.print(
        f"loop process: {result.slope_kib_per_min:+.2f} ± {result.standard_error_kib_per_min:.2f} "
        f"KiB/min over {result.span_s:.0f} s, after {result.settling_s:.0f} s of settling\n"
        f"resident {result.first_kib / 1024:.1f} MiB at first, {result.last_kib / 1024:.1f} MiB "
        f"at last, {result.max_kib / 1024:.1f} MiB at most; {result.n} readings, "
        f"{result.samples} samples, {result.triggers} triggers",
        markup=False,
    )
    _write(result.to_dict(), to)


def _show_latency(console: Console, result: "LatencyResult") -> None:
    table = _table("Milliseconds", "", "n", "p50", "p99", "p99.9", "max")
    for title, part in (("bare transport", result.floor), ("session", result.session)):
        table.add_row(f"[bold]{title}[/]")
        for key, figures in part.items():
            cells = (figures[name] for name in ("p50", "p99", "p999", "max"))
            shown = ["-" if value is None else f"{value:.3f}" for value in cells]
            table.add_row("  " + key.replace("_", " "), str(figures["n"]), *shown)
    table.add_row("[bold]session over bare transport[/]")
    for key, ratio in result.ratio.items():
        name = key.replace("_", " ")
        shown = ["-" if value is None else f"{value:.2f} ×" for value in ratio.values()]
        table.add_row(f"  {name}", "", *shown)
    console.print(table)
    before, after = (part["floor"]["p50"] for part in (result.floor_before, result.floor_after))
    console.print(
        f"floor p50 {before:.3f} ms before, {after:.3f} ms after; {_about(result.about)}",
        markup=False,
    )
    for key, limit in result.budget["limits"].items():
        _judge(console, key.replace("_", " "), limit["value_ms"], limit["limit_ms"], "ms")


def _about(about: Mapping[str, Any]) -> str:
    load = about["load_1min"]
    scheduling = about["scheduling"]
    return (
        f"{about['triggers']} triggers, {about['samples_lost']} samples lost; "
        f"{about['cpus']} CPUs, load {load['before']:.1f} to {load['after']:.1f}; "
        f"scheduling {scheduling['session']} (bare: {scheduling['floor']})"
    )


def _judge(console: Console, what: str, value: float | None, limit: float, unit: str) -> None:
    if value is None:
        console.print(f"[yellow]unknown[/] {what}: nothing was measured")
        return
    mark = "[green]within budget[/]" if value <= limit else "[red]over budget[/]"
    console.print(f"{mark}: {what} {value:.3g} {unit}, budget {limit:g} {unit}")


def _table(title: str, first: str, *others: str) -> Table:
    table = Table(title=title, title_justify="left", box=None)
    table.add_column(first)
    for other in others:
        table.add_column(other, justify="right")
    return table


def _console(to: Path | None) -> Console:
    """Where people read: standard error when the JSON goes to standard output.

    A file that cannot be written is refused here, before minutes of measuring.
    """
    if to is not None and not _is_stdout(to):
        try:
            to.open("a").close()
        except OSError as error:
            from bci_core.errors import InputError

            raise InputError(f"--json {to}: cannot be written ({error.strerror})") from error
    return Console(stderr=_is_stdout(to), highlight=False)


@contextmanager
def _progress(console: Console) -> Iterator[Callable[[str], None]]:
    """The last line in place on a terminal, one line after another on a pipe."""
    if not console.is_terminal:
        yield lambda line: console.print(line, markup=False, soft_wrap=True)
        return
    with console.status("starting") as status:
        yield lambda line: status.update(line.replace("[", r"\["))


def _write(result: Mapping[str, Any], to: Path | None) -> None:
    if to is None:
        return
    text = json.dumps(result, indent=2, allow_nan=False) + "\n"
    if _is_stdout(to):
        typer.echo(text, nl=False)
    else:
        to.write_text(text, "utf-8")


def _is_stdout(to: Path | None) -> bool:
    return to is not None and str(to) == "-"
