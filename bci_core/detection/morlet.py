"""Power at several frequencies on several channels, by causal Morlet wavelets.

A Morlet wavelet is a complex tone under a Gaussian, and half of it lies in the
future. Here the Gaussian is the response of `ORDER` equal one-pole filters in
series, turned to the wavelet's frequency: a complex gammatone (Slaney 1993, Apple
Technical Report 35, has the real one). Its envelope has the Gaussian's standard
deviation in time, ``cycles / (2 pi f)``, and comes `delays_s` late, 1.5 cycles of
its own frequency for a wavelet of 5 cycles. On 1/f noise its amplitude correlates
at 0.93 with that of the Morlet wavelet, moved by the delay.

It costs the same for 3 Hz as for 180 Hz, and no more memory. What feeds it is the
difference of successive samples, weighed back at each frequency, so an electrode
offset is gone before the first filter, whatever its size.

`power` follows the squared peak amplitude, in microvolts squared, with one pole.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bci_core.chunk import StreamInfo
from bci_core.errors import Problem
from bci_core.jit import compiled

ORDER = 4
"""One-pole filters in series. More come closer to a Gaussian, and later."""

FLOOR_UV2 = 1e-6
"""Power is never taken to be less: that of 1 nV, which no amplifier resolves."""

TINY_UV = 1e-30
"""Added to what enters, so that the filters of a silent channel do not fade into
denormal numbers, which some processors compute a hundred times slower."""

# settings: of all, then of each frequency, then the columns
_N_CHANNELS, _N_FREQUENCIES, _GAIN, _PER_FREQUENCY = range(4)
_POLE_RE, _POLE_IM, _SCALE = range(3)
_COEFFICIENTS = 3
# state: whether a sample was seen; per channel its last sample and its step; per
# frequency the stages, each with the real parts of all channels and then the imaginary
# ones; per frequency the powers of all channels
_SEEN, _LAST = range(2)
_PARTS = 2 * ORDER


def wavelets(
    frequencies_hz: Sequence[float],
    cycles: float,
    averaging_s: float,
    columns: Sequence[int],
    rate_hz: float,
) -> NDArray[np.float64]:
    """Settings of a bank of wavelets.

    Parameters
    ----------
    frequencies_hz : sequence of float
    cycles : float
        Of each wavelet: 2 pi f times the standard deviation of its envelope.
    averaging_s : float
        Time constant of the power; 0 leaves it as it is.
    columns : sequence of int
        Columns of the samples to read.
    rate_hz : float

    Returns
    -------
    ndarray
    """
    gain = -math.expm1(-1.0 / (averaging_s * rate_hz)) if averaging_s > 0.0 else 1.0
    poles = [_pole(f, cycles, rate_hz) for f in frequencies_hz]
    turns = [2.0 * math.pi * f / rate_hz for f in frequencies_hz]
    # A real tone of unit amplitude is half a complex one.
    scales = [
        4.0 / abs(_response(pole, turn)) ** 2 for pole, turn in zip(poles, turns, strict=True)
    ]
    table = [
        value
        for pole, scale in zip(poles, scales, strict=True)
        for value in (pole.real, pole.imag, scale)
    ]
    return np.array([len(columns), len(poles), gain, *table, *columns], dtype=np.float64)


def state_size(n_frequencies: int, n_channels: int) -> int:
    """Numbers of state that a bank needs; all begin as 0."""
    return _LAST + n_channels * (2 + n_frequencies * (_PARTS + 1))


def delays_s(frequencies_hz: Sequence[float], cycles: float, rate_hz: float) -> tuple[float, ...]:
    """How much later each wavelet shows the envelope of an oscillation at its centre."""
    delays = []
    for f in frequencies_hz:
        turn, step = 2.0 * math.pi * f / rate_hz, 1e-4 * f / rate_hz
        pole = _pole(f, cycles, rate_hz)
        lag = np.angle(_response(pole, turn - step) / _response(pole, turn + step))
        delays.append(float(lag) / (2.0 * step) / rate_hz)
    return tuple(delays)


def frequency_problems(frequencies_hz: Sequence[float], info: StreamInfo) -> list[Problem]:
    """Every frequency lies below Nyquist's, and stands there once."""
    nyquist_hz = info.rate_hz / 2.0
    problems = [
        f"has {f:g} Hz; it must be below {nyquist_hz:g} Hz, half the sampling rate of "
        f"{info.rate_hz:g} Hz"
        for f in frequencies_hz
        if f >= nyquist_hz
    ]
    problems += [f"has {f:g} Hz; it must be above 0 Hz" for f in frequencies_hz if f <= 0.0]
    if len(set(frequencies_hz)) < len(frequencies_hz):
        problems.append("names a frequency twice; leave one out")
    return [Problem("frequencies_hz", problem) for problem in problems]


def _pole(frequency_hz: float, cycles: float, rate_hz: float) -> complex:
    # The envelope t**(n-1) exp(-b t) has a standard deviation of sqrt(n) / b.
    decay = math.sqrt(ORDER) * 2.0 * math.pi * frequency_hz / cycles
    return complex(np.exp(complex(-decay, 2.0 * math.pi * frequency_hz) / rate_hz))


def _response(pole: complex, turn: float) -> complex:
    delay = complex(math.cos(turn), -math.sin(turn))
    return (1.0 - delay) / (1.0 - pole * delay) ** ORDER


@compiled("void(float64[::1], float64[::1], float32[::1], boolean)")
def advance(
    bank: NDArray[np.float64],
    state: NDArray[np.float64],
    sample: NDArray[np.float32],
    average: bool,
) -> None:
    """Take one row of samples in; the powers follow only where `average` is true.

    The innermost loops run over channels, side by side in memory, so that the
    processor takes several at once. That reorders nothing within a channel.
    """
    n = int(bank[_N_CHANNELS])
    n_frequencies = int(bank[_N_FREQUENCIES])
    gain = bank[_GAIN]
    columns = bank[_PER_FREQUENCY + _COEFFICIENTS * n_frequencies :]
    last = state[_LAST : _LAST + n]
    step = state[_LAST + n : _LAST + 2 * n]
    stages = state[_LAST + 2 * n : _LAST + 2 * n + _PARTS * n * n_frequencies]
    powers = state[_LAST + 2 * n + _PARTS * n * n_frequencies :]
    for c in range(n):
        value = float(sample[int(columns[c])])
        step[c] = TINY_UV + (value - last[c] if state[_SEEN] != 0.0 else 0.0)
        last[c] = value
    state[_SEEN] = 1.0
    for f in range(n_frequencies):
        at = _PER_FREQUENCY + _COEFFICIENTS * f
        pole_re, pole_im = bank[at + _POLE_RE], bank[at + _POLE_IM]
        first = _PARTS * n * f
        re, im = stages[first : first + n], stages[first + n : first + 2 * n]
        for c in range(n):
            was = re[c]
            re[c] = pole_re * was - pole_im * im[c] + step[c]
            im[c] = pole_im * was + pole_re * im[c]
        for k in range(1, ORDER):
            start = first + 2 * n * k
            from_re, from_im = re, im
            re, im = stages[start : start + n], stages[start + n : start + 2 * n]
            for c in range(n):
                was = re[c]
                re[c] = pole_re * was - pole_im * im[c] + from_re[c]
                im[c] = pole_im * was + pole_re * im[c] + from_im[c]
        if average:
            scale = bank[at + _SCALE]
            power = powers[n * f : n * f + n]
            for c in range(n):
                power[c] += gain * (scale * (re[c] * re[c] + im[c] * im[c]) - power[c])


@compiled("void(float64[::1], float64[::1])")
def log_powers(state: NDArray[np.float64], out: NDArray[np.float64]) -> None:
    """Decadic logarithms of the powers: all channels at the first frequency, then the next."""
    n = out.shape[0]
    powers = state[state.shape[0] - n :]
    for u in range(n):
        out[u] = math.log10(max(powers[u], FLOOR_UV2))
