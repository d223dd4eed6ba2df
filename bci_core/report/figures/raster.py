"""What happened when: over the signal, and over the whole session."""

from typing import Any

import numpy as np
from bokeh.models import Range1d
from bokeh.models.annotations import BoxAnnotation
from bokeh.models.text import PlainText

from bci_core.control.blinding import VERDICT
from bci_core.events import Outcome
from bci_core.report.evidence import Evidence
from bci_core.report.figures.style import (
    ARMED,
    DELIVERED,
    DETECTED,
    FAULT,
    REFUSED,
    SHAM,
    SIGNAL,
    Figure,
    hover,
    plot,
    source,
)
from bci_core.report.trace import Floats, Trace, column

COLOURS = {
    "detected": DETECTED,
    "delivered": DELIVERED,
    "sham": SHAM,
    VERDICT: SHAM,
    "refused": REFUSED,
    "aborted": FAULT,
}
"""Of what happened, here and in the captions."""

EXCERPT_S = 20.0
EXCERPT_SHOWN_S = 5.0
_EXCERPT_POINTS = 12_000
_TICKS = 5_000  # finer than any screen


def excerpt(evidence: Evidence) -> Figure | None:
    """The detector's channel, with what was found in it and what was done about it."""
    recording, told = evidence.recording, evidence.trace
    if recording is None or not len(recording.times_s):
        return None
    channels = recording.info.channels
    channel = evidence.section("detector").get("channel")
    index = channels.index(channel) if channel in channels else 0
    origin_s = told.zero_s - told.clock_offset_s
    inside = _window(recording.times_s - origin_s)
    every = max(1, len(inside) // _EXCERPT_POINTS)
    t = recording.times_s[inside][::every] - origin_s
    values = recording.samples[inside, index][::every].astype(np.float64)
    unit = {"microvolts": "µV"}.get(recording.info.unit, recording.info.unit)
    made = plot(height=250, x_axis_label="seconds since armed")
    # Plain, since bokeh would fetch MathJax for a label with dollar signs.
    made.yaxis.axis_label = PlainText(text=f"{channels[index]}, {unit}")
    made.line(t, values, color=SIGNAL, line_width=1.3)
    first, last = float(t[0]), float(t[-1])
    for name, times_s in _marks(told).items():
        shown = times_s[(times_s >= first) & (times_s <= last)]
        if name != "detected" and len(shown):
            made.vspan(x=shown, color=COLOURS[name], line_width=1.6)
    begin = max(first, -0.5)
    made.x_range = Range1d(
        start=begin, end=min(last, begin + EXCERPT_SHOWN_S), bounds=(first, last)
    )
    return made


def timeline(evidence: Evidence) -> Figure | None:
    """The whole session: when it was armed, and every detection, pulse, refusal and fault."""
    told = evidence.trace
    origin_s = told.zero_s
    ends = [VERDICT] if told.is_blind else ["sham", "delivered"]
    rows = ["faults", "aborted", "refused", *ends, "detected"]
    made = plot(height=210, y_range=rows, x_axis_label="seconds since armed")
    span_s = max(told.ended_s - told.began_s, 1e-3)
    made.x_range = Range1d(start=told.began_s - origin_s, end=told.ended_s - origin_s)
    for span in told.armed:
        made.add_layout(
            BoxAnnotation(
                left=span.from_s - origin_s, right=span.to_s - origin_s,
                fill_color=ARMED, fill_alpha=0.45, line_color=None, level="image",
            )
        )  # fmt: skip
    for name, times_s in _marks(told).items():
        if len(times_s):
            step_s = span_s / _TICKS
            at = np.unique(np.round(times_s / step_s)) * step_s
            made.scatter(
                at, [name] * len(at), marker="dash", angle=np.pi / 2, size=16, color=COLOURS[name]
            )
    faults = [event for event in told.events if event.alarming]
    if faults:
        data = source(
            t=[e.when_s - origin_s for e in faults],
            row=["faults"] * len(faults),
            what=[f"{e.kind} {e.text}" for e in faults],
        )
        marks = made.scatter("t", "row", source=data, marker="triangle", size=11, color=FAULT)
        made.add_tools(hover([marks], [("after", "@t{0.00} s"), ("fault", "@what")]))
    if not made.renderers:
        return None
    made.ygrid.visible = False
    return made


def _marks(told: Trace) -> dict[str, Floats]:
    """Rows of the raster, in seconds since armed."""

    def onsets_s(outcome: Outcome) -> Floats:
        return column(told.with_outcome(outcome), "onset_s")

    aborted = told.with_outcome(Outcome.ABORTED)
    cut_s = column(aborted, "onset_s")  # NaN for one that had not begun
    marks = {
        "detected": column(told.decisions, "sample_s") + told.clock_offset_s,
        "delivered": onsets_s(Outcome.DELIVERED),
        "sham": onsets_s(Outcome.SHAM),
        "aborted": np.where(np.isfinite(cut_s), cut_s, column(aborted, "sent_s")),
        "refused": np.array([refusal.when_s for refusal in told.refusals()]),
    }
    if told.is_blind:
        marks = {name: marks[name] for name in ("detected", "refused")}
        marks[VERDICT] = column(told.triggers, "target_s") + told.clock_offset_s
    return {name: t[np.isfinite(t)] - told.zero_s for name, t in marks.items()}


def _window(t: Floats) -> Any:
    """Samples of the excerpt: from just before the arming, or the end of a shorter recording."""
    begin = -1.0 if t[-1] > 0.0 else t[0]
    inside = np.flatnonzero((t >= begin) & (t < begin + EXCERPT_S))
    return inside if len(inside) else np.arange(len(t))
