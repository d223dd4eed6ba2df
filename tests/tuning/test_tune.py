"""The setting that is chosen, and the files a sweep leaves."""

import hashlib
import json
import re
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from bci_core.clock import VirtualClock
from bci_core.detection.band_power import BandPower
from bci_core.errors import ConfigError, InputError
from bci_core.tuning.recorded import FIGURES, PAGE, SECTION, Request, tune_recording

BUDGET = "false_per_min<=1"


def quiet(_line: str) -> None:
    pass


@pytest.fixture
def request_(night) -> Request:
    recording, marks = night
    return Request(
        recording,
        marks,
        "band_power",
        BUDGET,
        fixed=("band_hz=11,16",),
        sweep=("threshold_sd=1,2,3,12", "min_duration_s=0.05,0.2"),
    )


@pytest.fixture
def tuned(request_):
    return tune_recording(request_, VirtualClock(), quiet)


def test_the_chosen_setting_has_most_recall_of_those_within_the_budget(tuned) -> None:
    within = [t for t in tuned.tuning.trials if t.tuned["false_per_min"] <= 1.0]
    assert 0 < len(within) < len(tuned.tuning.trials) == 8
    assert tuned.tuning.aim == "recall"
    assert tuned.tuning.chosen.tuned["recall"] == max(t.tuned["recall"] for t in within) > 0.8
    loosest = max(t.tuned["recall"] for t in tuned.tuning.trials)
    assert tuned.tuning.chosen.tuned["recall"] <= loosest


def test_the_choice_does_not_look_at_the_part_kept_aside(request_, tuned, tmp_path) -> None:
    _, marks = request_.recording, request_.marks
    border_s = tuned.tuning.aside.spans_s[0][0]
    lines = marks.read_text().splitlines()
    moved = [
        line if line[0] == "o" or float(line.split(",")[0]) < border_s else f"{border_s + i},0.1"
        for i, line in enumerate(lines)
    ]
    other = tmp_path / "other.csv"
    other.write_text("\n".join(moved))
    again = tune_recording(replace(request_, marks=other), VirtualClock(), quiet)
    assert again.tuning.chosen.settings == tuned.tuning.chosen.settings
    assert again.tuning.chosen.tuned == tuned.tuning.chosen.tuned
    assert again.tuning.chosen.aside != tuned.tuning.chosen.aside


def test_without_a_bound_on_false_alarms_the_aim_is_f1(request_) -> None:
    tuned = tune_recording(replace(request_, budget="latency_ms_p50<=800"), VirtualClock(), quiet)
    assert tuned.tuning.aim == "f1"
    best = max(t.tuned["f1"] for t in tuned.tuning.trials)
    assert tuned.tuning.chosen.tuned["f1"] == best


def test_where_nothing_keeps_the_budget_the_nearest_is_told(request_, tmp_path) -> None:
    bounds = "false_per_min<=1, latency_ms_p50<=20"
    tuned = tune_recording(replace(request_, budget=bounds), VirtualClock(), quiet)
    assert tuned.tuning.chosen is None
    least = min(tuned.tuning.budget.excess(t.tuned) for t in tuned.tuning.trials)
    assert tuned.tuning.budget.excess(tuned.tuning.nearest.tuned) == least > 0.0
    (tmp_path / SECTION).write_text("of an earlier sweep")
    tuned.write(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([PAGE, FIGURES])
    assert json.loads((tmp_path / FIGURES).read_text())["feasible"] is False
    assert "No setting keeps the budget" in (tmp_path / PAGE).read_text()


def test_the_section_is_the_chosen_detector_and_says_where_it_is_from(tuned, tmp_path) -> None:
    tuned.write(tmp_path)
    text = (tmp_path / SECTION).read_text()
    section = tomllib.loads(text)["detector"]
    assert section.pop("kind") == "band_power"
    settings = BandPower.Settings.model_validate(section)
    assert settings.channel == "C3"
    for key, value in tuned.tuning.chosen.settings.items():
        assert getattr(settings, key) == value
    for path in (tuned.request.recording, tuned.request.marks):
        assert hashlib.sha256(path.read_bytes()).hexdigest() in text
        assert str(path.parent) not in text
    aside = tuned.tuning.chosen.aside
    assert f"({aside['tp']} found, {aside['fn']} missed, {aside['fp']} false)" in text


def test_a_monitor_other_than_the_default_goes_with_the_section(request_, tmp_path) -> None:
    fixed = (*request_.fixed, "monitor.settle_s=3")
    tuned = tune_recording(replace(request_, fixed=fixed), VirtualClock(), quiet)
    assert tomllib.loads(tuned.section())["monitor"]["settle_s"] == 3.0


def test_the_tuned_section_can_be_tuned_further(request_, tuned, tmp_path) -> None:
    tuned.write(tmp_path)
    further = replace(
        request_,
        detector=None,
        rig=str(tmp_path / SECTION),
        fixed=(),
        sweep=("smoothing_s=0.1,0.2",),
    )
    again = tune_recording(further, VirtualClock(), quiet)
    assert again.tuning.trials[0].tuned == tuned.tuning.chosen.tuned


def test_the_json_has_every_trial_on_both_parts(tuned) -> None:
    told = json.loads(json.dumps(tuned.to_dict(), allow_nan=False))
    assert told["kept_aside"]["total_s"] == pytest.approx(0.3 * told["recording"]["duration_s"])
    assert len(told["trials"]) == 8
    assert {"tuned_on", "kept_aside"} <= set(told["trials"][0])
    assert told["chosen"]["within_budget"]["tuned_on"] is True
    n = sum(told["chosen"][part][k] for part in ("tuned_on", "kept_aside") for k in ("tp", "fn"))
    assert n == told["marks"]["n"]


def test_combinations_the_detector_does_not_take_are_told_and_passed_over(request_) -> None:
    sweep = ("threshold_sd=0.5,3", "release_sd=1")
    tuned = tune_recording(replace(request_, sweep=sweep), VirtualClock(), quiet)
    assert len(tuned.tuning.trials) == 1
    assert "release_sd" in tuned.tuning.refused["threshold_sd 0.5, release_sd 1"]
    assert "release_sd 1" in tuned.to_dict()["refused"].popitem()[0]


def test_where_no_combination_can_be_tried_the_reason_is_told(request_) -> None:
    with pytest.raises(InputError, match=r"(?s)no setting can be tried.*400 Hz"):
        tune_recording(replace(request_, fixed=("band_hz=100,400",)), VirtualClock(), quiet)


def test_both_parts_need_events(request_, tmp_path: Path) -> None:
    early = tmp_path / "early.csv"
    early.write_text("onset,duration\n10,1\n20,1\n")
    with pytest.raises(InputError, match="none of them in the part kept aside"):
        tune_recording(replace(request_, marks=early), VirtualClock(), quiet)


def test_the_page_needs_no_network_and_shows_both_parts(tuned, tmp_path: Path) -> None:
    tuned.write(tmp_path)
    page = (tmp_path / PAGE).read_text()
    assert re.findall(r"<(?:script|link)[^>]*(?:src|href)=", page) == []
    for text in ("part to tune on", "part kept aside", "false alarms per minute"):
        assert text in page


def test_names_of_files_are_escaped(request_, tmp_path: Path) -> None:
    odd = tmp_path / "<b>night.npz"
    odd.write_bytes(request_.recording.read_bytes())
    tuned = tune_recording(replace(request_, recording=odd), VirtualClock(), quiet)
    tuned.write(tmp_path / "out")
    assert "<b>night" not in (tmp_path / "out" / PAGE).read_text()


def test_progress_is_told_for_each_setting(request_) -> None:
    lines: list[str] = []
    tune_recording(request_, VirtualClock(), lines.append)
    assert len(lines) == 8
    assert lines[0].startswith("1 of 8: threshold_sd 1, min_duration_s 0.05: recall")


def test_mistakes_of_the_budget_come_before_anything_is_read(request_) -> None:
    missing = replace(request_, budget="x<=1", recording=Path("nowhere.npz"))
    with pytest.raises(ConfigError, match="budget"):
        tune_recording(missing, VirtualClock(), quiet)
