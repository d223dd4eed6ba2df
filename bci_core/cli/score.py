"""``bci score``: how good a detector is on a recording."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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

if TYPE_CHECKING:
    from pydantic import BaseModel

    from bci_core.record.marks import Mark
    from bci_core.scoring.score import Score

MOST_NAMED = 8
"""Channels named in the table; the JSON has them all."""

JSON_NAME, PAGE_NAME = "score.json", "score.html"


def score(
    recording: Recording,
    detector: Detector = None,
    channel: Annotated[
        list[str] | None,
        typer.Option("--channel", help="Channel to read; again for more. [default: see above]"),
    ] = None,
    setting: Annotated[
        list[str] | None,
        typer.Option("--set", help="A setting, key=value; monitor.key=value for the monitor."),
    ] = None,
    rig: DetectorRig = None,
    marks: Annotated[
        Path | None,
        typer.Option("--marks", help="Events: CSV, TSV, EDF+ annotations or .npz."),
    ] = None,
    mark_type: MarkTypes = None,
    tolerance_s: Annotated[
        float | None,
        typer.Option("--tolerance", help="Seconds outside an event that still count."),
    ] = None,
    reference: Reference = None,
    derive: Derive = None,
    each_channel: Annotated[
        bool,
        typer.Option("--each-channel", help="Run on each channel by itself, with its own marks."),
    ] = False,
    start_s: Annotated[float, typer.Option("--start", help="Score from here, in seconds.")] = 0.0,
    end_s: Annotated[
        float | None, typer.Option("--end", help="Score up to here. [default: the end]")
    ] = None,
    lead_s: Annotated[
        float, typer.Option("--lead", help="Announce predicted events this long ahead, seconds.")
    ] = 0.0,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for score.json and score.html.")
    ] = None,
    as_json: Json = False,
    unit: Unit = None,
    uv_per_count: UvPerCount = None,
    board: Board = None,
    stream: Stream = None,
) -> None:
    """Score a detector on a recording: found, missed, invented, how late.

    Compared with the marks of a file; without one, with what the acausal reference of that
    kind of detector finds. Where no channel is named, a detector on one channel reads the
    first, a detector on several reads all; with a montage, of the derived ones. Exit status 0
    when it could be scored, 2 for bad input.

    Example: `bci score night.edf --detector spindle --channel C3 --marks spindles.csv --json`
    """
    from bci_core.record.marks import read_marks
    from bci_core.record.recording import read_recording
    from bci_core.scoring.bands import band_of
    from bci_core.scoring.each_channel import together, with_marks_of
    from bci_core.scoring.judge import score_detector
    from bci_core.scoring.stretch import stretch_of, with_montage
    from bci_core.scoring.subject import (
        channels_named,
        check_times,
        montage_asked,
        settings_of,
        subject_of,
    )

    check_times(tolerance=tolerance_s, start=start_s, end=end_s, lead=lead_s)
    kind, values, monitor = subject_of(detector, rig, setting or ())
    montage = montage_asked(rig, reference, derive or ())
    read = read_recording(
        recording,
        unit,
        uv_per_count=uv_per_count,
        board=board,
        stream=stream,
        channels=None if montage.derives else channels_named(values, channel or ()),
        keep_not_finite=True,
    )
    stretch = with_montage(stretch_of(read, start_s, end_s), montage)
    preferred = stretch.montage.derived if stretch.montage is not None else ()
    events = None
    source = str(marks)
    if marks is not None:
        events = read_marks(marks, duration_s=read.duration_s, kinds=mark_type or ())
        source += f" ({', '.join(mark_type)})" if mark_type else ""

    def settings_on(channels: Sequence[str]) -> "BaseModel":
        return settings_of(kind, values, stretch.info, channels, preferred)

    def scored(channels: Sequence[str], its_marks: "Sequence[Mark] | None") -> "Score":
        settings = settings_on(channels)
        return score_detector(
            kind,
            settings,
            stretch,
            its_marks,
            source=source,
            tolerance_s=tolerance_s,
            monitor=monitor,
            lead_s=lead_s,
            about={
                "recording": str(recording),
                "detector": kind,
                "rate_hz": read.rate_hz,
                "start_s": float(stretch.times_s[0]),
                "end_s": stretch.end_s,
                "settings": settings.model_dump(mode="json"),
                "monitor": monitor.model_dump(mode="json"),
                "montage": montage.model_dump(mode="json"),
                "lead_s": lead_s,
            },
        )

    if each_channel:
        names = channel or preferred or stretch.info.channels
        results = {
            name: scored((name,), with_marks_of(name, events, read.channels)) for name in names
        }
        told = together(results)
    else:
        results = {"": scored(channel or (), events)}
        told = results[""].to_dict()
    text = json.dumps(told, indent=2, allow_nan=False) + "\n"
    if out is not None:
        # Whichever channel it is: the band is the same.
        some = [*results][:1] if each_channel else channel or ()
        _write(out, text, results, band_of(settings_on(some)))
    if as_json:
        typer.echo(text, nl=False)
        return
    _show(told)
    if out is not None:
        pictures = ", ".join(str(out / page_name(name)) for name in results)
        Console(highlight=False, soft_wrap=True).print(f"pictures: {pictures}", markup=False)


def page_name(channel: str) -> str:
    """Of the pictures of one channel; "" for a score of all at once."""
    kept = "".join(c if c.isalnum() or c in "-_" else "_" for c in channel)
    return f"score-{kept}.html" if channel else PAGE_NAME


def _write(out: Path, text: str, results: Mapping[str, "Score"], band_hz: Any) -> None:
    from bci_core.errors import InputError
    from bci_core.report.score_page import write_score_page

    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / JSON_NAME).write_text(text, "utf-8")
    except OSError as error:
        raise InputError(f"--out {out}: cannot be written ({error.strerror})") from error
    for channel, result in results.items():
        write_score_page(out / page_name(channel), result, band_hz)


def _show(told: dict[str, Any]) -> None:
    table = Table(show_header=False, box=None)
    table.add_column(style="dim", justify="right")
    table.add_column()
    for key, value in _rows(told):
        table.add_row(key, value)
    Console(highlight=False).print(table)


def _rows(told: dict[str, Any]) -> list[tuple[str, str]]:
    rows = [
        ("recording", f"{told['recording']}, {told['scored_s']:.1f} s scored"),
        ("detector", f"{told['detector']} on {_named(told['channels'])}"),
        ("compared with", told["compared_with"] or f"nothing: {told['not_compared']}"),
    ]
    if told["tp"] is None:
        rows.append(("found", f"{len(told['detections'])} detections"))
    else:
        rows += [
            ("found", f"{told['tp']} of {told['marks']} events, recall {_of(told['recall'])}"),
            ("missed", f"{told['fn']}"),
            (
                "false alarms",
                f"{told['fp']}, {_of(told['false_per_min'], 2)} a minute, "
                f"precision {_of(told['precision'])}",
            ),
            ("F1", _of(told["f1"])),
            ("duplicates", f"{told['duplicates']} (within events already found; not counted)"),
        ]
        late = told["latency_ms"]
        if late["p50"] is not None:
            said = ", ".join(f"{name} {late[name]:.1f} ms" for name in ("p10", "p50", "p90"))
            rows.append(("latency", said))
    phase = told["phase"]
    if phase["n"]:
        rows.append(
            (
                "phase",
                f"mean error {phase['mean_error_deg']:+.1f}°, circular SD "
                f"{_of(phase['circular_sd_deg'], 1)}°, resultant length "
                f"{phase['resultant_length']:.3f}, "
                f"{100 * phase['right_half_wave']:.1f} % in the right half-wave, n {phase['n']}",
            )
        )
    vetoed = ", ".join(f"{veto} {n}" for veto, n in told["vetoed"].items()) or "none"
    rows.append(("vetoed", vetoed))
    return rows


def _named(channels: list[str]) -> str:
    if len(channels) <= MOST_NAMED:
        return ", ".join(channels)
    return f"{len(channels)} channels, {channels[0]} to {channels[-1]}"


def _of(value: float | None, digits: int = 3) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


COMMANDS = (score,)
