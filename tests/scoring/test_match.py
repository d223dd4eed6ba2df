"""Which detection found which event."""

import itertools

import numpy as np
import pytest

from bci_core.record.marks import Mark
from bci_core.scoring.match import match

TWO = (Mark(1.0, 0.5), Mark(3.0, 0.5))


def test_one_detection_for_each_event() -> None:
    found = match([1.2, 2.0, 3.4], TWO, 0.0)
    assert found.mark_of == (0, None, 1)
    assert found.detection_of == (0, 2)
    assert (found.found, found.missed) == ((0, 1), ())
    assert found.false_alarms == (1,)
    assert found.duplicates == ()


@pytest.mark.parametrize(
    ("when_s", "is_found"),
    [(0.89, False), (0.91, True), (1.0, True), (1.5, True), (1.59, True), (1.61, False)],
)
def test_the_tolerance_counts_before_the_onset_and_after_the_end(
    when_s: float, is_found: bool
) -> None:
    assert bool(match([when_s], TWO[:1], 0.1).found) is is_found


def test_more_detections_within_an_event_are_duplicates_not_false_alarms() -> None:
    found = match([1.1, 1.2, 1.3], TWO, 0.0)
    assert found.detection_of == (0, None)
    assert (found.duplicates, found.false_alarms, found.missed) == ((1, 2), (), (1,))


def test_a_detection_is_not_counted_for_two_events() -> None:
    close = (Mark(1.0, 0.1), Mark(1.15, 0.1))
    found = match([1.12], close, 0.1)
    assert len(found.found) == 1
    assert found.shared == found.missed == (1,)
    assert match([5.0], close, 0.1).shared == ()


def test_order_does_not_matter() -> None:
    found = match([3.4, 9.0, 1.2], tuple(reversed(TWO)), 0.0)
    assert found.detection_of == (0, 2)
    assert found.false_alarms == (1,)


def test_nothing_to_match() -> None:
    assert match([], TWO, 0.1).missed == (0, 1)
    assert match([1.0], (), 0.1).false_alarms == (0,)
    assert match([], (), 0.1).found == ()


def pairs_by_trying_all(times_s: list[float], marks: list[Mark], tolerance_s: float) -> int:
    best = 0
    chosen = [*range(len(times_s)), *([None] * len(marks))]
    for order in set(itertools.permutations(chosen, len(marks))):
        good = sum(
            d is not None and m.onset_s - tolerance_s <= times_s[d] <= m.end_s + tolerance_s
            for d, m in zip(order, marks, strict=True)
        )
        best = max(best, good)
    return best


@pytest.mark.parametrize("seed", range(25))
def test_there_are_as_many_pairs_as_there_can_be(seed: int) -> None:
    rng = np.random.default_rng(seed)
    times_s = rng.uniform(0.0, 3.0, 4).tolist()
    marks = [Mark(float(rng.uniform(0.0, 3.0)), float(rng.uniform(0.0, 0.8))) for _ in range(4)]
    found = match(times_s, marks, 0.2)
    assert len(found.found) == pairs_by_trying_all(times_s, marks, 0.2)
    counted = {*found.false_alarms, *found.duplicates}
    counted |= {i for i, mark in enumerate(found.mark_of) if mark is not None}
    assert counted == set(range(4))
