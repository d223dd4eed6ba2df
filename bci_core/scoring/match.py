"""Which detection found which event.

An event is found by a detection made from `tolerance_s` before its onset to
`tolerance_s` after its end. Each event takes one detection and each detection one
event, as many pairs as there can be. What more is found within an event is a
duplicate, and neither right nor wrong: scoring by overlap, as in SzCORE (Dan et
al. 2025, Epilepsia, doi 10.1111/epi.18113), does not count it against a detector.
A detection in no event is a false alarm.
"""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bci_core.record.marks import Mark


@dataclass(frozen=True, slots=True)
class Matching:
    """Detections and events, put together.

    Attributes
    ----------
    mark_of : tuple of (int or None)
        For each detection the event it is counted for.
    detection_of : tuple of (int or None)
        For each event the detection that is counted for it; None for a miss.
    duplicates : tuple of int
        Detections within an event that another detection is counted for.
    false_alarms : tuple of int
        Detections in no event.
    shared : tuple of int
        Misses that a detection lies in, which is counted for another event.
    """

    mark_of: tuple[int | None, ...]
    detection_of: tuple[int | None, ...]
    duplicates: tuple[int, ...]
    false_alarms: tuple[int, ...]
    shared: tuple[int, ...]

    @property
    def found(self) -> tuple[int, ...]:
        """Events with a detection of their own."""
        return tuple(i for i, d in enumerate(self.detection_of) if d is not None)

    @property
    def missed(self) -> tuple[int, ...]:
        """Events without."""
        return tuple(i for i, d in enumerate(self.detection_of) if d is None)


def match(times_s: Sequence[float], marks: Sequence[Mark], tolerance_s: float) -> Matching:
    """Put detections and events together.

    Going through the detections in order of time, each is given to that free event
    around it which ends first; no other rule makes more pairs (Glover 1967, Naval
    Research Logistics Quarterly 14:313).

    Parameters
    ----------
    times_s : sequence of float
        Of the detections, in any order.
    marks : sequence of Mark
        The events, in any order.
    tolerance_s : float
        Seconds, 0 or more.

    Returns
    -------
    Matching
        Indices are those of `times_s` and `marks`.
    """
    begins = np.array([mark.onset_s - tolerance_s for mark in marks])
    ends = np.array([mark.end_s + tolerance_s for mark in marks])
    by_begin = np.argsort(begins, kind="stable").tolist()
    mark_of: list[int | None] = [None] * len(times_s)
    detection_of: list[int | None] = [None] * len(marks)
    begun: list[tuple[float, int]] = []
    n_begun = 0
    for detection in np.argsort(np.asarray(times_s, dtype=float), kind="stable").tolist():
        when_s = times_s[detection]
        while n_begun < len(by_begin) and begins[by_begin[n_begun]] <= when_s:
            heapq.heappush(begun, (float(ends[by_begin[n_begun]]), by_begin[n_begun]))
            n_begun += 1
        while begun and begun[0][0] < when_s:
            heapq.heappop(begun)
        if begun:
            _, mark = heapq.heappop(begun)
            mark_of[detection], detection_of[mark] = mark, detection
    left = [i for i, mark in enumerate(mark_of) if mark is None]
    inside = _inside([times_s[i] for i in left], begins, ends)
    ordered_s = np.sort(np.asarray(times_s, dtype=float))
    missed = [i for i, detection in enumerate(detection_of) if detection is None]
    return Matching(
        mark_of=tuple(mark_of),
        detection_of=tuple(detection_of),
        duplicates=tuple(i for i, is_in in zip(left, inside, strict=True) if is_in),
        false_alarms=tuple(i for i, is_in in zip(left, inside, strict=True) if not is_in),
        shared=tuple(
            i
            for i in missed
            if np.searchsorted(ordered_s, ends[i], "right") > np.searchsorted(ordered_s, begins[i])
        ),
    )


def _inside(times_s: Sequence[float], begins: np.ndarray, ends: np.ndarray) -> list[bool]:
    """Whether each time lies in any of the intervals, which may overlap."""
    begun = np.searchsorted(np.sort(begins), times_s, "right")
    ended = np.searchsorted(np.sort(ends), times_s, "left")
    return [bool(b > e) for b, e in zip(begun, ended, strict=True)]
