"""What each electrode class has of rules, areas and electrodes."""

from dataclasses import replace
from math import inf, nan
from typing import Any

import pytest
from pydantic import ValidationError

from bci_core.errors import SafetyError
from bci_core.safety.defaults import class_defaults
from bci_core.safety.electrodes import (
    ElectrodeClass,
    ElectrodeModel,
    class_keys,
    electrode_model,
    impedance_problem,
)
from bci_core.safety.envelope import SafetyEnvelope, SafetySettings
from bci_core.safety.limits import ALL_KINDS, KINDS, SOUND_KINDS

AREA_CM2 = {
    "macro": 0.06,
    "depth": 0.05024,
    "ecog": 0.0415,
    "microelectrode": 2e-5,
    "transcranial": 35.0,
    "sound": None,
}
SIGNED = {"override_reason": "protocol 12, section 4", "overridden_by": "A. Lead"}


def settings(electrode_class: str, **keys: Any) -> SafetySettings:
    area_cm2 = AREA_CM2[electrode_class]
    if area_cm2 is not None:
        keys.setdefault("electrode_area_cm2", area_cm2)
    return SafetySettings(electrode_class=electrode_class, **keys)


def envelope(electrode_class: str, **keys: Any) -> SafetyEnvelope:
    return SafetyEnvelope.from_settings(settings(electrode_class, **keys))


def mistakes(electrode_class: str, **keys: Any) -> dict[str, str]:
    with pytest.raises(ValidationError) as caught:
        settings(electrode_class, **keys)
    return {str(error["loc"][0]): error["msg"] for error in caught.value.errors()}


@pytest.mark.parametrize("electrode_class", AREA_CM2)
def test_a_class_has_exactly_its_own_rules_and_each_has_a_source(electrode_class: str) -> None:
    found = envelope(electrode_class)
    defaults = class_defaults(ElectrodeClass(electrode_class), AREA_CM2[electrode_class])
    assert found.limits() == {key: default.value for key, default in defaults.items()}
    assert set(defaults) == set(class_keys(ElectrodeClass(electrode_class)))
    assert all(default.source for default in defaults.values())


def test_sound_has_no_rule_on_current_and_current_none_on_sound() -> None:
    limits = envelope("sound").limits()
    assert set(SOUND_KINDS) <= set(limits)
    assert set(limits) - set(SOUND_KINDS) == {
        *("pulses_per_train", "train_s", "lockout_s", "trains_per_s", "trains_per_hour"),
        *("on_time_per_hour_s", "on_time_per_day_s", "ahead_s"),
    }
    for electrode_class in set(AREA_CM2) - {"sound"}:
        assert not set(SOUND_KINDS) & set(envelope(electrode_class).limits())


def test_on_the_scalp_no_rule_goes_by_the_area_but_the_current() -> None:
    assert set(envelope("transcranial").limits()) == set(KINDS) - {
        "charge_density_uc_cm2",
        "shannon_k",
    }
    assert envelope("transcranial").amplitude_ua == 2000.0
    assert envelope("transcranial", electrode_area_cm2=0.6).amplitude_ua == 1200.0


@pytest.mark.parametrize("key", ALL_KINDS)
@pytest.mark.parametrize("value", [nan, inf, 0.0, -1.0, None, "12", True], ids=str)
@pytest.mark.parametrize("electrode_class", ["transcranial", "sound"])
def test_no_special_value_means_no_limit(electrode_class: str, key: str, value: Any) -> None:
    assert list(mistakes(electrode_class, **{key: value}, **SIGNED)) == [key]


@pytest.mark.parametrize("key", ["charge_per_phase_uc", "compliance", "shannon_k"])
def test_a_rule_on_current_is_refused_for_sound_not_ignored(key: str) -> None:
    assert list(mistakes("sound", **{key: 1.0}, **SIGNED)) == [key]


@pytest.mark.parametrize(
    ("electrode_class", "area_cm2", "hint"),
    [
        ("transcranial", 0.05, "limit 0.5 to 100 cm2"),
        ("transcranial", 3500.0, "mm2"),
        ("sound", 1.0, "sound has no electrode"),
        ("depth", None, "is needed for class depth"),
    ],
)
def test_an_area_belongs_to_the_class(
    electrode_class: str, area_cm2: float | None, hint: str
) -> None:
    found = mistakes(electrode_class, electrode_area_cm2=area_cm2)
    assert list(found) == ["electrode_area_cm2"]
    assert hint in found["electrode_area_cm2"]


def test_an_area_that_is_missing_is_named() -> None:
    with pytest.raises(ValidationError, match="area of one electrode, in cm2, is needed"):
        SafetySettings(electrode_class="ecog")


def test_the_electrode_is_typical_of_its_class_unless_stated() -> None:
    assert envelope("microelectrode").electrode == ElectrodeModel(40.0, 0.02)
    assert envelope("macro").electrode == ElectrodeModel(1.0, 3.0)
    assert envelope("transcranial").electrode == ElectrodeModel(10.0, None)
    assert envelope("sound").electrode is None
    stated = envelope("depth", access_resistance_kohm=2.0, double_layer_uf=1.0)
    assert stated.electrode == ElectrodeModel(2.0, 1.0)
    typical = electrode_model(ElectrodeClass.DEPTH, 0.05)
    assert typical.double_layer_uf == pytest.approx(2.5)


@pytest.mark.parametrize(
    ("electrode_class", "key", "value", "hint"),
    [
        ("microelectrode", "access_resistance_kohm", 1.0, "limit 5 to 1000 kOhm"),
        ("ecog", "access_resistance_kohm", 4.0, "limit 0.25 to 3.5 kOhm"),
        ("sound", "access_resistance_kohm", 1.0, "sound has no electrode"),
        ("sound", "double_layer_uf", 1.0, "sound has no electrode"),
        ("transcranial", "double_layer_uf", 1.0, "no double layer"),
        ("depth", "double_layer_uf", nan, "finite"),
        ("depth", "double_layer_uf", None, "leave the key out"),
        ("depth", "after_discharge_lockout_s", 59.0, "60"),
        ("depth", "after_discharge_lookback_s", 9.0, "10"),
    ],
)
def test_facts_that_cannot_be_are_refused(
    electrode_class: str, key: str, value: Any, hint: str
) -> None:
    found = mistakes(electrode_class, **{key: value})
    assert list(found) == [key]
    assert hint in found[key]


def test_facts_about_an_unknown_class_are_not_judged() -> None:
    with pytest.raises(ValidationError) as caught:
        SafetySettings.model_validate({"electrode_class": "cuff", "access_resistance_kohm": 1.0})
    assert [error["loc"] for error in caught.value.errors()] == [("electrode_class",)]


@pytest.mark.parametrize("electrode_class", ["transcranial", "sound"])
def test_resolved_settings_read_back_the_same(electrode_class: str) -> None:
    given = settings(electrode_class)
    written = given.resolved().model_dump(mode="json", exclude_none=True)
    again = SafetySettings.model_validate(written)
    assert SafetyEnvelope.from_settings(again) == SafetyEnvelope.from_settings(given)


def test_an_envelope_made_by_hand_has_the_rules_of_its_class() -> None:
    with pytest.raises(SafetyError, match=r"ramp \(uA/s\) is a rule for class macro and missing"):
        replace(envelope("macro"), ramp_ua_s=None)
    with pytest.raises(SafetyError, match="level_db_spl, is no rule for class macro"):
        replace(envelope("macro"), level_db_spl=60.0)
    with pytest.raises(SafetyError, match="belong to every class but sound"):
        replace(envelope("macro"), electrode=None)
    with pytest.raises(SafetyError, match="belong to every class but sound"):
        replace(envelope("sound"), electrode_area_cm2=1.0)
    with pytest.raises(SafetyError, match="double_layer: nan uF"):
        replace(envelope("macro"), electrode=ElectrodeModel(1.0, nan))
    with pytest.raises(SafetyError, match="after_discharge_lockout: inf s"):
        replace(envelope("macro"), after_discharge_lockout_s=inf)


def test_a_short_and_an_open_circuit_are_no_electrodes() -> None:
    macro, micro = ElectrodeClass.MACRO, ElectrodeClass.MICROELECTRODE
    assert impedance_problem(macro, 0.05) == impedance_problem(micro, 1000.0) == ""
    assert "a short or an open circuit" in impedance_problem(macro, 0.049)
    assert "a short or an open circuit" in impedance_problem(micro, 1001.0)
    assert impedance_problem(macro, nan)
