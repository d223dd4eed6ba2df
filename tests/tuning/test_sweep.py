"""Which values are tried, and that mistakes in a sweep are named."""

import pytest
from pydantic import BaseModel, Field, create_model

from bci_core import registry
from bci_core.detection.band_power import BandPowerSettings
from bci_core.errors import ConfigError, InputError
from bci_core.tuning.sweep import (
    Axis,
    combinations,
    default_axes,
    parse_axes,
    threshold_of,
    values_around,
)


def test_a_range_has_as_many_values_as_asked_ends_included() -> None:
    (axis,) = parse_axes(["threshold_sd=2:3:5"], BandPowerSettings)
    assert axis == Axis("threshold_sd", (2.0, 2.25, 2.5, 2.75, 3.0))


def test_a_list_has_its_values_as_they_are() -> None:
    axes = parse_axes(["order=1,3", "threshold_sd=2.5"], BandPowerSettings)
    assert axes == [Axis("order", (1, 3)), Axis("threshold_sd", (2.5,))]


def test_a_range_of_whole_numbers_has_whole_numbers() -> None:
    (axis,) = parse_axes(["order=1:4:4"], BandPowerSettings)
    assert axis.values == (1, 2, 3, 4)
    assert all(isinstance(value, int) for value in axis.values)


def test_every_combination_is_tried_once() -> None:
    tried = combinations([Axis("a", (1, 2)), Axis("b", (3, 4, 5))])
    assert tried[0] == {"a": 1, "b": 3}
    assert len({tuple(each.items()) for each in tried}) == 6


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("threshold=1:2:3", "write threshold_sd"),
        ("threshold_sd", "write key=first:last:count"),
        ("threshold_sd=1:2", "is no range"),
        ("threshold_sd=1:2:1", "is no count"),
        ("threshold_sd=1:x:3", "'x' is no number"),
        ("threshold_sd=1,inf", "'inf' is no number"),
        ("order=1.5,2", "order=1.5,2"),
    ],
)
def test_each_mistake_is_named(text: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_axes([text], BandPowerSettings)
    assert said in str(caught.value)


def test_all_mistakes_are_named_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_axes(["order=a", "threshold_sd=1:2:3", "threshold_sd=3,4"], BandPowerSettings)
    assert [p.where for p in caught.value.problems] == ["order=a", "threshold_sd=3,4"]


def test_too_many_combinations_are_refused_with_their_number() -> None:
    with pytest.raises(InputError, match="10000 settings"):
        combinations([Axis("a", tuple(range(100))), Axis("b", tuple(range(100)))])


@pytest.mark.parametrize("kind", registry.names("detector"))
def test_the_default_sweep_of_each_detector_holds_its_default_and_keeps_its_bounds(
    kind: str,
) -> None:
    model = registry.load("detector", kind).Settings
    if threshold_of(kind, model) is None:
        with pytest.raises(InputError, match="nothing to sweep by default"):
            default_axes(kind, model, ())
        return
    for axis in default_axes(kind, model, ()):
        field = model.model_fields[axis.key]
        assert field.default in axis.values or (0.1 in axis.values and 0.9 in axis.values)
        assert len(axis.values) >= 3
        probe = create_model("Probe", value=(field.annotation, field))
        assert [probe(value=v).value for v in axis.values] == list(axis.values)


def test_a_setting_that_is_given_is_not_swept() -> None:
    keys = [axis.key for axis in default_axes("band_power", BandPowerSettings, ["threshold_sd"])]
    assert "threshold_sd" not in keys
    assert keys


def test_a_detector_without_a_threshold_has_to_be_told() -> None:
    class Settings(BaseModel):
        channel: str
        gain: float = Field(default=2.0, gt=0.0, le=10.0)

    with pytest.raises(InputError, match="its settings: channel, gain"):
        default_axes("mine", Settings, ())


def test_values_around_a_threshold_hold_it_and_go_both_ways() -> None:
    values = values_around(BandPowerSettings, "threshold_sd", 70.0)
    assert 70.0 in values
    assert min(values) < 70.0 < max(values) <= 100.0
