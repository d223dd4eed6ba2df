"""``bci bench loopback``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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

    from bci_core.bench.loopback import LoopbackResult


def loopback(
    rig: Annotated[
        str, typer.Option("--rig", help="A preset's name, or the path of a rig file.")
    ] = "bench-loopback",
    mark_channel: Annotated[
        str, typer.Option("--mark-channel", help="Has the mark that the detector fires on.")
    ] = "mark",
    return_channel: Annotated[
        str, typer.Option("--return-channel", help="Has the stimulator's output, by a cable.")
    ] = "return",
    mark_uv: Annotated[
        float | None,
        typer.Option("--mark-uv", help="Threshold. [default: half of the largest]"),
    ] = None,
    return_uv: Annotated[
        float | None,
        typer.Option("--return-uv", help="Threshold. [default: half of the largest]"),
    ] = None,
    within_s: Annotated[
        float, typer.Option("--within", min=0.001, max=60.0, help="Longest delay that counts.")
    ] = 0.04,
    duration_s: Annotated[
        float, typer.Option("--duration", min=5.0, max=86_400.0, help="Seconds to stay armed.")
    ] = 60.0,
    session: Annotated[
        Path | None, typer.Option("--session", help="Run none: read this session's recording.")
    ] = None,
    out: Kept = None,
    picture: Plot = None,
    to: Json = None,
) -> None:
    """Time the whole path, from a marked sample to the pulse coming back in the signal.

    By default on a simulated amplifier that has a mark on one channel and what left the
    simulated stimulator on another. With a rig of your own: a function generator on one input
    and the stimulator's output, attenuated, on another. The loop's own stamps stand beside.
    Exit status 1 when a mark was not answered or a pulse answers none.

    Example: `bci bench loopback --duration 60 --json loopback.json`
    """
    from bci_core.bench.loopback import Channels, loopback_of, measure_loopback
    from bci_core.report.loopback_page import write_loopback_page
    from bci_core.session.folder import SessionFolder

    console = console_for(to)
    require_writable("--plot", picture)
    channels = Channels(mark_channel, return_channel, mark_uv, return_uv, within_s)
    with saying(console) as say:
        if session is not None:
            result = loopback_of(SessionFolder.open(session), channels)
        else:
            result = measure_loopback(rig, duration_s, channels, say, out)
    _show(console, result)
    told = result.to_dict()
    write(told, to)
    if picture is not None:
        write_loopback_page(picture, told)
    counts = result.counts
    raise typer.Exit(1 if counts["unanswered"] or counts["stray"] or not counts["marks"] else 0)


def _show(console: "Console", result: "LoopbackResult") -> None:
    shown = table("Milliseconds", "", "n", "p50", "p99", "p99.9", "max")

    def row(name: str, figures: Any) -> None:
        values = (figures[key] for key in ("p50", "p99", "p999", "max"))
        cells = ["-" if value is None else f"{value:.3f}" for value in values]
        shown.add_row(name, str(figures["n"]), *cells)

    shown.add_row("[bold]in the recording[/]")
    row("  mark → pulse", result.mark_to_pulse)
    shown.add_row("[bold]by the loop's own stamps[/]")
    for key, figures in result.stamps.items():
        row("  " + key.replace("_to_", " → ").replace("_", " "), figures)
    shown.add_row("[bold]one beside the other[/]")
    row("  pulse in the recording after its stamped onset", result.pulse_after_onset)
    if result.floor is not None:
        row("  bare transport, LSL echo and ZeroMQ hop", result.floor)
    console.print(shown)
    counts, about = result.counts, result.about
    console.print(
        f"{counts['marks']} marks while armed, {counts['unanswered']} unanswered, "
        f"{counts['stray']} stray pulses, {counts['triggers']} triggers; "
        f"a sample is {about['sample_ms']:g} ms; load {about['load_1min']:.1f}",
        markup=False,
    )
