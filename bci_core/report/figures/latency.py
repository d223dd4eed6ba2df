"""How long commands took."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from bokeh.models import FixedTicker, Range1d
from bokeh.models.annotations import BoxAnnotation

from bci_core.report.evidence import Evidence
from bci_core.report.figures.style import INK, LIMIT, Figure, hover, legend, mark_line, plot, source
from bci_core.report.latency import RESPONSE, STAGES, stage_times_ms
from bci_core.report.trace import column

_STAGE_COLOURS = ("#56b4e9", "#a3afba", "#cc79a7", "#e69f00", "#009e73")
_FASTEST_MS = 1e-3


def latency_tail(evidence: Evidence, limits: Mapping[str, Mapping[str, Any]]) -> Figure | None:
    """Share of commands slower than a time, stage by stage.

    A limit is a corner that the curve must pass on the inside.
    """
    times_ms = stage_times_ms(evidence.trace)
    if not np.any(np.isfinite(times_ms[RESPONSE])):
        return None
    made = plot(
        height=320,
        x_axis_type="log",
        y_axis_type="log",
        x_axis_label="milliseconds",
        y_axis_label="share of commands slower",
    )
    lines = [(stage.key, colour, 1.5) for stage, colour in zip(STAGES, _STAGE_COLOURS, strict=True)]
    for key, colour, width in [*lines, (RESPONSE, INK, 2.5)]:
        slower_ms = np.sort(times_ms[key][np.isfinite(times_ms[key])])
        if not len(slower_ms):
            continue
        share = 1.0 - np.arange(len(slower_ms)) / len(slower_ms)
        made.step(
            np.maximum(slower_ms, _FASTEST_MS),
            share,
            mode="before",
            color=colour,
            line_width=width,
            legend_label=key.replace("_", " "),
        )
    shares = {"p50": 0.5, "p99": 0.01, "p999": 0.001}
    for key, limit in limits.items():
        stage, _, quantile = key.removesuffix("_ms").rpartition("_")
        if stage == RESPONSE and quantile in shares:
            made.add_layout(
                BoxAnnotation(
                    left=limit["limit_ms"],
                    bottom=shares[quantile],
                    fill_color=LIMIT,
                    fill_alpha=0.07,
                    line_color=LIMIT,
                    line_alpha=0.5,
                    line_dash="dotted",
                )
            )
    n = int(np.isfinite(times_ms[RESPONSE]).sum())
    made.y_range = Range1d(start=0.7 / n, end=1.3)
    made.yaxis.ticker = FixedTicker(ticks=[1.0, 0.5, 0.1, 0.01, 0.001, 1e-4, 1e-5])
    made.yaxis.major_label_overrides = {
        1.0: "all", 0.5: "50 %", 0.1: "10 %", 0.01: "1 %", 0.001: "0.1 %",
        1e-4: "0.01 %", 1e-5: "0.001 %",
    }  # fmt: skip
    legend(made, "bottom_left")
    return made


def latency_over_time(evidence: Evidence, limits: Mapping[str, Mapping[str, Any]]) -> Figure | None:
    """Each command's latency, when it happened."""
    outcomes = evidence.trace.outcomes
    latency_ms = stage_times_ms(evidence.trace)[RESPONSE]
    known = np.isfinite(latency_ms)
    if not np.any(known):
        return None
    made = plot(
        height=320,
        x_axis_label="seconds since armed",
        y_axis_label="received → accepted, ms",
        y_axis_type="log",
    )
    data = source(
        t=column(outcomes, "received_s")[known] - evidence.trace.zero_s,
        ms=latency_ms[known],
        seq=column(outcomes, "seq")[known],
    )
    dots = made.scatter("t", "ms", source=data, size=4, color=INK, alpha=0.55, line_color=None)
    for key, limit in limits.items():
        if key.startswith(f"{RESPONSE}_p99_"):
            mark_line(made, "width", limit["limit_ms"], LIMIT, "dotted")
            made.y_range.end = max(1.5 * limit["limit_ms"], 1.2 * float(latency_ms[known].max()))
            made.y_range.start = 0.7 * float(latency_ms[known].min())
    made.add_tools(hover([dots], [("command", "@seq"), ("after", "@t{0.000} s"), ("ms", "@ms")]))
    return made
