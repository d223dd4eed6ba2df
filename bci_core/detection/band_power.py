"""Finds a lasting rise of the power in a band above a running baseline."""

import math
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from bci_core.chunk import StreamInfo
from bci_core.detection import baseline
from bci_core.detection.compiled import CompiledDetector, announce
from bci_core.detection.filters import (
    COEFFICIENTS,
    MEMORIES,
    band_pass,
    filtered,
    group_delay_s,
    settle,
)
from bci_core.detection.requirements import band_problems, channel_problems, lead_problems
from bci_core.errors import ConfigError, Problem
from bci_core.jit import KERNEL, compiled

# settings; the baseline's follow, then the band-pass
_COLUMN, _SMOOTHING, _THRESHOLD, _RELEASE, _ENOUGH, _BASELINE = range(6)
_BAND_PASS = _BASELINE + baseline.SETTINGS_SIZE
# state; the baseline's follows, then the band-pass's
_SEEN, _POWER, _LASTED, _ENVELOPE, _HEIGHT, _BASELINE_STATE = range(6)
_BAND_PASS_STATE = _BASELINE_STATE + baseline.STATE_SIZE


class BandPowerSettings(BaseModel):
    """Section ``[detector]`` of a rig with ``kind = "band_power"``.

    Attributes
    ----------
    channel : str
        Label of the channel to watch.
    band_hz : (float, float)
        Edges of the band-pass.
    threshold_sd : float
        How far the envelope must be above its mean, in its standard deviations.
    min_duration_s : float
        For how long without a break, for an event to be announced.
    release_sd : float
        The event is over, and the next can begin, when the envelope is below this.
    smoothing_s : float
        Time constant of the envelope.
    baseline_s : float
        Time constant of the running mean and standard deviation, and the longest an
        event can last before its level counts as normal.
    learning_s : float
        How long a first baseline is learnt, from everything that comes. No event
        begins before this is over.
    min_sd_uv : float
        The standard deviation is never taken to be less than this.
    order : int
        Of the Butterworth band-pass, at each edge.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    channel: str
    band_hz: tuple[float, float]
    threshold_sd: float = Field(default=3.0, gt=0.0, le=100.0)
    release_sd: float = Field(default=1.0, ge=0.0, le=100.0)
    min_duration_s: float = Field(default=0.1, ge=0.0, le=600.0)
    smoothing_s: float = Field(default=0.1, gt=0.0, le=60.0)
    baseline_s: float = Field(default=30.0, gt=0.0, le=36_000.0)
    learning_s: float = Field(default=5.0, gt=0.0, le=600.0)
    min_sd_uv: float = Field(default=0.01, gt=0.0, le=1e6)
    order: int = Field(default=2, ge=1, le=8)


class BandPower(CompiledDetector):
    """Announces each event once, on the sample where it has lasted long enough.

    Envelope: Butterworth band-pass, squared, smoothed with one pole, square root;
    so it is the running root mean square of the band, in microvolts, and follows a
    change in the band after `delay_s`. Baseline: `bci_core.detection.baseline`. Events
    hardly move it, but a step up in power that lasts is the new normal after at most
    `baseline_s` and `learning_s`, and the event has then ended.

    `value` is the envelope in standard deviations above the baseline; `target_s` is
    `sample_s`: now. Outputs are the envelope and its height, 0 before a baseline is learnt.

    Parameters
    ----------
    settings : BandPowerSettings
    info : StreamInfo
    lead_s : float
        Not used: nothing is predicted.

    Attributes
    ----------
    delay_s : float
        Group delay of the band-pass at the (geometric) centre of the band, plus the
        smoothing's.

    Raises
    ------
    ConfigError
        The stream lacks the channel, the band does not fit its rate, or the
        settings contradict each other.
    """

    Settings: ClassVar[type[BaseModel]] = BandPowerSettings

    def __init__(self, settings: BandPowerSettings, info: StreamInfo, lead_s: float) -> None:
        problems = [
            *channel_problems(settings.channel, info),
            *band_problems(settings.band_hz, info),
            *_contradictions(settings),
            *lead_problems(lead_s),
        ]
        if problems:
            raise ConfigError("detector band_power", problems)
        column = info.index_of(settings.channel)
        sections = band_pass(settings.band_hz, info.rate_hz, settings.order)
        centre_hz = math.sqrt(settings.band_hz[0] * settings.band_hz[1])
        self.delay_s = group_delay_s(sections, centre_hz, info.rate_hz) + settings.smoothing_s
        normal = baseline.baseline_settings(
            settings.baseline_s, settings.learning_s, settings.min_sd_uv, info.rate_hz
        )
        head = np.zeros(_BASELINE)
        head[_COLUMN] = column
        head[_SMOOTHING] = -math.expm1(-1.0 / (settings.smoothing_s * info.rate_hz))
        head[_THRESHOLD] = settings.threshold_sd
        head[_RELEASE] = settings.release_sd
        # Less a hair, so that 0.07 s at 100 Hz is 7 samples, whatever the rounding.
        head[_ENOUGH] = max(1, math.ceil(settings.min_duration_s * info.rate_hz - 1e-6))
        state = np.zeros(_BAND_PASS_STATE + MEMORIES * len(sections) // COEFFICIENTS)
        all_settings = np.concatenate([head, normal, sections])
        super().__init__(
            band_power_kernel,
            all_settings,
            state,
            (column,),
            ("envelope (uV)", "height (SD)"),
            _ENVELOPE,
        )


def _contradictions(settings: BandPowerSettings) -> list[Problem]:
    problems = []
    if settings.release_sd > settings.threshold_sd:
        problems.append(
            Problem(
                "release_sd",
                f"is {settings.release_sd:g} SD, above threshold_sd of "
                f"{settings.threshold_sd:g} SD; an event would be over as it begins: lower it",
            )
        )
    if settings.min_duration_s >= settings.baseline_s:
        problems.append(
            Problem(
                "min_duration_s",
                f"is {settings.min_duration_s:g} s, not below baseline_s of "
                f"{settings.baseline_s:g} s; an event would be normal before it is announced: "
                "lower it, or raise baseline_s",
            )
        )
    return problems


@compiled(KERNEL)
def band_power_kernel(
    samples: NDArray[np.float32],
    times_s: NDArray[np.float64],
    flags: NDArray[np.uint8],
    settings: NDArray[np.float64],
    state: NDArray[np.float64],
    out: NDArray[np.float64],
) -> int:
    """See `BandPower`."""
    column = int(settings[_COLUMN])
    sections = settings[_BAND_PASS:]
    normal = settings[_BASELINE:_BAND_PASS]
    normal_state = state[_BASELINE_STATE:_BAND_PASS_STATE]
    filter_state = state[_BAND_PASS_STATE:]
    n_found = 0
    for i in range(samples.shape[0]):
        value = float(samples[i, column])
        if state[_SEEN] == 0.0:
            settle(sections, filter_state, value)
        state[_SEEN] = 1.0
        in_band = filtered(sections, filter_state, value)
        state[_POWER] += settings[_SMOOTHING] * (in_band * in_band - state[_POWER])
        envelope_uv = math.sqrt(state[_POWER])

        state[_ENVELOPE] = envelope_uv
        learnt = baseline.is_learnt(normal, normal_state)
        height_sd = baseline.deviations(normal, normal_state, envelope_uv)
        state[_HEIGHT] = height_sd if learnt else 0.0
        if flags[i] == 0:
            baseline.follow(normal, normal_state, envelope_uv)

        # Once announced, an event lasts until it is released, so that it is announced once.
        announced = state[_LASTED] >= settings[_ENOUGH]
        bound = settings[_RELEASE] if announced else settings[_THRESHOLD]
        if not learnt or height_sd < bound:
            state[_LASTED] = 0.0
            continue
        state[_LASTED] += 1.0
        if state[_LASTED] == settings[_ENOUGH]:
            n_found = announce(out, n_found, i, times_s[i], height_sd)
    return n_found
