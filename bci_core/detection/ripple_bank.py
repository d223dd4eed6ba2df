"""How strong a ripple is on each channel, and how muscular.

Narrow filters side by side in the band, each compared with its own background: a
ripple is a few cycles of nearly one frequency, and stands out of a narrow band far
sooner than out of the whole. Each is a gammatone of order two, that is two equal
complex poles, whose output is the envelope with nothing to rectify or smooth and
whose delay is small for its width (for gammatones see Slaney 1993, Apple Technical Report
35). A difference before it takes the offset and most of theta away without any delay.

Beside them one filter above the band, squared and smoothed with the same poles, so
that a sharp edge leaves it no sooner than it leaves the narrow ones.
"""

import math

import numpy as np
from numpy.typing import NDArray

from bci_core.detection.filter_bank import filter_each, settle_each
from bci_core.detection.filters import MEMORIES, band_pass
from bci_core.detection.robust_baseline import (
    ROBUST_SETTINGS,
    ROBUST_STATE,
    robust_follow,
    robust_heights,
    robust_learnt,
    robust_ratios,
)
from bci_core.jit import compiled

HALF_POWER = math.sqrt(math.sqrt(2.0) - 1.0)
"""Where a second-order gammatone is down by 3 dB, in units of its poles' distance."""

SPACING = 0.5
"""Of neighbouring narrow bands, in their widths."""

MUSCLE_ORDER = 2
MUSCLE_NARROWEST_HZ = 60.0
MUSCLE_TREND_S = 0.2
"""Over which the recent work of muscles is averaged: longer than a ripple."""

LEAST_MUSCLE = 1.5
"""What lies above the band is muscle only where it is this much stronger than usual."""

ARTEFACT = 50.0
"""What lies above the band is no biology where it is this much stronger than usual; all that
follows without a break is rejected with it."""

MOST_DOUBT = 2.0
"""The recent work of muscles divides no strength by more than this."""

# settings of the bank; the muscle filter's sections follow, none where there is no veto
_N_BANDS, _NEAR, _MUSCLE_NEAR, _MUSCLE_TREND, _MUSCLE_RATIO, _RELEASE, _NORMAL = range(7)
_BANDS = _NORMAL + ROBUST_SETTINGS
_COS, _SIN, _GAIN, _PER_BAND = range(4)
# state, each times the number of channels; best comes first. Then, for each band, that of its
# two complex poles and its baseline
_LAST, _STEP, _ENVELOPE, _HEIGHT, _POWER_1, _POWER_2, _MUSCLE, _TREND, _RELATIVE = range(1, 10)
_SEEN, _REJECTED, _MUSCLE_FILTER = range(10, 13)
_MUSCLE_NORMAL = _MUSCLE_FILTER + MUSCLE_ORDER * MEMORIES
_BAND_STATE = _MUSCLE_NORMAL + ROBUST_STATE
_POLES = 4
_PER_BAND_STATE = _POLES + ROBUST_STATE


def centres_hz(band_hz: tuple[float, float], width_hz: float) -> NDArray[np.float64]:
    """Centres of filters that are `width_hz` wide and cover the band, (n_bands,).

    The outer ones are down by 3 dB at its edges, neighbours meet no lower than that.
    """
    low_hz, high_hz = band_hz[0] + width_hz / 2.0, band_hz[1] - width_hz / 2.0
    if low_hz >= high_hz:
        return np.array([(band_hz[0] + band_hz[1]) / 2.0])
    return np.linspace(
        low_hz, high_hz, math.ceil((high_hz - low_hz) / (SPACING * width_hz) - 1e-9) + 1
    )


def muscle_band(
    wanted_hz: tuple[float, float], ripple_high_hz: float, rate_hz: float
) -> tuple[float, float] | None:
    """The band of the muscle veto that the rate allows, or None.

    It ends at 0.48 of the rate at most. Where that leaves less than 60 Hz of what is
    wanted, it begins lower, down to 1.2 times the upper edge of the ripple band;
    where that is not enough either, there is no veto.
    """
    low_hz, high_hz = wanted_hz
    high_hz = min(high_hz, 0.48 * rate_hz)
    low_hz = min(low_hz, max(high_hz - MUSCLE_NARROWEST_HZ, 1.2 * ripple_high_hz))
    return (low_hz, high_hz) if high_hz - low_hz > MUSCLE_NARROWEST_HZ - 1e-9 else None


def bank_settings(
    band_hz: tuple[float, float],
    width_hz: float,
    muscle_hz: tuple[float, float] | None,
    muscle_ratio: float | None,
    release_sd: float,
    normal: NDArray[np.float64],
    rate_hz: float,
) -> NDArray[np.float64]:
    """Settings of the bank, the same for each channel.

    Without a `muscle_ratio` only artefacts are rejected, and without `muscle_hz` nothing;
    `release_sd` is where what was rejected is over; `normal` are the settings of baselines.
    """
    centres = 2.0 * np.pi * centres_hz(band_hz, width_hz) / rate_hz
    pole = math.exp(-2.0 * math.pi * pole_distance_hz(width_hz) / rate_hz)
    head = np.zeros(_BANDS)
    head[_N_BANDS] = len(centres)
    head[_NEAR] = 1.0 - pole
    head[_MUSCLE_NEAR] = 1.0 - pole * pole
    veto = muscle_ratio is not None
    head[_MUSCLE_TREND] = -math.expm1(-1.0 / (MUSCLE_TREND_S * rate_hz)) if veto else 0.0
    head[_MUSCLE_RATIO] = muscle_ratio if muscle_ratio is not None else math.inf
    head[_RELEASE] = release_sd
    head[_NORMAL:_BANDS] = normal
    # An oscillation of 1 uV at the centre comes out as an envelope of 1 uV: half of it is
    # lost with the negative frequencies, and the difference changes it too.
    gain = 2.0 / (2.0 * np.sin(centres / 2.0))
    bands = np.stack([pole * np.cos(centres), pole * np.sin(centres), gain], axis=1).ravel()
    above = np.zeros(0) if muscle_hz is None else band_pass(muscle_hz, rate_hz, MUSCLE_ORDER)
    return np.concatenate([head, bands, above])


def bank_state_size(n_bands: int, n_channels: int) -> int:
    """Numbers in the state; all zero to begin with."""
    return n_channels * (_BAND_STATE + n_bands * _PER_BAND_STATE)


def pole_distance_hz(width_hz: float) -> float:
    """Of the poles from the circle, for `width_hz` between the -3 dB points."""
    return width_hz / 2.0 / HALF_POWER


@compiled("void(float64[::1], float64[::1], float64[::1], boolean)")
def _follow_muscles(
    settings: NDArray[np.float64],
    state: NDArray[np.float64],
    values: NDArray[np.float64],
    learn: bool,
) -> None:
    """Amplitude above the band over its usual, and its recent average. Changes `values`."""
    n = values.shape[0]
    sections = settings[_BANDS + _PER_BAND * int(settings[_N_BANDS]) :]
    if sections.shape[0] == 0:
        return
    filters = state[_MUSCLE_FILTER * n : _MUSCLE_NORMAL * n]
    normal = state[_MUSCLE_NORMAL * n : _BAND_STATE * n]
    power_1, power_2 = state[_POWER_1 * n : _POWER_2 * n], state[_POWER_2 * n : _MUSCLE * n]
    muscle, trend = state[_MUSCLE * n : _TREND * n], state[_TREND * n : _RELATIVE * n]
    filter_each(sections, filters, values)
    near = settings[_MUSCLE_NEAR]
    for c in range(n):
        power_1[c] += near * (values[c] * values[c] - power_1[c])
        power_2[c] += near * (power_1[c] - power_2[c])
    for c in range(n):
        values[c] = math.sqrt(power_2[c])
    robust_ratios(settings[_NORMAL:_BANDS], normal, values, muscle)
    if learn:
        robust_follow(settings[_NORMAL:_BANDS], normal, values)
        for c in range(n):
            known = robust_learnt(settings[_NORMAL:_BANDS], normal, c)
            trend[c] += settings[_MUSCLE_TREND] * (muscle[c] - trend[c]) if known else 0.0


@compiled("void(float64[::1], float64[::1], float64[::1], float64, float64, float64, float64)")
def _narrow(
    filters: NDArray[np.float64],
    steps: NDArray[np.float64],
    envelopes: NDArray[np.float64],
    cos: float,
    sin: float,
    near: float,
    gain: float,
) -> None:
    """Advance one narrow band of all channels."""
    n = steps.shape[0]
    re_1, im_1 = filters[:n], filters[n : 2 * n]
    re_2, im_2 = filters[2 * n : 3 * n], filters[3 * n : 4 * n]
    for c in range(n):
        re, im = re_1[c], im_1[c]
        re_1[c] = cos * re - sin * im + near * steps[c]
        im_1[c] = sin * re + cos * im
    for c in range(n):
        re, im = re_2[c], im_2[c]
        re_2[c] = cos * re - sin * im + near * re_1[c]
        im_2[c] = sin * re + cos * im + near * im_1[c]
    for c in range(n):
        envelopes[c] = gain * math.sqrt(re_2[c] * re_2[c] + im_2[c] * im_2[c])


@compiled("void(float64[::1], float64[::1], float64[::1], float64[::1], boolean)")
def ripple_strengths(
    settings: NDArray[np.float64],
    state: NDArray[np.float64],
    values: NDArray[np.float64],
    strengths: NDArray[np.float64],
    learn: bool,
) -> None:
    """Advance all channels by a sample.

    Parameters
    ----------
    settings : ndarray
        Of the bank.
    state : ndarray, (bank_state_size(n_bands, n_channels),)
        ``state[:n_channels]`` is left with what the strengths would be without muscles.
    values : ndarray, (n_channels,)
        In microvolts. Changed.
    strengths : ndarray, (n_channels,)
        Written: the envelope of the narrow band that stands out most, in standard
        deviations above its median; 0 where none does, where there is no baseline yet,
        while muscles are at work, and in artefacts. Where muscles have been at work of late,
        it is divided by how much.
    learn : bool
        False on a sample that baselines must not learn from.
    """
    n = values.shape[0]
    sections = settings[_BANDS + _PER_BAND * int(settings[_N_BANDS]) :]
    best, last = state[: _LAST * n], state[_LAST * n : _STEP * n]
    steps, envelopes = state[_STEP * n : _ENVELOPE * n], state[_ENVELOPE * n : _HEIGHT * n]
    heights = state[_HEIGHT * n : _POWER_1 * n]
    muscle, trend = state[_MUSCLE * n : _TREND * n], state[_TREND * n : _RELATIVE * n]
    relative = state[_RELATIVE * n : _SEEN * n]
    seen = state[_SEEN * n : (_SEEN + 1) * n]
    if seen[0] == 0.0:
        seen[:] = 1.0
        last[:] = values
        trend[:] = 1.0
        steps[:] = values
        settle_each(sections, state[_MUSCLE_FILTER * n : _MUSCLE_NORMAL * n], steps)
    for c in range(n):
        steps[c] = values[c] - last[c]
    last[:] = values
    _follow_muscles(settings, state, values, learn)

    best[:] = 0.0
    relative[:] = 0.0
    normal = settings[_NORMAL:_BANDS]
    for k in range(int(settings[_N_BANDS])):
        band = _BANDS + _PER_BAND * k
        cos, sin, gain = settings[band + _COS], settings[band + _SIN], settings[band + _GAIN]
        at = (_BAND_STATE + _PER_BAND_STATE * k) * n
        baselines = state[at + _POLES * n : at + _PER_BAND_STATE * n]
        _narrow(state[at : at + _POLES * n], steps, envelopes, cos, sin, settings[_NEAR], gain)
        robust_heights(normal, baselines, envelopes, heights)
        robust_ratios(normal, baselines, envelopes, values)
        for c in range(n):
            relative[c] = values[c] if heights[c] > best[c] else relative[c]
        for c in range(n):
            best[c] = max(heights[c], best[c])
        if learn:
            robust_follow(normal, baselines, envelopes)

    ratio, release = settings[_MUSCLE_RATIO], settings[_RELEASE]
    rejected = state[_REJECTED * n : _MUSCLE_FILTER * n]
    for c in range(n):
        # The narrow bands ring for longer than the one above after a step of the electrode.
        still = rejected[c] if best[c] >= release else 0.0
        rejected[c] = 1.0 if muscle[c] > ARTEFACT else still
    for c in range(n):
        doubt = min(max(1.0, trend[c]), MOST_DOUBT)
        least = max(LEAST_MUSCLE, ratio * relative[c] if relative[c] > 0.0 else 0.0)
        muscular = muscle[c] > least or rejected[c] > 0.0
        strengths[c] = 0.0 if muscular else best[c] / doubt
