"""``bci tune``: settings of a detector for one's own recordings."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from bci_core.cli.options import (
    Board,
    Derive,
    Detector,
    DetectorRig,
    Json,
    MarkTypes,
    Recording,
    Reference,
    Stream,
    Unit,
    UvPerCount,
)
from bci_core.cli.saying import saying

if TYPE_CHECKING:
    from bci_core.tuning.recorded import Tuned


def tune(
    recording: Recording,
    marks: Annotated[Path, typer.Option("--marks", help="Events: CSV, TSV, EDF+ or .npz.")],
    budget: Annotated[
        str, typer.Option("--budget", help='Bounds, such as "false_per_min<=2, precision>=0.9".')
    ],
    detector: Detector = None,
    rig: DetectorRig = None,
    setting: Annotated[
        list[str] | None,
        typer.Option("--set", help="A setting to hold, key=value; monitor.key for the monitor."),
    ] = None,
    sweep: Annotated[
        list[str] | None,
        typer.Option("--sweep", help="Values, key=first:last:count or key=a,b,c; again for more."),
    ] = None,
    channel: Annotated[
        list[str] | None, typer.Option("--channel", help="Channel to read; again for more.")
    ] = None,
    reference: Reference = None,
    derive: Derive = None,
    keep_aside: Annotated[
        float, typer.Option("--keep-aside", help="Share of the recording to report on.")
    ] = 0.3,
    seed: Annotated[
        int | None,
        typer.Option("--seed", help="Keep random blocks aside. [default: the last part]"),
    ] = None,
    tolerance_s: Annotated[
        float, typer.Option("--tolerance", min=0.0, help="Seconds a detection may lie off a mark.")
    ] = 0.1,
    mark_type: MarkTypes = None,
    unit: Unit = None,
    uv_per_count: UvPerCount = None,
    board: Board = None,
    stream: Stream = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Folder to write. [default: tuned/RECORDING-DETECTOR]"),
    ] = None,
    as_json: Json = False,
) -> None:
    """Find the settings that find most events within a budget of false alarms or latency.

    Settings are chosen on one part of the recording; the figures to expect are those on the
    part kept aside. Writes detector.toml (the section of a rig), trade-off.html and tuning.json.
    Exit status 1, and no detector.toml, when no setting keeps the budget.

    Example: `bci tune night.edf --marks night.tsv --detector spindle --budget "false_per_min<=2"`
    """
    from bci_core.clock import LslClock
    from bci_core.tuning.recorded import Request, tune_recording

    request = Request(
        recording=recording,
        marks=marks,
        detector=detector,
        budget=budget,
        rig=rig,
        fixed=tuple(setting or ()),
        sweep=tuple(sweep or ()),
        channels=tuple(channel or ()),
        types=tuple(mark_type or ()),
        reference=reference,
        derive=tuple(derive or ()),
        share=keep_aside,
        seed=seed,
        tolerance_s=tolerance_s,
        reading={"unit": unit, "uv_per_count": uv_per_count, "board": board, "stream": stream},
    )
    console = Console(stderr=as_json, highlight=False, soft_wrap=True)
    with saying(console) as say:
        tuned = tune_recording(request, LslClock(), say)
    folder = out or Path("tuned") / f"{recording.stem}-{tuned.part.name}"
    tuned.write(folder)
    if as_json:
        told = {"folder": str(folder), **tuned.to_dict()}
        print(json.dumps(told, indent=2, allow_nan=False))  # noqa: T201 - the answer itself
    else:
        _show(console, tuned, folder)
    raise typer.Exit(0 if tuned.tuning.chosen is not None else 1)


def _show(console: Console, tuned: "Tuned", folder: Path) -> None:
    from bci_core.tuning.page import figure_rows
    from bci_core.tuning.tune import shown

    tuning = tuned.tuning
    settings = shown(tuning.nearest.settings)
    if tuning.chosen is None:
        console.print(f"[red]no setting keeps the budget[/] {tuning.budget}; nearest: {settings}")
    else:
        console.print(f"[green]chosen[/]: {settings}; most {tuning.aim} within {tuning.budget}")
    table = Table(box=None)
    for heading in ("", "part to tune on", "part kept aside"):
        table.add_column(heading, justify="right" if heading else "left")
    for row in figure_rows(tuning.nearest):
        table.add_row(*row)
    console.print(table)
    console.print(f"kept aside: {tuning.aside}", markup=False)
    if tuning.chosen is not None and not tuning.budget.kept(tuning.nearest.aside):
        console.print("[yellow]the budget is not kept on the part kept aside[/]")
    if tuning.refused:
        first = next(iter(tuning.refused.items()))
        console.print(
            f"{len(tuning.refused)} combinations that the detector does not take, such as "
            f"{first[0]}: {first[1]}",
            markup=False,
        )
    console.print(f"written to {folder}", markup=False)


COMMANDS = (tune,)
