"""Small pictures of single events: the signal, its band, what was marked and what was found."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from bokeh.models import Range1d
from bokeh.models.annotations import BoxAnnotation, Span
from numpy.typing import NDArray

from bci_core.events import Detection, EventKind
from bci_core.record.marks import Mark
from bci_core.report.figures.style import (
    DELIVERED,
    DETECTED,
    FAULT,
    MUTED,
    REFUSED,
    SIGNAL,
    TARGET,
    Figure,
    plot,
)
from bci_core.scoring.stretch import Stretch

FOUND, FALSE_ALARM, VETOED, MARKED, IN_BAND = TARGET, FAULT, DETECTED, REFUSED, DELIVERED
"""Colours of what is in a picture."""

_POINTS = 1200
_CYCLES_AROUND = 6.0  # of the band's lower edge, shown on either side of the event
_LEAST_AROUND_S, _MOST_AROUND_S = 0.1, 5.0
_LONGEST_S = 30.0
_BAND_SHARE = 0.38  # of the height, below the raw signal

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Scene:
    """What pictures are cut from.

    Attributes
    ----------
    stretch : Stretch
    band_hz : (float, float) or None
        What the detector listens to, where it is one band.
    marks : sequence of Mark
        In order of onset.
    found, false_alarms, vetoed : sequence of Detection
    origin_s : float
        Time that the axis counts from.
    """

    stretch: Stretch
    band_hz: tuple[float, float] | None
    marks: Sequence[Mark]
    found: Sequence[Detection]
    false_alarms: Sequence[Detection]
    vetoed: Sequence[Detection] = ()
    origin_s: float = 0.0


def event_picture(scene: Scene, event: Mark, column: int) -> Figure | None:
    """One event and what is around it; None where there are no samples.

    Parameters
    ----------
    scene : Scene
    event : Mark
        A missed one, or a false alarm as a mark without duration.
    column : int
        The channel to show.
    """
    around_s = _LEAST_AROUND_S * 10.0
    if scene.band_hz is not None:
        around_s = _CYCLES_AROUND / scene.band_hz[0]
    around_s = min(max(around_s, _LEAST_AROUND_S, event.duration_s / 2.0), _MOST_AROUND_S)
    from_s = event.onset_s - around_s
    to_s = min(event.end_s + around_s, from_s + _LONGEST_S)
    times_s = scene.stretch.times_s
    first, last = np.searchsorted(times_s, [from_s, to_s])
    if last - first < 2:
        return None
    raw_uv = np.asarray(scene.stretch.samples[first:last, column], dtype=np.float64)
    made = plot(height=150, tools="xpan,xwheel_zoom,reset", x_axis_label="seconds")
    made.toolbar_location = None
    made.x_range = Range1d(start=from_s - scene.origin_s, end=to_s - scene.origin_s)
    made.yaxis.ticker.desired_num_ticks = 3
    finite = raw_uv[np.isfinite(raw_uv)]
    low, high = (finite.min(), finite.max()) if len(finite) else (0.0, 0.0)
    span = max(float(high - low), 1e-9)
    made.y_range = Range1d(
        start=low - span * _BAND_SHARE / (1.0 - _BAND_SHARE), end=high + 0.06 * span
    )
    _shade(made, scene, from_s, to_s)
    t, y = _thinned(times_s[first:last] - scene.origin_s, raw_uv)
    made.line(t, y, color=SIGNAL, line_width=1.2)
    _draw_band(made, scene, first, last, column)
    _draw_detections(made, scene, from_s, to_s)
    return made


def _shade(made: Figure, scene: Scene, from_s: float, to_s: float) -> None:
    for mark in scene.marks:
        if mark.onset_s > to_s:
            break
        if mark.end_s < from_s:
            continue
        if mark.duration_s > 0.0:
            made.add_layout(
                BoxAnnotation(
                    left=mark.onset_s - scene.origin_s, right=mark.end_s - scene.origin_s,
                    fill_color=MARKED, fill_alpha=0.18, line_color=None, level="image",
                )
            )  # fmt: skip
        else:
            _line(made, mark.onset_s - scene.origin_s, MARKED, "dotted")


def _draw_band(made: Figure, scene: Scene, first: int, last: int, column: int) -> None:
    """The band below the raw signal, on a scale of its own."""
    if scene.band_hz is None:
        return
    # Imported here, since scipy.signal takes long and may not be needed.
    from bci_core.scoring.zero_phase import analytic_band, filter_reach_s

    rate_hz = scene.stretch.info.rate_hz
    margin = round(2.0 * filter_reach_s(scene.band_hz[0]) * rate_hz)
    begin = max(0, first - margin)
    wide = np.asarray(scene.stretch.samples[begin : last + margin, column], dtype=np.float64)
    if not np.isfinite(wide).any() or scene.band_hz[1] >= rate_hz / 2.0:
        return
    wide = np.where(np.isfinite(wide), wide, np.median(wide[np.isfinite(wide)]))
    # Mirrored at both ends, so that a recording's own ends make no transient.
    around = min(margin, len(wide) - 1)
    mirrored = np.pad(wide, around, mode="reflect", reflect_type="odd")
    shown = slice(around + first - begin, around + last - begin)
    analytic = analytic_band(mirrored, scene.band_hz, rate_hz)[shown]
    in_band, size = analytic.real, np.abs(analytic)
    largest = max(float(size.max()), 1e-9)
    made.extra_y_ranges = {
        "band": Range1d(start=-1.1 * largest, end=-1.1 * largest + 2.2 * largest / _BAND_SHARE)
    }
    times_s = scene.stretch.times_s[first:last] - scene.origin_s
    for values, width, alpha in ((in_band, 0.8, 0.6), (size, 1.4, 1.0)):
        t, y = _thinned(times_s, values)
        made.line(t, y, color=IN_BAND, line_width=width, line_alpha=alpha, y_range_name="band")


def _draw_detections(made: Figure, scene: Scene, from_s: float, to_s: float) -> None:
    for detections, colour, dash in (
        (scene.found, FOUND, "solid"),
        (scene.false_alarms, FALSE_ALARM, "solid"),
        (scene.vetoed, VETOED, "dashed"),
    ):
        for d in detections:
            if from_s <= d.sample_s <= to_s:
                ended = d.kind is EventKind.END
                at = d.sample_s - scene.origin_s
                _line(made, at, MUTED if ended else colour, "dotted" if ended else dash)


def _line(made: Figure, at: float, colour: str, dash: str) -> None:
    made.add_layout(
        Span(location=at, dimension="height", line_color=colour, line_dash=dash, line_width=1.6)
    )


def _thinned(t: Floats, y: Floats) -> tuple[Floats, Floats]:
    """No more points than can be seen; of each block its least and its largest value."""
    block = len(t) * 2 // _POINTS
    if block < 2:
        return t, y
    n = len(t) // block
    blocks = y[: n * block].reshape(n, block)
    pairs = np.column_stack([blocks.min(axis=1), blocks.max(axis=1)]).ravel()
    starts = t[: n * block : block]
    return np.repeat(starts, 2), pairs
