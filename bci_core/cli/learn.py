"""``bci learn``: what a detector has to be taught before it can recognise it."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from bci_core.cli.checking import checked
from bci_core.cli.learn_classifier import classifier
from bci_core.cli.options import Board, Json, Recording, Stream, Unit, UvPerCount

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from bci_core.detection.assembly_features import AssemblyFeatures
    from bci_core.scoring.stretch import Stretch

COMMAND = "bci learn assembly"

app = typer.Typer(help="Learn templates and states from a recording.", no_args_is_help=True)
app.command()(classifier)


@app.callback()
def _learn() -> None:
    """One command for each detector that learns."""


@app.command()
def assembly(
    recording: Recording,
    out: Annotated[Path, typer.Option("--out", help="File of templates to write, .npz.")],
    source: Annotated[
        str, typer.Option("--source", help="spikes, band_power, or counts that are there already.")
    ] = "spikes",
    band_hz: Annotated[
        tuple[float, float] | None,
        typer.Option("--band", help="Edges in Hz, with --source band_power."),
    ] = None,
    bin_s: Annotated[float, typer.Option("--bin", help="Length of a bin, seconds.")] = 0.025,
    channel: Annotated[
        list[str] | None,
        typer.Option("--channel", help="Channel to use; again for more. [default: all]"),
    ] = None,
    start_s: Annotated[float, typer.Option("--start", help="Learn from here, in seconds.")] = 0.0,
    end_s: Annotated[
        float | None, typer.Option("--end", help="Learn up to here. [default: the end]")
    ] = None,
    shuffle_per_min: Annotated[
        float,
        typer.Option("--shuffle-per-min", help="Chance activations a minute and template."),
    ] = 1.0,
    keep_shared_rate: Annotated[
        bool, typer.Option("--keep-shared-rate", help="Leave in what all units share.")
    ] = False,
    seed: Annotated[int, typer.Option("--seed", help="Of the shuffles.")] = 0,
    unit: Unit = None,
    uv_per_count: UvPerCount = None,
    board: Board = None,
    stream: Stream = None,
    as_json: Json = False,
) -> None:
    """Learn patterns of co-activity for the assembly detector, and their thresholds.

    Bins with samples that the monitor flags are left out; counts are taken as they are.

    Example: `bci learn assembly before.xdf --out assemblies.npz --end 1200`
    """
    from bci_core.detection.assembly_features import AssemblyFeatures
    from bci_core.detection.assembly_learning import LearningSettings, learn_templates
    from bci_core.detection.assembly_templates import save
    from bci_core.record.recording import read_recording
    from bci_core.scoring.stretch import stretch_of
    from bci_core.tuning.origin import sha256_of

    features = checked(COMMAND, AssemblyFeatures, source=source, band_hz=band_hz, bin_s=bin_s)
    learning = checked(
        COMMAND,
        LearningSettings,
        shuffle_per_min=shuffle_per_min,
        control_shared_rate=not keep_shared_rate,
        seed=seed,
    )
    read = read_recording(
        recording,
        unit,
        channels=channel,
        uv_per_count=uv_per_count,
        board=board,
        stream=stream,
        keep_not_finite=source != "counts",
    )
    stretch = stretch_of(read, start_s, end_s)
    templates = learn_templates(
        _bins(stretch, features),
        stretch.info.channels,
        features,
        learning,
        {
            "recording": recording.name,
            "source_sha256": sha256_of(recording),
            "rate_hz": read.rate_hz,
            "start_s": float(stretch.times_s[0]),
            "end_s": stretch.end_s,
        },
    )
    save(templates, out)
    told = {
        "written": str(out),
        "templates": len(templates),
        "units": list(templates.units),
        **templates.provenance,
    }
    if as_json:
        print(json.dumps(told, indent=2, allow_nan=False))  # noqa: T201 - the answer itself
        return
    console = Console(highlight=False, soft_wrap=True)
    for k, per_min in enumerate(told["learnt_per_min"]):
        members = templates.members(k)
        console.print(f"{k}: {', '.join(members)}; {per_min:.3g} a minute", markup=False)
    console.print(
        f"{len(templates)} templates of {len(templates.units)} units written to {out}; "
        f"{told['left_out']} left out that came no oftener than chance",
        markup=False,
    )


def _bins(stretch: "Stretch", features: "AssemblyFeatures") -> "NDArray[np.float64]":
    """The bins of a stretch; but of counts, those whose samples the monitor does not flag."""
    from bci_core.detection.assembly_features import binned
    from bci_core.detection.monitor import SampleMonitor
    from bci_core.detection.monitor_settings import MonitorSettings

    samples, flags = stretch.samples.copy(), None
    if features.source != "counts":  # where a silent unit is as flat as a dead channel
        columns = tuple(range(len(stretch.info.channels)))
        monitor = SampleMonitor(MonitorSettings(), stretch.info.rate_hz, columns)
        flags = monitor.update(samples, stretch.times_s)
    return binned(samples, stretch.info, features, flags)
