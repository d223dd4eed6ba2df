"""Every time an oscillation really passed the target phase, large enough to be announced.

Phase and amplitude are those of `bci_core.scoring.phase_truth`. An event is such a
moment, give or take half a cycle, if the amplitude there is at least the online
detector's gate. A detection counts at the moment it predicted, so its latency is how
much later than the true one that was.
"""

from typing import Any

import numpy as np

from bci_core.detection.monitor_flags import FLAG_BLANK
from bci_core.record.marks import Mark
from bci_core.scoring.phase_error import phase_of
from bci_core.scoring.phase_truth import TruePhase
from bci_core.scoring.run import Run
from bci_core.scoring.score import Truth
from bci_core.scoring.zero_phase import Bools, spans


def find(settings: Any, run: Run) -> Truth | None:
    """See above."""
    phase = phase_of(run, settings.band_hz)
    if phase is None:
        return None
    passed_s = phase.times_of(settings.target_deg)
    if len(passed_s) < 2:
        return None
    gate_uv = _gate_uv(settings, phase)
    large = np.interp(passed_s, phase.times_s, phase.amplitude) >= gate_uv
    # At the target comes the stimulus, so that it is blanked says nothing against it.
    times_s, faulty = run.stretch.times_s, run.flags & ~np.uint8(FLAG_BLANK) != 0
    bad = faulty[np.clip(np.searchsorted(times_s, passed_s), 0, len(faulty) - 1)]
    half_cycle_s = float(np.median(np.diff(passed_s))) / 2.0
    low_hz, high_hz = settings.band_hz
    return Truth(
        marks=tuple(Mark(float(t), kind="phase") for t in passed_s[large & ~bad]),
        tolerance_s=half_cycle_s,
        compared_with=f"acausal reference: {phase.reference} phase, {low_hz:g} to {high_hz:g} Hz, "
        f"each pass of {settings.target_deg:g} deg at {gate_uv:g} uV or more",
        at_target=True,
        unjudged=(
            *_unknown(phase, run, half_cycle_s),
            *(Mark(float(t)) for t in passed_s[large & bad]),
        ),
        phase=phase,
    )


def _gate_uv(settings: Any, phase: TruePhase) -> float:
    """Of the detector: an amplitude, and a part of all amplitudes that is too small."""
    known = np.isfinite(phase.phase_rad)
    share = float(getattr(settings, "min_amplitude_quantile", 0.0))
    least_uv = float(np.quantile(phase.amplitude[known], share)) if share > 0.0 else 0.0
    return max(float(getattr(settings, "min_amplitude_uv", 0.0)), least_uv)


def _unknown(phase: TruePhase, run: Run, half_cycle_s: float) -> tuple[Mark, ...]:
    """Where the phase cannot be known, and the cycle that such a place cuts through."""
    first_s, last_s = float(run.stretch.times_s[0]), run.stretch.end_s
    known: Bools = np.isfinite(phase.phase_rad)
    times_s = phase.times_s
    gaps = [(float(times_s[a]), float(times_s[b - 1])) for a, b in spans(~known)]
    gaps += [(first_s, float(times_s[0])), (float(times_s[-1]), last_s + 1.0)]
    cut_s = 2.0 * half_cycle_s
    return tuple(Mark(a - cut_s, b - a + 2.0 * cut_s) for a, b in gaps)
