"""The trade-off as a page: one file that needs nothing else, and no network."""

from collections.abc import Sequence
from importlib.resources import files as package_files
from typing import Any

import numpy as np
from bokeh.embed import components
from markupsafe import Markup

from bci_core.report.figures.style import (
    DELIVERED,
    DETECTED,
    INK,
    LIMIT,
    TARGET,
    Figure,
    hover,
    mark_line,
    plot,
    source,
)
from bci_core.report.template import bokeh_scripts, environment, resource
from bci_core.tuning.origin import Origin
from bci_core.tuning.tune import Trial, Tuning, shown

ROWS = (
    ("recall", "recall", 3),
    ("precision", "precision", 3),
    ("f1", "F1", 3),
    ("false_per_min", "false per minute", 2),
    ("latency_ms_p10", "latency p10, ms", 0),
    ("latency_ms_p50", "latency p50, ms", 0),
    ("latency_ms_p90", "latency p90, ms", 0),
    ("tp", "events found", 0),
    ("fn", "events missed", 0),
    ("fp", "false alarms", 0),
)
"""Figure, how it is called, decimals."""


def render(detector: str, tuning: Tuning, origin: Origin, axes: Sequence[str], section: str) -> str:
    """The page. Whatever comes from files is escaped by the template.

    Parameters
    ----------
    detector : str
    tuning : Tuning
    origin : Origin
    axes : sequence of str
        What was swept, one line each.
    section : str
        Of the rig; "" where no setting keeps the budget.
    """
    script, divs = components({"trade_off": trade_off(tuning)})
    template = package_files("bci_core.tuning").joinpath("page.html").read_text("utf-8")
    nearest = tuning.nearest
    return (
        environment()
        .from_string(template)
        .render(
            detector=detector,
            origin=origin,
            tuning=tuning,
            axes=axes,
            section=section,
            settings=shown(nearest.settings),
            kept_aside=tuning.budget.kept(nearest.aside),
            rows=figure_rows(nearest),
            script=Markup(script),  # noqa: S704 - bokeh escapes what goes into its JSON
            figure=Markup(divs["trade_off"]),  # noqa: S704
            css=Markup(resource("page.css")),  # noqa: S704 - our own file
            bokeh=bokeh_scripts(),
        )
    )


def figure_rows(trial: Trial) -> list[tuple[str, str, str]]:
    """Name of each figure, on the part to tune on, on the part kept aside."""
    return [
        (name, _number(trial.tuned[key], digits), _number(trial.aside[key], digits))
        for key, name, digits in ROWS
    ]


def trade_off(tuning: Tuning) -> Figure:
    """Recall against false alarms: every setting, the best of them, and the one chosen."""
    made = plot(
        height=380,
        x_axis_label="false alarms per minute",
        y_axis_label="recall",
        tools="pan,wheel_zoom,box_zoom,reset,save",
    )
    shown_trials = [t for t in tuning.trials if t.tuned["false_per_min"] is not None]
    points = _points(shown_trials, "tuned")
    made.line(*_front(points), color=DETECTED, line_dash="dotted", legend_label="best of them")
    tried = made.scatter(
        "x", "y", source=source(**points), size=7, color=DELIVERED, fill_alpha=0.35,
        legend_label="a setting, on the part to tune on",
    )  # fmt: skip
    drawn = [tried]
    name = "chosen" if tuning.chosen is not None else "nearest"
    for part, colour, marker, where in (
        ("tuned", TARGET, "circle", "on the part to tune on"),
        ("aside", INK, "diamond", "on the part kept aside"),
    ):
        one = source(**_points([tuning.nearest], part))
        drawn.append(
            made.scatter(
                "x",
                "y",
                source=one,
                size=14,
                color=colour,
                marker=marker,
                fill_alpha=0.9,
                legend_label=f"{name}, {where}",
            )
        )
    for bound in tuning.budget.bounds:
        if bound.figure == "false_per_min":
            mark_line(made, "height", bound.limit, LIMIT, "dashed")
        elif bound.figure == "recall":
            mark_line(made, "width", bound.limit, LIMIT, "dashed")
    made.add_tools(
        hover(drawn, [("settings", "@settings"), ("recall", "@y{0.000}"), ("per min", "@x{0.00}")])
    )
    made.y_range.start, made.y_range.end = -0.03, 1.03
    # A little room, so that points on the axis are whole.
    made.x_range.start = -0.02 * max([*points["x"], 1.0])
    made.legend.location = "bottom_right"
    made.legend.background_fill_alpha = 0.8
    return made


def _points(trials: Sequence[Trial], part: str) -> dict[str, Any]:
    figures = [getattr(trial, part) for trial in trials]
    return {
        "x": [_or_nan(each["false_per_min"]) for each in figures],
        "y": [_or_nan(each["recall"]) for each in figures],
        "settings": [shown(trial.settings) for trial in trials],
    }


def _front(points: dict[str, Any]) -> tuple[list[float], list[float]]:
    """Most recall for each rate of false alarms."""
    order = np.lexsort((-np.array(points["y"]), points["x"]))
    x, y, best = [], [], -1.0
    for i in order.tolist():
        if points["y"][i] > best:
            best = points["y"][i]
            x.append(points["x"][i])
            y.append(best)
    return x, y


def _or_nan(value: float | None) -> float:
    return float("nan") if value is None else value


def _number(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:.{digits}f}"
