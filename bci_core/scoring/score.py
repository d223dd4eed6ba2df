"""The figures of a run: what was found, what was missed, what was invented, how late."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from math import isfinite
from typing import Any

import numpy as np

from bci_core.events import Detection, EventKind
from bci_core.record.marks import Mark
from bci_core.scoring.match import Matching, match
from bci_core.scoring.phase_error import NO_PHASE, PhaseError
from bci_core.scoring.phase_truth import TruePhase
from bci_core.scoring.run import Run

TOLERANCE_S = 0.1
"""How far outside an event a detection may lie, where nobody says."""


@dataclass(frozen=True, slots=True)
class Truth:
    """The events that a run is compared with.

    Attributes
    ----------
    marks : tuple of Mark
        In seconds of the stretch's own time.
    tolerance_s : float
    compared_with : str
        Where they come from, in words.
    at_target : bool
        Whether a detection counts at the time it predicts, rather than when it was made.
    unjudged : tuple of Mark
        Events that cannot be judged (they touch lost or bad samples): a detection in
        one of them is no false alarm, and none is no miss.
    phase : TruePhase or None
        What a phase can be judged by, where the truth rests on it.
    """

    marks: tuple[Mark, ...]
    tolerance_s: float
    compared_with: str
    at_target: bool = False
    unjudged: tuple[Mark, ...] = ()
    phase: TruePhase | None = None


@dataclass(frozen=True, slots=True)
class Latency:
    """How long after the onset of its event a detection came, in milliseconds.

    Percentiles by nearest rank; None without any.
    """

    p10: float | None = None
    p50: float | None = None
    p90: float | None = None


@dataclass(frozen=True, slots=True)
class Score:
    """How a run compares with a truth.

    Attributes
    ----------
    run : Run
    truth : Truth or None
        None where only the phase could be judged.
    judged : tuple of Detection
        The detections that were compared: onsets that were not vetoed, nor fell into an
        event that is not judged.
    matching : Matching
        Its indices are those of `judged` and `truth.marks`.
    phase : PhaseError or None
        For a detector that predicts a phase.
    about : dict
        Recording, detector, settings and so on, added to `to_dict`.
    """

    run: Run
    truth: Truth | None
    judged: tuple[Detection, ...]
    matching: Matching
    phase: PhaseError | None = None
    about: dict[str, Any] = field(default_factory=dict)

    @property
    def tp(self) -> int | None:
        return None if self.truth is None else len(self.matching.found)

    @property
    def fp(self) -> int | None:
        return None if self.truth is None else len(self.matching.false_alarms)

    @property
    def fn(self) -> int | None:
        return None if self.truth is None else len(self.matching.missed)

    @property
    def precision(self) -> float | None:
        """Share of true among true and false alarms; None without any."""
        return _share(self.tp, self.fp)

    @property
    def recall(self) -> float | None:
        """Share of the events that were found; None without any."""
        return _share(self.tp, self.fn)

    @property
    def f1(self) -> float | None:
        """Harmonic mean of precision and recall; None where there is nothing to find or found."""
        if self.tp is None or self.fp is None or self.fn is None:
            return None
        whole = 2 * self.tp + self.fp + self.fn
        return 2 * self.tp / whole if whole else None

    @property
    def false_per_min(self) -> float | None:
        """False alarms in a minute of samples on which detections are not vetoed."""
        if self.fp is None or self.run.trusted_s <= 0.0:
            return None
        return 60.0 * self.fp / self.run.trusted_s

    @property
    def late_ms(self) -> list[float]:
        """How long after its onset each event that was found was announced."""
        if self.truth is None:
            return []
        return [
            1e3 * (self._when_s(self.judged[found]) - self.truth.marks[mark].onset_s)
            for mark, found in enumerate(self.matching.detection_of)
            if found is not None
        ]

    @property
    def latency_ms(self) -> Latency:
        late_ms = self.late_ms
        if not late_ms:
            return Latency()
        quantiles = np.quantile(late_ms, [0.1, 0.5, 0.9], method="inverted_cdf")
        return Latency(*(float(q) for q in quantiles))

    def missed(self) -> list[Mark]:
        """Events that nothing was found in, in order of time."""
        if self.truth is None:
            return []
        return sorted((self.truth.marks[i] for i in self.matching.missed), key=lambda m: m.onset_s)

    def false_alarms(self) -> list[Detection]:
        """Detections in no event, in order of time."""
        if self.truth is None:
            return []
        return [self.judged[i] for i in self.matching.false_alarms]

    def missed_in_vetoed_time(self) -> int:
        """How many of the misses lie in samples that no detection counts on."""
        times_s, flags = self.run.stretch.times_s, self.run.flags
        n = 0
        for mark in self.missed():
            first, last = np.searchsorted(times_s, [mark.onset_s, mark.end_s], "left")
            n += bool(np.all(flags[first : last + 1] != 0))
        return n

    def to_dict(self) -> dict[str, Any]:
        """For ``--json``; see ``docs/score-and-tune.md`` for each key."""
        late = self.latency_ms
        truth = self.truth
        return {
            **self.about,
            "channels": [self.run.stretch.info.channels[c] for c in self.run.columns],
            "compared_with": truth.compared_with if truth is not None else None,
            "tolerance_s": truth.tolerance_s if truth is not None else None,
            "marks": len(truth.marks) if truth is not None else None,
            "scored_s": self.run.trusted_s,
            "tp": self.tp,
            "fp": self.fp,
            "fn": self.fn,
            "precision": self.precision,
            "recall": self.recall,
            "f1": self.f1,
            "false_per_min": self.false_per_min,
            "duplicates": len(self.matching.duplicates),
            "not_judged": len(truth.unjudged) if truth is not None else 0,
            "missed_in_vetoed_time": self.missed_in_vetoed_time(),
            "missed_beside_another": len(self.matching.shared),
            "latency_ms": {"p10": late.p10, "p50": late.p50, "p90": late.p90},
            "phase": (self.phase or NO_PHASE).to_dict(),
            "vetoed": self.run.vetoed,
            "samples": asdict(self.run.counts),
            "detections": self._rows(),
            "missed": [_mark_row(mark) for mark in self.missed()],
        }

    def _when_s(self, detection: Detection) -> float:
        at_target = self.truth is not None and self.truth.at_target
        return detection.target_s if at_target else detection.sample_s

    def _rows(self) -> list[dict[str, Any]]:
        """Every detection, with what it was counted as."""
        place = {d.sample_index: i for i, d in enumerate(self.judged)}
        duplicates, wrong = set(self.matching.duplicates), set(self.matching.false_alarms)
        channels = self.run.stretch.info.channels
        rows = []
        for d in self.run.detections:
            i = place.get(d.sample_index)
            mark = self.matching.mark_of[i] if i is not None else None
            counted = "" if i is None or self.truth is None else "tp"
            if i in duplicates:
                counted = "duplicate"
            elif i in wrong:
                counted = "fp"
            rows.append(
                {
                    "sample_index": d.sample_index,
                    "time_s": d.sample_s,
                    "target_s": d.target_s,
                    "value": d.value if isfinite(d.value) else None,
                    "kind": str(d.kind),
                    "channel": channels[d.channel] if d.channel >= 0 else None,
                    "veto": d.veto,
                    "counted_as": counted or None,
                    "mark": (
                        _mark_row(self.truth.marks[mark])
                        if self.truth is not None and mark is not None
                        else None
                    ),
                }
            )
        return rows


def score(
    run: Run,
    truth: Truth | None,
    phase: PhaseError | None = None,
    about: dict[str, Any] | None = None,
) -> Score:
    """Compare a run with a truth.

    Parameters
    ----------
    run : Run
    truth : Truth or None
        See `truth_of_marks` and `bci_core.scoring.reference`.
    phase : PhaseError, optional
        See `bci_core.scoring.phase_error`.
    about : dict, optional
        Goes into `Score.to_dict` as it is.
    """
    onsets = [d for d in run.detections if not d.veto and d.kind is EventKind.ONSET]
    if truth is None:
        nothing = Matching((None,) * len(onsets), (), (), (), ())
        return Score(run, None, tuple(onsets), nothing, phase, about or {})

    def when_s(d: Detection) -> float:
        return d.target_s if truth.at_target else d.sample_s

    aside = match([when_s(d) for d in onsets], truth.unjudged, truth.tolerance_s)
    in_marks = match([when_s(d) for d in onsets], truth.marks, truth.tolerance_s)
    wrong = set(in_marks.false_alarms) - set(aside.false_alarms)
    judged = tuple(d for i, d in enumerate(onsets) if i not in wrong)
    matching = match([when_s(d) for d in judged], truth.marks, truth.tolerance_s)
    return Score(run, truth, judged, matching, phase, about or {})


def truth_of_marks(
    marks: Sequence[Mark], run: Run, source: str, tolerance_s: float = TOLERANCE_S
) -> Truth:
    """Marks of a file as the truth; those whose onset is not in the stretch are left out."""
    stretch = run.stretch
    inside = tuple(m for m in marks if stretch.times_s[0] <= m.onset_s < stretch.end_s)
    return Truth(inside, tolerance_s, source)


def _share(part: int | None, rest: int | None) -> float | None:
    if part is None or rest is None or part + rest == 0:
        return None
    return part / (part + rest)


def _mark_row(mark: Mark) -> dict[str, Any]:
    return {
        "onset_s": mark.onset_s,
        "duration_s": mark.duration_s,
        "type": mark.kind or None,
        "channel": mark.channel or None,
    }
