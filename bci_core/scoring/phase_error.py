"""How far from its target the phase really was at the moments a detector predicted."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from bci_core.events import EventKind
from bci_core.scoring.phase_truth import TruePhase, circular_mean, true_phase
from bci_core.scoring.run import Run
from bci_core.scoring.zero_phase import UNUSABLE, spans


@dataclass(frozen=True, slots=True)
class PhaseError:
    """Phase at the predicted moments minus the target.

    Attributes
    ----------
    mean_error_deg : float or None
        Circular mean, from -180 to 180; late is positive. None without any.
    circular_sd_deg : float or None
        sqrt(-2 ln R); Fisher, Statistical Analysis of Circular Data (1993), eq. 2.11.
    resultant_length : float or None
        R: 1 when all agree, 0 when they are all over the cycle.
    right_half_wave : float or None
        Share that is within 90 degrees of the target.
    n : int
        Detections that were not vetoed and whose true phase can be known.
    target_deg : float or None
    reference : str or None
        What the true phase rests on; see `bci_core.scoring.phase_truth`.
    """

    mean_error_deg: float | None
    circular_sd_deg: float | None
    resultant_length: float | None
    right_half_wave: float | None
    n: int
    target_deg: float | None
    reference: str | None

    def to_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        return {
            "mean_error_deg": self.mean_error_deg,
            "circular_sd_deg": self.circular_sd_deg,
            "resultant_length": self.resultant_length,
            "right_half_wave": self.right_half_wave,
            "n": self.n,
            "target_deg": self.target_deg,
            "reference": self.reference,
        }


NO_PHASE = PhaseError(None, None, None, None, 0, None, None)
"""Of a detector that predicts no phase."""


def target_of(settings: Any) -> float | None:
    """Phase that a detector aims at, 0 being the positive peak; None where it aims at none.

    Parameters
    ----------
    settings : pydantic model
        Its ``target_deg``, or its ``target`` of ``"up"`` or ``"down"`` with a ``polarity``.
    """
    target_deg = getattr(settings, "target_deg", None)
    if target_deg is not None:
        return float(target_deg)
    target = getattr(settings, "target", None)
    if target not in ("up", "down"):
        return None
    return 0.0 if (target == "up") == (getattr(settings, "polarity", 1) == 1) else 180.0


def phase_of(run: Run, band_hz: tuple[float, float]) -> TruePhase | None:
    """Acausal phase of the first channel that a detector read; None where it cannot be known.

    Samples that say nothing (not finite, railed, blanked) are interpolated, up to a
    quarter of a cycle of them; where there are more, nothing is known.
    """
    stretch = run.stretch
    values = np.array(stretch.samples[:, run.columns[0]], dtype=np.float64)
    unusable = (run.flags & UNUSABLE != 0) | ~np.isfinite(values)
    if unusable.all():
        return None
    at = np.arange(len(values))
    filled = np.interp(at, at[~unusable], values[~unusable])
    longest = stretch.info.rate_hz / band_hz[1] / 4.0
    for first, last in spans(unusable):
        values[first:last] = filled[first:last] if last - first <= longest else np.nan
    return true_phase(stretch.times_s, values, stretch.info.rate_hz, band_hz)


def phase_error(run: Run, truth: TruePhase, target_deg: float) -> PhaseError:
    """Compare the moments a detector predicted with the phase there was.

    Parameters
    ----------
    run : Run
        Its `target_s` are the predicted moments.
    truth : TruePhase
    target_deg : float
        What the detector aimed at.
    """
    aimed_s = [d.target_s for d in run.detections if not d.veto and d.kind is EventKind.ONSET]
    errors_deg = truth.at_deg(np.array(aimed_s, dtype=np.float64)) - target_deg
    mean = circular_mean(errors_deg)
    if mean.n == 0:
        return PhaseError(None, None, None, None, 0, target_deg, truth.reference)
    # Rounding can lift R above 1.
    length = min(mean.resultant_length, 1.0)
    spread = math.sqrt(-2.0 * math.log(length)) if length > 0.0 else math.inf
    return PhaseError(
        mean_error_deg=mean.mean_deg,
        circular_sd_deg=math.degrees(spread) if math.isfinite(spread) else None,
        resultant_length=length,
        right_half_wave=float(np.mean(np.cos(np.radians(errors_deg[np.isfinite(errors_deg)])) > 0)),
        n=mean.n,
        target_deg=target_deg,
        reference=truth.reference,
    )
