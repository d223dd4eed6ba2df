"""Arguments and options that several commands have, worded once."""

from pathlib import Path
from typing import Annotated

import typer

Source = Annotated[str, typer.Argument(help="A preset's name, or the path of a rig file.")]
Recording = Annotated[Path, typer.Argument(help="EDF, BDF, XDF, NWB, BrainFlow CSV or .npz.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]

Detector = Annotated[
    str | None, typer.Option("--detector", help="Kind of detector. [default: the rig's]")
]
DetectorRig = Annotated[
    str | None,
    typer.Option("--rig", help="Settings from a rig, or from a file with its [detector] only."),
]
Reference = Annotated[
    str | None,
    typer.Option("--reference", help="recorded, bipolar or average. [default: the rig's]"),
]
Derive = Annotated[
    list[str] | None,
    typer.Option("--derive", help='Differences to add, such as "A1-A2,A2-A3"; again for more.'),
]
MarkTypes = Annotated[
    list[str] | None,
    typer.Option("--mark-type", help="Only marks of this type; again for more."),
]

# What the file of a recording may not say of itself.
Unit = Annotated[str | None, typer.Option("--unit", help="Unit, where the file does not say.")]
UvPerCount = Annotated[
    float | None, typer.Option("--uv-per-count", help="Microvolts in a converter step.")
]
Board = Annotated[str | None, typer.Option("--board", help="BrainFlow board that wrote a CSV.")]
Stream = Annotated[str | None, typer.Option("--stream", help="Stream of an XDF, series of an NWB.")]
