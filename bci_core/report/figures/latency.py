"""How long commands took."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from bokeh.models import FixedTicker, Range1d
from bokeh.models.annotations import BoxAnnotation

from bci_core.report.evidence import Evidence
from bci_core.report.figures.style import INK, LIMIT, Figure, hover, mark_line, plot, source
from bci_core.report.latency import RESPONSE, STAGES, stage_times_ms
from bci_core.report.trace import column

COLOURS = dict(
    zip(
        [stage.key for stage in STAGES],
        ["#56b4e9", "#a3afba", "#cc79a7", "#e69f00", "#009e73"],
        strict=True,
    )
) | {RESPONSE: INK}
"""Of each stage, here and in the table."""

_TIMES_MS = {10.0**e: f"{10 ** (e + 3):g} µs" for e in (-3, -2, -1)} | {
    10.0**e: f"{10**e:g} ms" for e in range(5)
}
_SHARES = {1.0: "all", 0.5: "50 %"} | {10.0**-e: f"{10.0 ** (2 - e):g} %" for e in range(1, 7)}
_OF_QUANTILE = {"p50": 0.5, "p99": 0.01, "p999": 0.001}
_FASTEST_MS = 1e-3


def latency_tail(evidence: Evidence, limits: Mapping[str, Mapping[str, Any]]) -> Figure | None:
    """Share of commands slower than a time, stage by stage.

    A limit is a corner that the curve must pass on the inside.
    """
    times_ms = stage_times_ms(evidence.trace)
    n = int(np.isfinite(times_ms[RESPONSE]).sum())
    if not n:
        return None
    made = plot(
        height=320, x_axis_type="log", y_axis_type="log", y_axis_label="share of commands slower"
    )
    slowest_ms = 1.0
    for key, colour in COLOURS.items():
        slower_ms = np.maximum(np.sort(times_ms[key][np.isfinite(times_ms[key])]), _FASTEST_MS)
        if not len(slower_ms):
            continue
        share = 1.0 - np.arange(len(slower_ms)) / len(slower_ms)
        width = 2.5 if key == RESPONSE else 1.5
        made.step(slower_ms, share, mode="before", color=colour, line_width=width)
        slowest_ms = max(slowest_ms, float(slower_ms[-1]))
    for key, limit in limits.items():
        stage, _, quantile = key.removesuffix("_ms").rpartition("_")
        if stage == RESPONSE and quantile in _OF_QUANTILE:
            _forbid(made, limit["limit_ms"], _OF_QUANTILE[quantile])
            slowest_ms = max(slowest_ms, limit["limit_ms"])
    made.x_range = Range1d(start=_FASTEST_MS, end=2.5 * slowest_ms)
    made.y_range = Range1d(start=0.7 / n, end=1.3)
    made.xaxis.ticker = FixedTicker(ticks=list(_TIMES_MS))
    made.xaxis.major_label_overrides = _TIMES_MS
    made.yaxis.ticker = FixedTicker(ticks=list(_SHARES))
    made.yaxis.major_label_overrides = _SHARES
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


def _forbid(made: Figure, slower_than_ms: float, share: float) -> None:
    made.add_layout(
        BoxAnnotation(
            left=slower_than_ms,
            bottom=share,
            fill_color=LIMIT,
            fill_alpha=0.07,
            line_color=LIMIT,
            line_alpha=0.5,
            line_dash="dotted",
        )
    )
