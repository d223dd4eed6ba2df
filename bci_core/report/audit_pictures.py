"""Pictures of the first events that the audit calls missed or invented."""

from collections.abc import Mapping
from typing import Any

from bci_core.record.marks import Mark
from bci_core.report.audit import detections_of, heard
from bci_core.report.evidence import Evidence
from bci_core.report.figures.events import Scene, event_picture
from bci_core.report.figures.style import Figure

MOST_PICTURES = 6
"""Of each sort."""


def audit_pictures(evidence: Evidence, figures: Mapping[str, Any] | None) -> dict[str, Figure]:
    """Pictures by name: ``missed0`` and on, ``invented0`` and on.

    Parameters
    ----------
    evidence : Evidence
    figures : mapping or None
        The summary's ``audit``.
    """
    if figures is None or evidence.recording is None:
        return {}
    told = evidence.trace
    zero_s = told.zero_s - told.clock_offset_s
    detector, band_hz = evidence.section("detector"), figures["band_hz"]
    missed = [Mark(zero_s + m["onset_s"], m["duration_s"]) for m in figures["missed_at"]]
    invented = [(Mark(zero_s + d["time_s"]), d["channel"]) for d in figures["invented_at"]]
    invented_s = {round(mark.onset_s, 6) for mark, _ in invented}
    detections = detections_of(evidence)
    scene = Scene(
        stretch=heard(evidence),
        band_hz=None if band_hz is None else (band_hz[0], band_hz[1]),
        marks=missed,
        found=[d for d in detections if not d.veto and round(d.sample_s, 6) not in invented_s],
        false_alarms=[d for d in detections if not d.veto and round(d.sample_s, 6) in invented_s],
        vetoed=[d for d in detections if d.veto],
        origin_s=zero_s,
    )
    channels = evidence.recording.info.channels
    name = detector.get("channel") or next(iter(detector.get("channels", ())), None)
    first = channels.index(name) if name in channels else 0
    made = {
        f"missed{i}": event_picture(scene, mark, first)
        for i, mark in enumerate(missed[:MOST_PICTURES])
    }
    made |= {
        f"invented{i}": event_picture(scene, mark, column if column >= 0 else first)
        for i, (mark, column) in enumerate(invented[:MOST_PICTURES])
    }
    return {name: picture for name, picture in made.items() if picture is not None}
