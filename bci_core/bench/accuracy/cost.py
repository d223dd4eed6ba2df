"""What a kernel costs, beside scipy and numpy that give the same numbers.

A stream of 64 channels, handed over 4 samples at a time, as an amplifier does. A detector
of many channels reads all of them, a detector of one channel reads one, and so does its
twin. The twin is written for blocks and carries its state from block to block: filters by
`scipy.signal.sosfilt` and `lfilter` over all channels at once, what depends on its own
past by numpy sample by sample, over all channels at once.

Of some detectors of one channel a second figure is given, for which nothing is asked: one
for each of the 64 channels, against a twin that takes all channels at once, which suits it
far better.

Both run the same samples and have to come to the same numbers, or nothing is reported.
A kernel is timed as the live loop calls it: without the interpreter.
"""

from collections.abc import Sequence
from math import nan
from pathlib import Path
from typing import Any

import numpy as np
from numba import types
from numba.core import sigutils
from numpy.typing import NDArray

from bci_core.bench.accuracy.cost_cases import CASES, N_CHANNELS, Case
from bci_core.bench.accuracy.figure import Figure, Say
from bci_core.chunk import StreamInfo
from bci_core.clock import Clock, LslClock
from bci_core.detection.compiled import CompiledDetector
from bci_core.errors import RunError
from bci_core.jit import KERNEL, compiled

CHUNK = 4
N_CHUNKS = 500
KERNEL_ROUNDS = 15
TWIN_ROUNDS = 3
"""The quickest round counts: what is slower was disturbed."""

ASKED = 10.0
TOLERANCE = 1e-6


def measure(recordings: Path, say: Say) -> list[Figure]:  # noqa: ARG001 - none is needed
    """Cost of each detector in `CASES`, and how many times that is what scipy and numpy take."""
    clock = LslClock()
    figures = []
    for case in CASES:
        figures += _figures(case, 1 if case.one_channel else N_CHANNELS, ASKED, clock, say)
        if case.all_at_once:
            figures += _figures(case, N_CHANNELS, None, clock, say)
    return figures


def _figures(case: Case, n_read: int, asked: float | None, clock: Clock, say: Say) -> list[Figure]:
    try:
        kernel_ns, twin_ns = cost_ns(case, n_read, clock)
    except RunError as error:
        # A twin that has not followed its detector; reported as not reached.
        say(str(error))
        kernel_ns = twin_ns = nan
    say(
        f"{case.detector}, {n_read} of {N_CHANNELS} channels: {kernel_ns:.0f} ns a chunk, "
        f"{case.twin_of} {twin_ns:.0f} ns"
    )
    on = f"{n_read} of {N_CHANNELS} channels at {case.rate_hz:g} Hz, in chunks of {CHUNK} samples"
    counts = {"chunks": N_CHUNKS, "channels": n_read}
    return [
        Figure(
            detector=case.detector,
            on=on,
            what=f"speed over {case.twin_of}",
            value=twin_ns / kernel_ns,
            asked=asked,
            counts=counts,
        ),
        Figure(
            detector=case.detector,
            on=on,
            what="time of a chunk",
            value=kernel_ns,
            unit="ns",
            at_least=False,
            counts=counts,
            reference=twin_ns,
            reference_name=case.twin_of,
        ),
    ]


def cost_ns(case: Case, n_read: int, clock: Clock) -> tuple[float, float]:
    """Nanoseconds a chunk: the kernel's, the twin's, of the first `n_read` channels.

    Raises
    ------
    RunError
        They do not come to the same numbers.
    """
    samples = trial()
    chunks = np.split(np.ascontiguousarray(samples[:, :n_read]), N_CHUNKS)
    detectors = case.detectors(stream(case, N_CHANNELS), n_read)
    twin = case.twin(stream(case, n_read))
    _run_kernels(detectors, samples, case.rate_hz)
    for chunk in chunks:
        numbers = twin.step(chunk)
    differs = _difference(case.numbers(detectors), numbers)
    if not differs <= TOLERANCE:
        raise RunError(
            f"cost of {case.detector}: kernel and {case.twin_of} differ by {differs:.3g} of the "
            f"largest number, limit {TOLERANCE:g}; one of them has a fault"
        )

    kernel_s, twin_s = [], []
    for _ in range(KERNEL_ROUNDS):
        start_s = clock.now_s()
        _run_kernels(detectors, samples, case.rate_hz)
        kernel_s.append(clock.now_s() - start_s)
    for _ in range(TWIN_ROUNDS):
        start_s = clock.now_s()
        for chunk in chunks:
            twin.step(chunk)
        twin_s.append(clock.now_s() - start_s)
    return min(kernel_s) / N_CHUNKS * 1e9, min(twin_s) / N_CHUNKS * 1e9


def stream(case: Case, n_channels: int) -> StreamInfo:
    """What the samples are samples of."""
    channels = tuple(f"c{i}" for i in range(n_channels))
    return StreamInfo("cost", case.rate_hz, channels, "cost")


def trial() -> NDArray[np.float32]:
    """Noise whose power falls with frequency, on offsets, (N_CHUNKS * CHUNK, N_CHANNELS)."""
    rng = np.random.default_rng(0)
    white = rng.normal(0.0, 10.0, (N_CHUNKS * CHUNK, N_CHANNELS))
    drift = np.cumsum(rng.normal(0.0, 2.0, white.shape), axis=0)
    samples = white + drift + np.linspace(-1e4, 1e4, N_CHANNELS)
    return np.ascontiguousarray(samples, dtype=np.float32)


def _difference(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    if a.shape != b.shape:
        raise RunError(f"kernel gives {a.shape} numbers, its twin {b.shape}")
    largest = float(np.abs(b).max())
    if not largest > 0.0:
        raise RunError("all numbers are 0: nothing is compared")
    return float(np.abs(a - b).max()) / largest


def _run_kernels(
    detectors: Sequence[CompiledDetector], samples: NDArray[np.float32], rate_hz: float
) -> None:
    """All chunks through all kernels, chunk by chunk. States are carried on."""
    times_s = np.arange(float(len(samples))) / rate_hz
    flags = np.zeros(len(samples), dtype=np.uint8)
    settings = np.stack([detector.settings for detector in detectors])
    states = np.stack([detector.state for detector in detectors])
    _run(detectors[0].kernel, samples, times_s, flags, settings, states, detectors[0].out)
    for detector, state in zip(detectors, states, strict=True):
        detector.state[:] = state


def _signature(text: str) -> Any:
    normalize: Any = sigutils.normalize_signature
    arguments, result = normalize(text)
    return result(*arguments)


@compiled(
    types.void(
        types.FunctionType(_signature(KERNEL)),
        types.float32[:, ::1],
        types.float64[::1],
        types.uint8[::1],
        types.float64[:, ::1],
        types.float64[:, ::1],
        types.float64[:, ::1],
    )
)
def _run(
    kernel: Any,
    samples: NDArray[np.float32],
    times_s: NDArray[np.float64],
    flags: NDArray[np.uint8],
    settings: NDArray[np.float64],
    states: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    for start in range(0, samples.shape[0], CHUNK):
        end = start + CHUNK
        for d in range(states.shape[0]):
            kernel(
                samples[start:end],
                times_s[start:end],
                flags[start:end],
                settings[d],
                states[d],
                out,
            )
