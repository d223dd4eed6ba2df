"""Sleep spindles by relative power, correlation and root mean square, all zero-phase.

The criteria of YASA (Vallat & Walker 2021, eLife 10:e70092), after A7 (Lacourse et
al. 2019, Journal of Neuroscience Methods 316:3): within 0.3 s, sigma holds at least
0.2 of the power from 4.5 to 30 Hz, correlates with the broadband signal by at least
0.65, and its root mean square is 1.5 SD above its mean over the whole stretch. A
spindle is where at least two of the three hold, and for a tenth of a second all;
from 0.5 to 2 s long, with those less than 0.5 s apart taken as one. The band is the
online detector's.
"""

from typing import Any

import numpy as np

from bci_core.scoring.bands import band_of
from bci_core.scoring.run import Run
from bci_core.scoring.score import TOLERANCE_S, Truth
from bci_core.scoring.zero_phase import (
    Floats,
    band_passed,
    deviations,
    even,
    filter_reach_s,
    moving_mean,
    spans_around,
    split_by_known,
)

BROAD_HZ = (1.0, 30.0)
TOTAL_HZ = (4.5, 30.0)
RELATIVE_POWER = 0.2
CORRELATION = 0.65
RMS_SD = 1.5
WINDOW_S = 0.3
ALL_HOLD_S = 0.1
DURATION_S = (0.5, 2.0)
APART_S = 0.5


def find(settings: Any, run: Run) -> Truth | None:
    """See above."""
    band_hz = band_of(settings)
    if band_hz is None:
        return None
    on = even(run.stretch, run.columns[:1], run.flags, max(BROAD_HZ[1], band_hz[1]))
    x, rate_hz = on.values[:, :1], on.rate_hz
    if max(BROAD_HZ[1], band_hz[1]) >= rate_hz / 2.0:
        return None
    known = on.known_within(filter_reach_s(BROAD_HZ[0]))
    if not known.any():
        return None
    sigma = band_passed(x, band_hz, rate_hz)[:, 0]
    broad = band_passed(x, BROAD_HZ, rate_hz)[:, 0]
    total = band_passed(x, TOTAL_HZ, rate_hz)[:, 0]

    def mean(y: Floats) -> Floats:
        return moving_mean(y, WINDOW_S, rate_hz)

    power = np.maximum(mean(sigma**2), 0.0)
    tiny = 1e-12
    relative = power / np.maximum(mean(total**2), tiny)
    covariance = mean(sigma * broad) - mean(sigma) * mean(broad)
    spread = np.sqrt(
        np.maximum(power - mean(sigma) ** 2, tiny)
        * np.maximum(mean(broad**2) - mean(broad) ** 2, tiny)
    )
    rms_sd = deviations(np.sqrt(power), known)
    held = (
        (relative >= RELATIVE_POWER).astype(int)
        + (covariance / spread >= CORRELATION)
        + (rms_sd >= RMS_SD)
    )
    found = spans_around(held == 3, held >= 2, max(1, round(ALL_HOLD_S * rate_hz)))
    shortest, longest = (round(d * rate_hz) for d in DURATION_S)
    joined = [
        (a, b) for a, b in _joined(found, round(APART_S * rate_hz)) if shortest <= b - a <= longest
    ]
    judged, unjudged = split_by_known(joined, on, known, "spindle")
    return Truth(
        judged,
        TOLERANCE_S,
        f"acausal reference: zero-phase {band_hz[0]:g} to {band_hz[1]:g} Hz, relative power >= "
        f"{RELATIVE_POWER:g}, correlation >= {CORRELATION:g}, RMS >= {RMS_SD:g} SD, "
        f"{DURATION_S[0]:g} to {DURATION_S[1]:g} s",
        unjudged=unjudged,
    )


def _joined(found: list[tuple[int, int]], apart: int) -> list[tuple[int, int]]:
    joined: list[tuple[int, int]] = []
    for a, b in found:
        if joined and a - joined[-1][1] < apart:
            joined[-1] = (joined[-1][0], b)
        else:
            joined.append((a, b))
    return joined
