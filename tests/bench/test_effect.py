"""``bci bench effect``: what it measures on, and that it can fail."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from bci_core.bench.effect import measure
from bci_core.bench.effect.cases import (
    CASES,
    EPOCH_S,
    SPINDLE_CHANNEL,
    ripple_ms,
    seizure_s,
    spindle_power_db,
    theta_moved_deg,
)
from bci_core.bench.effect.intervals import difference
from bci_core.bench.effect.measure import Effect, measure_effect
from bci_core.bench.effect.page import render
from bci_core.bench.effect.runs import Run, differing_events
from bci_core.cli.app import app

CASE = {case.name: case for case in CASES}
ALL = np.array([0.0, np.inf])


def run_with(
    event: str, onsets_s: np.ndarray, lengths_s: np.ndarray, content: float = 0.0, pulses: int = 0
) -> Run:
    nothing = np.full(len(onsets_s), np.nan)
    told = {
        "onset_s": 1000.0 + onsets_s,
        "offset_s": 1000.0 + onsets_s + lengths_s,
        "phase_rad": nothing,
        "content": np.full(len(onsets_s), content),
        "value": nothing,
    }
    return Run({event: told}, 1000.0, 250.0, ("ctx001",), np.zeros((0, 1)), pulses, pulses)


def quiet(_: str) -> None: ...


@pytest.fixture(scope="module")
def ripples() -> Effect:
    """The whole loop on two brains, for as short a time as shows anything."""
    return measure_effect(CASE["ripple-disruption"], 2, 16.0, quiet)


def test_ripples_end_sooner_where_the_loop_stimulates_and_sham_does_nothing(
    ripples: Effect,
) -> None:
    assert ripples.failures == []
    assert ripples.active.high < -20.0
    assert ripples.sham.low <= 0.0 <= ripples.sham.high
    assert min(ripples.pulses, ripples.shams) >= 8
    assert (ripples.felt, ripples.differing) == (0, 0)


def test_the_page_and_the_json_tell_of_it(ripples: Effect) -> None:
    page = render([ripples])
    for said in ("ripple duration", "simulated", "says nothing about brains", "sham has none"):
        assert said in page
    told = json.loads(json.dumps(ripples.to_dict(), allow_nan=False))
    assert told["conditions"]["active"]["n"] == ripples.n("active")
    assert told["active_minus_sham"]["mean"] == pytest.approx(
        told["conditions"]["active"]["mean"] - told["conditions"]["sham"]["mean"]
    )


def faked(monkeypatch: pytest.MonkeyPatch, lengths_s: dict[str, float], felt: int = 0) -> None:
    """Brains whose ripples last so long under each condition."""

    def run(_: object, condition: str, __: float) -> Run:
        rng = np.random.default_rng(len(condition))
        onsets_s = np.arange(10.0, 50.0)
        lasted_s = lengths_s[condition] + 0.01 * rng.standard_normal(len(onsets_s))
        made = run_with("ripple", onsets_s, lasted_s, pulses=30)
        if condition == "sham" and felt:
            made.events["stimulus"] = run_with("stimulus", np.arange(felt), np.zeros(felt)).of(
                "stimulus"
            )
        return made

    monkeypatch.setattr(measure, "run_condition", run)
    monkeypatch.setattr(measure, "differing_events", lambda *_: 0)


@pytest.mark.parametrize(
    ("active_s", "sham_s", "felt", "said"),
    [
        (0.04, 0.1, 0, []),
        (0.1, 0.1, 0, ["no effect on ripple duration"]),
        (0.16, 0.1, 0, ["no effect on ripple duration"]),
        (0.04, 0.07, 0, ["sham is not without effect"]),
        (0.04, 0.1, 1, ["sham is not without effect"]),
        (0.04, 0.04, 9, ["no effect on ripple duration", "sham is not without effect"]),
    ],
)
def test_no_effect_the_wrong_effect_and_sham_that_has_one_fail(
    monkeypatch: pytest.MonkeyPatch, active_s: float, sham_s: float, felt: int, said: list[str]
) -> None:
    faked(monkeypatch, {"active": active_s, "sham": sham_s, "unstimulated": 0.1}, felt)
    ran = CliRunner().invoke(app, ["bench", "effect", "--only", "ripple-disruption", "--json"])
    assert ran.exit_code == (1 if said else 0), ran.output
    failed = [line for line in ran.stderr.splitlines() if line.startswith("FAILED")]
    assert len(failed) == len(said)
    for line, what in zip(failed, said, strict=True):
        assert what in line
    assert json.loads(ran.stdout)[0]["felt_in_sham"] == 4 * felt


def test_bad_input_is_said(tmp_path: Path) -> None:
    for options, said in (
        (["--only", "nothing"], "there are ripple-disruption, theta-locked"),
        (["--only", "responsive", "--duration", "60"], "give at least 145"),
        (["--plot", str(tmp_path / "no" / "x.html")], "cannot be written"),
    ):
        ran = CliRunner().invoke(app, ["bench", "effect", *options])
        assert said in str(ran.exception), ran.output


def test_the_interval_covers_a_difference_and_knows_that_runs_differ() -> None:
    rng = np.random.default_rng(1)
    covered = 0
    for _ in range(20):
        one = [rng.normal(3.0, 1.0, 20) for _ in range(6)]
        other = [rng.normal(0.0, 1.0, 20) for _ in range(6)]
        found = difference(one, other)
        covered += found.low <= 3.0 <= found.high
    assert covered >= 18
    # Runs that differ more than events do make it wider.
    spread = [values + 2.0 * k for k, values in enumerate(one)]
    wider = difference(spread, other)
    assert wider.high - wider.low > 3.0 * (found.high - found.low)


def test_a_quantity_is_read_from_the_truth_or_the_signal() -> None:
    at_s = np.arange(0.0, 20.0, 0.1)
    alone = run_with("theta_cycle", at_s, np.full(200, 0.125))
    ahead = run_with("theta_cycle", at_s, np.full(200, 0.1125))
    np.testing.assert_allclose(theta_moved_deg(ahead, alone, ALL), 36.0)
    span_s = np.array([5.0, 15.0])
    some = run_with("ripple", np.array([4.9, 5.0, 14.9, 15.0]), np.array([0.1, 0.2, 0.3, 0.4]))
    np.testing.assert_allclose(ripple_ms(some, some, span_s), [200.0, 300.0])
    one = np.array([9.0])
    assert len(seizure_s(run_with("seizure", one, one, content=1.0), alone, ALL)) == 0
    assert seizure_s(run_with("seizure", one, one), alone, ALL) == pytest.approx([9.0])
    assert len(ripple_ms(alone, alone, ALL)) == 0

    t = np.arange(0.0, 4 * EPOCH_S, 0.004)
    x = (8.0 * np.sin(2 * np.pi * 13.5 * t) + 50.0 * np.sin(2 * np.pi * t))[:, None]
    wave = Run({}, 0.0, 250.0, (SPINDLE_CHANNEL,), x.astype(np.float32))
    power_db = spindle_power_db(wave, wave, np.array([EPOCH_S, 3 * EPOCH_S]))
    np.testing.assert_allclose(power_db, [10 * np.log10(32.0)] * 2, atol=0.2)


def test_one_event_that_differs_is_counted() -> None:
    at_s = np.arange(10.0)
    one = run_with("ripple", at_s, np.full(10, 0.1))
    other = run_with("ripple", at_s, np.where(at_s == 3.0, 0.2, 0.1))
    assert differing_events(one, one) == 0
    assert differing_events(one, other) == 1
    assert differing_events(one, run_with("seizure", at_s, at_s)) > 0
