"""Which phase the pulses of a phase-locked session really met."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from bci_core.events import Outcome
from bci_core.report.evidence import Evidence
from bci_core.report.trace import Floats, column
from bci_core.scoring.phase_truth import (
    FITTED_SINE,
    CircularMean,
    TruePhase,
    circular_mean,
    true_phase,
)


@dataclass(frozen=True, slots=True)
class AchievedPhase:
    """Phases of pulses and shams at their onset.

    Attributes
    ----------
    target_deg : float
    phases_deg : ndarray, (n,)
        From 0 to 360; those that can be known.
    error : CircularMean
        Of phase minus target.
    truth : TruePhase
    cycles, missed : int or None
        Times the sine passed the target while armed, and how many of them had no
        detection. None where the truth is no sine.
    """

    target_deg: float
    phases_deg: Floats
    error: CircularMean
    truth: TruePhase
    cycles: int | None
    missed: int | None

    def error_of(self, onsets_s: Floats, clock_offset_s: float) -> CircularMean:
        """Phase minus target at some onsets, on the clock of the loop's machine."""
        phases_deg = self.truth.at_deg(onsets_s[np.isfinite(onsets_s)] - clock_offset_s)
        return circular_mean(phases_deg[np.isfinite(phases_deg)] - self.target_deg)

    def figures(self) -> dict[str, Any]:
        """For ``summary.json``."""
        return {
            "mean_error_deg": self.error.mean_deg if self.error.n else None,
            "resultant_length": self.error.resultant_length if self.error.n else None,
            "n": self.error.n,
            "reference": self.truth.reference,
            "explained_variance": self.truth.explained,
            "target_deg": self.target_deg,
            "cycles": self.cycles,
            "missed_cycles": self.missed,
        }


def achieved_phase(evidence: Evidence) -> AchievedPhase | None:
    """Judge the pulses against the recording.

    Returns
    -------
    AchievedPhase or None
        None for a rig that does not aim at a phase, or without a usable recording.
    """
    detector, recording = evidence.section("detector"), evidence.recording
    target_deg, band_hz = detector.get("target_deg"), detector.get("band_hz")
    if recording is None or not isinstance(target_deg, (int, float)) or not band_hz:
        return None
    channels = recording.info.channels
    if detector.get("channel") not in channels:
        return None
    values = recording.samples[:, channels.index(detector["channel"])]
    truth = true_phase(
        recording.times_s, values, recording.info.rate_hz, (float(band_hz[0]), float(band_hz[1]))
    )
    if truth is None:
        return None
    told = evidence.trace
    onsets_s = column(told.with_outcome(Outcome.DELIVERED, Outcome.SHAM), "onset_s")
    phases_deg = truth.at_deg(onsets_s[np.isfinite(onsets_s)] - told.clock_offset_s)
    phases_deg = phases_deg[np.isfinite(phases_deg)]
    cycles, missed = _missed(evidence, truth, float(target_deg))
    return AchievedPhase(
        target_deg=float(target_deg),
        phases_deg=phases_deg,
        error=circular_mean(phases_deg - target_deg),
        truth=truth,
        cycles=cycles,
        missed=missed,
    )


def _missed(
    evidence: Evidence, truth: TruePhase, target_deg: float
) -> tuple[int | None, int | None]:
    """Cycles while armed, and those where nothing was detected within half a cycle."""
    if truth.reference != FITTED_SINE:
        return None, None
    told = evidence.trace
    targets_s = truth.times_of(target_deg) + told.clock_offset_s
    if len(targets_s) < 2:
        return 0, 0
    period_s = float(np.median(np.diff(targets_s)))
    armed = np.zeros(len(targets_s), dtype=bool)
    for span in told.armed:
        # At either end of a span a cycle is the arming's, not the detector's.
        armed |= (targets_s > span.from_s + period_s) & (targets_s < span.to_s - period_s)
    wanted_s = targets_s[armed]
    aimed_s = np.sort(column(told.decisions, "target_s"))
    aimed_s = aimed_s[np.isfinite(aimed_s)]
    met = np.searchsorted(aimed_s, wanted_s + period_s / 2) > np.searchsorted(
        aimed_s, wanted_s - period_s / 2
    )
    return len(wanted_s), int(np.sum(~met))
