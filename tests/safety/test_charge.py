from math import pi

import pytest

from bci_core.safety import charge
from bci_core.safety.limits import KINDS, LimitUse, at_least, at_most
from bci_core.stimulus import BiphasicPulse

DBS_CM2, SEEG_CM2, UTAH_CM2, ECOG_CM2, RNS_CM2 = 0.06, 5.024e-2, 2000e-8, pi * 0.115**2, 0.08

# current uA, phase us, area cm2 -> Q uC, D uC/cm2, k, within k 1.5, within 30 uC/cm2
VECTORS = {
    "DBS 3 mA": (3000, 60, DBS_CM2, 0.18, 3.0, -0.268, True, True),
    "DBS 20 mA, exactly 30 uC/cm2": (20_000, 90, DBS_CM2, 1.80, 30.0, 1.732, False, True),
    "sEEG 3.5 mA": (3500, 300, SEEG_CM2, 1.05, 20.90, 1.341, True, True),
    "sEEG 0.5 mA": (500, 300, SEEG_CM2, 0.15, 2.986, -0.349, True, True),
    "Utah 20 uA": (20, 200, UTAH_CM2, 0.004, 200.0, -0.097, True, False),
    "Utah 100 uA": (100, 200, UTAH_CM2, 0.020, 1000.0, 1.301, True, False),
    "Utah 215 uA": (215, 1000, UTAH_CM2, 0.215, 10_750.0, 3.364, False, False),
    "ECoG 2.3 mm disc": (10_000, 200, ECOG_CM2, 2.0, 48.14, 1.984, False, False),
    "RNS 12 mA": (12_000, 160, RNS_CM2, 1.92, 24.0, 1.664, False, True),
}


@pytest.mark.parametrize("case", VECTORS.values(), ids=VECTORS)
def test_one_pulse(case: tuple[float, ...]) -> None:
    current_ua, phase_us, area_cm2, charge_uc, density, k, shannon_passes, density_passes = case
    pulse = BiphasicPulse(current_ua, phase_us)
    assert pulse.charge_per_phase_uc == pytest.approx(charge_uc, rel=1e-12)
    found_density = charge.charge_density_uc_cm2(pulse.charge_per_phase_uc, area_cm2)
    found_k = charge.shannon_k(pulse.charge_per_phase_uc, area_cm2)
    assert found_density == pytest.approx(density, rel=5e-4)
    assert found_k == pytest.approx(k, abs=5e-4)
    assert at_most(found_k, 1.5) is shannon_passes
    assert at_most(found_density, 30.0) is density_passes


@pytest.mark.parametrize(
    ("k", "area_cm2", "phase_us", "current_ua"),
    [
        (1.5, SEEG_CM2, 300, 4201),
        (1.7, SEEG_CM2, 300, 5289),
        (1.75, SEEG_CM2, 300, 5602),
        (1.85, SEEG_CM2, 300, 6286),
        (1.5, DBS_CM2, 60, 22_957),
        (1.5, UTAH_CM2, 200, 125.7),
        (1.85, UTAH_CM2, 200, 188.1),
    ],
)
def test_largest_current_is_where_k_is_reached(
    k: float, area_cm2: float, phase_us: float, current_ua: float
) -> None:
    largest_ua = charge.largest_current_ua(k, area_cm2, phase_us)
    assert largest_ua == pytest.approx(current_ua, rel=5e-4)
    reached = charge.shannon_k(BiphasicPulse(largest_ua, phase_us).charge_per_phase_uc, area_cm2)
    assert reached == pytest.approx(k, abs=1e-12)


@pytest.mark.parametrize(
    ("current_ua", "phase_us", "dc_na"), [(100, 200, 40.0), (3500, 300, 2100.0)]
)
def test_one_percent_imbalance_at_200_hz(current_ua: float, phase_us: float, dc_na: float) -> None:
    pulse = BiphasicPulse(current_ua, phase_us, recovery_amplitude_ua=0.99 * current_ua)
    fraction = charge.net_charge_fraction(pulse.first_charge_uc, pulse.second_charge_uc)
    assert fraction == pytest.approx(0.01)
    assert charge.mean_dc_na(pulse.net_charge_uc, 200.0) == pytest.approx(dc_na)


def test_imbalance_has_no_good_direction() -> None:
    assert charge.net_charge_fraction(1.0, 1.25) == charge.net_charge_fraction(1.0, 0.75) == 0.25
    assert charge.mean_dc_na(-0.001, 100.0) == charge.mean_dc_na(0.001, 100.0) == 100.0


@pytest.mark.parametrize(
    ("current_ua", "kohm", "double_layer_uf", "phase_us", "needs_v"),
    [
        (50, 40.0, 0.02, 200, 2.5),
        (100, 40.0, 0.02, 200, 5.0),
        (215, 40.0, 0.02, 200, 10.75),
        (3000, 1.0, 3.0, 60, 3.06),
    ],
)
def test_voltage_at_the_end_of_a_phase(
    current_ua: float, kohm: float, double_layer_uf: float, phase_us: float, needs_v: float
) -> None:
    charge_uc = BiphasicPulse(current_ua, phase_us).charge_per_phase_uc
    assert charge.output_v(current_ua, charge_uc, kohm, double_layer_uf) == pytest.approx(needs_v)


def test_one_percent_of_20_nc_leaves_10_mv_on_20_nf() -> None:
    assert charge.residual_mv(-0.01 * 0.02, 0.02) == pytest.approx(10.0)


def test_eight_hours_of_85_db_are_a_day_of_sound() -> None:
    assert charge.sound_dose(85.0, 8 * 3600.0) == pytest.approx(1.0)
    assert charge.sound_dose(88.0, 4 * 3600.0) == pytest.approx(1.0)


def test_bounds_are_inclusive_but_for_rounding_only() -> None:
    assert at_most(0.1 + 0.2, 0.3)
    assert not at_most(0.3 * (1 + 2e-9), 0.3)
    assert at_least(0.3, 0.1 + 0.2)
    assert not at_least(0.3 * (1 - 2e-9), 0.3)


def test_nan_is_within_nothing() -> None:
    assert not at_most(float("nan"), 1.0)
    assert not at_least(float("nan"), 1.0)
    assert not LimitUse("amplitude", float("nan"), 1.0, "uA", "program 1").within


def test_which_way_a_limit_is_looser() -> None:
    assert KINDS["amplitude_ua"].looser(101.0, than=100.0)
    assert not KINDS["amplitude_ua"].looser(100.0, than=100.0)
    assert KINDS["lockout_s"].looser(0.1, than=0.2)
    assert not KINDS["lockout_s"].looser(0.3, than=0.2)
