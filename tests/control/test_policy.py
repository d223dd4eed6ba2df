"""The policy's answers, and that they can be had again."""

from dataclasses import replace
from itertools import pairwise
from math import nan
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bci_core.control.policy import PolicySettings, StandardPolicy
from bci_core.events import Decision, Detection, EventKind, Situation, Verdict

SETTINGS = PolicySettings(refractory_s=0.5, max_rate_hz=1.0, rate_window_s=4.0, stale_after_s=0.1)


def detection(target_s: float) -> Detection:
    return Detection(
        sample_index=int(target_s * 1000), sample_s=target_s, target_s=target_s, value=1.0
    )


def situation(now_s: float, disarmed: str = "") -> Situation:
    return Situation(received_s=now_s, detected_s=now_s, now_s=now_s, disarmed=disarmed)


def decide(policy: StandardPolicy, target_s: float) -> Decision:
    return policy.decide(detection(target_s), situation(target_s + 0.001))


def test_it_acts_and_then_waits_out_the_refractory_time() -> None:
    policy = StandardPolicy(SETTINGS)
    assert decide(policy, 1.0).verdict is Verdict.STIM
    refused = decide(policy, 1.4)
    assert (refused.verdict, refused.reason) == (Verdict.REFUSED, "refractory")
    assert decide(policy, 1.5).verdict is Verdict.STIM


def test_the_mean_rate_is_kept_over_its_window() -> None:
    policy = StandardPolicy(SETTINGS)
    assert [decide(policy, t).reason for t in (1.0, 1.5, 2.0, 2.5, 3.0, 4.9)] == [
        *[""] * 4,
        "max_rate",
        "max_rate",
    ]
    assert decide(policy, 5.0).verdict is Verdict.STIM


@pytest.mark.parametrize(
    ("changes", "now_s", "disarmed", "reason"),
    [
        ({"veto": "gap"}, 1.0, "", "gap"),
        ({"target_s": nan}, 1.0, "", "not_finite"),
        ({}, 1.2, "", "stale"),
        ({}, 1.0, "lease", "disarmed"),
    ],
)
def test_doubt_refuses_and_leaves_no_trace(
    changes: dict[str, Any], now_s: float, disarmed: str, reason: str
) -> None:
    policy = StandardPolicy(SETTINGS)
    answer = policy.decide(replace(detection(1.0), **changes), situation(now_s, disarmed))
    assert (answer.verdict, answer.reason) == (Verdict.REFUSED, reason)
    assert decide(policy, 1.01).verdict is Verdict.STIM


@pytest.mark.parametrize("disarmed", ["", "lease"])
def test_the_end_of_an_event_is_noted_and_leaves_no_trace(disarmed: str) -> None:
    policy = StandardPolicy(SETTINGS)
    ended = replace(detection(1.0), kind=EventKind.END, veto="gap")
    answer = policy.decide(ended, situation(1.0, disarmed))
    assert (answer.verdict, answer.reason) == (Verdict.NOTED, "")
    assert decide(policy, 1.01).verdict is Verdict.STIM


def test_a_detection_exactly_at_the_stale_limit_still_counts() -> None:
    policy = StandardPolicy(replace_settings(stale_after_s=0.125))
    assert policy.decide(detection(1.0), situation(1.125)).verdict is Verdict.STIM


@given(st.lists(st.floats(0.0, 5.0), min_size=1, max_size=60))
def test_no_order_of_detections_beats_refractory_or_rate(steps: list[float]) -> None:
    policy = StandardPolicy(SETTINGS)
    acted = []
    now_s = 1.0
    for step in steps:
        now_s += step
        if decide(policy, now_s).verdict is not Verdict.REFUSED:
            acted.append(now_s)
    gaps = [b - a for a, b in pairwise(acted)]
    assert all(gap >= SETTINGS.refractory_s for gap in gaps)
    for end in acted:
        inside = [t for t in acted if end - SETTINGS.rate_window_s < t <= end]
        assert len(inside) <= SETTINGS.max_rate_hz * SETTINGS.rate_window_s


def replace_settings(**changes: float) -> PolicySettings:
    return SETTINGS.model_copy(update=changes)
