"""What was learnt of a state as a page: one file that needs nothing else, and no network."""

from importlib.resources import files as package_files
from itertools import pairwise

import numpy as np
from bokeh.embed import components
from bokeh.models.annotations import BoxAnnotation
from markupsafe import Markup

from bci_core.report.figures.style import (
    ARMED,
    DELIVERED,
    DETECTED,
    FAULT,
    INK,
    LIMIT,
    MUTED,
    TARGET,
    Figure,
    hover,
    mark_line,
    plot,
    source,
)
from bci_core.report.template import bokeh_scripts, environment, resource
from bci_core.tuning.learn_states import Learnt

TOOLS = "pan,wheel_zoom,box_zoom,reset,save"


def render(learnt: Learnt, section: str) -> str:
    """The page. Whatever comes from files is escaped by the template.

    Parameters
    ----------
    learnt : Learnt
    section : str
        Of the rig.
    """
    figures = {
        "time": over_time(learnt),
        "reliability": reliability(learnt),
        "roc": roc(learnt),
        "chance": chance(learnt),
        "weights": weights(learnt),
    }
    script, divs = components(figures)
    template = package_files("bci_core.tuning").joinpath("classifier_page.html").read_text("utf-8")
    page = environment().from_string(template)
    return page.render(
        s=learnt.to_dict(),
        counts=learnt.counts(),
        bins=learnt.reliability(),
        aside=str(learnt.aside),
        section=section,
        script=Markup(script),  # noqa: S704 - bokeh escapes what goes into its JSON
        divs={name: Markup(div) for name, div in divs.items()},  # noqa: S704 - made by bokeh
        css=Markup(resource("page.css")),  # noqa: S704 - our own file
        bokeh=bokeh_scripts(),
    )


def over_time(learnt: Learnt) -> Figure:
    """The probability of each example, by its state, with the part kept aside shaded."""
    examples = learnt.examples
    made = plot(height=260, x_axis_label="time, s", y_axis_label="probability")
    for start_s, end_s in learnt.aside.spans_s:
        made.add_layout(BoxAnnotation(left=start_s, right=end_s, fill_color=ARMED, fill_alpha=0.5))
    for name, state, colour in (
        (learnt.model.positive, True, TARGET),
        (learnt.negative, False, DETECTED),
    ):
        chosen = examples.positive == state
        made.scatter(
            "x",
            "y",
            source=source(x=examples.at_s[chosen], y=learnt.probability[chosen]),
            size=6,
            color=colour,
            legend_label=name,
        )
    made.y_range.start, made.y_range.end = -0.03, 1.03
    made.legend.background_fill_alpha = 0.8
    return made


def reliability(learnt: Learnt) -> Figure:
    """What was observed against what was said; on the diagonal they agree."""
    bins = learnt.reliability()
    made = plot(
        height=320, x_axis_label="probability said", y_axis_label="share observed", tools=TOOLS
    )
    made.line([0, 1], [0, 1], color=MUTED, line_dash="dotted")
    data = source(
        x=[b.probability for b in bins],
        y=[b.observed for b in bins],
        n=[b.n for b in bins],
        size=[6.0 + 18.0 * (b.n / max(each.n for each in bins)) ** 0.5 for b in bins],
    )
    drawn = made.scatter("x", "y", source=data, size="size", color=DELIVERED, fill_alpha=0.6)
    made.add_tools(hover([drawn], [("said", "@x{0.00}"), ("observed", "@y{0.00}"), ("n", "@n")]))
    _unit_square(made)
    return made


def roc(learnt: Learnt) -> Figure:
    """Positive examples found against negative ones taken for positive, kept aside."""
    aside = learnt.examples.aside
    was, said = learnt.examples.positive[aside], learnt.probability[aside]
    order = np.argsort(-said, kind="stable")
    found = np.concatenate([[0.0], np.cumsum(was[order]) / was.sum()])
    invented = np.concatenate([[0.0], np.cumsum(~was[order]) / (~was).sum()])
    made = plot(
        height=320,
        x_axis_label=f"share of {learnt.negative} taken for it",
        y_axis_label=f"share of {learnt.model.positive} found",
        tools=TOOLS,
    )
    made.line([0, 1], [0, 1], color=MUTED, line_dash="dotted")
    made.line(invented, found, color=DELIVERED, line_width=2)
    _unit_square(made)
    return made


def weights(learnt: Learnt) -> Figure:
    """Of each z-scored feature: which frequencies on which channels the state is told from."""
    design = learnt.model.features
    table = np.reshape(learnt.model.weights, (len(design.frequencies_hz), len(design.channels)))
    frequencies = np.array(design.frequencies_hz)
    most = max(float(np.abs(table).max()), 1e-12)
    made = plot(
        height=max(200, 60 + 22 * len(design.channels)),
        y_range=list(reversed(design.channels)),
        x_axis_type="log",
        x_axis_label="frequency, Hz",
        tools=TOOLS,
    )
    edges = np.concatenate(
        [
            frequencies[:1] / 1.2,
            [np.sqrt(a * b) for a, b in pairwise(frequencies)],
            frequencies[-1:] * 1.2,
        ]
    )
    cells = [(i, j) for i in range(len(frequencies)) for j in range(len(design.channels))]
    data = source(
        left=[edges[i] for i, _ in cells],
        right=[edges[i + 1] for i, _ in cells],
        channel=[design.channels[j] for _, j in cells],
        hz=[frequencies[i] for i, _ in cells],
        weight=[table[i, j] for i, j in cells],
        colour=[TARGET if table[i, j] > 0 else FAULT for i, j in cells],
        alpha=[abs(table[i, j]) / most for i, j in cells],
    )
    drawn = made.hbar(
        y="channel",
        left="left",
        right="right",
        height=0.9,
        source=data,
        color="colour",
        fill_alpha="alpha",
        line_alpha=0.0,
    )
    tips = [("channel", "@channel"), ("Hz", "@hz{0.0}"), ("weight", "@weight{0.00}")]
    made.add_tools(hover([drawn], tips))
    return made


def chance(learnt: Learnt) -> Figure:
    """AUC of models fitted on shuffled labels, and of this one."""
    counts, edges = np.histogram(learnt.chance, bins=np.linspace(0.0, 1.0, 41))
    made = plot(
        height=220, x_axis_label="AUC on the part kept aside", y_axis_label="shuffles", tools=TOOLS
    )
    made.quad(top=counts, bottom=0, left=edges[:-1], right=edges[1:], color=DETECTED)
    mark_line(made, "height", learnt.model.figures.auc, INK, "solid")
    mark_line(made, "height", learnt.chance_p95, LIMIT, "dashed")
    return made


def _unit_square(made: Figure) -> None:
    for axis in (made.x_range, made.y_range):
        axis.start, axis.end = -0.03, 1.03
