"""The amplitude follows the state, and every amplitude it can reach is a program."""

from collections.abc import Callable
from math import nan
from typing import Any

import pytest
from pydantic import ValidationError

from bci_core.events import Verdict
from bci_core.holds import hold_refusals
from stim_protocols.adaptive_amplitude import AdaptiveAmplitudeProtocol, AdaptiveAmplitudeSettings

SECTION: dict[str, Any] = {
    "phase_us": 60.0,
    "electrodes": [2],
    "thresholds": [5.0, 15.0],
    "amplitudes_ua": [500.0, "hold", 3000.0],
}
Feeding = Callable[[Any], Callable[..., tuple[Any, ...]]]


def adaptive(**keys: Any) -> AdaptiveAmplitudeProtocol:
    return AdaptiveAmplitudeProtocol(AdaptiveAmplitudeSettings.model_validate(SECTION | keys))


class Therapy:
    """Amplitude asked for on one value after the other; 0 where nothing is asked for."""

    def __init__(self, feed: Feeding, **keys: Any) -> None:
        protocol = adaptive(**keys)
        self._ua = {p.program_id: p.train.pulse.amplitude_ua for p in protocol.programs()}
        self._at = feed(protocol)
        self._now_s = 100.0

    def at(self, value: float = 0.0, **found: Any) -> float:
        self._now_s += 3.0
        asked = self._at(self._now_s, value=value, **found)
        return self._ua[asked[0].program_id] if asked else 0.0

    def __call__(self, *values: float) -> list[float]:
        return [self.at(value) for value in values]


def test_two_thresholds_and_hold_keep_the_last_amplitude_between_them(feed: Feeding) -> None:
    therapy = Therapy(feed)
    assert therapy(20.0, 10.0, 4.9, 10.0, 14.9, 15.0) == [
        3000.0,
        3000.0,
        500.0,
        500.0,
        500.0,
        3000.0,
    ]


def test_a_hold_with_nothing_before_it_is_no_stimulation(feed: Feeding) -> None:
    assert Therapy(feed)(10.0, 10.0) == [0.0, 0.0]


def test_one_threshold_switches_on_and_off(feed: Feeding) -> None:
    therapy = Therapy(feed, thresholds=[5.0], amplitudes_ua=[0.0, 2000.0])
    assert therapy(4.9, 5.0, 6.0, 4.0) == [0.0, 2000.0, 2000.0, 0.0]


def test_without_thresholds_onset_and_end_are_the_states(feed: Feeding, end: Any) -> None:
    therapy = Therapy(feed, thresholds=[], amplitudes_ua=[0.0, 2000.0])
    assert therapy.at() == 2000.0
    assert therapy.at(**end) == 0.0
    assert therapy.at(nan) == 2000.0


def test_an_end_is_the_lowest_state_and_what_is_held_follows(feed: Feeding, end: Any) -> None:
    therapy = Therapy(feed, amplitudes_ua=[0.0, "hold", 3000.0])
    assert therapy(20.0, 10.0) == [3000.0, 3000.0]
    therapy.at(**end)
    assert therapy(10.0) == [0.0]


def test_the_state_follows_what_is_refused_but_not_what_is_vetoed(feed: Feeding) -> None:
    therapy = Therapy(feed)
    therapy.at(20.0, verdict=Verdict.REFUSED)
    assert therapy(10.0) == [3000.0]
    therapy.at(1.0, verdict=Verdict.REFUSED, veto="blank")
    assert therapy(10.0) == [3000.0]


def test_a_value_that_is_no_number_holds(feed: Feeding) -> None:
    assert Therapy(feed)(20.0, nan) == [3000.0, 3000.0]


def test_disarmed_nothing_is_held(feed: Feeding) -> None:
    therapy = Therapy(feed)
    assert therapy(20.0) == [3000.0]
    therapy.at(20.0, verdict=Verdict.REFUSED, disarmed="lease")
    assert therapy(10.0) == [0.0]


def test_every_amplitude_is_a_program_that_ramps_and_ends_by_itself() -> None:
    programs = adaptive(amplitudes_ua=[500.0, 500.0, 3000.0]).programs()
    assert [p.program_id for p in programs] == [1, 2]
    for program, ua in zip(programs, (500.0, 3000.0), strict=True):
        train = program.train
        assert train.pulse.amplitude_ua == ua
        assert train.duration_s == pytest.approx(1.0, abs=0.01)
        assert train.fraction_of(0) < 0.05
        assert train.fraction_of(train.n_pulses - 1) < 0.05
        assert train.fraction_of(train.n_pulses // 2) == 1.0


def test_ramps_may_be_given_by_their_slope() -> None:
    low, high = adaptive(rise_ma_s=6.0, fall_ma_s=10.0).programs()
    for program, ma in ((low, 0.5), (high, 3.0)):
        train = program.train
        assert train.ramp_up_pulses == round(ma / 6.0 * 130.0)
        assert train.ramp_down_pulses == round(ma / 10.0 * 130.0)
    with pytest.raises(ValidationError, match="ramps up and down, 3 s and"):
        adaptive(rise_ma_s=1.0)


class DeviceTable(Therapy):
    """As `Therapy`, with the slot that is named, less one: the state."""

    def __init__(self, feed: Feeding, **keys: Any) -> None:
        super().__init__(feed, table="device", **keys)
        self._ua = {slot: slot - 1.0 for slot in self._ua}


def test_a_table_in_the_device_has_a_slot_for_each_state() -> None:
    low, hold, high = adaptive(table="device").programs()
    assert [p.train.pulse.amplitude_ua for p in (low, hold, high)] == [500.0, 3000.0, 3000.0]
    assert (low.holds, hold.holds, high.holds) == ((), (1, 3), ())
    assert hold_refusals((low, hold, high)) == []
    off = adaptive(table="device", amplitudes_ua=[0.0, "hold", 3000.0]).programs()
    assert [(p.program_id, p.holds) for p in off] == [(2, (3,)), (3, ())]


def test_states_are_named_to_a_device_that_has_the_table(feed: Feeding) -> None:
    assert DeviceTable(feed)(20.0, 10.0, 4.9, 10.0, 15.0) == [2.0, 1.0, 0.0, 1.0, 2.0]


def test_a_hold_of_what_the_device_was_never_given_names_it(feed: Feeding) -> None:
    therapy = DeviceTable(feed, amplitudes_ua=[0.0, "hold", 3000.0])
    assert therapy(10.0, 20.0, 10.0) == [0.0, 2.0, 1.0]
    therapy.at(1.0)  # no stimulation, of which the device hears nothing
    therapy.at(20.0, verdict=Verdict.REFUSED)
    assert therapy(10.0, 10.0) == [2.0, 1.0]
    therapy.at(10.0, verdict=Verdict.REFUSED, disarmed="lease")
    assert therapy(10.0, 20.0) == [0.0, 2.0]


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"thresholds": [15.0, 5.0]}, "must ascend"),
        ({"thresholds": [5.0, 5.0]}, "must ascend"),
        ({"thresholds": [5.0]}, "has 3 entries, limit: 2"),
        ({"amplitudes_ua": [0.0, "hold", 0.0]}, "never stimulates"),
        ({"amplitudes_ua": ["hold", "hold", "hold"]}, "never stimulates"),
        ({"ramp_up_s": 0.6, "ramp_down_s": 0.5}, r"ramps up and down, 0.6 s and 0.5 s"),
        ({"amplitudes_ua": [0.0, -1.0, 100.0]}, "greater than or equal to 0"),
        ({"amplitudes_ua": [0.0, "keep", 100.0]}, "hold"),
        ({"thresholds": [nan, 5.0]}, "finite"),
    ],
)
def test_a_table_that_does_not_make_sense_is_refused(keys: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        adaptive(**keys)
