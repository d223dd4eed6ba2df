"""Finds sleep spindles while they last."""

import math
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from bci_core.chunk import StreamInfo
from bci_core.detection.compiled import END, OUT_KIND, CompiledDetector, announce
from bci_core.detection.filters import (
    COEFFICIENTS,
    MEMORIES,
    band_pass,
    filter_response,
    filtered,
    settle,
)
from bci_core.detection.requirements import band_problems, channel_problems, lead_problems
from bci_core.detection.ring import delayed, moving_sum, ring_size
from bci_core.detection.robust_baseline import (
    ROBUST_SETTINGS,
    ROBUST_STATE,
    robust_follow,
    robust_heights,
    robust_settings,
)
from bci_core.errors import ConfigError, Problem
from bci_core.jit import KERNEL, compiled

# settings; the baseline's follow, then the filters: sigma, broad, total
_COLUMN, _WINDOW, _DELAY, _RATE, _LOW, _HIGH = range(6)
_RELATIVE, _CORRELATION, _ENVELOPE, _ENOUGH, _OVER, _LONGEST = range(6, 12)
_N_SIGMA, _N_BROAD, _SHORT, _BASELINE = range(12, 16)
_FILTERS = _BASELINE + ROBUST_SETTINGS
# state; the outputs first, then the baseline's, the filters', and the rings
_OUTPUTS = 5
_SIGMA_UV, _HEIGHT_SD, _RELATIVE_POWER, _MATCH, _FREQUENCY = range(_OUTPUTS)
_SEEN, _LAST_SIGMA, _LASTED, _WEAK_FOR, _PEAK = range(_OUTPUTS, 10)
_BASELINE_STATE = 10
_FILTER_STATE = _BASELINE_STATE + ROBUST_STATE
_RINGS = 7

NEVER = -1.0
"""`_LASTED` of an event that was cut off as too long, until it is over."""

_TINY = 1e-12

PATIENCE_S = 10.0
"""All of the envelope above its median for so long is another level, and no spindle."""


class SpindleSettings(BaseModel):
    """Section ``[detector]`` of a rig with ``kind = "spindle"``.

    The criteria, the band of the broadband signal and the threshold of relative power are
    those of YASA (Vallat & Walker 2021, eLife 10:e70092). What the power of sigma is
    compared with is that of A7 (Lacourse et al. 2019, Journal of Neuroscience Methods
    316:3): in a short window slow waves would decide over any broader band.

    The rest is ours, and is there to be early. YASA can wait and see whether a spindle lasts
    for half a second; here the envelope is that of one cycle, and must be the higher. Its
    baseline is a running median, which spindles that follow each other closely do not lift
    as they would a mean and a standard deviation. The filter is wider than sigma, since a
    narrower one is later; the frequency of what comes through is measured instead.

    Attributes
    ----------
    channel : str
        Label of the channel to watch.
    band_hz : (float, float)
        Sigma. The oscillation found must be at a frequency within it.
    filter_hz : (float, float)
        Edges of the filter that gives the signal of sigma.
    broad_hz : (float, float)
        What sigma is correlated with.
    total_hz : (float, float)
        What the power of sigma is compared with.
    relative_power : float
        Least power of sigma, as a part of the power in `total_hz`.
    correlation : float
        Least correlation of sigma with the broadband signal.
    envelope_sd : float
        How far the envelope of sigma must be above its running median, in its (robust)
        standard deviations.
    envelope_s : float
        Over which the envelope, a root mean square, is taken.
    window_s : float
        Over which relative power, correlation and frequency are taken.
    min_duration_s : float
        For how long without a break all criteria must hold, for a spindle to be announced.
    end_s : float
        A spindle has ended when fewer than two of the three criteria have held for so long.
    max_duration_s : float
        What lasts longer since it was announced is no spindle: its end is announced then,
        and nothing new before it is over.
    baseline_s : float
        Time constant of the running median and standard deviation.
    learning_s : float
        How long a first baseline is learnt. No spindle begins before this is over.
    min_sd_uv : float
        The standard deviation is never taken to be less than this.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    channel: str
    band_hz: tuple[float, float] = (11.0, 16.0)
    filter_hz: tuple[float, float] = (9.5, 17.5)
    broad_hz: tuple[float, float] = (1.0, 30.0)
    total_hz: tuple[float, float] = (4.5, 30.0)
    relative_power: float = Field(default=0.2, gt=0.0, lt=1.0)
    correlation: float = Field(default=0.55, gt=0.0, lt=1.0)
    envelope_sd: float = Field(default=3.75, gt=0.0, le=100.0)
    envelope_s: float = Field(default=0.08, ge=0.02, le=5.0)
    window_s: float = Field(default=0.2, ge=0.05, le=5.0)
    min_duration_s: float = Field(default=0.04, ge=0.0, le=5.0)
    end_s: float = Field(default=0.2, ge=0.0, le=5.0)
    max_duration_s: float = Field(default=3.0, gt=0.0, le=60.0)
    baseline_s: float = Field(default=30.0, gt=0.0, le=36_000.0)
    learning_s: float = Field(default=2.0, gt=0.0, le=600.0)
    min_sd_uv: float = Field(default=0.01, gt=0.0, le=1e6)


class Spindle(CompiledDetector):
    """Announces each spindle once, while it lasts, and its end.

    Causal Butterworth filters give sigma and the broadband signal; the latter is held
    back by as much as sigma lags behind it, so that the two match in phase. Over one
    window: the power of sigma over that of `total_hz`, and the correlation of the two;
    over a shorter one, the envelope of sigma in standard deviations above its running
    median (`bci_core.detection.robust_baseline`). All three, for `min_duration_s`, at a
    frequency within the band, are a spindle; as long as two of them hold it lasts. The
    first two do not depend on the scale of the recording, and need no baseline.

    `value` of an onset is the envelope of sigma in standard deviations above its median;
    of an end, the greatest it was since the onset. `target_s` is `sample_s`: now.

    Parameters
    ----------
    settings : SpindleSettings
    info : StreamInfo
    lead_s : float
        Not used: nothing is predicted.

    Raises
    ------
    ConfigError
        The stream lacks the channel, a band does not fit its rate, or the settings
        contradict each other.
    """

    Settings: ClassVar[type[BaseModel]] = SpindleSettings

    def __init__(self, settings: SpindleSettings, info: StreamInfo, lead_s: float) -> None:
        problems = [
            *channel_problems(settings.channel, info),
            *_band_problems(settings, info),
            *_contradictions(settings),
            *lead_problems(lead_s),
        ]
        if problems:
            raise ConfigError("detector spindle", problems)
        rate_hz = info.rate_hz
        column = info.index_of(settings.channel)
        sigma = band_pass(settings.filter_hz, rate_hz, 2)
        broad = band_pass(settings.broad_hz, rate_hz, 1)
        total = band_pass(settings.total_hz, rate_hz, 2)
        window = max(2, round(settings.window_s * rate_hz))
        short = max(2, round(settings.envelope_s * rate_hz))
        delay = alignment(sigma, broad, settings.filter_hz, rate_hz)
        normal = robust_settings(
            settings.baseline_s, settings.learning_s, PATIENCE_S, settings.min_sd_uv, rate_hz
        )
        head = np.zeros(_BASELINE)
        head[_COLUMN] = column
        head[_WINDOW] = window
        head[_DELAY] = delay
        head[_RATE] = rate_hz
        head[_LOW], head[_HIGH] = settings.band_hz
        head[_RELATIVE] = settings.relative_power
        head[_CORRELATION] = settings.correlation
        head[_ENVELOPE] = settings.envelope_sd
        # Less a hair, so that 0.07 s at 100 Hz is 7 samples, whatever the rounding.
        head[_ENOUGH] = max(1, math.ceil(settings.min_duration_s * rate_hz - 1e-6))
        head[_OVER] = max(1, math.ceil(settings.end_s * rate_hz - 1e-6))
        head[_LONGEST] = math.ceil(settings.max_duration_s * rate_hz - 1e-6)
        head[_N_SIGMA], head[_N_BROAD] = len(sigma), len(broad)
        head[_SHORT] = short
        filters = np.concatenate([sigma, broad, total])
        memories = MEMORIES * len(filters) // COEFFICIENTS
        rings = _RINGS * ring_size(window) + ring_size(short) + ring_size(delay)
        super().__init__(
            spindle_kernel,
            np.concatenate([head, normal, filters]),
            np.zeros(_FILTER_STATE + memories + rings),
            (column,),
            ("sigma_uv", "sigma_sd", "relative_power", "correlation", "frequency_hz"),
            _SIGMA_UV,
        )


def alignment(
    sigma: NDArray[np.float64],
    broad: NDArray[np.float64],
    band_hz: tuple[float, float],
    rate_hz: float,
) -> int:
    """Samples by which the broadband signal must be held back to match sigma in phase.

    That is where the cross-correlation of the two filters' outputs, for a spectrum that
    is flat within the band, has its maximum; at least 1.
    """
    radians = 2.0 * np.pi / rate_hz
    omegas = radians * np.linspace(*band_hz, 33)
    cross = np.array([filter_response(sigma, w) / filter_response(broad, w) for w in omegas])
    # The group delay of two orders is about half a cycle over the relative bandwidth.
    delays = np.arange(1, 1 + math.ceil(4.0 * rate_hz / band_hz[0]))
    match = np.real(np.exp(1j * np.outer(delays, omegas)) @ cross)
    return int(delays[np.argmax(match)])


def _band_problems(settings: SpindleSettings, info: StreamInfo) -> list[Problem]:
    return [
        Problem(name, problem.message)
        for name in ("band_hz", "filter_hz", "broad_hz", "total_hz")
        for problem in band_problems(getattr(settings, name), info)
    ]


def _contradictions(settings: SpindleSettings) -> list[Problem]:
    low_hz, high_hz = settings.band_hz
    problems = []
    for name in ("filter_hz", "broad_hz", "total_hz"):
        from_hz, to_hz = getattr(settings, name)
        if not from_hz <= low_hz < high_hz <= to_hz:
            told = f"of {from_hz:g} to {to_hz:g} Hz does not hold band_hz of {low_hz:g} to "
            problems.append(Problem(name, f"{told}{high_hz:g} Hz; widen it"))
    if settings.min_duration_s >= settings.max_duration_s:
        problems.append(
            Problem(
                "min_duration_s",
                f"is {settings.min_duration_s:g} s, not below max_duration_s of "
                f"{settings.max_duration_s:g} s; nothing would be announced: lower it",
            )
        )
    return problems


@compiled("boolean(float64[::1], float64[::1], float64)")
def _look(settings: NDArray[np.float64], state: NDArray[np.float64], value: float) -> bool:
    """Take one sample in and renew the outputs; whether there is a spectrum to speak of."""
    n_sigma, n_broad = int(settings[_N_SIGMA]), int(settings[_N_BROAD])
    sigma_filter = settings[_FILTERS : _FILTERS + n_sigma]
    broad_filter = settings[_FILTERS + n_sigma : _FILTERS + n_sigma + n_broad]
    total_filter = settings[_FILTERS + n_sigma + n_broad :]
    at_broad = _FILTER_STATE + MEMORIES * n_sigma // COEFFICIENTS
    at_total = at_broad + MEMORIES * n_broad // COEFFICIENTS
    at_rings = at_total + MEMORIES * total_filter.shape[0] // COEFFICIENTS
    sigma_memory = state[_FILTER_STATE:at_broad]
    broad_memory = state[at_broad:at_total]
    total_memory = state[at_total:at_rings]
    if state[_SEEN] == 0.0:
        settle(sigma_filter, sigma_memory, value)
        settle(broad_filter, broad_memory, value)
        settle(total_filter, total_memory, value)
    state[_SEEN] += 1.0
    n = settings[_WINDOW]
    size = 3 + int(n)
    s = filtered(sigma_filter, sigma_memory, value)
    b = filtered(broad_filter, broad_memory, value)
    t = filtered(total_filter, total_memory, value)
    at_short = at_rings + _RINGS * size
    at_delay = at_short + 3 + int(settings[_SHORT])
    b = delayed(state[at_delay:], b)
    slope = s - state[_LAST_SIGMA]
    state[_LAST_SIGMA] = s

    ss = moving_sum(state[at_rings : at_rings + size], s * s)
    tt = moving_sum(state[at_rings + size : at_rings + 2 * size], t * t)
    bb = moving_sum(state[at_rings + 2 * size : at_rings + 3 * size], b * b)
    sb = moving_sum(state[at_rings + 3 * size : at_rings + 4 * size], s * b)
    s1 = moving_sum(state[at_rings + 4 * size : at_rings + 5 * size], s)
    b1 = moving_sum(state[at_rings + 5 * size : at_rings + 6 * size], b)
    dd = moving_sum(state[at_rings + 6 * size : at_rings + 7 * size], slope * slope)
    short = moving_sum(state[at_short:at_delay], s * s)

    state[_SIGMA_UV] = math.sqrt(max(short, 0.0) / settings[_SHORT])
    spread = (ss - s1 * s1 / n) * (bb - b1 * b1 / n)
    state[_RELATIVE_POWER] = ss / tt if tt > _TINY else 0.0
    state[_MATCH] = (sb - s1 * b1 / n) / math.sqrt(spread) if spread > _TINY else 0.0
    # For a sine, (slope / amplitude) of neighbouring samples is 2 sin(omega / 2).
    turn = math.sqrt(dd / ss) / 2.0 if ss > _TINY and dd > 0.0 else 0.0
    state[_FREQUENCY] = math.asin(min(turn, 1.0)) * settings[_RATE] / math.pi
    return bool(state[_SEEN] >= n)


@compiled(KERNEL)
def spindle_kernel(
    samples: NDArray[np.float32],
    times_s: NDArray[np.float64],
    flags: NDArray[np.uint8],
    settings: NDArray[np.float64],
    state: NDArray[np.float64],
    out: NDArray[np.float64],
) -> int:
    """See `Spindle`."""
    column = int(settings[_COLUMN])
    normal = settings[_BASELINE:_FILTERS]
    normal_state = state[_BASELINE_STATE:_FILTER_STATE]
    envelope, height = state[_SIGMA_UV : _SIGMA_UV + 1], state[_HEIGHT_SD : _HEIGHT_SD + 1]
    n_found = 0
    for i in range(samples.shape[0]):
        full = _look(settings, state, float(samples[i, column]))
        robust_heights(normal, normal_state, envelope, height)
        height_sd = height[0]
        if full and flags[i] == 0:
            robust_follow(normal, normal_state, envelope)

        held = 0
        held += state[_RELATIVE_POWER] >= settings[_RELATIVE]
        held += state[_MATCH] >= settings[_CORRELATION]
        held += height_sd >= settings[_ENVELOPE]
        within = settings[_LOW] <= state[_FREQUENCY] <= settings[_HIGH]
        lasted = state[_LASTED]
        if 0.0 <= lasted < settings[_ENOUGH]:
            # Not announced yet: everything must hold, without a break.
            state[_LASTED] = lasted + 1.0 if held == 3 and within else 0.0
            if state[_LASTED] >= settings[_ENOUGH]:
                state[_WEAK_FOR] = 0.0
                state[_PEAK] = height_sd
                n_found = announce(out, n_found, i, times_s[i], height_sd)
            continue
        state[_WEAK_FOR] = state[_WEAK_FOR] + 1.0 if held < 2 else 0.0
        over = state[_WEAK_FOR] >= settings[_OVER]
        if lasted == NEVER:
            state[_LASTED] = 0.0 if over else NEVER
            continue
        state[_LASTED] = lasted + 1.0
        state[_PEAK] = max(state[_PEAK], height_sd)
        too_long = state[_LASTED] - settings[_ENOUGH] >= settings[_LONGEST]
        if over or too_long:
            n_found = announce(out, n_found, i, times_s[i], state[_PEAK])
            out[n_found - 1, OUT_KIND] = END
            state[_LASTED] = 0.0 if over else NEVER
    return n_found
