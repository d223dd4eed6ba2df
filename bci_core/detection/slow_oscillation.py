"""Finds down-states of the sleep slow oscillation and predicts the up-states that follow."""

import math
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from bci_core.chunk import StreamInfo
from bci_core.detection.compiled import OUT_VALUE, CompiledDetector
from bci_core.detection.phase import Phase, PhaseSettings
from bci_core.detection.phase_follow import (
    AMPLITUDE_UV,
    COLUMN,
    IM,
    MODEL_AT,
    OMEGA,
    OUTPUTS,
    OWN_AT,
    PHASE_DEG,
    RE,
    TARGET,
    clean,
    follow,
)
from bci_core.detection.phase_oscillator import STATE_SIZE, track
from bci_core.errors import ConfigError, Problem
from bci_core.jit import KERNEL, compiled

DRIFT_RATIO = 0.03
"""Of the phase detector: more than its default, so that it is over a step within some seconds."""

# settings, at the end of the phase detector's, counted from the end
_N_SETTINGS = 7
_SIGN, _THRESHOLD, _DEEPEST, _SHORTEST, _LONGEST, _BEFORE_PAUSE, _PAUSE = range(_N_SETTINGS)
# state, after the phase detector's; times are in samples
_N_STATE = 6
_RUN, _TROUGH_UV, _DOWN_RUN, _FLAGGED, _ANNOUNCED, _SINCE_ANNOUNCED = range(_N_STATE)


class SlowOscillationSettings(BaseModel):
    """Section ``[detector]`` of a rig with ``kind = "slow_oscillation"``.

    Attributes
    ----------
    channel : str
        Label of the channel to watch; frontal, where the oscillation is largest.
    target : str
        ``"up"``: the peak of the up-state after a down-state; ``"down"``: the trough itself.
    polarity : int
        1 where down-states are negative, as on the scalp against mastoids or ears
        (Massimini et al. 2004, J Neurosci 24:6862); -1 where they are positive, as beyond
        the reversal in the depth of the cortex, and in some bipolar derivations.
    threshold_uv : float
        Depth of the trough in the band, which is smaller than in the raw signal: Ngo et
        al. 2013 (Neuron 78:545) take 80 in young sleepers between 0.25 and 4 Hz.
    min_amplitude_quantile : float
        And the amplitude is in the upper part of that of the last minutes: an adaptive
        threshold that needs no unit.
    max_depth_uv : float
        A deeper trough is an artefact.
    min_half_wave_s, max_half_wave_s : float
        Duration of the down-state between zero crossings; 0.3 to 1 s in Massimini et al.
    max_uncertainty_deg : float
        Nothing is announced while the standard deviation of the phase is larger.
    stimuli_before_pause : int
        After so many announcements in a row …
    pause_s : float
        … nothing is announced for so long: two and 2.5 s in Ngo et al. 2013. The row
        begins anew after any interval as long.
    band_hz : (float, float)
        Where the frequency of the oscillation lies.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    channel: str
    target: Literal["up", "down"] = "up"
    polarity: Literal[1, -1] = 1
    threshold_uv: float = Field(default=20.0, gt=0.0, le=1e4)
    min_amplitude_quantile: float = Field(default=0.3, ge=0.0, le=0.95)
    max_depth_uv: float = Field(default=500.0, gt=0.0, le=1e5)
    min_half_wave_s: float = Field(default=0.25, gt=0.0, le=5.0)
    max_half_wave_s: float = Field(default=1.0, gt=0.0, le=10.0)
    max_uncertainty_deg: float = Field(default=180.0, gt=0.0, le=180.0)
    stimuli_before_pause: int = Field(default=2, ge=1, le=1000)
    pause_s: float = Field(default=2.5, ge=0.0, le=3600.0)
    band_hz: tuple[float, float] = (0.5, 2.0)


class SlowOscillation(CompiledDetector):
    """Announces, `lead_s` ahead, the up-state (or the trough) of each slow oscillation.

    Phase and amplitude come from the Kalman filter of the phase detector
    (`bci_core.detection.phase`), whose forecast stands in for the future a zero-phase
    filter needs; so the prediction is renewed with each sample until it is time. The
    target is announced if the down-state that belongs to it was deep enough, not too
    deep, and of proper duration, without a flagged sample, and no pause is on.

    `target_s` is the predicted moment, `spread_s` its standard deviation, `value` the
    depth of the trough so far, in microvolts. Outputs are those of the phase detector,
    where 0 degrees is the positive peak.

    Parameters
    ----------
    settings : SlowOscillationSettings
    info : StreamInfo
    lead_s : float
        How long before its target a detection must be made.

    Raises
    ------
    ConfigError
        The stream lacks the channel, the band does not fit its rate, or the settings
        contradict each other.
    """

    predicts_blanks: ClassVar[bool] = True
    Settings: ClassVar[type[BaseModel]] = SlowOscillationSettings

    def __init__(self, settings: SlowOscillationSettings, info: StreamInfo, lead_s: float) -> None:
        peak = (settings.target == "up") == (settings.polarity == 1)
        of_phase = PhaseSettings(
            channel=settings.channel,
            band_hz=settings.band_hz,
            target_deg=0.0 if peak else 180.0,
            min_amplitude_quantile=settings.min_amplitude_quantile,
            max_uncertainty_deg=settings.max_uncertainty_deg,
            drift_ratio=DRIFT_RATIO,
        )
        problems = _contradictions(settings)
        try:
            phase = Phase(of_phase, info, lead_s)
        except ConfigError as error:
            problems = [*error.problems, *problems]
        if problems:
            raise ConfigError("detector slow_oscillation", problems)
        own = np.zeros(_N_SETTINGS)
        own[_SIGN] = settings.polarity
        own[_THRESHOLD], own[_DEEPEST] = settings.threshold_uv, settings.max_depth_uv
        own[_SHORTEST] = settings.min_half_wave_s * info.rate_hz
        own[_LONGEST] = settings.max_half_wave_s * info.rate_hz
        own[_BEFORE_PAUSE] = settings.stimuli_before_pause
        own[_PAUSE] = settings.pause_s * info.rate_hz
        state = np.zeros(_N_STATE)
        state[_SINCE_ANNOUNCED] = math.inf
        super().__init__(
            slow_oscillation_kernel,
            np.concatenate([phase.settings, own]),
            np.concatenate([phase.state, state]),
            phase.channels,
            OUTPUTS,
            PHASE_DEG,
        )


def _contradictions(settings: SlowOscillationSettings) -> list[Problem]:
    problems = []
    if settings.min_half_wave_s >= settings.max_half_wave_s:
        problems.append(
            Problem(
                "min_half_wave_s",
                f"is {settings.min_half_wave_s:g} s, not below max_half_wave_s of "
                f"{settings.max_half_wave_s:g} s; no down-state would fit: lower it",
            )
        )
    if settings.threshold_uv >= settings.max_depth_uv:
        problems.append(
            Problem(
                "threshold_uv",
                f"is {settings.threshold_uv:g} uV, not below max_depth_uv of "
                f"{settings.max_depth_uv:g} uV; no trough would fit: lower it",
            )
        )
    return problems


@compiled("void(float64[::1], float64[::1], float64, boolean)")
def _follow_half_waves(
    limits: NDArray[np.float64], own: NDArray[np.float64], value: float, flagged: bool
) -> None:
    """Depth and duration of the down-state that goes on, or the last one."""
    if value < 0.0:
        if own[_RUN] <= -limits[_SHORTEST] / 2.0:
            own[_RUN] = own[_TROUGH_UV] = own[_FLAGGED] = 0.0
        elif own[_RUN] <= 0.0:  # a ripple at the crossing: it goes on
            own[_RUN] = own[_DOWN_RUN]
        own[_RUN] += 1.0
        own[_DOWN_RUN] = own[_RUN]
        own[_TROUGH_UV] = max(own[_TROUGH_UV], -value)
    else:
        own[_RUN] = min(own[_RUN], 0.0) - 1.0
    if flagged:
        own[_FLAGGED] = 1.0
    own[_SINCE_ANNOUNCED] += 1.0


@compiled(KERNEL)
def slow_oscillation_kernel(
    samples: NDArray[np.float32],
    times_s: NDArray[np.float64],
    flags: NDArray[np.uint8],
    settings: NDArray[np.float64],
    state: NDArray[np.float64],
    out: NDArray[np.float64],
) -> int:
    """See `SlowOscillation`."""
    column = int(settings[COLUMN])
    model_at, own_at = int(settings[MODEL_AT]), int(settings[OWN_AT])
    model, own = settings[model_at:], state[own_at:]
    wave = state[own_at + STATE_SIZE :]
    limits = settings[settings.shape[0] - _N_SETTINGS :]
    to_trough = (settings[TARGET] != 0.0) == (limits[_SIGN] > 0.0)
    n_found = 0
    for i in range(samples.shape[0]):
        value = clean(settings, state, float(samples[i, column]), flags[i])
        before_re, before_im = own[RE], own[IM]
        track(model, own, value)
        n_with = follow(
            settings, state, out, n_found, i, times_s[i], flags[i],
            value, before_re, before_im, own[RE], own[IM],
        )  # fmt: skip
        in_band = limits[_SIGN] * state[AMPLITUDE_UV] * math.cos(math.radians(state[PHASE_DEG]))
        _follow_half_waves(limits, wave, in_band, flags[i] != 0)
        if n_with == n_found:
            continue
        # A half-wave that is not over yet will be half a cycle long; a trough to come, as deep
        # as the amplitude.
        depth_uv = state[AMPLITUDE_UV] if to_trough else wave[_TROUGH_UV]
        length = wave[_DOWN_RUN]
        if to_trough or wave[_RUN] > 0.0:
            length = max(wave[_RUN], math.pi / state[OMEGA])
        fits = (
            limits[_THRESHOLD] <= depth_uv <= limits[_DEEPEST]
            and limits[_SHORTEST] <= length <= limits[_LONGEST]
            and wave[_RUN] >= -limits[_LONGEST]
            and wave[_FLAGGED] == 0.0
        )
        if wave[_SINCE_ANNOUNCED] >= limits[_PAUSE]:
            wave[_ANNOUNCED] = 0.0
        if fits and wave[_ANNOUNCED] < limits[_BEFORE_PAUSE]:
            wave[_ANNOUNCED] += 1.0
            wave[_SINCE_ANNOUNCED] = 0.0
            out[n_found, OUT_VALUE] = depth_uv
            n_found = n_with
    return n_found
