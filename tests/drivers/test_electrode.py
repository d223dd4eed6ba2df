"""What reaches the tissue: against the closed form, and against small steps of the circuit."""

from math import hypot, pi

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.stimulators.electrode import Electrode, ElectrodeSettings

UTAH = ElectrodeSettings(access_kohm=40.0, double_layer_nf=20.0, leak_ms=1e5)


@pytest.mark.parametrize(
    ("current_ua", "compliance_v", "peak_v"),
    [(50.0, 4.7, 2.5), (100.0, 5.3, 5.0), (100.0, 4.7, 4.7), (215.0, 9.5, 9.5)],
)
def test_output_voltage_of_a_200_us_phase(
    current_ua: float, compliance_v: float, peak_v: float
) -> None:
    phase = Electrode(UTAH).drive(-current_ua, 200.0, compliance_v, 0.0)
    assert phase.peak_v == pytest.approx(peak_v)
    asked_uc = current_ua * 200.0 * 1e-6
    if peak_v < compliance_v:
        assert phase.charge_uc == pytest.approx(asked_uc)
    else:
        assert phase.charge_uc < asked_uc


def test_a_dbs_contact() -> None:
    contact = ElectrodeSettings(access_kohm=1.0, double_layer_nf=3000.0)
    phase = Electrode(contact).drive(3000.0, 60.0, 10.0, 0.0)
    assert phase.peak_v == pytest.approx(3.06)


@given(st.floats(1.0, 300.0), st.floats(20.0, 2000.0), st.floats(0.5, 10.0), st.floats(-2.0, 2.0))
def test_clipping_agrees_with_the_circuit_in_small_steps(
    current_ua: float, phase_us: float, compliance_v: float, charged_v: float
) -> None:
    electrode = Electrode(UTAH)
    electrode._double_layer_v = charged_v
    phase = electrode.drive(current_ua, phase_us, compliance_v, 0.0)

    volt, coulomb, steps = charged_v, 0.0, 4000
    step_s = phase_us * 1e-6 / steps
    for _ in range(steps):
        most_a = max(0.0, (compliance_v - volt) / 40e3)
        ampere = min(current_ua * 1e-6, most_a)
        coulomb += ampere * step_s
        volt += ampere * step_s / 20e-9
    assert phase.charge_uc == pytest.approx(coulomb * 1e6, rel=2e-3, abs=1e-6)
    assert electrode.double_layer_v == pytest.approx(volt, abs=2e-2)


def test_a_clipped_pulse_leaves_charge_behind_which_leaks_away() -> None:
    electrode = Electrode(ElectrodeSettings(access_kohm=40.0, double_layer_nf=20.0, leak_ms=10.0))
    electrode.drive(-100.0, 200.0, 4.7, 0.0)
    second = electrode.drive(100.0, 200.0, 4.7, 0.00026)
    assert second.charge_uc == pytest.approx(0.02)  # it starts from below, and is not clipped
    left_v = electrode.double_layer_v
    assert left_v > 0.005
    electrode.drive(1e-6, 1.0, 4.7, 0.00046 + 0.01)
    assert electrode.double_layer_v == pytest.approx(left_v / 2.718281828, rel=1e-3)


def test_impedance_of_a_series_circuit() -> None:
    reactance_kohm = 1e-3 / (2 * pi * 1000.0 * 20e-9)
    electrode = Electrode(UTAH)
    assert electrode.magnitude_kohm(1000.0) == pytest.approx(hypot(40.0, reactance_kohm))
    electrode.access_factor = 100.0
    assert electrode.magnitude_kohm(1000.0) == pytest.approx(4000.0, rel=1e-3)


def test_nothing_driven_moves_nothing() -> None:
    assert Electrode(UTAH).drive(0.0, 200.0, 5.0, 0.0).charge_uc == 0.0
