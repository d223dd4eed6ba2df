"""The part kept aside, and that each event and detection is counted once."""

import numpy as np
import pytest

from bci_core.chunk import StreamInfo
from bci_core.detection.monitor import SampleCounts
from bci_core.errors import InputError
from bci_core.events import Detection
from bci_core.record.marks import Mark
from bci_core.scoring.run import Run
from bci_core.scoring.score import Score, Truth, score
from bci_core.scoring.stretch import Stretch
from bci_core.tuning.holdout import KeptAside, keep_aside, split

RATE_HZ = 10.0


def scored(marks: list[Mark], times_s: list[float], bad: tuple[float, float] = (0, 0)) -> Score:
    n = 1000
    info = StreamInfo("made", RATE_HZ, ("Cz",), "made")
    seconds = np.arange(n) / RATE_HZ
    flags = np.where((seconds >= bad[0]) & (seconds < bad[1]), 1, 0).astype(np.uint8)
    found = tuple(Detection(round(t * RATE_HZ), t, t, 1.0) for t in times_s)
    counts = SampleCounts(n, 0, 0, 0, 0, 0)
    run = Run(Stretch(np.zeros((n, 1), np.float32), seconds, info), (0,), found, flags, counts)
    return score(run, Truth(tuple(marks), 0.1, "made"))


def test_the_last_part_is_kept_aside_unless_a_seed_is_given() -> None:
    assert keep_aside(0.0, 100.0, 0.3, None).spans_s == ((70.0, 100.0),)


def test_a_seed_chooses_blocks_in_time_and_the_same_ones_again() -> None:
    aside = keep_aside(0.0, 100.0, 0.3, 4)
    assert aside == keep_aside(0.0, 100.0, 0.3, 4)
    assert aside != keep_aside(0.0, 100.0, 0.3, 5)
    assert aside.total_s == pytest.approx(30.0)


@pytest.mark.parametrize("share", [0.0, 1.0, -0.2, float("nan")])
def test_a_share_that_leaves_nothing_on_one_side_is_refused(share: float) -> None:
    with pytest.raises(InputError, match="between 0 and 1"):
        keep_aside(0.0, 100.0, share, None)


@pytest.mark.parametrize("share", [0.001, 0.999])
def test_a_random_choice_leaves_blocks_on_both_sides(share: float) -> None:
    assert 0.0 < keep_aside(0.0, 100.0, share, 0).total_s < 100.0


def test_events_and_detections_go_to_the_part_they_lie_in() -> None:
    whole = scored([Mark(10, 1), Mark(20, 1), Mark(80, 1)], [10.5, 15.0, 80.5, 90.0, 95.0])
    tuned, aside = split(whole, KeptAside(((70.0, 100.0),)))
    assert (tuned.tp, tuned.fn, tuned.fp) == (1, 1, 1)
    assert (aside.tp, aside.fn, aside.fp) == (1, 0, 2)
    assert tuned.latency_ms.p50 == pytest.approx(500.0)


def test_an_event_across_the_border_is_counted_once_with_its_detection() -> None:
    whole = scored([Mark(69.5, 2.0), Mark(80, 1)], [71.0, 80.5])
    tuned, aside = split(whole, KeptAside(((70.0, 100.0),)))
    assert (tuned.tp, tuned.fp) == (1, 0)
    assert (aside.tp, aside.fp) == (1, 0)
    assert tuned.latency_ms.p50 == pytest.approx(1500.0)


@pytest.mark.parametrize("seed", [None, 0, 1, 2])
def test_nothing_is_lost_or_counted_twice(seed: int | None) -> None:
    rng = np.random.default_rng(7)
    marks = [Mark(float(t), 0.5) for t in np.sort(rng.uniform(0, 99, 60))]
    times_s = np.unique(np.round(rng.uniform(0, 99.9, 120), 1)).tolist()
    whole = scored(marks, times_s)
    parts = split(whole, keep_aside(0.0, 100.0, 0.4, seed))
    for figure in ("tp", "fp", "fn"):
        assert sum(getattr(part, figure) for part in parts) == getattr(whole, figure)
    assert sum(len(part.matching.duplicates) for part in parts) == len(whole.matching.duplicates)
    assert sum(part.run.trusted_s for part in parts) == pytest.approx(whole.run.trusted_s)


def test_false_alarms_are_per_minute_of_the_parts_own_trusted_time() -> None:
    whole = scored([Mark(10, 1), Mark(80, 1)], [15.0, 90.0], bad=(75.0, 90.0))
    tuned, aside = split(whole, KeptAside(((70.0, 100.0),)))
    assert tuned.false_per_min == pytest.approx(60.0 / 70.0)
    assert aside.false_per_min == pytest.approx(60.0 / 15.0)
