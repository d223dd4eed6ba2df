"""What becomes of a trial in each arm."""

from collections import Counter
from typing import Any

import pytest
from pydantic import ValidationError

from bci_core.config.load import load_rig, parse_rig
from bci_core.control.arms import ArmAssigner, Assigned, Design
from bci_core.control.arms_settings import ArmsSettings
from bci_core.errors import ConfigError
from bci_core.events import Trigger

SEED = bytes(32)


def design(more: dict[str, Any] | None = None, **arms: Any) -> Design:
    settings = ArmsSettings.model_validate(arms | (more or {}))
    return Design(settings, cycle_hz=5.0, yoked_s=(1.0, 1.5, 4.0))


def assigned(of: Design, targets_s: list[float], begun_s: float = 0.0) -> list[Assigned]:
    assigner = ArmAssigner(of, SEED)
    assigner.begin(begun_s)
    return [assigner.assign_at(target_s) for target_s in targets_s]


MANY = [float(t) for t in range(400)]


def test_active_is_as_planned_and_sham_and_catch_are_without_current() -> None:
    for arm, sham in (("active", False), ("sham", True), ("catch", True)):
        told = assigned(design(**{arm: {}}), MANY[:5])
        assert [(a.arm, a.sham, a.delay_s) for a in told] == [(arm, sham, 0.0)] * 5
        assert [(a.trial, a.slot) for a in told] == [(k, k) for k in range(5)]


@pytest.mark.parametrize(
    ("arm", "settings", "least_s", "most_s"),
    [
        ("delayed", {"delay_s": [0.08, 0.2]}, 0.08, 0.2),
        ("delayed", {"delay_s": 3.0}, 3.0, 3.0),
        ("jittered", {"jitter_s": 0.05}, 0.0, 0.05),
        ("phase_shuffled", {}, 0.0, 0.2),
    ],
)
def test_delays_are_uniform_over_their_range(
    arm: str, settings: dict[str, Any], least_s: float, most_s: float
) -> None:
    of = design(**{arm: settings})
    delays_s = [a.delay_s for a in assigned(of, MANY)]
    assert min(delays_s) >= least_s
    assert max(delays_s) <= most_s
    assert (of.latest_s, of.spread_s) == (most_s, pytest.approx(most_s - least_s))
    if most_s > least_s:
        quarters = Counter(int(4 * (d - least_s) / (most_s - least_s)) for d in delays_s)
        assert len(quarters) == 4
        assert min(quarters.values()) > 70
    assert not any(a.sham for a in assigned(of, MANY))


def test_some_trials_of_an_arm_are_not_stimulated() -> None:
    told = assigned(design(active={"p_stim": 0.25}), MANY)
    assert 60 < sum(not a.sham for a in told) < 140
    assert {a.arm for a in told} == {"active"}
    assert all(a.sham for a in assigned(design(active={"p_stim": 0.0}), MANY[:9]))


def test_yoked_trials_take_the_other_sessions_times_once_each() -> None:
    """Which are 1, 1.5 and 4 seconds after its first sample; ours came at 10."""
    of = design(yoked={"session": "x", "sha256": "0" * 64, "within_s": 0.6})
    told = assigned(of, [10.2, 10.5, 10.9, 11.0, 13.0, 13.9, 19.0], begun_s=10.0)
    assert [a.sham for a in told] == [True, False, False, True, True, False, True]
    delays_s = [a.delay_s for a in told if not a.sham]
    assert delays_s == pytest.approx([0.5, 0.6, 0.1])


def test_periods_are_allotted_as_a_whole() -> None:
    of = design({"unit": "period", "period_s": 10.0}, active={}, sham={})
    told = assigned(of, [5.0, 6.0, 14.9, 15.0, 99.0], begun_s=5.0)
    assert [a.slot for a in told] == [0, 0, 0, 1, 9]
    assert told[0].arm == told[1].arm == told[2].arm != told[3].arm


def test_blocks_may_hold_a_multiple_of_the_counts() -> None:
    of = design({"blocks": 3}, active={"count": 2}, sham={})
    assert of.counts == {"active": 6, "sham": 3}
    assert Counter(a.arm for a in assigned(of, MANY[:9])) == of.counts


def test_where_the_order_is_sealed_trials_are_counted_and_no_more() -> None:
    assigner = ArmAssigner(design(sham={}), None)
    assert [assigner.assign_at(t) for t in (1.0, 2.0)] == [Assigned(0, 0), Assigned(1, 1)]


PLANNED = Trigger(5, 1, at_s=10.0, deadline_s=10.01)


def test_a_trigger_is_shifted_whole_or_made_sham() -> None:
    assert Assigned(0, 0, "active").apply(PLANNED, 9.0) == PLANNED
    assert Assigned(0, 0, "sham", sham=True).apply(PLANNED, 9.0) == Trigger(5, 1, 10.0, 10.01, True)
    assert Assigned(0, 0, "delayed", delay_s=3.0).apply(PLANNED, 9.0) == Trigger(5, 1, 13.0, 13.01)


def test_sham_of_the_policy_or_protocol_stays_sham() -> None:
    told = Trigger(5, 1, 10.0, 10.01, sham=True)
    assert Assigned(0, 0, "active").apply(told, 9.0).sham


def test_what_is_late_is_late_in_every_arm() -> None:
    for late_s in (10.02, float("nan")):
        assert Assigned(0, 0, "delayed", delay_s=3.0).apply(PLANNED, late_s) == PLANNED


def test_a_published_design_names_everything_that_is_drawn() -> None:
    told = design(phase_shuffled={}, delayed={"delay_s": [0.1, 0.2]}).told()
    assert told["arms"]["phase_shuffled"]["frequency_hz"] == 5.0
    assert told["arms"]["delayed"]["delay_s"] == [0.1, 0.2]
    assert "secret_seed" not in str(told)
    assert "keepers" not in told


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "no arm; give at least one of"),
        ({"sham": {}, "unit": "period"}, "period_s goes with"),
        ({"sham": {}, "period_s": 3.0}, "period_s goes with"),
        ({"delayed": {"delay_s": [0.2, 0.1]}}, "least delay must be below"),
        ({"sham": {}, "keepers": ["a", "a"]}, "one person cannot hold both keys"),
        ({"sham": {}, "keepers": ["a", "b=c"]}, "names are letters"),
        ({"sham": {}, "secret_seed": "77"}, "should match pattern"),
        ({"sham": {"p_stim": 0.5}}, "Extra inputs"),
    ],
)
def test_what_is_no_design_is_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        ArmsSettings.model_validate(given)


def test_mistakes_below_a_section_are_told_with_their_lines(tmp_path: Any) -> None:
    from importlib.resources import files

    preset = (files("bci_core.config") / "presets" / "theta-phase.toml").read_text()
    first = len(preset.splitlines()) + 1
    with pytest.raises(ConfigError) as wrong:
        parse_rig(f"{preset}[arms.delayed]\ndelay = 3\n[arms.sham]\ncount = 0\n")
    told = {p.where: (p.line, p.message) for p in wrong.value.problems}
    assert told["arms.delayed.delay"] == (first + 1, "has no unit; write delay_s (seconds)")
    assert told["arms.delayed.delay_s"] == (first, "missing; give it in seconds")
    assert told["arms.sham.count"][0] == first + 3
    assert load_rig("theta-phase").arms is None
