"""`bci bench safety`: its judge has teeth, and nothing that it judges is accepted wrongly."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from bci_core.bench.safety import Tally, try_programs, try_sequences, try_sounds
from bci_core.bench.safety_cost import GateCost
from bci_core.bench.safety_oracle import Facts, Through, draw, judge, judge_last
from bci_core.bench.safety_random import random_program, random_rig, weaker
from bci_core.bench.safety_sound import DEVICE as SOUND_DEVICE
from bci_core.bench.safety_sound import judge_sound, random_clicks, random_envelope
from bci_core.bench.safety_vectors import vectors
from bci_core.cli.app import app
from bci_core.safety.check import ProgramCheck
from bci_core.safety.envelope import SafetyEnvelope, SafetySettings
from bci_core.stimulus import BiphasicPulse, ClickTrain, ProgramPart, PulseTrain, StimProgram

FACTS = Facts(0.05, 1.0, 2.0, 10.0, 1.0)


@pytest.mark.parametrize("vector", vectors(), ids=lambda v: f"{v.case}: {v.what}")
def test_each_known_case_comes_out(vector: Any) -> None:
    assert vector.agrees, f"{vector.value} instead of {vector.expected} {vector.unit}"


@settings(derandomize=True, deadline=None, max_examples=12)
@given(st.integers(0, 10_000))
def test_no_random_program_is_accepted_wrongly(seed: int) -> None:
    tally = Tally(seed)
    try_programs(tally, 20, lambda _: None)
    assert tally.violations == tally.reversals == []
    assert tally.programs == 20


@settings(derandomize=True, deadline=None, max_examples=6)
@given(st.integers(0, 10_000))
def test_no_random_sound_is_accepted_wrongly(seed: int) -> None:
    tally = Tally(seed)
    try_sounds(tally, 40, lambda _: None)
    assert tally.violations == tally.reversals == []
    assert tally.sounds == 40


def test_bursts_are_tried_at_lower_rates_of_pulses_and_of_bursts() -> None:
    rng = np.random.default_rng(5)
    train = PulseTrain(BiphasicPulse(100.0, 100.0), 100.0, 4)
    bursts = StimProgram(
        1, "bursts", train, (1,), tuple(ProgramPart(train, (1,), 0.2 * i) for i in (1, 2, 3))
    )
    *_, slower, seldom = weaker(rng, bursts, random_rig(rng))
    assert {p.train.rate_hz for p in slower.parts} == {slower.train.rate_hz}
    assert slower.train.rate_hz < 100.0
    assert slower.train.duration_s <= train.duration_s
    assert [p.delay_s for p in slower.parts] == [p.delay_s for p in bursts.parts]
    assert seldom.train == train
    assert seldom.duration_s <= bursts.duration_s
    assert all(p.delay_s > 0.2 * i for i, p in enumerate(seldom.parts) if i)
    # A pattern, in which it is a matter of timing what meets, is left alone.
    uneven = replace(bursts, more=(*bursts.more, ProgramPart(train, (1,), 0.7)))
    assert len(weaker(rng, uneven, random_rig(rng))) == 2


SOUND_KEYS = ("level_db_spl", "click_s", "sound_dose_per_day", "pulses_per_train", "train_s")


@pytest.mark.parametrize("key", SOUND_KEYS)
def test_the_judge_of_sound_finds_a_limit_that_the_check_has_forgotten(key: str) -> None:
    rng = np.random.default_rng(3)
    found = set()
    for _ in range(60):
        envelope = random_envelope(rng)
        check = ProgramCheck(wide_open(envelope, key), SOUND_DEVICE)
        for program in [random_clicks(rng, envelope.limits()) for _ in range(10)]:
            if not check.refusals(program):
                found |= {line.split(":")[0] for line in judge_sound(program, envelope.limits())}
    assert key in found


def test_the_judge_of_sound_adds_up_what_is_heard_at_once() -> None:
    train = ClickTrain(60.0, 0.05, 1.0, 2)
    both = StimProgram(1, "both", train, (1,), (ProgramPart(train, (2,), 0.025),))
    limits = SafetyEnvelope.from_settings(SafetySettings(electrode_class="sound")).limits()
    assert judge_sound(both, limits) == []
    tight = limits | {"level_db_spl": 63.0, "train_s": 1.07, "pulses_per_train": 3}
    assert judge_sound(both, tight) == [
        "pulses_per_train: 4, limit 3",
        "train_s: 1.075, limit 1.07",
        "level_db_spl: 63.0103, limit 63",
    ]


@settings(derandomize=True, deadline=None, max_examples=12)
@given(st.integers(0, 10_000))
def test_no_random_trigger_is_sent_wrongly(seed: int) -> None:
    tally = Tally(seed)
    try_sequences(tally, 40, lambda _: None)
    assert tally.violations == []
    assert tally.triggers == 40


def found_with(check_of: Any, n: int = 400) -> set[str]:
    """Limits that the judge finds passed by what a check accepts."""
    rng = np.random.default_rng(3)
    found = set()
    for _ in range(n // 10):
        rig = random_rig(rng)
        check = check_of(rig)
        for _ in range(10):
            program = random_program(rng, rig)
            if not check.refusals(program):
                wrong = judge(draw(program, rig.facts, round), rig.facts, rig.limits)
                found |= {line.split(":")[0] for line in wrong}
    return found


def wide_open(envelope: SafetyEnvelope, *keys: str) -> SafetyEnvelope:
    return replace(envelope, **{key: getattr(envelope, key) * 1000 for key in keys})


@pytest.mark.parametrize(
    "key",
    [
        *("amplitude_ua", "total_current_ua", "charge_per_phase_uc", "dc_na", "ramp_ua_s"),
        *("pulse_rate_hz", "pulses_per_train", "duty", "net_charge_fraction"),
    ],
)
def test_the_judge_finds_a_limit_that_the_check_has_forgotten(key: str) -> None:
    # Direct current comes from net charge, which has a limit of its own.
    keys = ("net_charge_fraction", key) if key == "dc_na" else (key,)
    found = found_with(lambda rig: ProgramCheck(wide_open(rig.envelope, *keys), rig.able))
    assert key in found


def test_the_judge_finds_a_check_that_ignores_how_the_device_rounds() -> None:
    assert found_with(lambda rig: ProgramCheck(rig.envelope)) != set()


def test_the_judge_draws_what_the_device_delivers() -> None:
    pulse = BiphasicPulse(10.0, 20.0, 10.0, recovery_amplitude_ua=5.0, recovery_phase_us=40.0)
    train = PulseTrain(pulse, 10_000.0, 2, ramp_up_pulses=1)
    program = StimProgram(1, "drawn", train, (1,), (ProgramPart(train, (2,), 5e-5),))
    drawn = draw(program, FACTS, round)
    assert drawn[1][:17].tolist() == [-5, -5, 0, 2, 2, 2, 2, 0, 0, 0, -10, -10, 0, 5, 5, 5, 5]
    assert drawn[2][:10].tolist() == [0, 0, 0, 0, 0, -5, -5, 0, 2, 2]
    wrong = judge(drawn, FACTS, {"amplitude_ua": 9.0, "total_current_ua": 14.0, "duty": 0.69})
    assert wrong == [
        "total_current_ua: 15, limit 14",
        "amplitude_ua: 10, limit 9",
        "duty: 0.7, limit 0.69",
    ]


def test_the_judge_adds_up_trains() -> None:
    limits = {"lockout_s": 1.0, "trains_per_s": 0.5, "trains_per_hour": 9}
    limits |= {f"on_time_per_{name}_s": 5.0 for name in ("hour", "day")}
    limits |= {f"charge_per_{name}_uc": 5.0 for name in ("hour", "day")}
    limits["net_charge_per_hour_uc"] = 0.5
    trains = [Through(t, t + 0.5, 0.5, {1: 0.5}, {1: 0.05}) for t in np.arange(10) * 2.0]
    assert judge_last(trains[:9], limits) == []
    assert judge_last(trains, limits) == ["trains_per_hour: 10, limit 9"]
    late = Through(18.9, 19.0, 0.1, {1: 1.0}, {1: 0.1})
    found = {line.split(":")[0] for line in judge_last([*trains[:9], trains[9], late], limits)}
    assert found == {
        *("lockout_s", "trains_per_s", "trains_per_hour", "on_time_per_hour_s"),
        *("on_time_per_day_s", "charge_per_hour_uc", "charge_per_day_uc"),
        "net_charge_per_hour_uc",
    }


def test_a_slow_gate_is_told() -> None:
    cost = GateCost("slow", 1.0, 2.0, 21.5, 30.0, 100)
    assert not cost.within
    assert cost.to_dict()["added_p50"] == 20.5


def test_the_command_prints_and_writes_what_it_found(tmp_path: Path) -> None:
    out = tmp_path / "safety.json"
    ran = CliRunner().invoke(app, ["bench", "safety", "--count", "60", "--json", str(out)])
    assert ran.exit_code == 0, ran.output
    told = json.loads(out.read_text())
    assert told["random"]["programs"] == 60
    assert told["random"]["n_violations"] == told["random"]["n_reversals"] == 0
    assert all(vector["agrees"] for vector in told["vectors"])
    assert "known cases agree" in ran.output
    assert {cost["n"] for cost in told["gate_us"]} == {5000}
