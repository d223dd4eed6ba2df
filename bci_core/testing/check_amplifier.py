"""Conformance of an amplifier driver: run it for some seconds, and hold it to its contract.

Whether the values really are microvolts cannot be seen from the outside: measure
a known voltage once. Everything else that the loop relies on is checked here.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bci_core.chunk import Chunk, StreamInfo
from bci_core.clock import Clock, LslClock
from bci_core.contracts import Amplifier
from bci_core.errors import DeviceError


@dataclass(frozen=True, slots=True)
class Tolerances:
    """What is let pass.

    Attributes
    ----------
    spacing : float
        Of a step between two samples, as a fraction of the period.
    rate : float
        Of the mean rate against the nominal one, as a fraction.
    wait_s : float
        By which a read may return late. A shared machine needs some.
    fresh_s : float
        Age of the newest sample when a read returns, but for the first read, which
        may bring what a driver needed to find its sample clock.
    """

    spacing: float = 0.1
    rate: float = 0.005
    wait_s: float = 0.1
    fresh_s: float = 0.1


@dataclass(frozen=True, slots=True)
class AmplifierReport:
    """What was measured on the way.

    Attributes
    ----------
    samples, lost : int
    rate_hz : float
        Mean, lost samples included.
    worst_spacing : float
        Largest deviation of a step from a whole number of periods, in periods.
    median_age_s, worst_age_s : float
        Of the newest sample when a read returned.
    """

    samples: int
    lost: int
    rate_hz: float
    worst_spacing: float
    median_age_s: float
    worst_age_s: float


def check_amplifier(
    make: Callable[[Clock], Amplifier],
    seconds: float = 3.0,
    *,
    clock: Clock | None = None,
    tolerances: Tolerances | None = None,
    read_wait_s: float = 0.25,
) -> AmplifierReport:
    """Run an amplifier through its life and check each rule of `contracts.Amplifier`.

    Needs no test framework: it raises at the first rule that is broken.

    Parameters
    ----------
    make : callable
        Makes a new amplifier on the clock it is given: ``lambda clock: Mine(settings, clock)``.
        Called twice; the two are not open at the same time.
    seconds : float
        How long to read. A source that ends earlier is read to its end.
    clock : Clock, optional
        The LSL clock unless given; a virtual one for a source that can follow it.
    tolerances : Tolerances, optional
    read_wait_s : float
        Handed to `read`.

    Returns
    -------
    AmplifierReport

    Raises
    ------
    AssertionError
        A rule is broken; the message says which, and what was seen.
    """
    clock = clock or LslClock()
    limits = tolerances or Tolerances()
    described = _check_description(make, clock)
    amplifier = make(clock)
    try:
        # Rule: open gives the same description that describe gave before it.
        opened = amplifier.open()
        assert opened == described, f"open says {opened}, describe said {described}"
        reading = _read(amplifier, opened, clock, seconds, limits, read_wait_s)
    finally:
        amplifier.close()
    _check_closed(amplifier)
    return _check_times(reading, amplifier, opened, limits)


@dataclass(slots=True)
class _Reading:
    times_s: NDArray[np.float64]
    ages_s: list[float]
    rows: int


def _check_description(make: Callable[[Clock], Amplifier], clock: Clock) -> StreamInfo:
    first = make(clock)
    # Rule: settings are a frozen model that forbids unknown keys, so that a rig is checked whole.
    config = type(first).Settings.model_config
    assert config.get("frozen") is True, "Settings must be frozen"
    assert config.get("extra") == "forbid", "Settings must forbid unknown keys"
    # Rule: describe needs no open, and says the same each time.
    info = first.describe()
    assert first.describe() == info, "describe said two different things"
    # Rule: the stream has a rate, channels with different labels, and an identity.
    assert info.rate_hz > 0.0, f"rate {info.rate_hz} Hz"
    assert len(info.channels) > 0, "no channels"
    assert len(set(info.channels)) == len(info.channels), f"labels repeat: {info.channels}"
    assert info.source_id, "source_id is empty; a loop finds the stream by it"
    # Rule: inside, everything is microvolts; the driver converts.
    assert info.unit == "microvolts", f"unit {info.unit!r}, want 'microvolts'"
    # Rule: close may be called before open, and more than once.
    first.close()
    first.close()
    return info


def _read(
    amplifier: Amplifier,
    info: StreamInfo,
    clock: Clock,
    seconds: float,
    limits: Tolerances,
    wait_s: float,
) -> _Reading:
    # Rule: a source that has just been opened has not ended, and has handed out nothing.
    assert amplifier.exhausted is False, "exhausted before the first read"
    assert amplifier.counters.samples == 0, "counters.samples is not 0 before the first read"
    until_s = clock.now_s() + seconds
    times: list[NDArray[np.float64]] = []
    ages_s: list[float] = []
    while clock.now_s() < until_s and not amplifier.exhausted:
        before_s = clock.now_s()
        chunk = amplifier.read(wait_s)
        after_s = clock.now_s()
        # Rule: read waits for the first sample up to wait_s, not longer.
        took_s = after_s - before_s
        assert took_s <= wait_s + limits.wait_s, (
            f"read({wait_s} s) took {took_s:.3f} s, tolerance {limits.wait_s} s"
        )
        if chunk is None:
            # Rule: None means nothing came, after waiting; it is no way to return early.
            assert took_s >= 0.9 * wait_s or amplifier.exhausted, (
                f"read({wait_s} s) gave None after {took_s:.4f} s without waiting"
            )
            continue
        _check_chunk(chunk, info)
        times.append(chunk.times_s)
        newest_s = float(chunk.times_s[-1])
        # Rule: no sample is stamped later than it is handed out.
        assert newest_s <= after_s, f"a sample is stamped {newest_s - after_s:.6f} s in the future"
        # Rule: samples are handed out fresh, once the sample clock has been found.
        if len(times) > 1:
            ages_s.append(after_s - newest_s)
            assert ages_s[-1] <= limits.fresh_s, (
                f"the newest sample was {ages_s[-1]:.3f} s old, limit {limits.fresh_s} s"
            )
    # Rule: samples come.
    assert times, f"no samples in {seconds} s"
    stamps = np.concatenate(times)
    return _Reading(stamps, ages_s, len(stamps))


def _check_chunk(chunk: Chunk, info: StreamInfo) -> None:
    # Rule: a chunk is not empty; nothing is None.
    assert len(chunk) > 0, "an empty chunk; give None instead"
    # Rule: samples are (n_samples, n_channels) float32 in one piece, as kernels read them.
    assert chunk.samples.shape[1] == len(info.channels), (
        f"{chunk.samples.shape[1]} columns for {len(info.channels)} channels"
    )
    assert chunk.samples.dtype == np.float32, f"samples are {chunk.samples.dtype}, want float32"
    assert chunk.samples.flags.c_contiguous, "samples are not C-contiguous"
    # Rule: times are float64, one a sample, in one piece.
    assert chunk.times_s.dtype == np.float64, f"times_s are {chunk.times_s.dtype}, want float64"
    assert chunk.times_s.flags.c_contiguous, "times_s are not contiguous"
    # Rule: a working amplifier gives finite values at finite times.
    assert np.isfinite(chunk.samples).all(), "samples are not finite"
    assert np.isfinite(chunk.times_s).all(), "times_s are not finite"


def _check_times(
    reading: _Reading, amplifier: Amplifier, info: StreamInfo, limits: Tolerances
) -> AmplifierReport:
    counters = amplifier.counters
    times_s = reading.times_s
    # Rule: counters.samples is what read handed out, so each sample is counted once.
    assert counters.samples == reading.rows, (
        f"counters.samples is {counters.samples}, read handed out {reading.rows}"
    )
    assert len(times_s) > 1, "one sample alone tells nothing about times; read for longer"
    steps_s = np.diff(times_s)
    # Rule: times increase, also from one read to the next, so no sample comes twice.
    backward = np.flatnonzero(steps_s <= 0.0)
    assert len(backward) == 0, (
        f"time stands still or runs backwards at sample {backward[0] + 1}: "
        f"{steps_s[backward[0]] * 1e3:.4f} ms"
    )
    period_s = 1.0 / info.rate_hz
    periods = np.maximum(1.0, np.rint(steps_s / period_s))
    # Rule: steps are whole periods: one, or more where samples were lost.
    deviation = np.abs(steps_s / period_s - periods)
    worst = int(np.argmax(deviation))
    assert deviation[worst] <= limits.spacing, (
        f"sample {worst + 1} comes {steps_s[worst] * 1e3:.4f} ms after the one before; "
        f"periods of {period_s * 1e3:.4f} ms, tolerance {limits.spacing:.0%} of one"
    )
    # Rule: samples read and samples lost make up the span of the times.
    skipped = int(periods.sum()) - len(steps_s)
    assert counters.lost == skipped, (
        f"the times skip over {skipped} samples, counters.lost says {counters.lost}"
    )
    # Rule: the mean rate is the nominal one.
    rate_hz = float(periods.sum()) / float(times_s[-1] - times_s[0])
    assert abs(rate_hz / info.rate_hz - 1.0) <= limits.rate, (
        f"mean rate {rate_hz:.4f} Hz, described as {info.rate_hz} Hz, tolerance {limits.rate:.1%}"
    )
    ages_s = reading.ages_s or [0.0]
    return AmplifierReport(
        samples=reading.rows,
        lost=skipped,
        rate_hz=rate_hz,
        worst_spacing=float(deviation[worst]),
        median_age_s=float(np.median(ages_s)),
        worst_age_s=max(ages_s),
    )


def _check_closed(amplifier: Amplifier) -> None:
    # Rule: close may be called again.
    amplifier.close()
    # Rule: reading what is closed is an error, not silence.
    try:
        amplifier.read(0.0)
    except DeviceError:
        return
    raise AssertionError("read after close must raise DeviceError")
