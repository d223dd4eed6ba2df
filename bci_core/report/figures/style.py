"""How the plots of the report look: one colour for each thing, everywhere."""

from math import isfinite
from typing import Any, Literal

from bokeh.models import ColumnDataSource, HoverTool
from bokeh.models.annotations import Span
from bokeh.plotting import figure

Figure = Any
"""A bokeh figure. Its type stubs do not know most of the properties it is used by."""

INK = "#1d2733"
MUTED = "#66737f"
LINE = "#e4e8ec"
SIGNAL = "#7d8b99"
DETECTED = "#a3afba"
DELIVERED = "#0072b2"
SHAM = "#8f6bb3"
REFUSED = "#d98200"
FAULT = "#c8452c"
ARMED = "#cfe6dc"
TARGET = "#008a63"
LIMIT = "#c8452c"
"""After Okabe & Ito (2008), so that the colour-blind can tell them apart."""

FONT = "Inter, system-ui, 'Segoe UI', Helvetica, Arial, sans-serif"


def plot(height: int = 260, **settings: Any) -> Figure:
    """An empty plot with the report's axes, grid and tools."""
    made: Figure = figure(
        height=height,
        sizing_mode=settings.pop("sizing_mode", "stretch_width"),
        tools=settings.pop("tools", "xpan,xwheel_zoom,box_zoom,reset,save"),
        toolbar_location="above",
        background_fill_color=None,
        border_fill_color=None,
        outline_line_color=None,
        **settings,
    )
    made.toolbar.logo = None
    made.toolbar.autohide = True
    made.xaxis.axis_line_color = made.yaxis.axis_line_color = LINE
    made.axis.major_tick_line_color = LINE
    made.axis.minor_tick_line_color = None
    made.axis.major_label_text_color = MUTED
    made.axis.axis_label_text_color = MUTED
    made.axis.axis_label_text_font_style = "normal"
    for text in ("major_label_text", "axis_label_text"):
        setattr(made.axis, f"{text}_font", FONT)
        setattr(made.axis, f"{text}_font_size", "12px")
    made.grid.grid_line_color = LINE
    return made


def hover(renderers: list[Any], tips: list[tuple[str, str]]) -> HoverTool:
    """A tooltip on some glyphs."""
    return HoverTool(renderers=renderers, tooltips=tips, point_policy="snap_to_data")


def source(**columns: Any) -> ColumnDataSource:
    """Columns of one length, for a glyph."""
    return ColumnDataSource(dict(columns))


def mark_line(
    made: Figure, dimension: Literal["width", "height"], at: float, colour: str, dash: str
) -> None:
    """A line across the whole plot; none for NaN."""
    if isfinite(at):
        made.add_layout(
            Span(location=at, dimension=dimension, line_color=colour, line_dash=dash, line_width=2)
        )
