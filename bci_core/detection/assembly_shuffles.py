"""Recordings as chance would have made them, and how often something happens in one."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

FAST_RATIO = 10.0
"""A unit this many times as active as the median unit is shuffled among its like: one
interneuron, or one channel of hash, would otherwise stand in for the population."""


def shifted(values: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Each unit moved round in time by itself: its own course stays, nothing shared does."""
    moved = [np.roll(unit, int(rng.integers(len(values)))) for unit in values.T]
    return np.stack(moved, axis=1)


def relabelled(
    counts: NDArray[np.float64], rng: np.random.Generator, block_bins: int | None = None
) -> NDArray[np.float64]:
    """Spikes change owners: each bin's number of spikes stays, and each unit's.

    So the rate of the population is as it was in every bin, and nothing else. Units far
    more active than the median (`FAST_RATIO`) exchange theirs among themselves.

    Parameters
    ----------
    counts : ndarray, (n_bins, n_units)
    rng : Generator
    block_bins : int, optional
        Exchange only within blocks of so many bins, so that each unit's slow changes
        stay as well.
    """
    totals = counts.sum(axis=0)
    fast = totals > FAST_RATIO * np.median(totals)
    made = np.zeros_like(counts)
    for group in (np.flatnonzero(fast), np.flatnonzero(~fast)):
        for start, end in _blocks(len(counts), block_bins or len(counts)):
            numbers = np.rint(counts[start:end, group]).astype(np.int64)
            rows, columns = np.nonzero(numbers)
            repeats = numbers[rows, columns]
            owners = rng.permutation(np.repeat(columns, repeats))
            np.add.at(made, (start + np.repeat(rows, repeats), group[owners]), 1.0)
    return made


def onsets(strength: NDArray[np.float64], thresholds: NDArray[np.float64]) -> NDArray[np.int64]:
    """How often each template goes above its threshold, (n_templates,)."""
    active = strength > thresholds
    begins = active[1:] & ~active[:-1]
    return np.asarray(begins.sum(axis=0) + active[0], dtype=np.int64)


def _blocks(n_bins: int, size: int) -> Iterator[tuple[int, int]]:
    return ((start, min(start + size, n_bins)) for start in range(0, n_bins, size))
