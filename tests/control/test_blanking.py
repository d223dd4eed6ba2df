"""From what the gate let through, and what the device reports, to the samples to ignore."""

from dataclasses import replace
from math import nan
from typing import Any

import pytest

from bci_core.control.blanking import Blanking
from bci_core.control.loop import Act
from bci_core.detection.blanking_settings import BlankingSettings
from bci_core.events import (
    Decision,
    Delivery,
    Detection,
    Outcome,
    Refusal,
    Situation,
    Trigger,
    Verdict,
)
from bci_core.safety.gate import Sent
from bci_core.stimulus import BiphasicPulse, PulseTrain, StimProgram

TRAIN = PulseTrain(BiphasicPulse(10.0, 200.0, 60.0), rate_hz=100.0, n_pulses=3)
DURATION_S = 0.02 + 0.00046
SETTINGS = BlankingSettings(guard_s=0.001, blanking_s=0.01)


class Samples:
    """Stands where the monitor is: counts, and remembers what it is told."""

    def __init__(self) -> None:
        self.samples = 1000
        self.last_s = 100.0
        self.blanks: dict[int, tuple[float, float]] = {}

    def blank(self, seq: int, start_s: float, end_s: float) -> None:
        self.blanks[seq] = (start_s, end_s)


class Bench:
    def __init__(self, clock_offset_s: float = 0.0, latest_s: float | None = None) -> None:
        self.samples = Samples()
        self.rows: list[dict[str, Any]] = []
        program = StimProgram(1, "train", TRAIN, (1,))
        self.blanking = Blanking(
            SETTINGS, [program], self.samples, self._row, clock_offset_s, latest_s
        )

    def _row(self, event: str, data: dict[str, Any]) -> None:
        assert event == "blank"
        self.rows.append(data)

    def act(self, at_s: float = 100.05, sham: bool = False, refused: bool = False) -> None:
        trigger = Trigger(7, 1, at_s, at_s + 0.005, sham)
        found = Detection(999, 100.0, at_s, 3.0)
        decision = Decision(found, Situation(100.0, 100.0, 100.001), Verdict.STIM)
        refusal = Refusal("lockout", 0.1, 0.2, "s")
        self.blanking.note_act(Act(decision, ((trigger, refusal if refused else Sent(7, 100.0)),)))

    def report(self, outcome: Outcome = Outcome.DELIVERED, **changes: Any) -> None:
        told = Delivery(7, outcome, 100.051, 100.051 + DURATION_S, 3, 0.006)
        self.blanking.note(replace(told, **changes))

    @property
    def blanked(self) -> tuple[float, float]:
        return self.samples.blanks[7]


def about(start_s: float, end_s: float) -> Any:
    return pytest.approx((start_s, end_s), abs=1e-9)


PLANNED = about(100.049, 100.055 + DURATION_S + 0.01)


def test_a_trigger_is_blanked_for_as_long_as_the_device_may_act_on_it() -> None:
    bench = Bench()
    bench.act()
    assert bench.blanked == PLANNED
    (row,) = bench.rows
    assert (row["at_sample"], row["seq"]) == (1000, 7)
    assert (row["start_s"], row["end_s"]) == bench.blanked


def test_one_that_is_due_is_blanked_from_now_on() -> None:
    bench = Bench()
    bench.act(at_s=99.999)
    assert bench.blanked == about(100.0, 99.999 + 0.005 + DURATION_S + 0.01)


def test_what_the_gate_refused_is_not_blanked() -> None:
    bench = Bench()
    bench.act(refused=True)
    assert bench.rows == []


def test_the_report_takes_the_place_of_the_plan() -> None:
    bench = Bench()
    bench.act()
    bench.samples.samples, bench.samples.last_s = 1020, 100.06
    bench.report()
    assert bench.blanked == about(100.05, 100.051 + DURATION_S + 0.01)
    assert [row["at_sample"] for row in bench.rows] == [1000, 1020]


def test_a_train_that_lasted_longer_is_blanked_longer() -> None:
    bench = Bench()
    bench.act()
    bench.report(offset_s=100.2)
    assert bench.blanked == about(100.05, 100.21)


def test_both_arms_lose_the_same_samples_to_the_bit() -> None:
    """The device rounds the end of a train to its own steps; of sham there is only the plan."""
    rows = []
    for sham in (False, True):
        bench = Bench()
        bench.act(sham=sham)
        if sham:
            bench.report(Outcome.SHAM, offset_s=nan, n_pulses=0, charge_uc=0.0)
        else:
            bench.report(offset_s=100.051 + DURATION_S + 1e-6)
        rows.append(bench.rows)
    assert rows[0] == rows[1]


@pytest.mark.parametrize(("outcome", "onset_s"), [(Outcome.REFUSED, nan), (Outcome.ABORTED, nan)])
def test_what_never_began_is_withdrawn(outcome: Outcome, onset_s: float) -> None:
    bench = Bench()
    bench.act()
    bench.report(outcome, onset_s=onset_s, offset_s=nan)
    start_s, end_s = bench.blanked
    assert start_s == end_s
    assert len(bench.rows) == 2


def test_what_was_cut_short_ends_early() -> None:
    bench = Bench()
    bench.act()
    bench.report(Outcome.ABORTED, offset_s=100.0525)
    assert bench.blanked == about(100.05, 100.0625)


def test_a_sham_train_that_was_cut_short_keeps_its_plan() -> None:
    bench = Bench()
    bench.act(sham=True)
    bench.report(Outcome.ABORTED, offset_s=nan)
    assert bench.blanked == about(100.05, 100.051 + DURATION_S + 0.01)


def test_nothing_is_known_of_a_device_that_is_gone_and_the_plan_stays() -> None:
    bench = Bench()
    bench.act()
    bench.report(Outcome.UNKNOWN, onset_s=nan, offset_s=nan)
    assert bench.blanked == PLANNED


def test_what_makes_no_difference_any_more_is_not_told() -> None:
    bench = Bench()
    bench.act()
    bench.samples.last_s = 101.0
    bench.report()
    assert len(bench.rows) == 1
    bench.blanking.note(Delivery(8, Outcome.DELIVERED, 100.0, 100.1))
    assert len(bench.rows) == 1


def test_samples_of_another_machine_are_blanked_on_their_own_clock() -> None:
    bench = Bench(clock_offset_s=40.0)
    bench.samples.last_s = 60.0
    bench.act()
    assert bench.blanked == about(60.049, 60.055 + DURATION_S + 0.01)
    bench.report()
    assert bench.blanked == about(60.05, 60.051 + DURATION_S + 0.01)


@pytest.mark.parametrize("outcome", [Outcome.DELIVERED, Outcome.SHAM, Outcome.ABORTED])
def test_with_arms_that_delay_the_plan_of_the_latest_holds_whatever_is_reported(
    outcome: Outcome,
) -> None:
    bench = Bench(latest_s=0.2)
    bench.act()
    planned = bench.blanked
    assert planned == pytest.approx((100.049, 100.055 + 0.2 + DURATION_S + 0.01))
    bench.report(outcome, onset_s=100.2)
    assert bench.blanked == planned


def test_a_refusal_by_the_device_withdraws_the_blank_in_every_arm() -> None:
    bench = Bench(latest_s=0.2)
    bench.act()
    bench.report(Outcome.REFUSED, onset_s=nan)
    start_s, end_s = bench.blanked
    assert end_s <= start_s
