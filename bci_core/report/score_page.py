"""The page of a score: its figures, and a picture of every miss and every false alarm."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from bci_core.errors import InputError
from bci_core.record.marks import Mark
from bci_core.report.figures.events import (
    FALSE_ALARM,
    FOUND,
    IN_BAND,
    MARKED,
    VETOED,
    Scene,
    event_picture,
)
from bci_core.report.template import bokeh_scripts, embedded, environment, resource
from bci_core.scoring.score import Score

MOST_PICTURES = 100
"""Pictures of each sort; how many more there would be is said."""

_KEYS = {
    "marked": MARKED,
    "found": FOUND,
    "false alarm": FALSE_ALARM,
    "vetoed": VETOED,
    "in the band, with its envelope, on a scale of its own": IN_BAND,
}


def write_score_page(path: Path, score: Score, band_hz: tuple[float, float] | None) -> None:
    """Write the page.

    Parameters
    ----------
    path : Path
    score : Score
    band_hz : (float, float) or None
        What the detector listens to, where it is one band.

    Raises
    ------
    InputError
        The file cannot be written.
    """
    try:
        path.write_text(render_score(score, band_hz), encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror})") from error


def render_score(score: Score, band_hz: tuple[float, float] | None) -> str:
    """The page as text. Whatever comes from files is escaped by the template."""
    run = score.run
    false_alarms = score.false_alarms()
    wrong = {d.sample_index for d in false_alarms}
    scene = Scene(
        stretch=run.stretch,
        band_hz=band_hz,
        marks=sorted(score.truth.marks, key=lambda m: m.onset_s) if score.truth else (),
        found=[d for d in run.detections if not d.veto and d.sample_index not in wrong],
        false_alarms=false_alarms,
        vetoed=[d for d in run.detections if d.veto],
    )
    first = run.columns[0]
    missed = [(mark, _column(score, mark)) for mark in score.missed()]
    invented = [(Mark(d.sample_s), d.channel if d.channel >= 0 else first) for d in false_alarms]
    sections = []
    pictures: dict[str, Any] = {}
    for title, events in (("Missed", missed), ("False alarms", invented)):
        shown = []
        for i, (mark, column) in enumerate(events[:MOST_PICTURES]):
            made = event_picture(scene, mark, column)
            if made is None:
                continue
            name = f"{title.split()[0].lower()}{i}"
            pictures[name] = made
            shown.append({"name": name, "title": _title(mark, run.stretch.info.channels[column])})
        sections.append({"title": title, "n": len(events), "shown": shown})
    script, divs = embedded(pictures)
    page = environment().from_string(resource("score.html"))
    return page.render(
        s=score.to_dict(),
        sections=sections,
        keys=_KEYS,
        divs=divs,
        script=script,
        css=Markup(resource("page.css")),  # noqa: S704 - our own file
        bokeh=bokeh_scripts() if pictures else "",
    )


def _column(score: Score, mark: Mark) -> int:
    """The channel a mark was seen on, or its first of two; else the first the detector reads."""
    channels: Sequence[str] = score.run.stretch.info.channels
    for name in (mark.channel, mark.channel.partition("-")[0]):
        if name in channels:
            return channels.index(name)
    return score.run.columns[0]


def _title(mark: Mark, channel: str) -> str:
    length = f", {1e3 * mark.duration_s:.0f} ms" if mark.duration_s > 0.0 else ""
    return f"{mark.onset_s:.3f} s{length}, {channel}" + (f", {mark.kind}" if mark.kind else "")
