"""Sleep EEG with spindles at known times, as long as wanted.

Made of what spindle detectors stumble over, in stages that follow each other: 1/f
background whose level drifts, slow waves and K-complexes, spindles, alpha bursts in
wakefulness and arousals, muscle, and electrodes that pop. Amplitudes, durations and
rates are of the order that textbooks of sleep EEG give (AASM manual: spindles of
0.5 s or more at 11 to 16 Hz, slow waves above 75 uV); they are a choice of ours, not
a fit to recordings.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Stage:
    """What one stage of sleep holds, in events a minute."""

    name: str
    background_uv: float
    spindles: float = 0.0
    slow_waves: float = 0.0
    alpha_bursts: float = 0.0
    muscle: float = 0.0
    pops: float = 0.0


STAGES: Final = (
    Stage("W", 8.0, alpha_bursts=10.0, muscle=3.0, pops=0.5),
    Stage("N2", 10.0, spindles=5.0, slow_waves=3.0, alpha_bursts=0.3, muscle=0.2, pops=0.1),
    Stage("N3", 12.0, spindles=2.0, slow_waves=25.0, pops=0.1),
    Stage("N2", 10.0, spindles=5.0, slow_waves=3.0, alpha_bursts=0.3, muscle=0.2, pops=0.1),
    Stage("R", 9.0, alpha_bursts=2.0, muscle=0.3, pops=0.1),
)
"""In this order, over and over."""


@dataclass(frozen=True, slots=True)
class SimulatedSleep:
    """A simulated night, or a part of one.

    Attributes
    ----------
    samples_uv : ndarray, (n_samples,), float32
    rate_hz : float
    spindles_s : ndarray, (n_spindles, 2)
        Start and end, where the envelope is a tenth of its peak.
    stages : tuple of (str, float, float)
        Name, start and end in seconds.
    """

    samples_uv: NDArray[np.float32]
    rate_hz: float
    spindles_s: NDArray[np.float64]
    stages: tuple[tuple[str, float, float], ...]


def simulated_sleep(
    minutes: float, rate_hz: float = 200.0, seed: int = 0, stage_s: float = 360.0
) -> SimulatedSleep:
    """Simulate.

    Parameters
    ----------
    minutes : float
    rate_hz : float
    seed : int
    stage_s : float
        Length of each stage.
    """
    rng = np.random.default_rng(seed)
    n = round(minutes * 60.0 * rate_hz)
    signal = pink(n, rate_hz, rng)
    # The level drifts by a few decibels in minutes, as impedances and depth of sleep do.
    knots = rng.normal(0.0, 0.15, 2 + n // round(120.0 * rate_hz))
    signal *= np.exp(np.interp(np.linspace(0, len(knots) - 1, n), np.arange(len(knots)), knots))

    spindles: list[tuple[float, float]] = []
    stages = []
    for k, start_s in enumerate(np.arange(0.0, n / rate_hz, stage_s)):
        stage = STAGES[k % len(STAGES)]
        end_s = min(start_s + stage_s, n / rate_hz)
        stages.append((stage.name, float(start_s), float(end_s)))
        part = signal[round(start_s * rate_hz) : round(end_s * rate_hz)]
        part *= stage.background_uv
        for make, per_minute in (
            (_slow_wave, stage.slow_waves),
            (_alpha_burst, stage.alpha_bursts),
            (_muscle, stage.muscle),
            (_pop, stage.pops),
        ):
            for at_s in _times(per_minute, end_s - start_s, 1.0, rng):
                _add(part, make(rate_hz, rng), round(at_s * rate_hz))
        for at_s in _times(stage.spindles, end_s - start_s, 3.0, rng):
            wave, from_s, to_s = spindle(rate_hz, rng)
            _add(part, wave, round(at_s * rate_hz))
            spindles.append((start_s + at_s + from_s, start_s + at_s + to_s))
    marks = np.array(sorted(spindles)).reshape(-1, 2)
    return SimulatedSleep(signal.astype(np.float32), rate_hz, marks, tuple(stages))


def pink(
    n: int, rate_hz: float, rng: np.random.Generator, exponent: float = 2.0
) -> NDArray[np.float64]:
    """Noise of unit variance, whose power falls with ``frequency ** -exponent`` above 1 Hz.

    The exponent of sleep EEG lies between 1.5 and 3 (Lendner et al. 2020, eLife 9:e55092).
    """
    frequency_hz = np.fft.rfftfreq(n, 1.0 / rate_hz)
    gain = np.maximum(frequency_hz, 1.0) ** (-exponent / 2.0)
    gain[frequency_hz < 0.2] = 0.0
    spectrum = gain * np.fft.rfft(rng.normal(size=n))
    noise = np.fft.irfft(spectrum, n)
    return np.asarray(noise / noise.std())


def spindle(rate_hz: float, rng: np.random.Generator) -> tuple[NDArray[np.float64], float, float]:
    """One spindle; its samples, and when within them it begins and ends, in seconds."""
    length_s = float(np.clip(rng.lognormal(np.log(0.9), 0.3), 0.5, 2.0))
    peak_uv = float(np.clip(rng.lognormal(np.log(20.0), 0.35), 8.0, 60.0))
    from_hz = rng.uniform(11.5, 15.0)
    chirp_hz = rng.uniform(-1.0, 0.0)
    peak_at = rng.uniform(0.35, 0.65)
    n = round(length_s * rate_hz)
    x = np.arange(n) / n
    # A hump that waxes and wanes, its peak anywhere around the middle.
    warped = np.interp(x, [0.0, peak_at, 1.0], [0.0, 0.5, 1.0])
    envelope = np.sin(np.pi * warped) ** 1.5
    phase = 2.0 * np.pi * np.cumsum(from_hz + chirp_hz * x) / rate_hz + rng.uniform(0, 2 * np.pi)
    heard = np.flatnonzero(envelope >= 0.1) / rate_hz
    return peak_uv * envelope * np.sin(phase), float(heard[0]), float(heard[-1])


def _slow_wave(rate_hz: float, rng: np.random.Generator) -> NDArray[np.float64]:
    down_s, up_s = rng.uniform(0.3, 0.7), rng.uniform(0.4, 1.0)
    depth_uv = rng.uniform(60.0, 150.0)
    down = -depth_uv * np.sin(np.pi * np.arange(round(down_s * rate_hz)) / (down_s * rate_hz))
    up = 0.5 * depth_uv * np.sin(np.pi * np.arange(round(up_s * rate_hz)) / (up_s * rate_hz))
    return np.concatenate([down, up])


def _alpha_burst(rate_hz: float, rng: np.random.Generator) -> NDArray[np.float64]:
    n = round(rng.uniform(0.5, 4.0) * rate_hz)
    phase = 2.0 * np.pi * rng.uniform(8.5, 10.5) * np.arange(n) / rate_hz
    return np.asarray(rng.uniform(10.0, 30.0) * np.hanning(n) ** 0.5 * np.sin(phase))


def _muscle(rate_hz: float, rng: np.random.Generator) -> NDArray[np.float64]:
    n = round(rng.uniform(0.5, 5.0) * rate_hz)
    # White noise, differenced: its power rises with frequency, as that of muscle does here.
    rough = np.diff(rng.normal(size=n + 1))
    return np.asarray(rng.uniform(10.0, 60.0) * np.hanning(n) ** 0.5 * rough / rough.std())


def _pop(rate_hz: float, rng: np.random.Generator) -> NDArray[np.float64]:
    n = round(2.0 * rate_hz)
    size_uv = rng.choice([-1.0, 1.0]) * rng.uniform(100.0, 400.0)
    return np.asarray(size_uv * np.exp(-np.arange(n) / (0.3 * rate_hz)))


def _times(
    per_minute: float, length_s: float, apart_s: float, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Poisson times, none closer than `apart_s` to the one before."""
    times = np.sort(rng.uniform(0.0, length_s, rng.poisson(per_minute * length_s / 60.0)))
    keep: list[float] = []
    for at_s in times:
        if not keep or at_s - keep[-1] >= apart_s:
            keep.append(float(at_s))
    return np.array(keep)


def _add(signal: NDArray[np.float64], wave: NDArray[np.float64], at: int) -> None:
    room = min(len(wave), len(signal) - at)
    signal[at : at + room] += wave[:room]
