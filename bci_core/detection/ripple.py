"""Finds sharp-wave ripples, while they last."""

import math
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from bci_core.chunk import StreamInfo
from bci_core.detection.compiled import OUT_CHANNEL, CompiledDetector, announce
from bci_core.detection.filter_bank import gather
from bci_core.detection.requirements import lead_problems
from bci_core.detection.ripple_bank import (
    bank_settings,
    bank_state_size,
    centres_hz,
    muscle_band,
    pole_distance_hz,
    ripple_strengths,
)
from bci_core.detection.ripple_settings import SPECIES, RippleSettings, ripple_problems
from bci_core.detection.ripple_theta import (
    THETA_SETTINGS,
    THETA_STATE,
    theta_reigns,
    theta_settings,
)
from bci_core.detection.robust_baseline import robust_settings
from bci_core.detection.vote import hold_best, kth_largest
from bci_core.errors import ConfigError
from bci_core.jit import KERNEL, compiled

__all__ = ["PATIENCE_S", "SPECIES_BAND_HZ", "Ripple", "RippleSettings", "ripple_kernel"]

SPECIES_BAND_HZ = {name: criteria.band_hz for name, criteria in SPECIES.items()}
"""Where ripples of a species are looked for, unless the settings say otherwise."""

PATIENCE_S = 2.0
"""No chain of ripples keeps an envelope above its median for so long without a break."""

# settings; the theta gate's follow, then the columns (that of noise last), then the bank's
_N_CHANNELS, _HAS_NOISE, _MIN_CHANNELS, _COINCIDENCE, _THRESHOLD, _RELEASE, _ENOUGH = range(7)
_REFRACTORY, _NOISE_THRESHOLD, _NOISE_HOLD, _GATE = range(7, 11)
_COLUMNS = _GATE + THETA_SETTINGS
# state; the theta gate's follows, then the voted strength, those of the channels, their samples,
# what the vote remembers, and the bank's
_LASTED, _PEAK, _DECIDED, _SINCE, _NOISE_LEFT, _GATE_STATE = range(6)
_STRENGTH = _GATE_STATE + THETA_STATE
_STRENGTHS = _STRENGTH + 1


class Ripple(CompiledDetector):
    """Announces each ripple once, on the sample where it is certain enough.

    The band is split into narrow ones (`ripple_bank`), each measured against its own running
    median and standard deviation (`robust_baseline`), which ripples themselves hardly move.
    The strength of a channel is that of its narrow band that stands out most. A ripple of
    5 SD of the whole band comes to about 9 SD of a narrow one: on its way up it passes a
    threshold that noise rarely reaches.

    An event lasts while the strength is above `release_sd`. It is announced as soon as it has
    lasted for `min_duration_s` and been above `threshold_sd`; or never, if just then the noise
    channel, theta, or the refractory time forbid it.

    `value` is the strength in standard deviations, at its highest so far, that `min_channels`
    channels have together; `channel` the strongest of them; `target_s` is `sample_s`: now.
    `outputs` are that strength and each channel's.

    A lasting step in level by a factor of ten or more is the new normal after about
    `PATIENCE_S` and `learning_s`, a smaller one after two times `baseline_s` at most; until
    then there may be false alarms or misses. What is flagged is never learnt from: baselines
    stand still while stimulation is blanked.

    Parameters
    ----------
    settings : RippleSettings
    info : StreamInfo
    lead_s : float
        Not used: nothing is predicted.

    Attributes
    ----------
    band_hz : (float, float)
        Where ripples are looked for.
    muscle_band_hz : (float, float) or None
        Where muscles and artefacts are looked for; None where the rate leaves no room.
    delay_s : float
        Of the envelope: group delay at the centre of a narrow band.

    Raises
    ------
    ConfigError
        The stream lacks a channel, a band does not fit its rate, or the settings
        contradict each other.
    """

    Settings: ClassVar[type[BaseModel]] = RippleSettings

    def __init__(self, settings: RippleSettings, info: StreamInfo, lead_s: float) -> None:
        problems = [*ripple_problems(settings, info), *lead_problems(lead_s)]
        if problems:
            raise ConfigError("detector ripple", problems)
        criteria, rate_hz = settings.criteria, info.rate_hz
        self.band_hz = criteria.band_hz
        self.muscle_band_hz = muscle_band(settings.muscle_band_hz, self.band_hz[1], rate_hz)
        self.delay_s = 1.0 / (math.pi * pole_distance_hz(criteria.width_hz))
        columns = tuple(info.index_of(channel) for channel in settings.all_channels)
        n_channels = len(settings.channels)
        normal = robust_settings(
            settings.baseline_s, settings.learning_s, PATIENCE_S, settings.min_sd_uv, rate_hz
        )
        bank = bank_settings(
            self.band_hz,
            criteria.width_hz,
            self.muscle_band_hz,
            settings.muscle_ratio if criteria.muscle_veto else None,
            criteria.release_sd,
            normal,
            rate_hz,
        )
        head = np.zeros(_GATE)
        head[_N_CHANNELS] = n_channels
        head[_HAS_NOISE] = len(columns) - n_channels
        head[_MIN_CHANNELS] = settings.min_channels
        head[_COINCIDENCE] = settings.coincidence_s * rate_hz * (settings.min_channels > 1)
        head[_THRESHOLD] = criteria.threshold_sd
        head[_RELEASE] = criteria.release_sd
        # Less a hair, so that 0.004 s at 1000 Hz is 4 samples, whatever the rounding.
        head[_ENOUGH] = max(1, math.ceil(criteria.min_duration_s * rate_hz - 1e-6))
        head[_REFRACTORY] = settings.refractory_s * rate_hz
        head[_NOISE_THRESHOLD] = settings.noise_threshold_sd
        head[_NOISE_HOLD] = self.delay_s * rate_hz
        gate = theta_settings(settings.max_theta_delta, rate_hz)
        n_bands = len(centres_hz(self.band_hz, criteria.width_hz))
        vote = 2 * len(columns) + 2 * n_channels + settings.min_channels
        state = np.zeros(_STRENGTHS + vote + bank_state_size(n_bands, len(columns)))
        state[_SINCE] = head[_REFRACTORY]
        super().__init__(
            ripple_kernel,
            np.concatenate([head, gate, columns, bank]),
            state,
            columns,
            outputs=("strength_sd", *(f"{channel}_sd" for channel in settings.channels)),
            outputs_at=_STRENGTH,
        )


@compiled(KERNEL)
def ripple_kernel(
    samples: NDArray[np.float32],
    times_s: NDArray[np.float64],
    flags: NDArray[np.uint8],
    settings: NDArray[np.float64],
    state: NDArray[np.float64],
    out: NDArray[np.float64],
) -> int:
    """See `Ripple`."""
    n_channels = int(settings[_N_CHANNELS])
    n_read = n_channels + int(settings[_HAS_NOISE])
    gate, gate_state = settings[_GATE:_COLUMNS], state[_GATE_STATE:_STRENGTH]
    columns = settings[_COLUMNS : _COLUMNS + n_read]
    bank = settings[_COLUMNS + n_read :]
    values_at = _STRENGTHS + n_read
    held_at = values_at + n_read
    left_at = held_at + n_channels
    largest_at = left_at + n_channels
    bank_at = largest_at + int(settings[_MIN_CHANNELS])
    strengths, values = state[_STRENGTHS:values_at], state[values_at:held_at]
    held, left = state[held_at:left_at], state[left_at:largest_at]
    largest, bank_state = state[largest_at:bank_at], state[bank_at:]
    n_found = 0
    for i in range(samples.shape[0]):
        learn = flags[i] == 0
        gather(samples[i], columns, values)
        theta = theta_reigns(gate, gate_state, values[0], learn)
        ripple_strengths(bank, bank_state, values, strengths, learn)
        if n_read > n_channels:
            noisy = bank_state[n_channels] >= settings[_NOISE_THRESHOLD]
            rest = max(state[_NOISE_LEFT] - 1.0, 0.0)
            state[_NOISE_LEFT] = settings[_NOISE_HOLD] if noisy else rest
        hold_best(strengths[:n_channels], held, left, settings[_COINCIDENCE])
        strength = kth_largest(held, largest)
        state[_STRENGTH] = strength

        state[_SINCE] += 1.0
        if strength < settings[_RELEASE]:
            state[_LASTED] = 0.0
            state[_PEAK] = 0.0
            state[_DECIDED] = 0.0
            continue
        state[_LASTED] += 1.0
        state[_PEAK] = max(state[_PEAK], strength)
        certain = state[_PEAK] >= settings[_THRESHOLD] and state[_LASTED] >= settings[_ENOUGH]
        if state[_DECIDED] > 0.0 or not certain:
            continue
        # Decided once an event: what is forbidden now is not announced late.
        state[_DECIDED] = 1.0
        if theta or state[_NOISE_LEFT] > 0.0 or state[_SINCE] <= settings[_REFRACTORY]:
            continue
        state[_SINCE] = 0.0
        n_found = announce(out, n_found, i, times_s[i], state[_PEAK])
        out[n_found - 1, OUT_CHANNEL] = columns[np.argmax(held)]
    return n_found
