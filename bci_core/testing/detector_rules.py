"""The rules of `check_detector`, one function each; the comment at a `require` is its rule."""

from collections.abc import Callable, Sequence
from math import isfinite

import numpy as np
from numpy.typing import NDArray

from bci_core.chunk import Chunk
from bci_core.contracts import Detector
from bci_core.detection.compiled import CompiledDetector
from bci_core.events import Detection
from bci_core.testing.require import require, require_strict_settings

Make = Callable[[], Detector]

N_SPLITS = 100
"""Random ways to cut the samples, with seeds 0, 1, 2, …"""

MOST_CUTS = 60
"""Of one split."""

LEAST_SAMPLES = 2000
"""That are split, where there are so many."""


def finds_something(make: Make, chunk: Chunk) -> None:
    """It finds something to check."""
    # What finds nothing keeps every other rule for free.
    require(
        len(make().update(chunk)) > 0,
        "nothing was found in the samples tried, so nothing has been checked; "
        "hand in a chunk that holds what it looks for",
    )


def settings_are_strict(make: Make, chunk: Chunk) -> None:  # noqa: ARG001 - a rule takes both
    """Settings are a frozen pydantic model that refuses unknown keys."""
    require_strict_settings(make())


def channels_are_columns(make: Make, chunk: Chunk) -> None:
    """`channels` names columns of the stream."""
    channels = make().channels
    n_channels = chunk.samples.shape[1]
    # The monitor watches these, so they must be there, and each once.
    require(len(channels) > 0, "channels is empty: the monitor would watch nothing")
    require(all(0 <= c < n_channels for c in channels), f"{channels} of {n_channels} columns")
    require(len(set(channels)) == len(channels), f"a column is named twice: {channels}")


def other_channels_do_not_matter(make: Make, chunk: Chunk) -> None:
    """It reads no columns but those in `channels`."""
    detector = make()
    samples = chunk.samples.copy()
    unread = [c for c in range(samples.shape[1]) if c not in detector.channels]
    samples[:, unread] = np.nan
    # NaN is mended only on the columns named in `channels`; a detector that reads
    # others has NaN in its state sooner or later.
    _same(detector.update(Chunk(samples, chunk.times_s)), make().update(chunk), "NaN elsewhere")


def chunking_changes_nothing(make: Make, chunk: Chunk) -> None:
    """Any split into chunks gives the same detections and the same state, to the bit."""
    rng = np.random.default_rng(0)
    # Runs of flags, since a kernel takes other ways through flagged samples.
    flags = np.repeat(rng.random(len(chunk) // 50 + 1) < 0.2, 50)[: len(chunk)].astype(np.uint8)
    flagged = Chunk(chunk.samples, chunk.times_s, flags)
    _splits_change_nothing(make, chunk, 2)
    # Most of the splits are of a part that holds some detections, to be quick.
    part = _part(chunk, 0, _some_detections_end(make().update(chunk), len(chunk)))
    _splits_change_nothing(make, part, N_SPLITS // 2)
    _splits_change_nothing(make, _part(flagged, 0, len(part)), N_SPLITS - N_SPLITS // 2)


def _splits_change_nothing(make: Make, chunk: Chunk, n_splits: int) -> None:
    detector = make()
    whole = detector.update(chunk)
    state = _state(detector)
    # Sample by sample, and however else it is cut, empty chunks included.
    splits: list[tuple[str, Sequence[int]]] = [("one sample a chunk", range(1, len(chunk)))]
    for seed in range(n_splits):
        rng = np.random.default_rng(seed)
        cuts = rng.integers(0, len(chunk) + 1, size=int(rng.integers(1, MOST_CUTS)))
        splits.append((f"random split {seed}", sorted(cuts.tolist())))
    for name, at in splits:
        split = make()
        _same(_run(split, chunk, at), whole, name)
        # A state that differs shows itself later.
        require(_state(split) == state, f"{name}: another state at the end")


def _some_detections_end(whole: Sequence[Detection], n: int) -> int:
    """Samples to try so that some detections are among them, a border in between included."""
    enough = whole[min(len(whole), 10) - 1].sample_index + 50 if whole else n
    return min(n, max(enough, LEAST_SAMPLES))


def _state(detector: Detector) -> bytes:
    return detector.state.tobytes() if isinstance(detector, CompiledDetector) else b""


def the_future_does_not_matter(make: Make, chunk: Chunk) -> None:
    """It is causal."""
    whole = make().update(chunk)
    rng = np.random.default_rng(0)
    for cut in rng.integers(1, len(chunk), size=8).tolist():
        samples = chunk.samples.copy()
        samples[cut:] = rng.normal(0.0, 100.0, samples[cut:].shape)
        changed = make().update(Chunk(samples, chunk.times_s))
        # A detector is causal: later samples cannot change what was found before them.
        _same(_before(cut, changed), _before(cut, whole), f"other samples from {cut} on")


def instances_share_nothing(make: Make, chunk: Chunk) -> None:
    """Same samples, same detections; and two detectors do not disturb each other."""
    alone = make().update(chunk)
    # The same samples give the same detections, on a second instance too.
    _same(make().update(chunk), alone, "a second instance")
    first, second = make(), make()
    half = len(chunk) // 2
    found = first.update(_part(chunk, 0, half))
    second.update(Chunk(chunk.samples[::-1].copy(), chunk.times_s))
    found += first.update(_part(chunk, half, len(chunk)))
    # State belongs to the instance, not to the class or the module.
    _same(found, alone, "another instance at work in between")


def indices_count_samples(make: Make, chunk: Chunk) -> None:
    """`sample_index` and `sample_s` name the sample it was found on."""
    detector = make()
    last = -1
    for start in range(0, len(chunk), 100):
        end = min(start + 100, len(chunk))
        for found in detector.update(_part(chunk, start, end)):
            # Counted from the first sample seen, and reported with the chunk that holds it.
            require(
                start <= found.sample_index < end,
                f"index {found.sample_index} came with samples {start} to {end - 1}",
            )
            # At most one detection a sample, oldest first.
            require(found.sample_index > last, f"index {found.sample_index} after {last}")
            last = found.sample_index
            # The time of that very sample, not one computed from the rate.
            require(
                found.sample_s == chunk.times_s[found.sample_index],
                f"sample {found.sample_index} is at {chunk.times_s[found.sample_index]!r} s, "
                f"not {found.sample_s!r} s",
            )


def detections_are_sound(make: Make, chunk: Chunk) -> None:
    """Targets and values are finite, and no target lies in the past."""
    _check_sound(make().update(chunk))


def the_origin_of_time_does_not_matter(make: Make, chunk: Chunk) -> None:
    """Where the clock started makes no difference."""
    here = make().update(chunk)
    there = make().update(Chunk(chunk.samples, chunk.times_s + 4096.0))
    # LSL time starts anywhere; only differences mean something.
    require(
        [d.sample_index for d in here] == [d.sample_index for d in there],
        "other samples are found when the clock starts 4096 s later",
    )
    for a, b in zip(here, there, strict=True):
        drift_s = (b.target_s - b.sample_s) - (a.target_s - a.sample_s)
        require(abs(drift_s) < 1e-6, f"target of sample {a.sample_index} moves by {drift_s:g} s")


def samples_are_left_alone(make: Make, chunk: Chunk) -> None:
    """The chunk is only read."""
    mine = Chunk(chunk.samples.copy(), chunk.times_s.copy())
    make().update(mine)
    # The same chunk goes to the recorder and to other detectors.
    require(np.array_equal(mine.samples, chunk.samples), "the samples were changed in place")
    require(np.array_equal(mine.times_s, chunk.times_s), "the times were changed in place")


def bad_samples_are_survived(make: Make, chunk: Chunk) -> None:
    """Silence, an offset and full-scale steps do not break it."""
    period_s = float(np.median(np.diff(chunk.times_s)))
    n_channels = chunk.samples.shape[1]
    troubles = _troubles(n_channels, round(0.25 / period_s))
    joined = np.concatenate([*troubles, chunk.samples, chunk.samples, chunk.samples])
    times_s = np.arange(len(joined), dtype=np.float64) * period_s
    found = make().update(Chunk(joined, times_s))
    # Silence, an offset of 0.1 V and steps of 2 V leave no NaN in what comes later …
    _check_sound(found)
    # … nor in the state, which would make it deaf for good.
    after = sum(len(trouble) for trouble in troubles)
    require(
        any(d.sample_index >= after for d in found),
        "after silence, offset and steps it finds nothing any more where it did before",
    )


def _troubles(n_channels: int, n: int) -> list[NDArray[np.float32]]:
    levels_uv = [0.0] * 8 + [1e5] * 8 + [1e6, -1e6] * 4 + [0.0] * 8
    return [np.full((n, n_channels), level_uv, dtype=np.float32) for level_uv in levels_uv]


def _check_sound(found: Sequence[Detection]) -> None:
    for d in found:
        # Whatever comes after has to compute with these.
        require(isfinite(d.target_s), f"{d} has a target that is not finite")
        require(isfinite(d.value), f"{d} has a value that is not finite")
        # A pulse cannot be asked for in the past.
        require(d.target_s >= d.sample_s, f"{d} has a target before its sample")
        # Vetoes are the monitor's to give.
        require(d.veto == "", f"{d} brings a veto of its own")


def _same(found: Sequence[Detection], expected: Sequence[Detection], change: str) -> None:
    for a, b in zip(found, expected, strict=False):
        require(a == b, f"{change}: {a} instead of {b}")
    require(
        len(found) == len(expected), f"{change}: {len(found)} detections instead of {len(expected)}"
    )


def _run(detector: Detector, chunk: Chunk, cuts: Sequence[int]) -> list[Detection]:
    found: list[Detection] = []
    for start, end in zip([0, *cuts], [*cuts, len(chunk)], strict=True):
        found += detector.update(_part(chunk, start, end))
    return found


def _part(chunk: Chunk, start: int, end: int) -> Chunk:
    flags = None if chunk.flags is None else chunk.flags[start:end]
    return Chunk(chunk.samples[start:end], chunk.times_s[start:end], flags)


def _before(index: int, found: Sequence[Detection]) -> list[Detection]:
    return [d for d in found if d.sample_index < index]
