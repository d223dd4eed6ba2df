"""Ripples by the zero-phase envelope, after Karlsson and Frank, and Kay et al.

Each channel band-passed, its envelope; the root mean square of these over the
channels, smoothed with a Gaussian of 4 ms; in standard deviations above its mean over
the whole stretch. A ripple stays above 2 SD for at least 15 ms (Kay et al. 2016,
Nature 531:185); it reaches from where the trace leaves its mean to where it comes back
(Karlsson & Frank 2009, Nature Neuroscience 12:913). Its peak passes 5 SD, since at 3 SD
chance alone makes dozens a minute. What rises as far in the band of muscles, measured
likewise, is no ripple. The bands are the online detector's. Such a rule finds something
in any long recording, with ripples or without.
"""

from typing import Any

import numpy as np

from bci_core.scoring.bands import band_of
from bci_core.scoring.run import Run
from bci_core.scoring.score import TOLERANCE_S, Truth
from bci_core.scoring.zero_phase import (
    Bools,
    Even,
    Floats,
    deviations,
    envelopes,
    even,
    filter_reach_s,
    smoothed,
    spans,
    spans_around,
    split_by_known,
)

SMOOTHING_S = 0.004
EDGE_SD = 2.0
PEAK_SD = 5.0
MIN_DURATION_S = 0.015
MUSCLE_HZ = (300.0, 480.0)


def find(settings: Any, run: Run) -> Truth | None:
    """See above."""
    band_hz = band_of(settings)
    if band_hz is None:
        return None
    muscle_hz = tuple(getattr(settings, "muscle_band_hz", MUSCLE_HZ))
    nyquist_hz = run.stretch.info.rate_hz / 2.0
    muscles = band_hz[1] <= muscle_hz[0] and muscle_hz[1] < nyquist_hz
    highest_hz = muscle_hz[1] if muscles else band_hz[1]
    on = even(run.stretch, _channels(settings, run), run.flags, highest_hz)
    known = on.known_within(filter_reach_s(band_hz[0]))
    if band_hz[1] >= on.rate_hz / 2.0 or not known.any():
        return None
    height_sd = _height_sd(on, band_hz, known)
    muscle_sd = _height_sd(on, muscle_hz, known) if muscles else np.zeros(len(height_sd))
    high = np.zeros(len(height_sd), dtype=bool)
    for a, b in spans(height_sd >= EDGE_SD):
        peak_sd = height_sd[a:b].max()
        high[a:b] = peak_sd >= PEAK_SD and muscle_sd[a:b].max() < peak_sd
    found = spans_around(high, height_sd > 0.0, max(1, round(MIN_DURATION_S * on.rate_hz)))
    judged, unjudged = split_by_known(found, on, known, "ripple")
    return Truth(
        judged,
        TOLERANCE_S,
        f"acausal reference: zero-phase envelope of {band_hz[0]:g} to {band_hz[1]:g} Hz, "
        f">= {EDGE_SD:g} SD for {1e3 * MIN_DURATION_S:g} ms with a peak >= {PEAK_SD:g} SD"
        + (f", higher than {muscle_hz[0]:g} to {muscle_hz[1]:g} Hz" if muscles else ""),
        unjudged=unjudged,
    )


def _height_sd(on: Even, band_hz: tuple[float, float], known: Bools) -> Floats:
    sizes = envelopes(on.values, band_hz, on.rate_hz)
    together = np.sqrt(np.mean(sizes**2, axis=1))
    return deviations(smoothed(together, SMOOTHING_S, on.rate_hz), known)


def _channels(settings: Any, run: Run) -> list[int]:
    """Columns in which ripples are looked for: not the one that holds only noise."""
    named = getattr(settings, "channels", None)
    if not named:
        return list(run.columns)
    return [run.stretch.info.index_of(name) for name in named]
