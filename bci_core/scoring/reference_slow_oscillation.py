"""Slow oscillations by their zero crossings.

Band-passed with zero phase. A slow oscillation is a negative half-wave of 0.3 to 1.5 s,
at least 40 uV deep, with the positive half-wave after it 75 uV higher, from 0.3 to
1.5 Hz: the criteria of Massimini et al. 2004 (Journal of Neuroscience 24:6862) as YASA
has them (Vallat & Walker 2021, eLife 10:e70092). It reaches from the falling to the next
falling zero crossing.

Band, durations and depth are the online detector's where it states them, and the height
in proportion to the depth. Neither pauses nor the detector's own doubts are known here,
so what it passed over because of them is missed.
"""

from typing import Any

import numpy as np

from bci_core.scoring.bands import band_of
from bci_core.scoring.run import Run
from bci_core.scoring.score import TOLERANCE_S, Truth
from bci_core.scoring.zero_phase import band_passed, even, filter_reach_s, spans, split_by_known

BAND_HZ = (0.3, 1.5)
NEGATIVE_S = (0.3, 1.5)
LONGEST_POSITIVE_S = 1.5
DEPTH_UV = 40.0
PEAK_TO_PEAK_UV = 75.0


def find(settings: Any, run: Run) -> Truth | None:
    """See above."""
    band_hz = band_of(settings) or BAND_HZ
    shortest_s = float(getattr(settings, "min_half_wave_s", NEGATIVE_S[0]))
    longest_s = float(getattr(settings, "max_half_wave_s", NEGATIVE_S[1]))
    on = even(run.stretch, run.columns[:1], run.flags, 10.0 * band_hz[1])
    known = on.known_within(filter_reach_s(band_hz[0]))
    if band_hz[1] >= on.rate_hz / 2.0 or not known.any():
        return None
    slow_uv = band_passed(on.values[:, :1], band_hz, on.rate_hz)[:, 0]
    slow_uv = float(getattr(settings, "polarity", 1)) * slow_uv
    depth_uv = float(getattr(settings, "threshold_uv", DEPTH_UV))
    deepest_uv = float(getattr(settings, "max_depth_uv", np.inf))
    height_uv = PEAK_TO_PEAK_UV / DEPTH_UV * depth_uv
    found = []
    down, up = spans(slow_uv < 0.0), dict(spans(slow_uv >= 0.0))
    for a, b in down:
        end = up.get(b)
        shape = slow_uv[a : end or b]
        if (
            end is not None
            and shortest_s <= (b - a) / on.rate_hz <= longest_s
            and (end - b) / on.rate_hz <= LONGEST_POSITIVE_S
            and depth_uv <= -shape.min() <= deepest_uv
            and shape.max() - shape.min() >= height_uv
        ):
            found.append((a, end))
    judged, unjudged = split_by_known(found, on, known, "slow_oscillation")
    return Truth(
        judged,
        TOLERANCE_S,
        f"acausal reference: zero-phase {band_hz[0]:g} to {band_hz[1]:g} Hz, negative half-waves "
        f"of {shortest_s:g} to {longest_s:g} s, {depth_uv:g} uV deep, "
        f"{height_uv:g} uV peak to peak",
        unjudged=unjudged,
    )
