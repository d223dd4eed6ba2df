"""A lasting rise of band power, by the zero-phase envelope.

The online detector's own rule with what it cannot have: no delay, and a mean and
standard deviation of the whole stretch. Both are taken of the envelope with what lies
more than 2 SD off its mean brought to there, as the running baseline does it, so that
the events themselves hardly move them.
"""

from typing import Any

import numpy as np

from bci_core.detection.baseline import CLIP_SD
from bci_core.scoring.run import Run
from bci_core.scoring.score import TOLERANCE_S, Truth
from bci_core.scoring.zero_phase import (
    Floats,
    envelopes,
    even,
    filter_reach_s,
    smoothed,
    spans_around,
    split_by_known,
)

_ROUNDS = 20  # of clipping; it has settled long before


def find(settings: Any, run: Run) -> Truth | None:
    """See above."""
    band_hz = settings.band_hz
    on = even(run.stretch, run.columns[:1], run.flags, band_hz[1])
    known = on.known_within(filter_reach_s(band_hz[0]))
    if band_hz[1] >= on.rate_hz / 2.0 or not known.any():
        return None
    size_uv = envelopes(on.values, band_hz, on.rate_hz)[:, 0] / np.sqrt(2.0)
    size_uv = smoothed(size_uv, settings.smoothing_s, on.rate_hz)
    mean_uv, sd_uv = _clipped(size_uv[known])
    height_sd = (size_uv - mean_uv) / max(sd_uv, settings.min_sd_uv)
    least = max(1, round(settings.min_duration_s * on.rate_hz))
    found = spans_around(
        height_sd >= settings.threshold_sd, height_sd >= settings.release_sd, least
    )
    judged, unjudged = split_by_known(found, on, known, "band_power")
    return Truth(
        judged,
        TOLERANCE_S,
        f"acausal reference: zero-phase envelope of {band_hz[0]:g} to {band_hz[1]:g} Hz, "
        f">= {settings.threshold_sd:g} SD for {settings.min_duration_s:g} s",
        unjudged=unjudged,
    )


def _clipped(x: Floats) -> tuple[float, float]:
    """Mean and standard deviation of what is clipped to within `CLIP_SD` of them."""
    mean, spread = float(np.median(x)), float(np.std(x))
    for _ in range(_ROUNDS):
        clipped = np.clip(x, mean - CLIP_SD * spread, mean + CLIP_SD * spread)
        mean, spread = float(np.mean(clipped)), float(np.std(clipped))
    return mean, spread
