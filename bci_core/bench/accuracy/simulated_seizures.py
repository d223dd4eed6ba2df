"""Seizures and afterdischarges at known times, in human background, as long as wanted.

The recordings are short, so hours are made of them in two ways, and a figure says
which. Stitched: random excerpts of at least
half a recording or 10 s, forwards or backwards, upright or inverted, each a
little louder or softer, one fading into the next so that nothing clicks; every sample
of it is real, but no more than the recordings' own minutes are new. Surrogate: noise
with the spectrum of a recording and random phases; new throughout, but stationary
and without the shapes of real events.

Seizures are drawn after the commonest intracranial onset (Perucca et al. 2014, Brain
137:183) and the textbook course: low-voltage fast activity slows down and grows into a
tonic rhythm of 10 Hz, that into clonic spikes and waves, with an abrupt end and a
suppressed background. Their amplitudes are ours.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

RATE_HZ: Final = 250.0
"""Of everything made here; the RNS neurostimulator samples at this rate."""

FADE_S: Final = 1.0

Excerpt = tuple[str, int, float, float]
"""Recording, row, and from when to when it is background, in seconds."""

INTRACRANIAL: Final[tuple[Excerpt, ...]] = (
    # Its first half holds two drop-outs to zero, and the recovery from the second.
    ("osn_ieeg_30s", 0, 1.7, 9.6),
    ("osn_ieeg_30s", 0, 16.0, 30.0),
    ("human_m1_pd_beta_10s", 0, 0.0, 10.0),
    ("fedele_ieeg_hfo_5s", 0, 0.0, 5.0),
    ("fedele_ieeg_hfo_5s", 20, 0.0, 5.0),
    ("fedele_ieeg_hfo_5s", 40, 0.0, 5.0),
)
SCALP: Final[tuple[Excerpt, ...]] = (
    ("osn_eeg_30s", 0, 0.0, 30.0),
    ("yasa_n2_15s", 0, 0.0, 15.0),
    ("yasa_n3_30s", 0, 0.0, 30.0),
    ("mcsleep_30s", 0, 0.0, 30.0),
    ("yasa_rest_eo_360s", 0, 0.0, 360.0),
    ("yasa_rest_eo_360s", 1, 0.0, 360.0),
)


@dataclass(frozen=True, slots=True)
class SimulatedEpilepsy:
    """Background with events added.

    Attributes
    ----------
    samples_uv : ndarray, (n_samples,), float32
        At RATE_HZ.
    events_s : ndarray, (n_events, 2)
        Start and end of each.
    """

    samples_uv: NDArray[np.float32]
    events_s: NDArray[np.float64]


def excerpt(recordings: Path, which: Excerpt) -> NDArray[np.float64] | None:
    """An excerpt at RATE_HZ without its mean, or None where the recording is not there."""
    from scipy import signal

    name, row, from_s, to_s = which
    path = recordings / f"{name}.npz"
    if not path.exists():
        return None
    with np.load(path) as held:
        fs = float(held["fs"])
        whole = np.atleast_2d(held["data"])[row].astype(float)
    part = whole[round(from_s * fs) : round(to_s * fs)]
    part = part - part.mean()
    if fs == RATE_HZ:
        return np.asarray(part)
    ratio = int(fs), int(RATE_HZ)
    common = int(np.gcd(*ratio))
    resampled = signal.resample_poly(part, ratio[1] // common, ratio[0] // common, padtype="line")
    return np.asarray(resampled)


def stitched(part: NDArray[np.float64], n: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """`n` samples of background, made of random pieces of `part` that fade into each other."""
    fade = round(FADE_S * RATE_HZ)
    rise = np.sin(0.5 * np.pi * (np.arange(fade) + 0.5) / fade)
    longest = min(len(part), round(20.0 * RATE_HZ))
    whole = np.zeros(n + longest)
    at = 0
    while at < n:
        length = int(rng.integers(longest // 2, longest + 1))
        start = int(rng.integers(0, len(part) - length + 1))
        piece = part[start : start + length] * rng.choice([-1.0, 1.0])
        piece = piece[:: int(rng.choice([-1, 1]))] * np.exp(rng.normal(0.0, 0.1))
        # Equal power: two pieces that have nothing to do with each other keep their level.
        weight = np.ones(length)
        weight[:fade] = rise
        weight[-fade:] = rise[::-1]
        whole[at : at + length] += weight * piece
        at += length - fade
    return whole[:n]


def surrogate(part: NDArray[np.float64], n: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """`n` samples of noise with the spectrum of `part` and random phases."""
    window = np.hanning(len(part))
    magnitude = np.abs(np.fft.rfft(part * window))
    here_hz = np.fft.rfftfreq(len(part), 1.0 / RATE_HZ)
    there_hz = np.fft.rfftfreq(n, 1.0 / RATE_HZ)
    shape = np.interp(there_hz, here_hz, magnitude)
    shape[there_hz < 0.3] = 0.0
    noise = np.fft.irfft(shape * np.fft.rfft(rng.normal(size=n)), n)
    return np.asarray(noise * level_uv(part) / level_uv(noise))


def level_uv(signal_uv: NDArray[np.float64]) -> float:
    """Standard deviation of what lies above 1 Hz."""
    spectrum = np.fft.rfft(signal_uv)
    spectrum[np.fft.rfftfreq(len(signal_uv), 1.0 / RATE_HZ) < 1.0] = 0.0
    return float(np.fft.irfft(spectrum, len(signal_uv)).std())


def with_seizures(
    background: NDArray[np.float64], every_s: float, rng: np.random.Generator
) -> SimulatedEpilepsy:
    """Add a seizure about every `every_s` seconds, the first after half of that."""
    return _with_events(background, every_s, rng, seizure, suppressed_s=30.0)


def with_after_discharges(
    background: NDArray[np.float64], every_s: float, rng: np.random.Generator
) -> SimulatedEpilepsy:
    """Add an afterdischarge about every `every_s` seconds, the first after half of that."""
    return _with_events(background, every_s, rng, after_discharge, suppressed_s=0.0)


def seizure(scale_uv: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """One seizure of 25 to 70 s, in microvolts; `scale_uv` is the background's `level_uv`."""
    fast_hz, tonic_hz, clonic_hz = rng.uniform(18.0, 30.0), rng.uniform(10.0, 13.0), 6.0
    peak_sd = rng.uniform(6.0, 12.0)
    fast = _sweep(rng.uniform(3.0, 8.0), fast_hz, tonic_hz, 0.5, 2.0)
    tonic = _sweep(rng.uniform(5.0, 15.0), tonic_hz, clonic_hz, 2.0, peak_sd)
    clonic = peak_sd * _spike_wave(rng.uniform(15.0, 45.0), clonic_hz, 2.0, rng)
    return scale_uv * np.concatenate([fast, tonic, clonic])


def after_discharge(scale_uv: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """One afterdischarge of 5 to 20 s: spikes at 3 to 10 a second that slow down."""
    from_hz = rng.uniform(4.0, 10.0)
    spikes = _spike_wave(rng.uniform(5.0, 20.0), from_hz, max(3.0, 0.5 * from_hz), rng)
    return scale_uv * rng.uniform(3.0, 7.0) * spikes


def _sweep(
    length_s: float, from_hz: float, to_hz: float, from_sd: float, to_sd: float
) -> NDArray[np.float64]:
    """A wave that changes its frequency and its amplitude, with a third of second harmonic."""
    n = round(length_s * RATE_HZ)
    x = np.arange(n) / n
    phase = 2.0 * np.pi * np.cumsum(from_hz + (to_hz - from_hz) * x) / RATE_HZ
    wave = np.sin(phase) + np.sin(2.0 * phase) / 3.0
    return np.asarray((from_sd + (to_sd - from_sd) * x) * wave)


def _spike_wave(
    length_s: float, from_hz: float, to_hz: float, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Spikes of height 1 and 60 ms, each followed by a wave of half that, ever slower."""
    n = round(length_s * RATE_HZ)
    spike = np.hanning(round(0.06 * RATE_HZ))
    whole = np.zeros(n + round(RATE_HZ))
    at_s = 0.0
    while at_s < length_s:
        period_s = 1.0 / (from_hz + (to_hz - from_hz) * at_s / length_s)
        period_s *= rng.normal(1.0, 0.05)
        at = round(at_s * RATE_HZ)
        height = rng.normal(1.0, 0.1)
        whole[at : at + len(spike)] += height * spike
        wave = np.hanning(max(2, round(0.7 * period_s * RATE_HZ)))
        whole[at + len(spike) // 2 : at + len(spike) // 2 + len(wave)] -= 0.5 * height * wave
        at_s += period_s
    return whole[:n]


def _with_events(
    background: NDArray[np.float64],
    every_s: float,
    rng: np.random.Generator,
    make: Callable[[float, np.random.Generator], NDArray[np.float64]],
    suppressed_s: float,
) -> SimulatedEpilepsy:
    samples = background.copy()
    scale_uv = level_uv(background)
    events = []
    for k in range(int(len(background) / RATE_HZ // every_s)):
        wave = make(scale_uv, rng)
        start = round((k + 0.5) * every_s * RATE_HZ + rng.uniform(-0.1, 0.1) * every_s * RATE_HZ)
        end = start + len(wave)
        after = round(suppressed_s * RATE_HZ)
        if end + after > len(samples):
            break
        # The background recedes as the event begins, and comes back slowly after it.
        samples[start:end] *= np.linspace(1.0, 0.5, len(wave))
        samples[end : end + after] *= np.linspace(0.3, 1.0, after)
        samples[start:end] += wave
        events.append((start / RATE_HZ, end / RATE_HZ))
    return SimulatedEpilepsy(samples.astype(np.float32), np.array(events).reshape(-1, 2))
