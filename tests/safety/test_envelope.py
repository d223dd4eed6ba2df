from dataclasses import replace
from math import inf, nan
from typing import Any

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from bci_core.errors import SafetyError
from bci_core.safety.defaults import class_defaults
from bci_core.safety.electrodes import ElectrodeClass
from bci_core.safety.envelope import AreaRules, SafetyEnvelope, SafetySettings
from bci_core.safety.limits import KINDS

AREA_CM2 = {"macro": 0.06, "depth": 0.05024, "ecog": 0.0415, "microelectrode": 2e-5}
SIGNED = {"override_reason": "protocol 12, section 4", "overridden_by": "A. Lead"}


def settings(electrode_class: str = "depth", **keys: Any) -> SafetySettings:
    keys.setdefault("electrode_area_cm2", AREA_CM2[electrode_class])
    return SafetySettings(electrode_class=electrode_class, **keys)


def envelope(electrode_class: str = "depth", **keys: Any) -> SafetyEnvelope:
    return SafetyEnvelope.from_settings(settings(electrode_class, **keys))


def mistakes(electrode_class: str = "depth", **keys: Any) -> dict[str, str]:
    """Message by key; fails when there are none."""
    with pytest.raises(ValidationError) as caught:
        settings(electrode_class, **keys)
    return {str(error["loc"][0]): error["msg"] for error in caught.value.errors()}


@pytest.mark.parametrize("electrode_class", AREA_CM2)
def test_each_limit_of_the_class_is_a_number_with_a_source(electrode_class: str) -> None:
    found = envelope(electrode_class)
    defaults = class_defaults(ElectrodeClass(electrode_class), AREA_CM2[electrode_class])
    assert found.limits() == {key: default.value for key, default in defaults.items()}
    assert all(default.source for default in defaults.values())
    assert found.overrides == ()


def test_area_rules_are_for_large_electrodes_only() -> None:
    assert set(envelope("microelectrode").limits()) == set(KINDS) - {
        "charge_density_uc_cm2",
        "shannon_k",
    }
    for electrode_class in ("macro", "depth", "ecog"):
        assert set(envelope(electrode_class).limits()) == set(KINDS)
    assert envelope("ecog").area_rules == AreaRules(charge_density_uc_cm2=25.0, shannon_k=1.5)
    assert envelope("microelectrode").charge_per_phase_uc == 0.004


@pytest.mark.parametrize("key", ["charge_density_uc_cm2", "shannon_k"])
def test_an_area_rule_for_a_microelectrode_is_refused_not_ignored(key: str) -> None:
    found = mistakes("microelectrode", **{key: 1.0}, **SIGNED)
    assert list(found) == [key]
    assert "no rule for class microelectrode" in found[key]


def test_direct_current_follows_the_area() -> None:
    assert envelope("microelectrode").dc_na == pytest.approx(1.5)
    assert envelope("depth").dc_na == pytest.approx(3768.0)


@pytest.mark.parametrize("key", KINDS)
def test_a_tighter_limit_needs_no_reason(key: str) -> None:
    default = envelope().limits()[key]
    tighter = default * 2 if key == "lockout_s" else type(default)(default / 2)
    found = envelope(**{key: tighter})
    assert found.limits()[key] == tighter
    assert found.overrides == ()


@pytest.mark.parametrize("key", KINDS)
def test_a_looser_limit_is_refused_unless_signed_and_then_recorded(key: str) -> None:
    default = envelope().limits()[key]
    looser = default / 2 if key == "lockout_s" else min(default * 2, 1_000_000)
    looser = type(default)(looser)
    kind = KINDS[key]
    found = mistakes(**{key: looser})
    assert list(found) == [key]
    assert f"{kind.code} of {looser:g} {kind.unit}" in found[key]
    assert f"{default:g} {kind.unit}" in found[key]

    signed = envelope(**{key: looser}, **SIGNED)
    assert signed.limits()[key] == looser
    (override,) = signed.overrides
    assert (override.limit, override.value, override.default) == (kind.code, looser, default)
    assert (override.unit, override.reason, override.by) == (
        kind.unit,
        SIGNED["override_reason"],
        SIGNED["overridden_by"],
    )
    assert str(override).startswith(f"{kind.code}: {looser:g} {kind.unit} instead of {default:g}")


@pytest.mark.parametrize("missing", SIGNED)
def test_half_a_signature_is_none(missing: str) -> None:
    half = {key: value for key, value in SIGNED.items() if key != missing}
    assert list(mistakes(amplitude_ua=4000.0, **half)) == ["amplitude_ua"]


@pytest.mark.parametrize("blank", ["", "  \t"])
def test_a_blank_signature_is_a_mistake(blank: str) -> None:
    found = mistakes(amplitude_ua=4000.0, override_reason="because", overridden_by=blank)
    assert set(found) == {"overridden_by", "amplitude_ua"}


@pytest.mark.parametrize("key", ["electrode_area_cm2", *KINDS])
@pytest.mark.parametrize("value", [nan, inf, -inf, 0, -1, None, "12", True], ids=str)
def test_no_special_value_means_no_limit(key: str, value: Any) -> None:
    assert list(mistakes(**{key: value}, **SIGNED)) == [key]


@pytest.mark.parametrize("key", ["duty", "net_charge_fraction"])
def test_a_fraction_stays_below_one_even_signed(key: str) -> None:
    assert list(mistakes(**{key: 1.01}, **SIGNED)) == [key]


@pytest.mark.parametrize(
    ("electrode_class", "area_cm2", "hint"),
    [
        ("depth", 5.024, "mm2"),
        ("depth", 2e-5, "microelectrode"),
        ("microelectrode", 2000.0, "um2"),
        ("microelectrode", 0.002, "0.002 cm2"),
    ],
)
def test_an_area_in_the_wrong_unit_is_noticed(
    electrode_class: str, area_cm2: float, hint: str
) -> None:
    found = mistakes(electrode_class, electrode_area_cm2=area_cm2)
    assert list(found) == ["electrode_area_cm2"]
    assert hint in found["electrode_area_cm2"]


def test_all_mistakes_at_once() -> None:
    with pytest.raises(ValidationError) as caught:
        SafetySettings.model_validate(
            {
                "electrode_class": "depth",
                "electrode_area_cm2": 0.05,
                "amplitude_ua": 4000.0,
                "lockout_s": 0.1,
                "dc_na": nan,
                "amplitude_ma": 1.0,
            }
        )
    assert {error["loc"][0] for error in caught.value.errors()} == {
        "amplitude_ua",
        "lockout_s",
        "dc_na",
        "amplitude_ma",
    }


def test_an_unknown_class_is_one_mistake() -> None:
    with pytest.raises(ValidationError) as caught:
        SafetySettings.model_validate(
            {"electrode_class": "cuff", "electrode_area_cm2": 0.05, "amplitude_ua": 1e6}
        )
    assert [error["loc"] for error in caught.value.errors()] == [("electrode_class",)]


@pytest.mark.parametrize("electrode_class", AREA_CM2)
def test_resolved_settings_written_out_read_back_the_same(electrode_class: str) -> None:
    given = settings(electrode_class, amplitude_ua=20_000.0, **SIGNED)
    written = given.resolved().model_dump(mode="json", exclude_none=True)
    assert set(envelope(electrode_class).limits()) <= set(written)
    again = SafetySettings.model_validate(written)
    assert SafetyEnvelope.from_settings(again) == SafetyEnvelope.from_settings(given)


@pytest.mark.parametrize("value", [nan, inf, 0.0, -1.0])
def test_an_envelope_made_by_hand_is_held_to_the_same(value: float) -> None:
    good = envelope()
    with pytest.raises(SafetyError) as caught:
        replace(good, amplitude_ua=value, electrode_area_cm2=value)
    assert f"amplitude: {value:g} uA" in str(caught.value)
    assert f"electrode_area: {value:g} cm2" in str(caught.value)


def test_area_rules_cannot_be_dropped_nor_added() -> None:
    with pytest.raises(SafetyError, match="shannon_k"):
        replace(envelope("macro"), area_rules=None)
    with pytest.raises(SafetyError, match="shannon_k"):
        replace(envelope("microelectrode"), area_rules=AreaRules(30.0, 1.5))


def test_a_running_session_takes_tighter_limits_only() -> None:
    loosest = envelope("depth")
    tighter = loosest.tightened(amplitude_ua=5.0, lockout_s=3.0, shannon_k=1.0)
    assert (tighter.amplitude_ua, tighter.lockout_s) == (5.0, 3.0)
    assert tighter.area_rules is not None
    assert tighter.area_rules.shannon_k == 1.0
    unchanged = {k: v for k, v in loosest.limits().items() if k not in CHANGED}
    assert {k: v for k, v in tighter.limits().items() if k not in CHANGED} == unchanged
    assert tighter.tightened(**tighter.limits()) == tighter
    assert loosest.tightened() == loosest


CHANGED = ("amplitude_ua", "lockout_s", "shannon_k")


@pytest.mark.parametrize(
    ("limits", "why"),
    [
        ({"amplitude_ua": 1e6}, "looser than"),
        ({"lockout_s": 1e-3}, "looser than"),
        ({"amplitude_ua": nan}, "is no limit"),
        ({"amplitude_ua": inf}, "is no limit"),
        ({"amplitude_ua": 0.0}, "is no limit"),
        ({"lockout_s": -1.0}, "is no limit"),
        ({"lockout_s": True}, "True is no number of s"),
        ({"lockout_s": None}, "None is no number of s"),
        ({"lockout_s": "1"}, "'1' is no number of s"),
        ({"electrode_area_cm2": 0.01}, "no limit here; limits: amplitude_ua"),
    ],
)
def test_nothing_loosens_and_no_special_value_passes(limits: Any, why: str) -> None:
    with pytest.raises(SafetyError, match=why):
        envelope("depth").tightened(**limits)


def test_a_rule_that_does_not_apply_cannot_be_tightened() -> None:
    micro = envelope("microelectrode")
    assert micro.tightened(dc_na=micro.dc_na / 2).area_rules is None
    with pytest.raises(SafetyError, match="shannon_k: no limit here"):
        micro.tightened(shannon_k=1.0)


@hypothesis.settings(deadline=None, derandomize=True)
@given(st.sampled_from(sorted(KINDS)), st.floats(0.01, 100.0))
def test_tightening_keeps_every_limit_as_tight_or_tighter(key: str, factor: float) -> None:
    before = envelope("depth").limits()
    try:
        after = envelope("depth").tightened(**{key: before[key] * factor}).limits()
    except SafetyError:
        assert KINDS[key].looser(before[key] * factor, than=before[key])
        return
    assert not any(KINDS[k].looser(after[k], than=before[k]) for k in before)
