import math

import pytest

from bci_core.detection.requirements import band_problems, channel_problems, lead_problems


def test_what_fits_has_no_problem(info):
    assert channel_problems("Pz", info) == []
    assert band_problems((4.0, 124.9), info) == []
    assert lead_problems(0.0) == []


def test_a_missing_channel_gets_the_list_of_those_there_are(info):
    (problem,) = channel_problems("Oz", info)
    assert problem.where == "channel"
    assert "'Oz'" in problem.message
    assert "Fz, Cz, Pz" in problem.message


@pytest.mark.parametrize(
    ("band_hz", "numbers"),
    [((13.0, 8.0), "13 Hz to 8 Hz"), ((8.0, 8.0), "8 Hz to 8 Hz"), ((0.0, 4.0), "0 Hz")],
)
def test_a_band_the_wrong_way_up(info, band_hz, numbers):
    (problem,) = band_problems(band_hz, info)
    assert problem.where == "band_hz"
    assert numbers in problem.message


def test_a_band_above_nyquist_gets_both_numbers(info):
    (problem,) = band_problems((80.0, 125.0), info)
    assert "125 Hz, half the sampling rate of 250 Hz" in problem.message


def test_all_that_is_wrong_with_a_band_is_said(info):
    assert len(band_problems((300.0, -1.0), info)) == 2


@pytest.mark.parametrize("lead_s", [-0.001, math.nan, math.inf])
def test_a_lead_is_a_time(lead_s):
    (problem,) = lead_problems(lead_s)
    assert problem.where == "lead_s"


def test_the_key_that_is_wrong_is_the_key_that_is_named(info):
    assert [p.where for p in channel_problems("Oz", info, "channels")] == ["channels"]
    assert [p.where for p in band_problems((8.0, 4.0), info, "bands_hz")] == ["bands_hz"]
