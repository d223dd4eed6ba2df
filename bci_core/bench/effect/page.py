"""The effects as a page: one file that needs nothing else, and no network."""

from collections.abc import Sequence
from importlib.resources import files as package_files
from typing import Any

import numpy as np
from bokeh.models import Range1d
from bokeh.models.annotations import Whisker
from markupsafe import Markup

from bci_core.bench.effect.intervals import DRAWS, Difference, Values
from bci_core.bench.effect.measure import Effect
from bci_core.bench.effect.runs import CONDITIONS
from bci_core.report.figures.style import (
    DELIVERED,
    DETECTED,
    MUTED,
    SHAM,
    Figure,
    mark_line,
    plot,
    source,
)
from bci_core.report.template import bokeh_scripts, embedded, environment, resource

COLOURS = dict(zip(CONDITIONS, (DELIVERED, SHAM, DETECTED), strict=True))
ROWS = ("sham less unstimulated", "active less sham")
"""From the bottom up."""


def render(effects: Sequence[Effect]) -> str:
    """The page as text.

    Parameters
    ----------
    effects : sequence of Effect
        At least one.
    """
    figures = {f"{e.case.name}/shares": shares(e) for e in effects}
    figures |= {f"{e.case.name}/differences": differences(e) for e in effects}
    script, divs = embedded(figures)
    template = package_files("bci_core.bench.effect").joinpath("page.html").read_text("utf-8")
    return (
        environment()
        .from_string(template)
        .render(
            effects=[effect.to_dict() for effect in effects],
            failures=[failure for effect in effects for failure in effect.failures],
            keys=COLOURS,
            draws=DRAWS,
            divs=divs,
            script=script,
            css=Markup(resource("page.css")),  # noqa: S704 - our own file
            bokeh=bokeh_scripts(),
        )
    )


def shares(effect: Effect) -> Figure:
    """Share of events up to each value, under the three conditions."""
    case = effect.case
    made = plot(
        height=240,
        x_axis_label=f"{case.quantity}, {case.unit}",
        y_axis_label=f"share of {case.events} up to it",
    )
    for condition in CONDITIONS:
        values = np.sort(np.concatenate(effect.values[condition]))
        alone = condition == "unstimulated"
        made.step(
            [values[0], *values],
            np.arange(len(values) + 1) / len(values),
            mode="after",
            color=COLOURS[condition],
            # Under that of sham, which it is to be the same as.
            line_width=6 if alone else 2,
            line_alpha=0.5 if alone else 1.0,
            level="underlay" if alone else "glyph",
        )
    made.y_range = Range1d(start=0.0, end=1.03)
    return made


def differences(effect: Effect) -> Figure:
    """The two differences with their intervals, and those of each brain by itself."""
    case, values = effect.case, effect.values
    made = plot(
        height=240, y_range=list(ROWS), x_axis_label=f"difference in {case.quantity}, {case.unit}"
    )
    mark_line(made, "height", 0.0, MUTED, "dashed")
    for row, colour, one, other, found in (
        (ROWS[1], DELIVERED, values["active"], values["sham"], effect.active),
        (ROWS[0], SHAM, values["sham"], values["unstimulated"], effect.sham),
    ):
        each = _each_run(one, other)
        made.scatter([*each], [(row, -0.22)] * len(each), size=5, color=colour, fill_alpha=0.4)
        _with_interval(made, row, found, colour)
    made.ygrid.grid_line_color = None
    ends = [end for each in (effect.active, effect.sham) for end in (each.low, each.high)]
    room = 0.05 * (max(ends) - min(ends))
    made.x_range = Range1d(start=min(ends) - room, end=max(ends) + room)
    return made


def _with_interval(made: Figure, row: str, found: Difference, colour: str) -> None:
    interval = source(y=[row], low=[found.low], high=[found.high])
    whisker: Any = Whisker(
        source=interval, base="y", lower="low", upper="high", dimension="width", line_color=colour,
        line_width=2,
    )  # fmt: skip
    whisker.upper_head.line_color = whisker.lower_head.line_color = colour
    made.add_layout(whisker)
    made.scatter([found.mean], [row], size=10, color=colour)


def _each_run(one: Values, other: Values) -> list[float]:
    return [
        float(a.mean() - b.mean()) for a, b in zip(one, other, strict=True) if len(a) and len(b)
    ]
