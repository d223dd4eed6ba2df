"""``bci bench artefact``: what our own pulses cause, and that it is found where they do."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from bci_core.bench.artefact.cases import CASES, Case
from bci_core.bench.artefact.pair import Pair, detect_again, play_pair
from bci_core.bench.effect.runs import played, run_condition, with_amplifier
from bci_core.cli.app import app
from bci_core.record.xdf import read_session_xdf

CASE = {case.name: case for case in CASES}


def pair(case: Case, blanking_s: float | None) -> Pair:
    """With artefacts that saturate the front end by far."""
    return play_pair(with_amplifier(case.rig(blanking_s), artefact_ratio=50.0), 15.0, case.nearly)


def test_own_pulses_cause_detections_without_blanking_and_none_with() -> None:
    case = CASE["ripple"]
    bare, blanked = pair(case, 0.0), pair(case, None)
    assert min(bare.pulses, blanked.pulses) >= 5
    assert len(bare.caused(case.tolerance_s)) > 0
    assert len(blanked.caused(case.tolerance_s)) == 0
    assert len(blanked.detected_s) >= blanked.pulses


def test_a_deaf_brain_gives_the_same_samples_whatever_is_delivered() -> None:
    """So that the two of a pair differ in the artefact, and in nothing else."""
    rig = with_amplifier(CASE["line_length"].rig(None), artefact_ratio=0.0)
    active, alone = (run_condition(rig, each, 30.0) for each in ("active", "unstimulated"))
    assert active.pulses > 0
    assert active.count("stimulus") > 0
    n = min(len(active.samples), len(alone.samples))
    np.testing.assert_array_equal(active.samples[:n], alone.samples[:n])


def test_what_was_recorded_is_detected_again() -> None:
    rig = with_amplifier(CASE["ripple"].rig(None), artefact_ratio=50.0)
    with played(rig, 10.0) as (folder, rows):
        recorded = read_session_xdf(folder.xdf, rig.name)
    again_s = detect_again(rig, recorded, rows, recorded.samples)
    told = [r.data for r in rows if r.event == "decision" and not r.data["veto"]]
    assert len(again_s) > 5
    np.testing.assert_array_equal(again_s, [data["sample_s"] for data in told])


def test_a_detection_is_caused_when_nothing_is_near_it_without_the_artefact() -> None:
    found = Pair(
        pulses=3,
        detected_s=np.array([1.0, 2.0, 3.5, 4.0]),
        without_s=np.array([1.01, 3.0, 3.51]),
        nearly_s=np.array([1.01, 3.0, 3.51, 4.01]),
    )
    np.testing.assert_array_equal(found.caused(0.02), [2.0])
    np.testing.assert_array_equal(found.tipped(0.02), [4.0])
    np.testing.assert_array_equal(found.hidden(0.02), [3.0])
    nothing = Pair(1, np.array([1.0]), np.array([]), np.array([]))
    assert [len(each(0.02)) for each in (nothing.caused, nothing.tipped, nothing.hidden)] == [
        1,
        0,
        0,
    ]


def test_a_hundredth_is_what_nearly_means() -> None:
    for case in CASES:
        settings = case.rig(None).detector.settings
        for name, value in (item for each in case.nearly for item in each.items()):
            usual = getattr(settings, name) or getattr(settings.criteria, name)
            assert value == pytest.approx(usual, rel=0.0101)


def test_the_command_counts_pulses_and_fails_where_they_cause_detections() -> None:
    options = ["--only", "phase", "--pulses", "20", "--session", "20", "--blanking", "0", "--json"]
    ran = CliRunner().invoke(app, ["bench", "artefact", *options])
    assert ran.exit_code == 1, ran.output
    assert "are caused by the pulses' own artefacts" in ran.stderr
    (told,) = json.loads(ran.stdout)
    assert told["pulses"] >= 20
    assert told["caused"] > 0
    # 60 dB is a factor of a thousand.
    assert told["artefact_uv"] == pytest.approx(1000.0 * told["signal_uv"])
