"""Rules of `check_detector` about input that is flagged, faulty, or of another shape.

Faults go through `Sensing`, as they do live: the monitor flags and repairs, the
detector sees what is left. What is found is compared with what a second detector
finds on samples that were held through the fault, under the same flags. What differs
once the flags are over is born of the fault.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bci_core.chunk import Chunk, StreamInfo
from bci_core.contracts import Detector
from bci_core.detection.compiled import CompiledDetector
from bci_core.detection.monitor_settings import MonitorSettings
from bci_core.detection.sensing import Sensing
from bci_core.errors import ConfigError
from bci_core.events import Detection, EventKind
from bci_core.testing.require import require

Make = Callable[[], Detector]
MakeFor = Callable[[StreamInfo], Detector]
"""Makes a fresh detector with settings that suit a stream."""

Samples = NDArray[np.float32]

FAULTY = 0.02
"""How long a fault lasts, as a share of the trial."""

SETTLING = 0.1
"""How long the monitor keeps detections vetoed after it, as a share of the trial. That is
the time within which a detector has to be over a fault: 4 s of a trial of 40 s."""

SLACK = 0.005
"""How far from its twin a detection may be after a fault, as a share of the trial: what is
left of the fault may move a detection a little, but neither make nor prevent one."""

MARGINAL = 0.05
"""Share of the detections that may be there on one side only. Nothing for a detector that
finds few; of hundreds, some are of noise that just passes a threshold, or just does not."""

EDGE_STEPS = 30
"""Bisections with which the lowest rate is looked for."""


def flagged_samples_teach_nothing(make: Make, chunk: Chunk) -> None:
    """What is flagged moves no baseline, threshold, rate or frequency."""
    n, ring_down = round(FAULTY * len(chunk)), len(chunk) // 4
    loudest = 10.0 * float(np.abs(chunk.samples).max(initial=1.0))
    noise = np.random.default_rng(0).normal(0.0, loudest, (n, chunk.samples.shape[1]))
    held = np.repeat(chunk.samples[-1:], n, axis=0)
    calm = chunk.samples[:ring_down]
    flags = np.repeat(np.array([0, 1, 0], dtype=np.uint8), [len(chunk), n + ring_down, len(chunk)])
    found = []
    for stretch in (held, noise.astype(np.float32)):
        samples = np.concatenate([chunk.samples, stretch, calm, chunk.samples])
        times_s = np.arange(float(len(samples))) * _period_s(chunk)
        whole = make().update(Chunk(samples, times_s, flags))
        found.append([d for d in whole if flags[d.sample_index] == 0])
    # Filters may run on, so there is a quarter of the trial, flagged too, for them to ring
    # down. After that, ten times the loudest signal must have left no trace.
    _require_same_events(found[1], found[0], 0, "after a burst of which every sample was flagged")
    # Ends aside, these are as many.
    onsets = [[d for d in each if d.kind is EventKind.ONSET] for each in found]
    for a, b in zip(*onsets, strict=True):
        alike = abs(a.value - b.value) <= 1e-3 * max(abs(a.value), abs(b.value))
        require(alike, f"a flagged burst changes the value of a later detection: {b}, was {a}")


def an_empty_chunk_changes_nothing(make: Make, chunk: Chunk) -> None:
    """A chunk without samples is no event, and no end of one."""
    empty = Chunk(chunk.samples[:0], chunk.times_s[:0], np.zeros(0, dtype=np.uint8))
    detector = make()
    # Also as the very first thing it sees.
    require(detector.update(empty) == [], "something was found in a chunk without samples")
    require(
        detector.update(chunk) == make().update(chunk),
        "other events are found after a chunk without samples",
    )


def not_finite_samples_are_survived(make: Make, chunk: Chunk) -> None:
    """NaN and infinities, through the monitor."""
    n = _n_faulty(chunk)
    stretch = np.full((n, chunk.samples.shape[1]), np.nan, dtype=np.float32)
    stretch[n // 3 : 2 * n // 3] = np.inf
    stretch[2 * n // 3 :] = -np.inf
    _compare(make, chunk, stretch, "NaN and infinities")


def a_flat_channel_is_survived(make: Make, chunk: Chunk) -> None:
    """Every channel repeats its last value."""
    stretch = np.repeat(chunk.samples[-1:], round(0.1 * len(chunk)), axis=0)
    _compare(make, chunk, stretch, "flat channels")


def a_gap_is_survived(make: Make, chunk: Chunk) -> None:
    """Samples are missing, and time goes on without them."""
    _compare(make, chunk, chunk.samples[:0], "a gap", missing_s=_n_faulty(chunk) * _period_s(chunk))


def another_rate_is_survived(make: Make, chunk: Chunk) -> None:
    """Samples come slower or faster than the stream said."""
    for factor in (0.5, 0.97, 1.03, 2.0):
        detector = make()
        start_s = float(chunk.times_s[0])
        times_s = start_s + (chunk.times_s - start_s) * factor
        found = _sensing(detector, chunk).update(Chunk(chunk.samples, times_s))
        _require_no_nan(detector, found, f"at {1.0 / factor:g} times the rate")


INPUT_RULES: Final = (
    flagged_samples_teach_nothing,
    an_empty_chunk_changes_nothing,
    not_finite_samples_are_survived,
    a_flat_channel_is_survived,
    a_gap_is_survived,
    another_rate_is_survived,
)
"""Rules for one detector and its trial."""


def one_channel_is_enough(make_for: MakeFor, info: StreamInfo, chunk: Chunk) -> None:
    """A stream of a single channel is served."""
    _run_on(make_for, replace(info, channels=info.channels[:1]), chunk, 1)


def many_channels_are_served(make_for: MakeFor, info: StreamInfo, chunk: Chunk) -> None:
    """A stream of 1024 channels is served."""
    many = replace(info, channels=tuple(f"c{i}" for i in range(1024)))
    _run_on(make_for, many, chunk, 1024)


def what_does_not_fit_the_rate_is_refused(
    make_for: MakeFor, info: StreamInfo, chunk: Chunk
) -> None:
    """At any rate it either works or says why it cannot."""
    too_low_hz, lowest_hz = 0.0, info.rate_hz
    rate_hz = info.rate_hz
    while rate_hz > 1.0 and not too_low_hz:
        rate_hz /= 2.0
        if _is_made(make_for, replace(info, rate_hz=rate_hz)):
            lowest_hz = rate_hz
        else:
            too_low_hz = rate_hz
    for _ in range(EDGE_STEPS if too_low_hz else 0):
        rate_hz = (too_low_hz + lowest_hz) / 2.0
        if _is_made(make_for, replace(info, rate_hz=rate_hz)):
            lowest_hz = rate_hz
        else:
            too_low_hz = rate_hz
    # Where its highest band touches half the rate, it must still work if it lets itself be made.
    slow = replace(info, rate_hz=lowest_hz)
    times_s = np.arange(float(len(chunk))) / lowest_hz
    _run_on(make_for, slow, Chunk(chunk.samples, times_s), len(info.channels))


STREAM_RULES: Final = (
    one_channel_is_enough,
    many_channels_are_served,
    what_does_not_fit_the_rate_is_refused,
)
"""Rules for detectors of other streams; they need to be told how to make one."""


def _compare(
    make: Make, chunk: Chunk, stretch: Samples, fault: str, missing_s: float = 0.0
) -> None:
    """Trial, fault, trial; and the same with the last good sample held through the fault."""
    held = np.repeat(chunk.samples[-1:], len(stretch), axis=0)
    times_s = np.arange(2.0 * len(chunk) + len(stretch)) * _period_s(chunk)
    times_s[len(chunk) :] += missing_s
    through = np.concatenate([chunk.samples, stretch, chunk.samples])
    detector = make()
    sensing = _sensing(detector, chunk)
    found = sensing.update(Chunk(through, times_s))
    _require_no_nan(detector, found, f"after {fault}")

    flags = _sensing(make(), chunk).monitor.update(through.copy(), times_s)
    calm = np.concatenate([chunk.samples, held, chunk.samples])
    expected = make().update(Chunk(calm, times_s, flags))
    after = len(chunk)
    wanted = [d for d in expected if d.sample_index >= after and flags[d.sample_index] == 0]
    _require_same_events(
        [d for d in found if d.sample_index >= after and not d.veto],
        wanted,
        max(2, round(SLACK * len(chunk))),
        f"after {fault}",
    )
    # Deaf in the same way on both is deaf all the same, unless it falls silent by itself.
    n = len(chunk)
    twice = Chunk(np.concatenate([chunk.samples] * 2), np.arange(2.0 * n) * _period_s(chunk))
    if any(d.sample_index >= n + round(2 * SETTLING * n) for d in make().update(twice)):
        require(bool(wanted), f"after {fault} it finds nothing any more where it did before")


def _sensing(detector: Detector, chunk: Chunk) -> Sensing:
    period_s = _period_s(chunk)
    n_channels = chunk.samples.shape[1]
    info = StreamInfo("trial", 1.0 / period_s, tuple(map(str, range(n_channels))), "trial")
    settle_s = min(SETTLING * len(chunk) * period_s, 60.0)
    return Sensing(detector, info, MonitorSettings(settle_s=settle_s))


def _require_same_events(
    found: Sequence[Detection], expected: Sequence[Detection], slack: int, when: str
) -> None:
    """The same onsets, give or take `slack` samples.

    An end is no call to act, and may be that of an event whose onset was vetoed.
    """
    indices = np.array([d.sample_index for d in found if d.kind is EventKind.ONSET])
    wanted = np.array([d.sample_index for d in expected if d.kind is EventKind.ONSET])
    for these, those, what in ((indices, wanted, "invents"), (wanted, indices, "misses")):
        alone = [i for i in these.tolist() if not (np.abs(those - i) <= slack).any()]
        require(
            len(alone) <= MARGINAL * len(these),
            f"{when} it {what} {len(alone)} of {len(these)} detections, the first on sample "
            f"{alone[0] if alone else 0}",
        )


def _require_no_nan(detector: Detector, found: Sequence[Detection], when: str) -> None:
    if isinstance(detector, CompiledDetector):
        # A recursive filter that has once seen NaN never forgets it. An infinity may stand
        # for "not yet"; what is published has to be a number.
        slots = np.flatnonzero(np.isnan(detector.state)).tolist()
        require(not slots, f"{when} there is NaN in state {slots[:8]}")
        require(bool(np.isfinite(detector.output()).all()), f"{when} an output is not finite")
    for d in found:
        finite = np.isfinite([d.target_s, d.value, d.spread_s]).all()
        require(bool(finite), f"{when} there is a detection that is not finite: {d}")


def _run_on(make_for: MakeFor, info: StreamInfo, chunk: Chunk, n_channels: int) -> None:
    n = min(len(chunk), 2_000_000 // n_channels)
    columns = np.arange(n_channels) % chunk.samples.shape[1]
    samples = np.ascontiguousarray(chunk.samples[:n][:, columns])
    detector = make_for(info)
    require(
        all(0 <= c < n_channels for c in detector.channels),
        f"{detector.channels} of {n_channels} columns",
    )
    found = detector.update(Chunk(samples, chunk.times_s[:n]))
    when = f"on {n_channels} channels at {info.rate_hz:g} Hz"
    _require_no_nan(detector, found, when)
    for d in found:
        require(-1 <= d.channel < n_channels, f"{when}: {d} is on no channel of the stream")


def _is_made(make_for: MakeFor, info: StreamInfo) -> bool:
    try:
        make_for(info)
    except ConfigError as error:
        # The rig's author mends what is named.
        require(bool(error.problems), f"at {info.rate_hz:g} Hz the refusal names no problem")
        return False
    except Exception as error:
        raise AssertionError(
            f"at {info.rate_hz:g} Hz it raises {type(error).__name__} ({error}), not ConfigError"
        ) from error
    return True


def _n_faulty(chunk: Chunk) -> int:
    return max(3, round(FAULTY * len(chunk)))


def _period_s(chunk: Chunk) -> float:
    return float(np.median(np.diff(chunk.times_s)))
