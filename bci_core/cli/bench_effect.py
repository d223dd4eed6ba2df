"""``bci bench effect``."""

from typing import TYPE_CHECKING, Annotated

import typer

from bci_core.cli.bench_output import Json, Plot, console_for, require_writable, table, write
from bci_core.cli.saying import saying

if TYPE_CHECKING:
    from bci_core.bench.effect.intervals import Difference


def effect(
    only: Annotated[
        list[str] | None, typer.Option("--only", help="One loop; may be given again.")
    ] = None,
    seeds: Annotated[
        int, typer.Option("--seeds", min=2, max=1000, help="Brains that each loop is run on.")
    ] = 4,
    duration_s: Annotated[
        float | None,
        typer.Option("--duration", help="Simulated seconds of each run. [default: each its own]"),
    ] = None,
    picture: Plot = None,
    to: Json = None,
) -> None:
    """Measure what the loop does to the simulated brain, against sham; sham must do nothing.

    Ripple disruption, theta-locked stimulation, sound in up states and responsive stimulation,
    each on several brains: stimulated by the loop, with sham in its place, and alone. What
    stimulation does to the brain was put into it: this checks the software, and is no claim
    about brains. Exit status 1 when an effect is not shown, or sham has one.

    Example: `bci bench effect --only ripple-disruption --plot effect.html`
    """
    from bci_core.bench.chosen import chosen
    from bci_core.bench.effect.cases import CASES
    from bci_core.bench.effect.measure import measure_effect

    cases = chosen(CASES, only or (), "loop")
    console = console_for(to)
    require_writable("--plot", picture)
    with saying(console) as say:
        effects = [measure_effect(case, seeds, duration_s, say) for case in cases]
    shown = table(
        "On the simulated brain: a check of the software",
        "loop",
        "of",
        "unit",
        "active",
        "sham",
        "alone",
        "active - sham (95 %)",
        "sham - alone (95 %)",
        "triggers",
        "shams",
        "felt",
    )
    for each in effects:
        means = (f"{each.mean(c):.1f} (n {each.n(c)})" for c in ("active", "sham", "unstimulated"))
        shown.add_row(
            each.case.name,
            each.case.quantity,
            each.case.unit,
            *means,
            _with_interval(each.active),
            _with_interval(each.sham),
            str(each.pulses),
            str(each.shams),
            str(each.felt),
        )
    console.print(shown)
    failures = [failure for each in effects for failure in each.failures]
    for failure in failures:
        console.print(f"FAILED  {failure}", markup=False, soft_wrap=True)
    if picture is not None:
        from bci_core.bench.effect.page import render

        picture.write_text(render(effects), "utf-8")
        console.print(f"plots: {picture}", markup=False, soft_wrap=True)
    write([each.to_dict() for each in effects], to)
    raise typer.Exit(1 if failures else 0)


def _with_interval(found: "Difference") -> str:
    return f"{found.mean:+.1f} ({found.low:+.1f} to {found.high:+.1f})"
