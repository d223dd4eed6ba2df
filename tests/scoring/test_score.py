"""Figures of runs whose outcome is known beforehand."""

import json
from typing import Any, ClassVar

import numpy as np
import pytest
from pydantic import BaseModel, ConfigDict

from bci_core.chunk import Chunk, StreamInfo
from bci_core.detection.monitor_settings import MonitorSettings
from bci_core.events import Detection, EventKind
from bci_core.record.marks import Mark
from bci_core.scoring.judge import judge
from bci_core.scoring.run import Run, run_detector
from bci_core.scoring.score import Truth, score, truth_of_marks
from bci_core.scoring.stretch import Stretch

RATE_HZ = 100.0
INFO = StreamInfo("test", RATE_HZ, ("Fz", "Cz"), "test")


class AtSamplesSettings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class AtSamples:
    """Finds something at given samples, whatever they hold."""

    Settings: ClassVar[type[BaseModel]] = AtSamplesSettings
    channels = (1,)

    def __init__(self, rows: dict[int, EventKind]) -> None:
        self.rows = rows
        self.seen = 0

    def update(self, chunk: Chunk) -> list[Detection]:
        found = [
            Detection(i, float(chunk.times_s[i - self.seen]), 0.0, 7.0, kind=self.rows[i])
            for i in sorted(self.rows)
            if self.seen <= i < self.seen + len(chunk)
        ]
        self.seen += len(chunk)
        return found


def stretch(duration_s: float = 60.0, spoil: Any = None) -> Stretch:
    n = round(duration_s * RATE_HZ)
    samples = np.random.default_rng(0).normal(0.0, 10.0, (n, 2)).astype(np.float32)
    if spoil is not None:
        spoil(samples)
    return Stretch(samples, np.arange(n) / RATE_HZ, INFO, first_row=1000)


def run_at(*times_s: float, ends_s: tuple[float, ...] = (), on: Stretch | None = None) -> Run:
    rows = {round(t * RATE_HZ): EventKind.ONSET for t in times_s}
    rows |= {round(t * RATE_HZ): EventKind.END for t in ends_s}
    return run_detector(AtSamples(rows), on or stretch())


def test_every_figure() -> None:
    marks = [Mark(10.0, 1.0), Mark(20.0, 1.0), Mark(30.0, 1.0), Mark(40.0, 1.0)]
    run = run_at(10.2, 10.5, 20.1, 25.0, 29.95, 50.0)
    made = score(run, truth_of_marks(marks, run, "an expert", 0.1))
    told = made.to_dict()
    assert (told["tp"], told["fp"], told["fn"], told["duplicates"]) == (3, 2, 1, 1)
    assert told["precision"] == pytest.approx(3 / 5)
    assert told["recall"] == pytest.approx(3 / 4)
    assert told["f1"] == pytest.approx(2 / 3)
    assert told["scored_s"] == pytest.approx(59.0)  # the first second settles
    assert told["false_per_min"] == pytest.approx(2 * 60 / 59)
    assert told["latency_ms"] == pytest.approx({"p10": -50.0, "p50": 100.0, "p90": 200.0})
    assert told["phase"] == {
        "mean_error_deg": None, "circular_sd_deg": None, "resultant_length": None,
        "right_half_wave": None, "n": 0, "target_deg": None, "reference": None,
    }  # fmt: skip
    assert (told["compared_with"], told["channels"]) == ("an expert", ["Cz"])
    assert [row["onset_s"] for row in told["missed"]] == [40.0]
    json.dumps(told, allow_nan=False)


def test_every_detection_is_told_with_what_it_counted_as() -> None:
    run = run_at(10.2, 10.5, 25.0, 0.5, ends_s=(11.0,))
    rows = score(run, truth_of_marks([Mark(10.0, 1.0, "spindle")], run, "x", 0.1)).to_dict()[
        "detections"
    ]
    counted = [(row["time_s"], row["counted_as"], row["veto"], row["kind"]) for row in rows]
    assert counted == [
        (0.5, None, "settling", "onset"),
        (10.2, "tp", "", "onset"),
        (10.5, "duplicate", "", "onset"),
        (11.0, None, "", "end"),
        (25.0, "fp", "", "onset"),
    ]
    # The row of the recording, not of the part that was scored.
    assert [row["sample_index"] for row in rows] == [1050, 2020, 2050, 2100, 3500]
    assert rows[1]["mark"] == {
        "onset_s": 10.0, "duration_s": 1.0, "type": "spindle", "channel": None
    }  # fmt: skip
    assert rows[1]["value"] == 7.0


def test_what_is_vetoed_counts_for_nothing_and_its_time_is_left_out() -> None:
    def spoil(samples: np.ndarray) -> None:
        samples[2000:2100, 1] = np.nan
        samples[:, 0] = np.inf  # not watched

    on = stretch(spoil=spoil)
    run = run_at(20.5, 21.5, 40.0, on=on)
    told = score(run, truth_of_marks([Mark(20.4, 0.2), Mark(40.0)], run, "x", 0.05)).to_dict()
    assert told["vetoed"] == {"not_finite": 1, "settling": 1}
    assert (told["tp"], told["fp"], told["fn"]) == (1, 0, 1)
    assert told["missed_in_vetoed_time"] == 1
    assert told["samples"]["not_finite"] == 100
    assert told["scored_s"] == pytest.approx(57.0, abs=0.05)


def test_lost_samples_are_counted() -> None:
    whole = stretch()
    keep = np.r_[0:2000, 2500:6000]
    run = run_at(30.0, on=Stretch(whole.samples[keep], whole.times_s[keep], INFO))
    assert (run.counts.lost, run.counts.gaps) == (500, 1)
    # Indices count samples, times do not.
    assert run.detections[0].sample_s == pytest.approx(35.0)


def test_the_monitor_can_be_set() -> None:
    run = run_detector(AtSamples({50: EventKind.ONSET}), stretch(), MonitorSettings(settle_s=0.2))
    assert run.vetoed == {}


def test_nothing_to_find_and_nothing_found() -> None:
    run = run_at()
    told = score(run, Truth((), 0.1, "nothing")).to_dict()
    assert (told["precision"], told["recall"], told["f1"]) == (None, None, None)
    assert told["false_per_min"] == 0.0
    missed = score(run, Truth((Mark(10.0),), 0.1, "one")).to_dict()
    assert (missed["precision"], missed["recall"], missed["f1"]) == (None, 0.0, 0.0)


def test_an_event_that_is_not_judged_makes_no_false_alarm() -> None:
    run = run_at(10.0, 20.0)
    truth = Truth((Mark(20.0, 1.0),), 0.1, "x", unjudged=(Mark(9.9, 0.5),))
    told = score(run, truth).to_dict()
    assert (told["tp"], told["fp"], told["fn"], told["not_judged"]) == (1, 0, 0, 1)


def test_marks_outside_the_part_that_is_scored_are_left_out() -> None:
    run = run_at(10.0)
    truth = truth_of_marks([Mark(10.0), Mark(70.0)], run, "x", 0.1)
    assert truth.marks == (Mark(10.0),)


def test_a_kind_without_a_reference_says_so() -> None:
    told = judge("signal_quality", AtSamplesSettings(), run_at(10.0)).to_dict()
    assert (told["tp"], told["f1"], told["compared_with"]) == (None, None, None)
    assert "no acausal reference for a detector of kind 'signal_quality'" in told["not_compared"]
    assert len(told["detections"]) == 1
    assert told["latency_ms"] == {"p10": None, "p50": None, "p90": None}
