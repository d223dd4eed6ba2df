"""What is watched on one channel: non-finite, flat and railed samples, line noise, impedance.

The sample monitor and the ``signal_quality`` detector share it. A pure tone is measured
by turning the channel back by the tone's phase and averaging with one pole, so what is
left is the tone's (complex) amplitude; that is a Goertzel filter that forgets. The phase
follows the time stamps, so a gap does not disturb it.
"""

import math

import numpy as np
from numpy.typing import NDArray

from bci_core.detection.monitor_flags import (
    FLAG_FLAT,
    FLAG_LEAD_OFF,
    FLAG_LINE_NOISE,
    FLAG_NOT_FINITE,
    FLAG_RAILED,
)
from bci_core.detection.monitor_settings import MonitorSettings
from bci_core.errors import Problem
from bci_core.jit import inlined

# settings; a tone at 0 Hz is not watched
_FLAT_N, RAIL_UV, _GAIN, LINE_HZ, _LINE_LIMIT, TONE_HZ, _TONE_LIMIT_UV = range(7)
WATCH_SETTINGS = 7
# state of one channel: last good value, how often it has come, averages
LAST, RUN, _MEAN, _POWER, _LINE_RE, _LINE_IM, _TONE_RE, _TONE_IM = range(8)
WATCH_STATE = 8


def watch_settings(settings: MonitorSettings, rate_hz: float) -> NDArray[np.float64]:
    """Settings of `watched`, (WATCH_SETTINGS,)."""
    return np.array(
        [
            max(2.0, math.ceil(settings.flat_s * rate_hz)) if settings.watch_flat else math.inf,
            settings.rail_uv,
            -math.expm1(-1.0 / (settings.quality_s * rate_hz)),
            settings.mains_hz or 0.0,
            settings.max_line_noise,
            settings.lead_off_hz or 0.0,
            # A microvolt a nanoampere is a kilohm.
            settings.max_impedance_kohm * settings.lead_off_na,
        ]
    )


def watch_problems(settings: MonitorSettings, rate_hz: float) -> list[Problem]:
    """The tones lie below the Nyquist frequency of the stream."""
    return [
        Problem(
            key,
            f"is {frequency_hz:g} Hz; it must be below {rate_hz / 2.0:g} Hz, half the "
            f"sampling rate of {rate_hz:g} Hz",
        )
        for key in ("mains_hz", "lead_off_hz")
        if (frequency_hz := getattr(settings, key)) and frequency_hz >= rate_hz / 2.0
    ]


@inlined
def turning(frequency_hz: float, time_s: float) -> complex:
    """A unit phasor that turns back by a tone's phase at a time; 0 for no tone."""
    if frequency_hz == 0.0:
        return complex(0.0, 0.0)
    cycles = frequency_hz * time_s
    angle = 2.0 * math.pi * (cycles - math.floor(cycles))
    return complex(math.cos(angle), -math.sin(angle))


@inlined
def line_noise(state: NDArray[np.float64], at: int) -> float:
    """Share of the channel's power that is line noise; its state begins at `at`."""
    if state[at + _POWER] <= 0.0:
        return 0.0
    # A sine of amplitude A leaves A / 2 and has a power of A squared over two.
    half_squared = state[at + _LINE_RE] ** 2 + state[at + _LINE_IM] ** 2
    return float(2.0 * half_squared / state[at + _POWER])


@inlined
def tone_uv(state: NDArray[np.float64], at: int) -> float:
    """Amplitude of the lead-off tone; its state begins at `at`."""
    return 2.0 * math.sqrt(state[at + _TONE_RE] ** 2 + state[at + _TONE_IM] ** 2)


@inlined
def watched_tones(
    settings: NDArray[np.float64],
    first: int,
    state: NDArray[np.float64],
    at: int,
    value: float,
    line: complex,
    tone: complex,
) -> int:
    """Take a value into the averages; the bits of line noise and of a loose electrode."""
    power, line_re, line_im = state[at + _POWER], state[at + _LINE_RE], state[at + _LINE_IM]
    tone_re, tone_im = state[at + _TONE_RE], state[at + _TONE_IM]
    if abs(value) < settings[first + RAIL_UV]:
        gain = settings[first + _GAIN]
        mean = state[at + _MEAN] + gain * (value - state[at + _MEAN])
        swing = value - mean
        power += gain * (swing * swing - power)
        line_re += gain * (swing * line.real - line_re)
        line_im += gain * (swing * line.imag - line_im)
        tone_re += gain * (swing * tone.real - tone_re)
        tone_im += gain * (swing * tone.imag - tone_im)
        state[at + _MEAN] = mean
        state[at + _POWER] = power
        state[at + _LINE_RE] = line_re
        state[at + _LINE_IM] = line_im
        state[at + _TONE_RE] = tone_re
        state[at + _TONE_IM] = tone_im
    bits = 0
    # As `line_noise` and `tone_uv` have it, without a division and a root.
    if 2.0 * (line_re * line_re + line_im * line_im) > settings[first + _LINE_LIMIT] * power:
        bits |= FLAG_LINE_NOISE
    if 4.0 * (tone_re * tone_re + tone_im * tone_im) > settings[first + _TONE_LIMIT_UV] ** 2:
        bits |= FLAG_LEAD_OFF
    return bits


@inlined
def watched(
    settings: NDArray[np.float64],
    first: int,
    state: NDArray[np.float64],
    at: int,
    value: float,
    line: complex,
    tone: complex,
) -> int:
    """Take a value in; the ``FLAG_…`` bits of what is wrong with it.

    Parameters
    ----------
    settings : ndarray
        From `first` on as `watch_settings` makes them.
    first : int
    state : ndarray
        From `at` on that of this channel, zeros at the beginning.
    at : int
        A slice would do as well, and cost more than the rest of this function.
    value : float
    line, tone : complex
        `turning` of `LINE_HZ` and `TONE_HZ` at its time.
    """
    if not np.isfinite(value):
        return FLAG_NOT_FINITE
    run = state[at + RUN]
    if run == 0.0:
        state[at + _MEAN] = value
    run = run + 1.0 if run > 0.0 and value == state[at + LAST] else 1.0
    state[at + RUN] = run
    state[at + LAST] = value
    bits = 0
    if run >= settings[first + _FLAT_N]:
        bits |= FLAG_FLAT
    if abs(value) >= settings[first + RAIL_UV]:
        bits |= FLAG_RAILED
    if settings[first + LINE_HZ] + settings[first + TONE_HZ] > 0.0:
        bits |= watched_tones(settings, first, state, at, value, line, tone)
    return bits
