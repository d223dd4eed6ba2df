"""``bci calibrate``: what to know of channels and detector before arming."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from bci_core.cli.options import Board, Json, Source, Stream, Unit, UvPerCount
from bci_core.cli.saying import saying

if TYPE_CHECKING:
    from bci_core.config.rig import Rig
    from bci_core.scoring.stretch import Stretch
    from bci_core.tuning.calibrate import Calibration

MOST_ROWS = 64
"""Channels that are shown; all are in the file."""


def calibrate(
    source: Source,
    from_: Annotated[
        Path | None, typer.Option("--from", help="A recording with the rig's channels.")
    ] = None,
    live_s: Annotated[
        float | None,
        typer.Option("--live", min=1.0, max=3600.0, help="Seconds to take from the amplifier."),
    ] = None,
    at_most_per_min: Annotated[
        float | None,
        typer.Option(
            "--at-most-per-min",
            min=0.0,
            help="Set the threshold so that it fires no more often in these samples.",
        ),
    ] = None,
    unit: Unit = None,
    uv_per_count: UvPerCount = None,
    board: Board = None,
    stream: Stream = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Rig to write. [default: NAME-calibrated.toml]")
    ] = None,
    as_json: Json = False,
) -> None:
    """Measure every channel and how often the rig's detector would fire; nothing is armed.

    Writes the rig with the values that follow filled in, and beside it everything that was
    measured, as .json. Exit status 1 when a channel that detector or guard read cannot be used.

    Example: `bci calibrate theta-phase --live 60 --out calibrated.toml`
    """
    from bci_core.clock import LslClock
    from bci_core.config.load import load_rig
    from bci_core.errors import InputError
    from bci_core.tuning.calibrate import calibrate as measure
    from bci_core.tuning.calibrated_rig import told, write_calibrated

    if (from_ is None) == (live_s is None):
        raise InputError("give either --from RECORDING or --live SECONDS")
    rig = load_rig(source)
    console = Console(stderr=as_json, highlight=False, soft_wrap=True)
    with saying(console) as say:
        if from_ is not None:
            reading = {"unit": unit, "uv_per_count": uv_per_count, "board": board, "stream": stream}
            stretch, origin = _from_file(from_, reading)
        else:
            stretch, origin = _from_amplifier(rig, live_s or 0.0, say)
        result = measure(rig, stretch, at_most_per_min, say)
    made = LslClock().utc()
    path = out or Path(f"{rig.name}-calibrated.toml")
    everything = told(rig, result, origin, made)
    write_calibrated(path, rig, result, origin, made)
    if as_json:
        answer = {"written": str(path), **everything}
        print(json.dumps(answer, indent=2, allow_nan=False))  # noqa: T201 - the answer itself
    else:
        _show(console, result)
        console.print(f"written to {path} and {path.with_suffix('.json')}", soft_wrap=True)
    raise typer.Exit(0 if result.ready else 1)


def _from_file(path: Path, reading: dict[str, Any]) -> "tuple[Stretch, dict[str, Any]]":
    from bci_core.record.recording import read_recording
    from bci_core.scoring.stretch import stretch_of
    from bci_core.tuning.origin import sha256_of

    recording = read_recording(path, **reading, keep_not_finite=True)
    return stretch_of(recording), {"recording": path.name, "sha256": sha256_of(path)}


def _from_amplifier(
    rig: "Rig", live_s: float, say: Callable[[str], None]
) -> "tuple[Stretch, dict[str, Any]]":
    from bci_core.clock import LslClock
    from bci_core.session import build, privacy
    from bci_core.tuning.listen import listen

    privacy.confine(rig.lsl)
    clock = LslClock()
    stretch = listen(build.amplifier(rig, clock), live_s, clock, say)
    info = stretch.info
    origin = {"stream": info.name, "source_id": info.source_id, "driver": rig.amplifier.name}
    return stretch, origin


def _show(console: Console, result: "Calibration") -> None:
    table = Table(box=None)
    for heading in ("channel", "offset", "rms", "noise", "mains", "in band", "p90", ""):
        table.add_column(heading, justify="left" if heading in ("channel", "") else "right")
    table.add_row("", *["[dim]µV[/]"] * 2, "[dim]µV/√Hz[/]", *["[dim]µV[/]"] * 3, "")
    for name, each in list(result.levels.items())[:MOST_ROWS]:
        amounts = (
            each.offset_uv,
            each.rms_uv,
            each.noise_uv_per_rthz,
            each.mains_uv,
            each.band_uv,
            each.band_p90_uv,
        )
        shown = ["–" if value is None else f"{value:.3g}" for value in amounts]
        used = f"[bold]{_plain(name)}[/]" if name in result.used else _plain(name)
        table.add_row(used, *shown, f"[red]{_plain('; '.join(each.bad))}[/]")
    console.print(table)
    if len(result.levels) > MOST_ROWS:
        console.print(f"and {len(result.levels) - MOST_ROWS} channels more, in the file")
    for rate in result.rates:
        mark = "" if rate.value != result.threshold_now else "  ← now"
        console.print(
            f"{result.threshold} {rate.value:g}: {rate.per_min:.3g} detections a minute{mark}",
            markup=False,
        )
    console.print(
        f"with these values: {result.detections} detections, {result.per_min:.3g} a minute, "
        f"{sum(result.vetoed.values())} more vetoed"
    )
    if result.guard_alarms is not None:
        console.print(f"the guard: {result.guard_alarms} alarms")
    for key, value in result.filled_in.items():
        console.print(f"filled in: {key} = {value:g}", markup=False)
    for warning in result.warnings:
        console.print(f"[yellow]warning[/]: {_plain(warning)}", soft_wrap=True)
    names = _plain(", ".join(name for name in result.used[:MOST_ROWS]))
    if result.ready:
        console.print(f"[green]ready[/]: what is read can be used ({names})")
    else:
        console.print(f"[red]not ready[/]: of what is read, not all can be used ({names})")


def _plain(text: str) -> str:
    return text.replace("[", r"\[")


COMMANDS = (calibrate,)
