"""Announces, once a cycle, when an oscillation will next reach a phase."""

import math
from collections.abc import Callable
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from bci_core.chunk import StreamInfo
from bci_core.detection import phase_check, phase_follow
from bci_core.detection.compiled import CompiledDetector
from bci_core.detection.filters import MEMORIES, filter_response, notch
from bci_core.detection.requirements import band_problems, channel_problems, lead_problems
from bci_core.errors import ConfigError, Problem

NOTCH_WIDTH_HZ = 4.0
"""Of the mains notch, which then rings for about 0.1 s."""

Response = tuple[NDArray[np.complex128], NDArray[np.complex128]]
Estimator = tuple[
    Callable[..., Any],
    Callable[[NDArray[np.float64], NDArray[np.float64]], Response],
    NDArray[np.float64],
    int,
]
"""Its kernel, its response, its model, and how many numbers of state it needs."""


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
    estimator : str
        ``"oscillator"``: Kalman filter with a forecast, the most accurate;
        ``"echt"``: endpoint-corrected Hilbert transform; ``"resonator"``: one complex pole.
    min_amplitude_uv : float
        Peak amplitude below which nothing is announced and no frequency learnt.
    min_amplitude_quantile : float
        The same, as the share of the time whose amplitude is too low: 0.5 acts on the
        upper half of the amplitudes of the last minute or so, whatever their unit.
    max_uncertainty_deg : float
        Nothing is announced while the standard deviation of the phase is larger. A
        phase that is not known at all has 123 degrees.
    mains_hz : float or None
        Takes this frequency out first, where mains hum is not small beside the oscillation.
    memory_cycles : float
        Time constant of the frequency, in cycles at the centre of the band.
    learning_s : float
        Time constant of the usual amplitude, and of the bias and spread of the phase.
    linewidth_ratio : float
        Oscillator: how irregular it is, as its half-power width over that of the band.
    background_ratio, white_ratio, drift_ratio : float
        Oscillator: power density of the background, of white noise, and of drift (1/f²)
        at the centre of the band, over that of the oscillation at its peak. The more
        drift, the sooner it is over a step; 0.02 suits alpha in EEG, too.
    echt_window_cycles : float
        ecHT: length of the window, in cycles at the centre of the band.
    echt_order : int
        ecHT: order of its causal band-pass. 2 is that of the original, 1 distorts less.
    resonator_width_ratio : float
        Resonator: its half-power width over that of the band.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    channel: str
    band_hz: tuple[float, float] = (4.0, 8.0)
    target_deg: float = Field(default=180.0, ge=-360.0, le=360.0)
    estimator: Literal["oscillator", "echt", "resonator"] = "oscillator"
    min_amplitude_uv: float = Field(default=0.0, ge=0.0, le=1e6)
    min_amplitude_quantile: float = Field(default=0.0, ge=0.0, le=0.95)
    max_uncertainty_deg: float = Field(default=180.0, gt=0.0, le=180.0)
    mains_hz: float | None = Field(default=None, gt=0.0)
    memory_cycles: float = Field(default=10.0, ge=1.0, le=1000.0)
    learning_s: float = Field(default=60.0, ge=1.0, le=3600.0)
    linewidth_ratio: float = Field(default=0.5, ge=0.01, le=2.0)
    background_ratio: float = Field(default=1.0, ge=1e-4, le=100.0)
    white_ratio: float = Field(default=0.001, ge=1e-4, le=100.0)
    drift_ratio: float = Field(default=0.003, ge=1e-4, le=100.0)
    echt_window_cycles: float = Field(default=3.0, ge=1.0, le=20.0)
    echt_order: int = Field(default=1, ge=1, le=4)
    resonator_width_ratio: float = Field(default=0.8, ge=0.01, le=2.0)


class Phase(CompiledDetector):
    """Predicts when the target phase comes, and says so `lead_s` ahead.

    A recursive filter, the estimator, gives phase and amplitude; the mean rotation from
    sample to sample gives the frequency, kept within the band; what the estimator adds
    at that frequency is taken out; the rest of the way is linear. Half a zero-phase
    filter's length later each prediction is checked, which gives the remaining bias, and
    the standard deviation (`bci_core.detection.phase_check`).

    A detection is made on the last sample that is at least `lead_s` before the
    target, at most once a cycle; where the estimate jumps past that point it is
    made up to one sample late, and never for a moment that has gone. `target_s` is
    the predicted time, not rounded to samples; `value` is the estimated peak
    amplitude of the oscillation, in microvolts; `spread_s` the standard deviation of
    `target_s`.

    Outputs at each sample: ``phase_deg`` now, ``amplitude_uv``, ``frequency_hz``,
    ``uncertainty_deg`` (standard deviation of the phase `lead_s` from now, against what a
    zero-phase filter will show), and ``gate_open`` (1 where the amplitude lets it announce).

    A jump of more than 1 mV (and 100 times the usual amplitude) from one sample to the
    next is an electrode's step, and taken out. After a smaller one, or at the start, the
    oscillator recovers with a time constant of 2.2 cycles of a theta band;
    what it taught about the frequency fades with `memory_cycles`. A first spread is there
    six cycles of the lower edge and `lead_s` after the start, or after a flagged sample.

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

    predicts_blanks: ClassVar[bool] = True
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
        rate_hz = info.rate_hz
        centre_hz = math.sqrt(settings.band_hz[0] * settings.band_hz[1])
        radians = 2.0 * math.pi / rate_hz
        column = info.index_of(settings.channel)
        hum = _no_hum(settings.mains_hz, rate_hz)
        design = phase_check.check_design(settings.band_hz, rate_hz, lead_s, settings.learning_s)
        record = phase_check.check_record(design)
        kernel, response, model, state_size = _ESTIMATORS[settings.estimator](settings, rate_hz)
        omegas = np.linspace(*settings.band_hz, phase_follow.POINTS) * radians
        to_re, to_im = (to * filter_response(hum, omegas) for to in response(model, omegas))
        table = phase_follow.calibration(to_re, to_im)

        s = phase_follow
        head = np.zeros(s.HUM)
        head[s.COLUMN] = column
        head[s.TARGET] = math.radians(settings.target_deg)
        head[s.GATE_UV] = settings.min_amplitude_uv
        head[s.QUANTILE] = settings.min_amplitude_quantile
        head[s.WIDEST] = math.radians(settings.max_uncertainty_deg)
        head[s.PERIOD_S] = 1.0 / rate_hz
        head[s.LEAD] = lead_s * rate_hz
        head[s.LOWEST], head[s.HIGHEST] = (edge * radians for edge in settings.band_hz)
        head[s.MEMORY] = -math.expm1(-centre_hz / (settings.memory_cycles * rate_hz))
        head[s.AMPLITUDE_STEP] = 2.0 / (settings.learning_s * rate_hz)
        head[s.TABLE_AT] = s.HUM + len(hum)
        head[s.CHECK_AT] = head[s.TABLE_AT] + len(table)
        head[s.MODEL_AT] = head[s.CHECK_AT] + len(design)
        head[s.RECORD_AT] = s.HUM_STATE + MEMORIES * (len(hum) > 0)
        head[s.OWN_AT] = head[s.RECORD_AT] + len(record)
        start = np.zeros(int(head[s.RECORD_AT]))
        start[s.OMEGA] = centre_hz * radians
        start[s.ROTATION_RE] = math.cos(start[s.OMEGA])
        start[s.ROTATION_IM] = math.sin(start[s.OMEGA])
        start[s.LAST_TARGET] = -math.inf
        super().__init__(
            kernel,
            np.concatenate([head, hum, table, design, model]),
            np.concatenate([start, record, np.zeros(state_size)]),
            (column,),
            s.OUTPUTS,
            s.PHASE_DEG,
        )


def _oscillator(settings: PhaseSettings, rate_hz: float) -> Estimator:
    from bci_core.detection import phase_oscillator as own

    model = own.oscillator_model(
        settings.band_hz,
        rate_hz,
        settings.linewidth_ratio,
        settings.background_ratio,
        settings.white_ratio,
        settings.drift_ratio,
    )
    return own.oscillator_kernel, own.response, model, own.STATE_SIZE


def _echt(settings: PhaseSettings, rate_hz: float) -> Estimator:
    from bci_core.detection import phase_echt as own

    model = own.echt_model(
        settings.band_hz, rate_hz, settings.echt_window_cycles, settings.echt_order
    )
    return own.echt_kernel, own.response, model, own.echt_state_size(model)


def _resonator(settings: PhaseSettings, rate_hz: float) -> Estimator:
    from bci_core.detection import phase_resonator as own

    model = own.resonator_model(settings.band_hz, rate_hz, settings.resonator_width_ratio)
    return own.resonator_kernel, own.response, model, own.STATE_SIZE


# Each is imported when it is asked for, since importing it compiles its kernel.
_ESTIMATORS: dict[str, Callable[[PhaseSettings, float], Estimator]] = {
    "oscillator": _oscillator,
    "echt": _echt,
    "resonator": _resonator,
}


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
