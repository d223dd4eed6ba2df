"""The page of a soak: what changed over the hours, and what was judged."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from bokeh.models import Range1d
from markupsafe import Markup

from bci_core.errors import InputError
from bci_core.report.figures.style import DELIVERED, FAULT, INK, SIGNAL, Figure, plot
from bci_core.report.template import bokeh_scripts, embedded, environment, resource

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
"""Of the processes; after Okabe & Ito (2008)."""

HOUR_S, MINUTES = 3600.0, 60.0

Told = Mapping[str, Any]


def write_soak_page(path: Path, told: Told) -> None:
    """Write the page.

    Parameters
    ----------
    path : Path
    told : mapping
        As `bci_core.bench.soak.result.SoakResult.to_dict` gives it.

    Raises
    ------
    InputError
        The file cannot be written.
    """
    try:
        path.write_text(render_soak(told), encoding="utf-8")
    except OSError as error:
        raise InputError(f"--plot {path}: cannot be written ({error.strerror})") from error


def render_soak(told: Told) -> str:
    """The page as text."""
    colours = dict(zip(told["readings"], COLOURS, strict=False))
    made = {
        "memory": _lines(told, "rss_kib", "resident memory, MiB", 1.0 / 1024.0, colours),
        "growth": _growth(told, colours),
        "handles": _lines(told, "handles", "open file handles", 1.0, colours),
        "threads": _lines(told, "threads", "threads", 1.0, colours),
        "latency": _latency(told["minutes"]),
        "delivered": _per_minute(told["minutes"], "delivered", "delivered a minute", DELIVERED),
        "lost": _per_minute(told["minutes"], "lost", "samples lost so far", FAULT),
    }
    figures = {name: figure for name, figure in made.items() if figure is not None}
    script, divs = embedded(figures)
    sections = [
        (title, text, [name for name in names if name in divs]) for title, text, names in SECTIONS
    ]
    failed = [check for check in told["checks"] if check["verdict"] == "failed"]
    unsure = sum(check["verdict"] == "unsure" for check in told["checks"])
    verdict = "Held" if not failed else "Did not hold"
    return (
        environment()
        .from_string(resource("soak.html"))
        .render(
            s=told,
            verdict=verdict + (f", {unsure} unsure" if unsure else ""),
            tone="bad" if failed else "warn" if unsure else "good",
            failed=failed,
            sections=[section for section in sections if section[2]],
            keys={
                "Memory": colours,
                "Handles and threads": colours,
                "Latency": {"p50": INK, "p99": SIGNAL},
                "Deliveries and losses": {},
            },
            figures=divs,
            script=script,
            css=Markup(resource("page.css")),  # noqa: S704 - our own file
            bokeh=bokeh_scripts(),
        )
    )


SECTIONS = (
    (
        "Memory",
        "Above, what each process has in memory; below, the same without what it had once settled.",
        ("memory", "growth"),
    ),
    ("Handles and threads", "Of each process.", ("handles", "threads")),
    (
        "Latency",
        "From having the sample to the device having the command, minute by minute.",
        ("latency",),
    ),
    ("Deliveries and losses", "", ("delivered", "lost")),
)


def _lines(
    told: Told, quantity: str, label: str, scale: float, colours: Mapping[str, str]
) -> Figure | None:
    made = plot(height=240, x_axis_label="hours since armed", y_axis_label=label)
    highest = 0.0
    for role, taken in told["readings"].items():
        y = scale * np.array(taken[quantity])
        if len(y):
            made.line(np.array(taken["t_s"]) / HOUR_S, y, color=colours[role], line_width=2)
            highest = max(highest, float(y.max()))
    made.y_range = Range1d(start=0.0, end=1.15 * highest or 1.0)
    return made if highest else None


def _growth(told: Told, colours: Mapping[str, str]) -> Figure | None:
    """Memory above the first reading after settling, where a leak of a few MiB shows."""
    made = plot(
        height=260, x_axis_label="hours since armed", y_axis_label="MiB above settled memory"
    )
    drawn, reach = False, 1.0
    for role, taken in told["readings"].items():
        t_s, mib = np.array(taken["t_s"]), np.array(taken["rss_kib"]) / 1024.0
        settled = t_s >= told["about"]["settling_s"]
        if not np.any(settled):
            continue
        above = mib[settled] - mib[settled][0]
        made.line(t_s[settled] / HOUR_S, above, color=colours[role], line_width=2)
        drawn, reach = True, max(reach, 1.15 * float(np.abs(above).max()))
    made.y_range = Range1d(start=-reach, end=reach)
    return made if drawn else None


def _latency(minutes: Sequence[Told]) -> Figure | None:
    known = [m for m in minutes if m["p50_ms"] is not None]
    if not any(m["p99_ms"] for m in known):
        return None
    made = plot(
        height=260,
        x_axis_label="hours since armed",
        y_axis_label="received → accepted, ms",
        y_axis_type="log",
    )
    hours = [(m["minute"] + 0.5) / MINUTES for m in known]
    for quantile, colour in (("p99_ms", SIGNAL), ("p50_ms", INK)):
        values = [m[quantile] for m in known]
        made.line(hours, values, color=colour, line_width=2)
        made.scatter(hours, values, color=colour, size=4, line_color=None)
    return made


def _per_minute(minutes: Sequence[Told], key: str, label: str, colour: str) -> Figure | None:
    if not minutes:
        return None
    made = plot(height=180, x_axis_label="hours since armed", y_axis_label=label)
    hours = [m["minute"] / MINUTES for m in minutes]
    made.step(hours, [m[key] for m in minutes], mode="after", color=colour, line_width=2)
    made.y_range.start = 0
    made.y_range.end = 1.15 * max(m[key] for m in minutes) or 1.0
    return made
