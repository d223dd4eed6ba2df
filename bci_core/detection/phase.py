"""Announces, once a cycle, when an oscillation will next reach a phase."""

import math
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from bci_core.chunk import StreamInfo
from bci_core.detection.compiled import CompiledDetector, announce
from bci_core.detection.filters import MEMORIES, filter_response, filtered, notch, settle
from bci_core.detection.phase_oscillator import (
    DRIFT,
    IM,
    MODEL_SIZE,
    RE,
    STATE_SIZE,
    oscillator_model,
    phasor,
    response,
    track,
)
from bci_core.detection.requirements import band_problems, channel_problems, lead_problems
from bci_core.errors import ConfigError, Problem
from bci_core.jit import KERNEL, compiled

NOTCH_WIDTH_HZ = 4.0
"""Of the mains notch, which then rings for about 0.1 s."""

HEAD_START = 3.0
"""How the first samples share their weight: by the square of their number, later ones more.
What the filter shows while it is still filling up is soon outweighed."""

# settings; the model follows, then the notch
_COLUMN, _TARGET, _GATE, _PERIOD_S, _LEAD, _LOWEST, _HIGHEST, _MEMORY, _MODEL = range(9)
_NOTCH = _MODEL + MODEL_SIZE
# state; the oscillator follows, then the notch
_SEEN, _ROTATION_RE, _ROTATION_IM, _LEARNT, _LAST_TARGET, _OSCILLATOR = range(6)
_NOTCH_STATE = _OSCILLATOR + STATE_SIZE


class PhaseSettings(BaseModel):
    """Section ``[detector]`` of a rig with ``kind = "phase"``.

    Attributes
    ----------
    channel : str
        Label of the channel to follow.
    band_hz : (float, float)
        Where the frequency of the oscillation lies. Anywhere: it is tracked.
    target_deg : float
        Phase to announce; 0 is the peak, 90 the falling flank, 180 the trough.
    min_amplitude_uv : float
        Peak amplitude below which nothing is announced and no frequency learnt.
    mains_hz : float or None
        Takes this frequency out first, where mains hum is not small beside the oscillation.
    memory_cycles : float
        Time constant of the frequency, in cycles at the centre of the band.
    linewidth_ratio : float
        How irregular the oscillation is: its half-power width over that of the band.
    white_ratio, drift_ratio : float
        How noisy the signal is: power density of white noise, and of drift (1/f²) at
        the centre of the band, over that of the oscillation at its peak.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    channel: str
    band_hz: tuple[float, float]
    target_deg: float = Field(ge=-360.0, le=360.0)
    min_amplitude_uv: float = Field(gt=0.0, le=1e6)
    mains_hz: float | None = Field(default=None, gt=0.0)
    memory_cycles: float = Field(default=10.0, ge=1.0, le=1000.0)
    linewidth_ratio: float = Field(default=0.5, ge=0.01, le=2.0)
    white_ratio: float = Field(default=0.1, ge=1e-4, le=100.0)
    drift_ratio: float = Field(default=0.02, ge=1e-4, le=100.0)


class Phase(CompiledDetector):
    """Predicts when the target phase comes, and says so `lead_s` ahead.

    A steady-state Kalman oscillator gives phase and amplitude; the mean rotation
    from sample to sample gives the frequency, kept within the band; the phase the
    filter adds at that frequency is taken out; the rest of the way is linear.

    A detection is made on the last sample that is at least `lead_s` before the
    target, at most once a cycle; where the estimate jumps past that point it is
    made up to one sample late, and never for a moment that has gone. `target_s` is
    the predicted time, not rounded to samples; `value` is the estimated peak
    amplitude of the oscillation, in microvolts.

    After a step of the electrode the filter rings for some of the band's own periods
    (a second, for theta); what that taught about the frequency fades with
    `memory_cycles`.

    Parameters
    ----------
    settings : PhaseSettings
    info : StreamInfo
    lead_s : float
        How long before its target a detection must be made.

    Raises
    ------
    ConfigError
        The stream lacks the channel, or the band does not fit its rate.
    """

    Settings: ClassVar[type[BaseModel]] = PhaseSettings

    def __init__(self, settings: PhaseSettings, info: StreamInfo, lead_s: float) -> None:
        problems = [
            *channel_problems(settings.channel, info),
            *band_problems(settings.band_hz, info),
            *_mains_problems(settings, info),
            *lead_problems(lead_s),
        ]
        if problems:
            raise ConfigError("detector phase", problems)
        low_hz, high_hz = settings.band_hz
        radians = 2.0 * math.pi / info.rate_hz
        memory = settings.memory_cycles * info.rate_hz / math.sqrt(low_hz * high_hz)
        column = info.index_of(settings.channel)
        hum = _no_hum(settings.mains_hz, info.rate_hz)
        model = oscillator_model(
            settings.band_hz,
            info.rate_hz,
            settings.linewidth_ratio,
            settings.white_ratio,
            settings.drift_ratio,
        )
        head = np.zeros(_MODEL)
        head[_COLUMN] = column
        head[_TARGET] = math.radians(settings.target_deg)
        head[_GATE] = settings.min_amplitude_uv
        head[_PERIOD_S] = 1.0 / info.rate_hz
        head[_LEAD] = lead_s * info.rate_hz
        head[_LOWEST] = low_hz * radians
        head[_HIGHEST] = high_hz * radians
        head[_MEMORY] = -math.expm1(-1.0 / memory)
        state = np.zeros(_NOTCH_STATE + MEMORIES * (len(hum) > 0))
        centre = math.sqrt(low_hz * high_hz) * radians
        state[_ROTATION_RE], state[_ROTATION_IM] = math.cos(centre), math.sin(centre)
        state[_LAST_TARGET] = -math.inf
        super().__init__(phase_kernel, np.concatenate([head, model, hum]), state, (column,))


def _mains_problems(settings: PhaseSettings, info: StreamInfo) -> list[Problem]:
    mains_hz, (low_hz, high_hz) = settings.mains_hz, settings.band_hz
    if mains_hz is None:
        return []
    problems = []
    if mains_hz >= info.rate_hz / 2.0:
        problems.append(
            f"is {mains_hz:g} Hz; it must be below {info.rate_hz / 2.0:g} Hz, half the "
            f"sampling rate of {info.rate_hz:g} Hz"
        )
    if low_hz - NOTCH_WIDTH_HZ < mains_hz < high_hz + NOTCH_WIDTH_HZ:
        problems.append(
            f"is {mains_hz:g} Hz, in or within {NOTCH_WIDTH_HZ:g} Hz of the band of "
            f"{low_hz:g} to {high_hz:g} Hz; leave mains_hz out, or move the band"
        )
    return [Problem("mains_hz", problem) for problem in problems]


def _no_hum(mains_hz: float | None, rate_hz: float) -> NDArray[np.float64]:
    return np.zeros(0) if mains_hz is None else notch(mains_hz, NOTCH_WIDTH_HZ, rate_hz)


@compiled("void(float64[::1], float64[::1], complex128)")
def _learn(settings: NDArray[np.float64], state: NDArray[np.float64], rotation: complex) -> None:
    """Average the rotation of a sample in, whatever its size, so that artefacts count no more."""
    size = abs(rotation)
    if size > 0.0:
        state[_LEARNT] += 1.0
        weight = max(settings[_MEMORY], HEAD_START / (state[_LEARNT] + HEAD_START - 1.0))
        state[_ROTATION_RE] += weight * (rotation.real / size - state[_ROTATION_RE])
        state[_ROTATION_IM] += weight * (rotation.imag / size - state[_ROTATION_IM])


@compiled("float64(float64[::1], float64[::1])")
def _frequency(settings: NDArray[np.float64], state: NDArray[np.float64]) -> float:
    """Of the mean rotation, in radians a sample, kept within the band."""
    omega = math.atan2(state[_ROTATION_IM], state[_ROTATION_RE])
    return float(min(max(omega, settings[_LOWEST]), settings[_HIGHEST]))


@compiled(KERNEL)
def phase_kernel(
    samples: NDArray[np.float32],
    times_s: NDArray[np.float64],
    flags: NDArray[np.uint8],
    settings: NDArray[np.float64],
    state: NDArray[np.float64],
    out: NDArray[np.float64],
) -> int:
    """See `Phase`. Angles are in radians, frequencies in radians a sample."""
    column = int(settings[_COLUMN])
    model = settings[_MODEL:_NOTCH]
    hum = settings[_NOTCH:]
    oscillator = state[_OSCILLATOR:_NOTCH_STATE]
    hum_state = state[_NOTCH_STATE:]
    omega = _frequency(settings, state)
    n_found = 0
    for i in range(samples.shape[0]):
        value = float(samples[i, column])
        if state[_SEEN] == 0.0:
            settle(hum, hum_state, value)
            oscillator[DRIFT] = value
        state[_SEEN] = 1.0
        before_re, before_im = oscillator[RE], oscillator[IM]
        track(model, oscillator, filtered(hum, hum_state, value))

        to_re, to_im = response(model, omega)
        through_notch = filter_response(hum, omega)
        to_re *= through_notch
        to_im *= through_notch
        before = phasor(to_re, to_im, before_re, before_im)
        now = phasor(to_re, to_im, oscillator[RE], oscillator[IM])
        amplitude_uv = abs(now)
        if amplitude_uv >= settings[_GATE] and flags[i] == 0:
            _learn(settings, state, now * before.conjugate())
            omega = _frequency(settings, state)

        state[_LAST_TARGET] -= 1.0
        # From the moment `lead` samples ahead to the nearest target, in samples.
        turn = settings[_TARGET] - math.atan2(now.imag, now.real) - omega * settings[_LEAD]
        remaining = (turn - 2.0 * math.pi * np.rint(turn / (2.0 * math.pi))) / omega
        ahead = max(settings[_LEAD] + remaining, 0.0)
        half_cycle = math.pi / omega
        if (
            amplitude_uv >= settings[_GATE]
            and abs(remaining) < 1.0
            and ahead - state[_LAST_TARGET] > half_cycle
        ):
            state[_LAST_TARGET] = ahead
            target_s = times_s[i] + ahead * settings[_PERIOD_S]
            n_found = announce(out, n_found, i, target_s, amplitude_uv)
    return n_found
