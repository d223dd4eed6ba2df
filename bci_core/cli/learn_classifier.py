"""``bci learn classifier``: a state, told from its spectrum."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console

from bci_core.cli.checking import checked
from bci_core.cli.options import Board, Json, Recording, Stream, Unit, UvPerCount
from bci_core.cli.saying import saying

if TYPE_CHECKING:
    from bci_core.tuning.learn_states import Learnt

COMMAND = "bci learn classifier"


def classifier(
    recording: Recording,
    marks: Annotated[
        Path, typer.Option("--marks", help="States with their durations: CSV, TSV, EDF+ or .npz.")
    ],
    positive: Annotated[
        str, typer.Option("--positive", help="Type of the marks of the state. [default: all]")
    ] = "",
    negative: Annotated[
        str,
        typer.Option("--negative", help="Type of the marks of its opposite. [default: the rest]"),
    ] = "",
    channel: Annotated[
        list[str] | None,
        typer.Option("--channel", help="Channel to use; again for more. [default: all]"),
    ] = None,
    frequency_hz: Annotated[
        list[float] | None,
        typer.Option("--frequency", help="In Hz; again for more. [default: 3 to 180, eight]"),
    ] = None,
    cycles: Annotated[float, typer.Option("--cycles", help="Of each wavelet.")] = 5.0,
    averaging_s: Annotated[
        float, typer.Option("--averaging", help="Time constant of the power, seconds.")
    ] = 0.5,
    every_s: Annotated[
        float, typer.Option("--every", help="From one example to the next, seconds.")
    ] = 0.5,
    margin_s: Annotated[
        float | None,
        typer.Option(
            "--margin",
            help="Left out after a change of state, seconds. [default: the features' delay]",
        ),
    ] = None,
    block_s: Annotated[
        float, typer.Option("--block", help="Examples kept together and shuffled, seconds.")
    ] = 5.0,
    keep_aside: Annotated[
        float, typer.Option("--keep-aside", help="Share of the recording to report on.")
    ] = 0.3,
    seed: Annotated[
        int | None,
        typer.Option("--seed", help="Keep random parts aside. [default: the last part]"),
    ] = None,
    shuffles: Annotated[
        int, typer.Option("--shuffles", min=20, max=10_000, help="Models with shuffled labels.")
    ] = 200,
    threshold: Annotated[
        float, typer.Option("--threshold", help="Of the probability, in the rig's section.")
    ] = 0.5,
    direction: Annotated[
        Literal["above", "below"],
        typer.Option("--direction", help="On which side of it the detector announces."),
    ] = "above",
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Folder to write. [default: learnt/RECORDING-classifier]"),
    ] = None,
    unit: Unit = None,
    uv_per_count: UvPerCount = None,
    board: Board = None,
    stream: Stream = None,
    as_json: Json = False,
) -> None:
    """Learn to tell a marked state from the spectrum, for the classifier detector.

    Fitted on one part of the recording; the figures to expect are those on the part kept
    aside. Writes model.json, detector.toml (the section of a rig), classifier.html and
    learning.json. Exit status 1, with all files written, when the state is not told from
    chance.

    Example: `bci learn classifier night.edf --marks stages.tsv --positive N3 --negative N2`
    """
    from bci_core import __version__
    from bci_core.clock import LslClock
    from bci_core.detection.classifier import ClassifierSettings
    from bci_core.detection.spectral_features import SpectralFeatures
    from bci_core.record.marks import read_marks
    from bci_core.record.recording import read_recording
    from bci_core.scoring.stretch import stretch_of
    from bci_core.tuning.holdout import keep_aside as choose
    from bci_core.tuning.learn_states import MODEL, default_frequencies, learn_states
    from bci_core.tuning.origin import sha256_of
    from bci_core.tuning.states import ExampleSettings

    settings = checked(
        COMMAND, ExampleSettings, every_s=every_s, margin_s=margin_s, block_s=block_s
    )
    folder = out or Path("learnt") / f"{recording.stem}-classifier"
    checked(
        COMMAND,
        ClassifierSettings,
        model=str(folder / MODEL),
        threshold=threshold,
        direction=direction,
    )
    read = read_recording(
        recording,
        unit,
        channels=channel,
        uv_per_count=uv_per_count,
        board=board,
        stream=stream,
        keep_not_finite=True,
    )
    kinds = tuple(kind for kind in (positive, negative) if kind) if positive else ()
    marked = read_marks(marks, duration_s=read.duration_s, kinds=kinds, lasting=True)
    design = checked(
        COMMAND,
        SpectralFeatures,
        channels=read.channels,
        frequencies_hz=tuple(frequency_hz or default_frequencies(read.rate_hz)),
        cycles=cycles,
        averaging_s=averaging_s,
    )
    console = Console(stderr=as_json, highlight=False, soft_wrap=True)
    with saying(console) as say:
        learnt = learn_states(
            stretch_of(read),
            marked,
            (positive, negative),
            design,
            settings,
            choose(0.0, read.duration_s, keep_aside, seed),
            {
                "source": recording.name,
                "source_sha256": sha256_of(recording),
                "marks": marks.name,
                "marks_sha256": sha256_of(marks),
                "bci": __version__,
            },
            LslClock().utc(),
            n_shuffles=shuffles,
            seed=seed or 0,
            say=say,
        )
    learnt.write(folder, threshold, direction)
    if as_json:
        told = {"folder": str(folder), **learnt.to_dict()}
        print(json.dumps(told, indent=2, allow_nan=False))  # noqa: T201 - the answer itself
    else:
        _show(console, learnt, folder)
    raise typer.Exit(0 if learnt.model.figures.auc > learnt.chance_p95 else 1)


def _show(console: Console, learnt: "Learnt", folder: Path) -> None:
    figures, n = learnt.model.figures, learnt.counts()["kept_aside"]
    told = figures.auc > learnt.chance_p95
    console.print("[green]told from chance[/]" if told else "[red]not told from chance[/]", end="")
    lines = [
        f": {learnt.model.positive} against {learnt.negative}, on the part kept aside",
        f"kept aside: {learnt.aside}; {n['positive']} and {n['negative']} examples in "
        f"{n['positive_blocks']} and {n['negative_blocks']} blocks",
        f"AUC {figures.auc:.3f}; chance {sorted(learnt.chance)[len(learnt.chance) // 2]:.3f}, "
        f"p95 {learnt.chance_p95:.3f}, of {len(learnt.chance)} shuffles in blocks",
        f"Brier score {figures.brier:.3f}; {figures.brier_of_base_rate:.3f} by always saying "
        f"{figures.base_rate:.2f}",
    ]
    lines += [
        f"  said {b.low:.1f} to {b.high:.1f}: {b.n} examples, observed {b.observed:.2f}"
        for b in learnt.reliability()
    ]
    for line in [*lines, f"written to {folder}"]:
        console.print(line, markup=False)
