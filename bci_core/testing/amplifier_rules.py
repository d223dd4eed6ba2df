"""The rules of `check_amplifier`, one function each; the comment at a `require` is its rule."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bci_core.testing.amplifier_trace import AmplifierTrace
from bci_core.testing.require import require


@dataclass(frozen=True, slots=True)
class Tolerances:
    """What is let pass.

    Attributes
    ----------
    spacing : float
        Of a step between two samples, as a fraction of the period.
    rate : float
        Of the mean rate against the nominal one, as a fraction.
    late_s : float
        By which a read may return late. A shared machine needs some.
    fresh_s : float
        Age of the newest sample when a read returns.
    """

    spacing: float = 0.1
    rate: float = 0.005
    late_s: float = 0.1
    fresh_s: float = 0.1


def settings_are_strict(trace: AmplifierTrace, limits: Tolerances) -> None:  # noqa: ARG001
    """Settings are a frozen pydantic model that refuses unknown keys."""
    # A mistyped key must be an error, not a default that nobody asked for.
    require(trace.settings_config.get("extra") == "forbid", "Settings: set extra='forbid'")
    # What the session wrote down is what runs.
    require(trace.settings_config.get("frozen") is True, "Settings: set frozen=True")


def description_holds(trace: AmplifierTrace, limits: Tolerances) -> None:  # noqa: ARG001
    """What `describe` says is what `open` streams."""
    info = trace.described
    # A rig is checked against the description, before anything is opened.
    require(trace.described_again == info, f"describe said {info}, then {trace.described_again}")
    require(trace.opened == info, f"describe said {info}, open said {trace.opened}")
    # The loop, the monitor and the recorder need a rate, labels, and an identity.
    require(info.rate_hz > 0.0, f"rate_hz is {info.rate_hz}")
    require(len(info.channels) > 0, "there are no channels")
    require(len(set(info.channels)) == len(info.channels), f"labels repeat: {info.channels}")
    require(bool(info.source_id), "source_id is empty; the loop finds the stream by it")
    # Inside, everything is microvolts; the driver converts.
    require(info.unit == "microvolts", f"unit is {info.unit!r}, not 'microvolts'")


def starts_afresh(trace: AmplifierTrace, limits: Tolerances) -> None:  # noqa: ARG001
    """After `open` nothing has been handed out, and the source has not ended."""
    require(trace.exhausted_at_open is False, "exhausted before the first read")
    # Counters count what read hands out, so none of it can have been counted yet.
    require(trace.counters_at_open.samples == 0, "counters.samples is not 0 before the first read")


def reads_wait(trace: AmplifierTrace, limits: Tolerances) -> None:
    """`read` waits for the first sample up to `wait_s`, and gives None after that."""
    for read in trace.reads:
        took_s = read.ended_s - read.began_s
        # The owner has a heartbeat to send: a read must come back in time.
        require(
            took_s <= trace.wait_s + limits.late_s,
            f"read({trace.wait_s:g}) took {took_s:.3f} s, tolerance {limits.late_s:g} s",
        )
        # None without waiting makes the owner spin.
        require(
            read.chunk is not None or read.exhausted or took_s >= 0.9 * trace.wait_s,
            f"read({trace.wait_s:g}) gave None after {took_s:.4f} s, and the source has not ended",
        )
    # Samples come at all.
    require(len(trace.times_s) > 1, "it gave fewer than two samples; is there a signal?")


def chunks_are_sound(trace: AmplifierTrace, limits: Tolerances) -> None:  # noqa: ARG001
    """Chunks are as kernels read them."""
    for chunk in trace.chunks:
        samples, times_s = chunk.samples, chunk.times_s
        # Nothing is None, never an empty chunk.
        require(len(chunk) > 0, "an empty chunk; give None instead")
        # (n_samples, n_channels) float32 in one piece, microvolts.
        require(
            samples.shape[1] == len(trace.opened.channels),
            f"{samples.shape[1]} columns for {len(trace.opened.channels)} channels",
        )
        require(samples.dtype == np.float32, f"samples are {samples.dtype}, not float32")
        require(samples.flags.c_contiguous, "samples are not C-contiguous")
        # One float64 time a sample, in one piece.
        require(times_s.dtype == np.float64, f"times_s are {times_s.dtype}, not float64")
        require(times_s.flags.c_contiguous, "times_s are not contiguous")
        # A working amplifier gives numbers.
        require(bool(np.isfinite(samples).all()), "samples are not finite")
        require(bool(np.isfinite(times_s).all()), "times_s are not finite")


def stamps_are_not_ahead(trace: AmplifierTrace, limits: Tolerances) -> None:  # noqa: ARG001
    """No sample is stamped later than it is handed out."""
    for read in trace.reads:
        if read.chunk is not None and len(read.chunk):
            ahead_s = float(np.max(read.chunk.times_s)) - read.ended_s
            # A stamp from the future hides latency, and lets a pulse come too late unseen.
            require(ahead_s <= 0.0, f"a sample is stamped {ahead_s * 1e3:.3f} ms in the future")


def samples_are_fresh(trace: AmplifierTrace, limits: Tolerances) -> None:
    """Samples are handed out soon after they were taken."""
    oldest_s = float(np.max(trace.ages_s, initial=0.0))
    # Old samples make late pulses; a buffer in between has to be short.
    require(
        oldest_s <= limits.fresh_s,
        f"the newest sample of a read was {oldest_s:.3f} s old, limit {limits.fresh_s:g} s",
    )


def each_sample_once(trace: AmplifierTrace, limits: Tolerances) -> None:  # noqa: ARG001
    """Times increase, within a read and from one to the next."""
    steps_s = np.diff(trace.times_s)
    backward = np.flatnonzero(~(steps_s > 0.0))
    # A filter that sees a sample twice, or out of order, is at another phase.
    require(
        len(backward) == 0,
        f"time does not go forward at sample {[*backward, -1][0] + 1}; "
        "drop duplicates, and count them",
    )


def times_are_even(trace: AmplifierTrace, limits: Tolerances) -> None:
    """Steps are whole periods of the nominal rate: one, or more where samples were lost."""
    steps_s, periods, period_s = _steps(trace)
    rate_hz = 1.0 / period_s
    # Filters are designed for the nominal rate.
    require(
        abs(rate_hz / trace.opened.rate_hz - 1.0) <= limits.rate,
        f"samples come at {rate_hz:.4f} Hz, described as {trace.opened.rate_hz:g} Hz, "
        f"tolerance {limits.rate:.1%}",
    )
    deviation = np.abs(steps_s / period_s - periods)
    worst = int(np.argmax(deviation))
    # Times of arrival are not times of sampling: a phase is only as good as its times.
    require(
        bool(deviation[worst] <= limits.spacing),
        f"sample {worst + 1} is stamped {steps_s[worst] * 1e3:.4f} ms after the one before, at a "
        f"period of {period_s * 1e3:.4f} ms; tolerance {limits.spacing:.0%} of a period",
    )


def counters_add_up(trace: AmplifierTrace, limits: Tolerances) -> None:  # noqa: ARG001
    """Samples handed out and samples lost make up the span of the times."""
    n_read = len(trace.times_s)
    # Nothing that is lost is lost in silence.
    require(
        trace.counters.samples == n_read,
        f"counters.samples is {trace.counters.samples}, read handed out {n_read}",
    )
    _, periods, _ = _steps(trace)
    skipped = int(periods.sum()) - len(periods)
    require(
        trace.counters.lost == skipped,
        f"the times skip over {skipped} samples, counters.lost is {trace.counters.lost}",
    )


def keeps_up_with_time(trace: AmplifierTrace, limits: Tolerances) -> None:
    """The samples fill the time that passed, so none are missing unseen and none made up."""
    given = [(read.ended_s, read.chunk) for read in trace.reads if read.chunk is not None]
    _, periods, period_s = _steps(trace)
    (first_s, first), (last_s, last) = given[0], given[-1]
    stamped_s = float(last.times_s[-1] - first.times_s[-1])
    passed_s = last_s - first_s
    n_later = float(periods[len(first) - 1 :].sum())
    slack_s = limits.rate * passed_s + limits.late_s + limits.fresh_s
    # Stamps that run faster or slower than the clock belong to another clock.
    require(
        abs(stamped_s - passed_s) <= slack_s,
        f"stamps advanced by {stamped_s:.4f} s while {passed_s:.4f} s passed",
    )
    require(
        abs(n_later * period_s - passed_s) <= slack_s,
        f"{n_later:.0f} samples, lost ones included, came in {passed_s:.4f} s at "
        f"{1.0 / period_s:.2f} Hz",
    )


def closed_is_closed(trace: AmplifierTrace, limits: Tolerances) -> None:  # noqa: ARG001
    """Reading what is closed is an error."""
    # None would look like a device that is merely quiet.
    require(
        trace.closed_answer == "DeviceError",
        f"read after close came to {trace.closed_answer}; raise DeviceError",
    )


def mean_rate_hz(trace: AmplifierTrace) -> float:
    """Samples a second, lost ones included."""
    return 1.0 / _steps(trace)[2]


def _steps(trace: AmplifierTrace) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Steps between samples, in seconds and in whole periods, and the mean period."""
    steps_s = np.diff(trace.times_s)
    span_s = float(steps_s.sum())
    require(span_s > 0.0, "times do not go forward, so there is no rate")
    periods = np.maximum(1.0, np.rint(steps_s * trace.opened.rate_hz))
    period_s = span_s / float(periods.sum())
    return steps_s, np.maximum(1.0, np.rint(steps_s / period_s)), period_s
