"""Onset and end of a state told from several bands, as adaptive stimulators do it."""

import math
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from bci_core.chunk import StreamInfo
from bci_core.detection import baseline
from bci_core.detection.band_discriminant_settings import (
    BandDiscriminantSettings,
    contradictions,
)
from bci_core.detection.compiled import END, OUT_KIND, CompiledDetector, announce
from bci_core.detection.filters import COEFFICIENTS, MEMORIES, band_pass, filtered, settle
from bci_core.detection.requirements import band_problems, channel_problems, lead_problems
from bci_core.detection.ring import moving_sum, ring_size
from bci_core.errors import ConfigError
from bci_core.jit import KERNEL, compiled

_LEAST_GOOD = 0.5
"""An update counts if this share of its samples is neither flagged nor blanked."""

# settings; the baseline's follow, then each band's: column, two weights, band-pass
_N_BANDS, _UPDATE, _N_AVERAGED, _RELATIVE, _ONSET, _TERMINATION = range(6)
_BLANKING, _HOLD, _N_DISCRIMINANTS, _ANY, _THRESHOLDS = range(6, 11)
_RELEASES = _THRESHOLDS + 2
_BASELINE = _RELEASES + 2
_BANDS = _BASELINE + baseline.SETTINGS_SIZE
_COLUMN, _WEIGHTS, _BAND_PASS = 0, 1, 3
# state; each band's follows: sum of squares, baseline, ring, band-pass
_SEEN, _WAIT, _GOOD, _UPDATES, _BLANK_LEFT, _HOLD_LEFT, _LASTED, _ACTIVE = range(8)
_DISCRIMINANTS = 8
_BANDS_STATE = _DISCRIMINANTS + 2
_SQUARES, _BASELINE_STATE = 0, 1
_RING = _BASELINE_STATE + baseline.STATE_SIZE


class BandDiscriminant(CompiledDetector):
    """Announces the onset and the end of a state, each on the update that completes it.

    Each band: Butterworth band-pass, squared, mean over `averaging_s`. Every `update_s`
    the weighted sums are formed and compared. An update most of whose samples are flagged
    or blanked is left out: powers, sums and durations stay as they were.

    With ``scale = "sd"`` a level that stays on one side for `baseline_s` is the new
    normal, and the state has then ended (`bci_core.detection.baseline`).

    `value` is the first discriminant, 0 where there is no baseline yet; `target_s` is
    `sample_s`: now. Outputs are the state, 0 or 1, and the discriminants.

    Parameters
    ----------
    settings : BandDiscriminantSettings
    info : StreamInfo
    lead_s : float
        Not used: nothing is predicted.

    Raises
    ------
    ConfigError
        The stream lacks a channel, a band does not fit its rate, or the settings
        contradict each other.
    """

    Settings: ClassVar[type[BaseModel]] = BandDiscriminantSettings

    def __init__(self, settings: BandDiscriminantSettings, info: StreamInfo, lead_s: float) -> None:
        problems = [
            *(
                p
                for channel in settings.channels
                for p in channel_problems(channel, info, "channels")
            ),
            *(p for band_hz in settings.bands_hz for p in band_problems(band_hz, info, "bands_hz")),
            *contradictions(settings, info.rate_hz),
            *lead_problems(lead_s),
        ]
        if problems:
            raise ConfigError("detector band_discriminant", problems)
        n_bands = len(settings.bands_hz)
        columns = [info.index_of(channel) for channel in settings.channels]
        columns = columns if len(columns) == n_bands else columns * n_bands
        update = max(1, round(settings.update_s * info.rate_hz))
        updates_hz = info.rate_hz / update
        n_averaged = max(1, round(settings.averaging_s * updates_hz))
        head = np.zeros(_BASELINE)
        head[_N_BANDS] = n_bands
        head[_UPDATE] = update
        head[_N_AVERAGED] = n_averaged
        head[_RELATIVE] = settings.scale == "sd"
        # Less a hair, so that 0.3 s at 10 updates a second is 3, whatever the rounding.
        head[_ONSET] = 1 + math.ceil(settings.onset_s * updates_hz - 1e-6)
        head[_TERMINATION] = 1 + math.ceil(settings.termination_s * updates_hz - 1e-6)
        head[_BLANKING] = math.ceil(settings.blanking_s * info.rate_hz - 1e-6)
        head[_HOLD] = math.ceil(settings.hold_s * info.rate_hz - 1e-6)
        head[_N_DISCRIMINANTS] = 1 + bool(settings.second_weights)
        head[_ANY] = settings.combine == "any"
        head[_THRESHOLDS : _THRESHOLDS + 2] = settings.threshold, settings.second_threshold
        head[_RELEASES : _RELEASES + 2] = settings.release, settings.second_release
        normal = baseline.baseline_settings(
            settings.baseline_s, settings.learning_s, settings.min_sd_uv, updates_hz
        )
        second = settings.second_weights or (0.0,) * n_bands
        bands = [
            np.concatenate([[column, w1, w2], band_pass(band_hz, info.rate_hz, settings.order)])
            for column, w1, w2, band_hz in zip(
                columns, settings.weights, second, settings.bands_hz, strict=True
            )
        ]
        n_memories = MEMORIES * settings.order
        state = np.zeros(_BANDS_STATE + n_bands * (_RING + ring_size(n_averaged) + n_memories))
        state[_WAIT] = update
        unit = "SD" if settings.scale == "sd" else "uV^2"
        names = ("discriminant", "second discriminant")[: int(head[_N_DISCRIMINANTS])]
        super().__init__(
            band_discriminant_kernel,
            np.concatenate([head, normal, *bands]),
            state,
            tuple(dict.fromkeys(columns)),
            ("active", *(f"{name} ({unit})" for name in names)),
            _ACTIVE,
        )


@compiled("boolean(float64[::1], float64[::1], float64[::1], float64[::1], boolean)")
def _weigh(
    settings: NDArray[np.float64],
    state: NDArray[np.float64],
    bands: NDArray[np.float64],
    bands_state: NDArray[np.float64],
    active: bool,
) -> bool:
    """Take an update's squares into the powers, form the sums, and compare them."""
    n_bands = int(settings[_N_BANDS])
    per_band = bands.shape[0] // n_bands
    per_state = bands_state.shape[0] // n_bands
    normal = settings[_BASELINE:_BANDS]
    n_averaged = settings[_N_AVERAGED]
    n_memories = MEMORIES * (per_band - _BAND_PASS) // COEFFICIENTS
    state[_UPDATES] = min(state[_UPDATES] + 1.0, n_averaged)
    full = state[_UPDATES] >= n_averaged
    learnt = full
    state[_DISCRIMINANTS] = 0.0
    state[_DISCRIMINANTS + 1] = 0.0
    for b in range(n_bands):
        of_band = bands[b * per_band : (b + 1) * per_band]
        memory = bands_state[b * per_state : (b + 1) * per_state]
        ring = memory[_RING : per_state - n_memories]
        power = max(moving_sum(ring, memory[_SQUARES] / state[_GOOD]), 0.0) / n_averaged
        memory[_SQUARES] = 0.0
        if full and settings[_RELATIVE] != 0.0:
            level_uv = math.sqrt(power)
            normal_state = memory[_BASELINE_STATE:_RING]
            learnt = learnt and baseline.is_learnt(normal, normal_state)
            power = baseline.deviations(normal, normal_state, level_uv)
            baseline.follow(normal, normal_state, level_uv)
        if full:
            state[_DISCRIMINANTS] += of_band[_WEIGHTS] * power
            state[_DISCRIMINANTS + 1] += of_band[_WEIGHTS + 1] * power
    if not learnt:
        state[_DISCRIMINANTS] = 0.0
        state[_DISCRIMINANTS + 1] = 0.0
        return False
    bounds = settings[_RELEASES:] if active else settings[_THRESHOLDS:]
    above = state[_DISCRIMINANTS] >= bounds[0]
    if settings[_N_DISCRIMINANTS] > 1.0:
        other = state[_DISCRIMINANTS + 1] >= bounds[1]
        above = (above or other) if settings[_ANY] != 0.0 else (above and other)
    return bool(above)


@compiled(KERNEL)
def band_discriminant_kernel(
    samples: NDArray[np.float32],
    times_s: NDArray[np.float64],
    flags: NDArray[np.uint8],
    settings: NDArray[np.float64],
    state: NDArray[np.float64],
    out: NDArray[np.float64],
) -> int:
    """See `BandDiscriminant`."""
    n_bands = int(settings[_N_BANDS])
    bands = settings[_BANDS:]
    bands_state = state[_BANDS_STATE:]
    per_band = bands.shape[0] // n_bands
    per_state = bands_state.shape[0] // n_bands
    n_memories = MEMORIES * (per_band - _BAND_PASS) // COEFFICIENTS
    n_found = 0
    for i in range(samples.shape[0]):
        good = flags[i] == 0 and state[_BLANK_LEFT] == 0.0
        for b in range(n_bands):
            sections = bands[b * per_band + _BAND_PASS : (b + 1) * per_band]
            memories = bands_state[(b + 1) * per_state - n_memories : (b + 1) * per_state]
            value = float(samples[i, int(bands[b * per_band + _COLUMN])])
            if state[_SEEN] == 0.0:
                settle(sections, memories, value)
            in_band = filtered(sections, memories, value)
            if good:
                bands_state[b * per_state + _SQUARES] += in_band * in_band
        state[_SEEN] = 1.0
        state[_GOOD] += good
        state[_BLANK_LEFT] = max(state[_BLANK_LEFT] - 1.0, 0.0)
        state[_HOLD_LEFT] = max(state[_HOLD_LEFT] - 1.0, 0.0)
        state[_WAIT] -= 1.0
        if state[_WAIT] > 0.0:
            continue
        state[_WAIT] = settings[_UPDATE]
        if state[_GOOD] < _LEAST_GOOD * settings[_UPDATE]:
            for b in range(n_bands):
                bands_state[b * per_state + _SQUARES] = 0.0
            state[_GOOD] = 0.0
            continue

        active = state[_ACTIVE] != 0.0
        above = _weigh(settings, state, bands, bands_state, active)
        state[_GOOD] = 0.0
        state[_LASTED] = state[_LASTED] + 1.0 if above != active else 0.0
        enough = settings[_TERMINATION] if active else settings[_ONSET]
        if state[_LASTED] >= enough and state[_HOLD_LEFT] == 0.0:
            state[_ACTIVE] = 0.0 if active else 1.0
            state[_LASTED] = 0.0
            state[_BLANK_LEFT] = settings[_BLANKING]
            state[_HOLD_LEFT] = settings[_HOLD]
            n_found = announce(out, n_found, i, times_s[i], state[_DISCRIMINANTS])
            if active:
                out[n_found - 1, OUT_KIND] = END
    return n_found
