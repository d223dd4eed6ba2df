"""Which phase the pulses met."""

from typing import Literal

import numpy as np
from bokeh.models import Range1d
from bokeh.models.annotations import Label
from bokeh.plotting import figure

from bci_core.report.achieved_phase import AchievedPhase
from bci_core.report.figures.style import (
    DELIVERED,
    FONT,
    INK,
    LINE,
    MUTED,
    TARGET,
    Figure,
    hover,
    mark_line,
    plot,
    source,
)

_WEDGE_DEG = 10.0
_QUARTERS: tuple[tuple[int, str, Literal["left", "center", "right"]], ...] = (
    (0, "peak", "left"),
    (90, "falling", "center"),
    (180, "trough", "right"),
    (270, "rising", "center"),
)


def rose(achieved: AchievedPhase) -> Figure | None:
    """Phases of the pulses around the cycle, with their mean vector and the target."""
    phases_deg = achieved.phases_deg
    if not len(phases_deg):
        return None
    made: Figure = figure(
        width=340,
        height=340,
        match_aspect=True,
        x_range=Range1d(start=-1.45, end=1.45),
        y_range=Range1d(start=-1.45, end=1.45),
        tools="save",
        toolbar_location=None,
        background_fill_color=None,
        border_fill_color=None,
        outline_line_color=None,
    )
    made.axis.visible = False
    made.grid.visible = False
    made.circle(0, 0, radius=[1.0, 0.5], fill_color=None, line_color=LINE)
    turn = np.linspace(0.0, 2.0 * np.pi, 200)
    made.line(np.cos(turn), np.sin(turn), color=LINE)
    # Wedges are centred on the target, so that pulses on it do not fall on a border.
    begins = achieved.target_deg - _WEDGE_DEG / 2 + np.arange(0.0, 360.0, _WEDGE_DEG)
    counts, _ = np.histogram((phases_deg - begins[0]) % 360.0, np.arange(0.0, 361.0, _WEDGE_DEG))
    # The area of a wedge, not its length, shows how many there are.
    data = source(
        start=np.radians(begins),
        end=np.radians(begins + _WEDGE_DEG),
        r=np.sqrt(counts / counts.max()),
        n=counts,
        at=[f"{begin % 360:.0f}° to {(begin + _WEDGE_DEG) % 360:.0f}°" for begin in begins],
    )
    wedges = made.wedge(
        0, 0, radius="r", start_angle="start", end_angle="end", source=data,
        fill_color=DELIVERED, fill_alpha=0.35, line_color=DELIVERED, line_alpha=0.6,
    )  # fmt: skip
    target = np.radians(achieved.target_deg)
    made.line([0, 1.05 * np.cos(target)], [0, 1.05 * np.sin(target)], color=TARGET,
              line_dash="dashed", line_width=2)  # fmt: skip
    mean = target + np.radians(achieved.error.mean_deg)
    length = achieved.error.resultant_length
    made.line([0, length * np.cos(mean)], [0, length * np.sin(mean)], color=INK, line_width=3)
    made.scatter(length * np.cos(mean), length * np.sin(mean), size=8, color=INK)
    for degrees, text, align in _QUARTERS:
        at = np.radians(degrees)
        made.add_layout(
            Label(
                x=1.12 * np.cos(at), y=1.14 * np.sin(at), text=text, text_align=align,
                text_baseline="middle", text_color=MUTED, text_font=FONT, text_font_size="12px",
            )
        )  # fmt: skip
    made.add_tools(hover([wedges], [("phase", "@at"), ("pulses", "@n")]))
    return made


def phase_errors(achieved: AchievedPhase) -> Figure | None:
    """How far from the target each pulse fell, in degrees."""
    errors = (achieved.phases_deg - achieved.target_deg + 180.0) % 360.0 - 180.0
    if not len(errors):
        return None
    reach = float(np.ceil(max(1.0, 1.2 * np.abs(errors).max())))
    bins = 2 * int(np.clip(np.sqrt(len(errors)), 8, 40)) + 1  # one of them is centred on 0
    counts, edges = np.histogram(errors, bins=bins, range=(-reach, reach))
    made = plot(
        height=340,
        tools="save",
        x_axis_label="phase error, degrees (early − · late +)",
        y_axis_label="pulses",
    )
    made.quad(
        left=edges[:-1], right=edges[1:], bottom=0, top=counts,
        fill_color=DELIVERED, fill_alpha=0.35, line_color="white",
    )  # fmt: skip
    mark_line(made, "height", 0.0, TARGET, "dashed")
    mark_line(made, "height", achieved.error.mean_deg, INK, "solid")
    made.y_range.start = 0
    made.xgrid.visible = False
    return made
