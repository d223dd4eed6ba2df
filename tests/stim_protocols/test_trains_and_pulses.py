"""Protocols that answer an onset with a pulse, a train, bursts or clicks."""

from collections.abc import Callable
from math import nan
from typing import Any

import pytest
from pydantic import ValidationError

from bci_core.events import Verdict
from bci_core.stimulus import ClickTrain, PulseTrain
from stim_protocols.classifier_train import ClassifierTrainProtocol
from stim_protocols.paired_clicks import PairedClicksProtocol
from stim_protocols.phase_locked_pulse import PhaseLockedPulseProtocol
from stim_protocols.ripple_disruption import RippleDisruptionProtocol
from stim_protocols.ripple_prolongation import RippleProlongationProtocol
from stim_protocols.spindle_triggered import SpindleTriggeredProtocol
from stim_protocols.theta_burst import ThetaBurstProtocol

PULSE: dict[str, Any] = {"amplitude_ua": 20.0, "phase_us": 200.0, "electrodes": [1]}
Feeding = Callable[[Any], Callable[..., tuple[Any, ...]]]


def made(kind: Any, **keys: Any) -> Any:
    return kind(
        kind.Settings.model_validate(keys if kind is PairedClicksProtocol else PULSE | keys)
    )


def train(kind: Any, **keys: Any) -> PulseTrain:
    (program,) = made(kind, **keys).programs()
    assert isinstance(program.train, PulseTrain)
    return program.train


def test_theta_burst_gives_four_pulses_at_100_hz_every_200_ms() -> None:
    (program,) = made(ThetaBurstProtocol).programs()
    assert [part.delay_s for part in program.parts] == pytest.approx([0.0, 0.2, 0.4, 0.6, 0.8])
    for part in program.parts:
        assert isinstance(part.train, PulseTrain)
        assert (part.train.n_pulses, part.train.rate_hz) == (4, 100.0)
    assert program.n_pulses == 20


def test_bursts_must_fit_into_their_period_and_be_few() -> None:
    with pytest.raises(ValidationError, match=r"lasts 0\.2\d+ s, limit: below the 0\.2 s"):
        made(ThetaBurstProtocol, pulses_per_burst=22)
    with pytest.raises(ValidationError, match="less than or equal to 60"):
        made(ThetaBurstProtocol, n_bursts=61)
    assert made(ThetaBurstProtocol, pulses_per_burst=30, n_bursts=1)


def test_a_phase_that_is_known_badly_is_left_out(feed: Feeding) -> None:
    at = feed(made(PhaseLockedPulseProtocol, max_spread_s=0.004))
    assert at(10.0, spread_s=0.005) == ()
    assert at(10.1, spread_s=nan) == ()
    assert len(at(10.2, spread_s=0.004)) == 1


def test_without_a_limit_any_announced_phase_is_taken(feed: Feeding) -> None:
    assert len(feed(made(PhaseLockedPulseProtocol))(10.0, spread_s=0.1)) == 1


def test_pulses_keep_their_pause_sham_or_not(feed: Feeding) -> None:
    at = feed(made(PhaseLockedPulseProtocol))
    assert at(1.0, Verdict.SHAM)
    assert [t for t in (1.4, 1.5, 1.9) if at(t)] == [1.5]


def test_ripples_are_disrupted_by_one_pulse_and_at_most_every_200_ms(feed: Feeding) -> None:
    assert train(RippleDisruptionProtocol).n_pulses == 1
    at = feed(made(RippleDisruptionProtocol))
    times_s = (1.0, 1.1, 1.19, 1.2, 1.39, 1.4)
    assert [t for t in times_s if at(t)] == [1.0, 1.2, 1.4]
    with pytest.raises(ValidationError):
        made(RippleDisruptionProtocol, pause_s=0.199)


def test_a_refused_decision_begins_no_pause(feed: Feeding) -> None:
    at = feed(made(RippleDisruptionProtocol))
    assert not at(1.0, Verdict.REFUSED)
    assert at(1.1)


def test_prolongation_is_a_trapezoid_of_100_ms_and_its_pause_counts_from_its_end(
    feed: Feeding,
) -> None:
    trapezoid = train(RippleProlongationProtocol)
    assert (trapezoid.n_pulses, trapezoid.ramp_up_pulses, trapezoid.ramp_down_pulses) == (20, 4, 4)
    assert trapezoid.duration_s == pytest.approx(0.1, abs=0.006)
    at = feed(made(RippleProlongationProtocol))
    assert [t for t in (1.0, 1.29, 1.3) if at(t)] == [1.0, 1.3]


def test_spindles_get_six_pulses_at_12_hz(feed: Feeding) -> None:
    assert (train(SpindleTriggeredProtocol).rate_hz, train(SpindleTriggeredProtocol).n_pulses) == (
        12.0,
        6,
    )
    at = feed(made(SpindleTriggeredProtocol))
    assert [t for t in (1.0, 2.4, 2.5) if at(t)] == [1.0, 2.5]


def test_ramps_must_fit_into_the_train() -> None:
    with pytest.raises(ValidationError, match=r"are 0\.6 s together, limit: the 0\.5 s"):
        made(SpindleTriggeredProtocol, ramp_up_s=0.3, ramp_down_s=0.3)


def test_poor_encoding_gets_200_hz_for_500_ms() -> None:
    assert train(ClassifierTrainProtocol).n_pulses == 100
    assert train(ClassifierTrainProtocol).rate_hz == 200.0


@pytest.mark.parametrize(("side", "acted_on"), [("below", [0.0, 0.39]), ("above", [0.41, 1.0])])
def test_only_one_side_of_the_probability_is_acted_on(
    side: str, acted_on: list[float], feed: Feeding
) -> None:
    at = feed(made(ClassifierTrainProtocol, threshold=0.4, side=side))
    values = [0.0, 0.39, 0.4, 0.41, 1.0, nan]
    assert [v for i, v in enumerate(values) if at(float(i), value=v)] == acted_on


def test_two_clicks_1075_ms_apart_and_then_a_pause(feed: Feeding) -> None:
    clicks = made(PairedClicksProtocol, level_db_spl=55.0)
    (program,) = clicks.programs()
    assert program.train == ClickTrain(55.0, click_s=0.05, interval_s=1.075, n_clicks=2)
    # 1.125 s of clicks and 2.5 s of pause.
    at = feed(clicks)
    assert [t for t in (10.0, 13.6, 13.63) if at(t)] == [10.0, 13.63]


def test_clicks_must_not_overlap_and_their_level_has_no_default() -> None:
    with pytest.raises(ValidationError, match="limit: below the 1"):
        made(PairedClicksProtocol, level_db_spl=55.0, click_s=1.2)
    with pytest.raises(ValidationError):
        made(PairedClicksProtocol)
