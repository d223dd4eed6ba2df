"""Slow oscillations by their zero crossings.

Band-passed from 0.3 to 1.5 Hz (Carrier et al. 2011, European Journal of Neuroscience
33:758) with zero phase. A slow oscillation is a negative half-wave of 0.3 to 1.5 s, at
least 40 uV deep, with the positive half-wave after it 75 uV higher: the criteria of
Massimini et al. 2004 (Journal of Neuroscience 24:6862) as YASA has them (Vallat &
Walker 2021, eLife 10:e70092). It reaches from the falling to the next falling zero
crossing. Where the online detector states a depth, that one counts, and the height in
proportion to it. Neither pauses nor the detector's own doubts are known here, so what it
passed over because of them is missed.
"""

from typing import Any

import numpy as np

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
    on = even(run.stretch, run.columns[:1], run.flags, 10.0 * BAND_HZ[1])
    known = on.known_within(filter_reach_s(BAND_HZ[0]))
    if BAND_HZ[1] >= on.rate_hz / 2.0 or not known.any():
        return None
    slow_uv = band_passed(on.values[:, :1], BAND_HZ, on.rate_hz)[:, 0]
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
            and NEGATIVE_S[0] <= (b - a) / on.rate_hz <= NEGATIVE_S[1]
            and (end - b) / on.rate_hz <= LONGEST_POSITIVE_S
            and depth_uv <= -shape.min() <= deepest_uv
            and shape.max() - shape.min() >= height_uv
        ):
            found.append((a, end))
    judged, unjudged = split_by_known(found, on, known, "slow_oscillation")
    return Truth(
        judged,
        TOLERANCE_S,
        f"acausal reference: zero-phase {BAND_HZ[0]:g} to {BAND_HZ[1]:g} Hz, negative half-waves "
        f"of {NEGATIVE_S[0]:g} to {NEGATIVE_S[1]:g} s, {depth_uv:g} uV deep, "
        f"{height_uv:g} uV peak to peak",
        unjudged=unjudged,
    )
