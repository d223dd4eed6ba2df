"""The page of a loopback: the delay in the recording beside the delay by the stamps."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from bci_core.errors import InputError
from bci_core.report.figures.style import DELIVERED, INK, Figure, plot
from bci_core.report.template import bokeh_scripts, embedded, environment, resource, words

COLOURS = {"mark_to_pulse": DELIVERED, "mark_to_onset": INK}

Told = Mapping[str, Any]


def write_loopback_page(path: Path, told: Told) -> None:
    """Write the page.

    Parameters
    ----------
    path : Path
    told : mapping
        As `bci_core.bench.loopback.LoopbackResult.to_dict` gives it.

    Raises
    ------
    InputError
        The file cannot be written.
    """
    made = _tail(told["delays"])
    script, drawn = embedded({} if made is None else {"tail": made})
    rows = [("mark → pulse, in the recording", told["mark_to_pulse"])]
    rows += [(f"{words(key)}, by the stamps", figures) for key, figures in told["stamps"].items()]
    rows.append(("pulse in the recording after its stamped onset", told["pulse_after_onset"]))
    if told["floor"] is not None:
        rows.append(("bare transport: LSL echo and ZeroMQ hop", told["floor"]))
    page = (
        environment()
        .from_string(resource("loopback.html"))
        .render(
            s=told,
            rows=rows,
            keys={words(key): colour for key, colour in COLOURS.items()},
            tail=drawn.get("tail", ""),
            script=script,
            css=Markup(resource("page.css")),  # noqa: S704 - our own file
            bokeh=bokeh_scripts() if script else "",
        )
    )
    try:
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise InputError(f"--plot {path}: cannot be written ({error.strerror})") from error


def _tail(delays_ms: Mapping[str, list[float]]) -> Figure | None:
    made = plot(
        height=320,
        x_axis_label="milliseconds after the mark",
        y_axis_label="share of pulses later",
        y_axis_type="log",
    )
    drawn = False
    for key, colour in COLOURS.items():
        later_ms = np.sort(np.array(delays_ms[key]))
        if len(later_ms):
            share = 1.0 - np.arange(len(later_ms)) / len(later_ms)
            made.step(later_ms, share, mode="before", color=colour, line_width=2)
            drawn = True
    return made if drawn else None
