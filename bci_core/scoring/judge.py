"""One call from samples and settings to a score: what ``bci score`` and ``bci tune`` share."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from pydantic import BaseModel

from bci_core.detection.monitor_settings import MonitorSettings
from bci_core.record.marks import Mark
from bci_core.scoring.bands import band_of
from bci_core.scoring.phase_error import PhaseError, phase_error, phase_of, target_of
from bci_core.scoring.reference import has_reference, reference, why_none
from bci_core.scoring.run import Run, run_detector
from bci_core.scoring.score import TOLERANCE_S, Score, Truth, score, truth_of_marks
from bci_core.scoring.stretch import Stretch
from bci_core.scoring.subject import detector_of

TOO_LITTLE = (
    "there are too few good samples for the filters of the acausal reference, or its band is too "
    "high for the rate"
)


def score_detector(
    kind: str,
    settings: BaseModel,
    stretch: Stretch,
    marks: Sequence[Mark] | None = None,
    *,
    source: str = "marks",
    tolerance_s: float | None = None,
    monitor: MonitorSettings | None = None,
    lead_s: float = 0.0,
    about: dict[str, Any] | None = None,
) -> Score:
    """Run a detector over a stretch and compare it with marks, or with its acausal reference.

    Parameters
    ----------
    kind : str
        Registered name of the detector.
    settings : pydantic model
        Its settings; see `bci_core.scoring.subject.settings_of`.
    stretch : Stretch
    marks : sequence of Mark, optional
        None compares with the acausal reference of the kind, where there is one.
    source : str
        Where the marks come from, in words.
    tolerance_s : float, optional
        None takes `TOLERANCE_S` with marks, and the reference's own without.
    monitor : MonitorSettings, optional
    lead_s : float
    about : dict, optional
        Goes into `Score.to_dict`.

    Raises
    ------
    ConfigError
        The stretch cannot satisfy the settings.
    """
    run = run_detector(detector_of(kind, settings, stretch.info, lead_s), stretch, monitor)
    return judge(kind, settings, run, marks, source=source, tolerance_s=tolerance_s, about=about)


def judge(
    kind: str,
    settings: BaseModel,
    run: Run,
    marks: Sequence[Mark] | None = None,
    *,
    source: str = "marks",
    tolerance_s: float | None = None,
    about: dict[str, Any] | None = None,
) -> Score:
    """Compare a run that has been made; as `score_detector`."""
    truth: Truth | None = None
    why = ""
    if marks is not None:
        tolerance_s = TOLERANCE_S if tolerance_s is None else tolerance_s
        truth = truth_of_marks(marks, run, source, tolerance_s)
    elif not has_reference(kind):
        why = why_none(kind)
    else:
        truth = reference(kind, settings, run)
        why = "" if truth else TOO_LITTLE
        if truth is not None and tolerance_s is not None and not truth.at_target:
            truth = replace(truth, tolerance_s=tolerance_s)
    phase = _phase(settings, run, truth)
    return score(run, truth, phase, {**(about or {}), "not_compared": why or None})


def _phase(settings: BaseModel, run: Run, truth: Truth | None) -> PhaseError | None:
    """For a detector that aims at a phase: how well it did."""
    target_deg, band_hz = target_of(settings), band_of(settings)
    if target_deg is None or band_hz is None:
        return None
    phase = truth.phase if truth is not None and truth.phase is not None else None
    phase = phase or phase_of(run, band_hz)
    return None if phase is None else phase_error(run, phase, target_deg)
