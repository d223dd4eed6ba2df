"""``bci bench artefact``."""

from typing import Annotated

import typer

from bci_core.cli.bench_output import Json, console_for, table, write
from bci_core.cli.saying import saying


def artefact(
    pulses: Annotated[
        int, typer.Option("--pulses", min=1, help="Least number of pulses for each detector.")
    ] = 10_000,
    above_signal_db: Annotated[
        float,
        typer.Option("--above-signal", help="Peak of the artefact over the signal's RMS, dB."),
    ] = 60.0,
    blanking_s: Annotated[
        float | None,
        typer.Option("--blanking", min=0.0, help="Seconds. [default: each detector its own]"),
    ] = None,
    session_s: Annotated[
        float, typer.Option("--session", min=20.0, help="Simulated seconds of each session.")
    ] = 600.0,
    only: Annotated[
        list[str] | None, typer.Option("--only", help="One detector; may be given again.")
    ] = None,
    to: Json = None,
) -> None:
    """Count detections that are caused by the artefacts of our own pulses; there must be none.

    The whole loop runs on a simulated brain whose front end the artefacts saturate. Then the
    same brain without artefacts is put through the same detector, blanked at the same samples:
    what is detected only in the first is caused by our pulses, unless it came to within a
    hundredth of the threshold without them: then it is tipped. `--blanking 0` shows that this
    finds them. Exit status 1 when any is caused.

    Example: `bci bench artefact --only ripple --pulses 100`
    """
    from bci_core.bench.artefact.cases import CASES
    from bci_core.bench.artefact.measure import measure_artefact
    from bci_core.bench.chosen import chosen

    cases = chosen(CASES, only or (), "detector")
    console = console_for(to)
    with saying(console) as say:
        results = [
            measure_artefact(case, pulses, above_signal_db, blanking_s, session_s, say)
            for case in cases
        ]
    shown = table(
        f"Artefacts {above_signal_db:g} dB above the signal, on the simulated brain",
        "detector",
        "signal RMS, uV",
        "artefact, mV",
        "blanking, s",
        "simulated, s",
        "pulses",
        "detections",
        "caused",
        "tipped",
        "hidden",
    )
    for each in results:
        shown.add_row(
            each.case.name,
            f"{each.signal_uv:.0f}",
            f"{each.artefact_uv / 1e3:.0f}",
            f"{each.blanking_s:g}",
            f"{each.simulated_s:g}",
            str(each.pulses),
            str(each.detections),
            str(each.caused),
            str(each.tipped),
            str(each.hidden),
        )
    console.print(shown)
    failed = [each for each in results if each.caused]
    for each in failed:
        console.print(
            f"FAILED  {each.case.name}: {each.caused} detections in {each.pulses} pulses are "
            "caused by the pulses' own artefacts",
            markup=False,
            soft_wrap=True,
        )
    write([each.to_dict() for each in results], to)
    raise typer.Exit(1 if failed else 0)
