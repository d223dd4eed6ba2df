"""The end-of-session audit: what an acausal detector finds in what the online one heard.

The session's detections come from its ledger, the samples from its recording; the
reference sees all of them at once. It is a convention, and no truth: see
`bci_core.scoring.reference`.
"""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from pydantic import BaseModel, ValidationError

from bci_core import registry
from bci_core.detection.monitor import SampleCounts
from bci_core.errors import BciError
from bci_core.events import Detection, EventKind
from bci_core.report.evidence import Evidence
from bci_core.report.sample_flags import flags_of
from bci_core.report.timeline import Data, number
from bci_core.scoring.bands import band_of
from bci_core.scoring.judge import judge
from bci_core.scoring.reference import has_reference, why_none
from bci_core.scoring.run import Run
from bci_core.scoring.score import Score
from bci_core.scoring.stretch import Stretch

MOST_VALUES = 8_000_000
"""Samples times channels that are audited, the last ones of a longer session. Takes about a
second."""

MOST_LISTED = 100
"""Misses and false alarms whose times go into the summary."""


@dataclass(frozen=True, slots=True)
class Audit:
    """A session's detections beside the reference's.

    Attributes
    ----------
    score : Score
        Its times are those of the samples.
    zero_s : float
        Sample time that people count from.
    band_hz : (float, float) or None
        What the detector listened to, where it is one band.
    """

    score: Score
    zero_s: float
    band_hz: tuple[float, float] | None

    def figures(self) -> dict[str, Any]:
        """For ``summary.json``; times are seconds after arming."""
        score = self.score
        assert score.truth is not None  # noqa: S101 - there is no audit without
        late = score.latency_ms
        return {
            "compared_with": score.truth.compared_with,
            "tolerance_s": score.truth.tolerance_s,
            "band_hz": None if self.band_hz is None else list(self.band_hz),
            "audited_s": score.run.trusted_s,
            "events": len(score.truth.marks),
            "found": score.tp,
            "missed": score.fn,
            "invented": score.fp,
            "duplicates": len(score.matching.duplicates),
            "precision": score.precision,
            "recall": score.recall,
            "f1": score.f1,
            "false_per_min": score.false_per_min,
            "latency_ms": {"p10": late.p10, "p50": late.p50, "p90": late.p90},
            "missed_at": [
                {"onset_s": mark.onset_s - self.zero_s, "duration_s": mark.duration_s}
                for mark in score.missed()[:MOST_LISTED]
            ],
            "invented_at": [
                {"time_s": d.sample_s - self.zero_s, "channel": d.channel}
                for d in score.false_alarms()[:MOST_LISTED]
            ],
        }


def audit(evidence: Evidence) -> tuple[Audit | None, str]:
    """Compare what a session found with what the acausal reference finds.

    Returns
    -------
    audit : Audit or None
    why : str
        Why there is none; "" where there is one.
    """
    section = evidence.section("detector")
    kind = str(section.get("kind", ""))
    if not kind:
        return None, "the rig does not say which detector ran"
    if not has_reference(kind):
        return None, why_none(kind)
    if evidence.recording is None or not len(evidence.recording.times_s):
        return None, evidence.recording_problem or "there are no samples"
    try:
        model: type[BaseModel] = registry.load("detector", kind).Settings
        settings = model.model_validate({k: v for k, v in section.items() if k != "kind"})
        columns = _columns(settings, evidence)
        if not len(heard(evidence)):
            return None, "the loop had no samples"
        run = _run(evidence, columns)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        return None, f"the rig's settings cannot be read ({where}: {first['msg']})"
    except KeyError as error:
        return None, f"the recording has no channel {error}"
    except BciError as error:
        return None, str(error)
    score = judge(kind, settings, run)
    if score.truth is None:
        return None, str(score.about["not_compared"])
    told = evidence.trace
    return Audit(score, told.zero_s - told.clock_offset_s, band_of(settings)), ""


def heard(evidence: Evidence) -> Stretch:
    """The samples that the loop had, of a session with a recording."""
    recording, told = evidence.recording, evidence.trace
    assert recording is not None  # noqa: S101 - asked for by the caller
    first_s = number(told.ready.get("first_sample_s"))
    first = int(np.searchsorted(recording.times_s, first_s)) if np.isfinite(first_s) else 0
    count = told.samples.get("samples")
    last = first + count if isinstance(count, int) else len(recording.times_s)
    rows = slice(first, last)
    return Stretch(recording.samples[rows], recording.times_s[rows], recording.info, first)


def detections_of(evidence: Evidence) -> list[Detection]:
    """What the loop found, as its ledger has it; one for each sample."""
    by_sample = {d["sample_index"]: d for d in evidence.trace.decisions if "sample_index" in d}
    return [_detection(row) for _, row in sorted(by_sample.items())]


def _run(evidence: Evidence, columns: tuple[int, ...]) -> Run:
    whole = heard(evidence)
    skipped = max(0, len(whole) - MOST_VALUES // len(columns))
    stretch = Stretch(
        whole.samples[skipped:], whole.times_s[skipped:], whole.info, whole.first_row + skipped
    )
    inside = [d for d in detections_of(evidence) if d.sample_s >= stretch.times_s[0]]
    counts = {f.name: int(evidence.trace.samples.get(f.name) or 0) for f in fields(SampleCounts)}
    flags = flags_of(evidence, stretch, columns)
    return Run(stretch, columns, tuple(inside), flags, SampleCounts(**counts))


def _columns(settings: BaseModel, evidence: Evidence) -> tuple[int, ...]:
    recording = evidence.recording
    assert recording is not None  # noqa: S101 - asked for by the caller
    names = getattr(settings, "channels", None) or (getattr(settings, "channel", ""),)
    return tuple(recording.info.index_of(name) for name in names)


def _detection(row: Data) -> Detection:
    channel = row.get("channel")
    return Detection(
        sample_index=int(row["sample_index"]),
        sample_s=number(row.get("sample_s")),
        target_s=number(row.get("target_s")),
        value=number(row.get("value")),
        veto=str(row.get("veto") or ""),
        kind=EventKind(row.get("kind", EventKind.ONSET)),
        channel=channel if isinstance(channel, int) else -1,
    )
