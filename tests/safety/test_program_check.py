from dataclasses import replace
from math import inf, nan
from typing import Any

import pytest

from bci_core.errors import SafetyError
from bci_core.safety.check import check_programs, program_limits, worst_case
from bci_core.safety.envelope import SafetyEnvelope, SafetySettings
from bci_core.stimulus import BiphasicPulse, PulseTrain, StimProgram

PULSE = BiphasicPulse(1000.0, 200.0, 53.0, recovery_amplitude_ua=998.0)
PROGRAM = StimProgram(1, "burst", PulseTrain(PULSE, rate_hz=100.0, n_pulses=10), (1, 2))


def envelope(electrode_class: str = "depth", area_cm2: float = 0.05, **keys: Any) -> SafetyEnvelope:
    return SafetyEnvelope.from_settings(
        SafetySettings(electrode_class=electrode_class, electrode_area_cm2=area_cm2, **keys)
    )


def program(program_id: int = 1, n_pulses: int = 10, rate_hz: float = 100.0, **pulse: Any) -> Any:
    train = PulseTrain(replace(PULSE, **pulse), rate_hz, n_pulses)
    return StimProgram(program_id, "burst", train, (1, 2))


def refusals(programs: list[StimProgram], limits: SafetyEnvelope | None = None) -> list[str]:
    """Lines of the message that name a refusal; fails when nothing is refused."""
    with pytest.raises(SafetyError) as caught:
        check_programs(programs, limits or envelope())
    return [line.strip() for line in str(caught.value).splitlines()[1:-1]]


# key, tightened bound, what the message says
PASSED = {
    "amplitude_ua": (999.0, "amplitude: 1000 uA, limit 999 uA"),
    "total_current_ua": (1999.0, "total_current: 2000 uA, limit 1999 uA"),
    "charge_per_phase_uc": (0.199, "charge_per_phase: 0.2 uC, limit 0.199 uC"),
    "charge_density_uc_cm2": (3.9, "charge_density: 4 uC/cm2, limit 3.9 uC/cm2"),
    "net_charge_fraction": (0.001, "net_charge: 0.002 of the first phase, limit 0.001"),
    "dc_na": (39.0, "dc: 40 nA, limit 39 nA"),
    "pulse_rate_hz": (99.0, "pulse_rate: 100 Hz, limit 99 Hz"),
    "pulses_per_train": (9, "pulses_per_train: 10 pulses, limit 9 pulses"),
    "train_s": (0.09, "train: 0.090453 s, limit 0.09 s"),
    "duty": (0.045, "duty: 0.0453 of the pulse period, limit 0.045 of the pulse period"),
    "charge_per_hour_uc": (1.9, "charge_per_hour: 2 uC, limit 1.9 uC"),
    "charge_per_day_uc": (1.9, "charge_per_day: 2 uC, limit 1.9 uC"),
    "net_charge_per_hour_uc": (0.0039, "net_charge_per_hour: 0.004 uC, limit 0.0039 uC"),
    "ramp_ua_s": (99_000.0, "ramp: 100000 uA/s, limit 99000 uA/s"),
    "on_time_per_hour_s": (0.09, "on_time_per_hour: 0.090453 s, limit 0.09 s"),
    "on_time_per_day_s": (0.09, "on_time_per_day: 0.090453 s, limit 0.09 s"),
}


@pytest.mark.parametrize("key", PASSED)
def test_only_that_limit_is_passed_and_named(key: str) -> None:
    bound, message = PASSED[key]
    check_programs([PROGRAM], envelope())
    (line,) = refusals([PROGRAM], envelope(**{key: bound}))
    assert line.startswith(message)
    assert "(program 1 'burst')" in line


def test_shannon_k_alone() -> None:
    # 20 mA on a contact of 0.06 cm2 for 90 us: 30 uC/cm2 exactly, and k 1.73.
    strong = program(amplitude_ua=20_000.0, phase_us=90.0, recovery_amplitude_ua=None)
    limits = envelope(
        "macro",
        0.06,
        amplitude_ua=20_000.0,
        total_current_ua=40_000.0,
        override_reason="test vector",
        overridden_by="tests",
    )
    (line,) = refusals([strong], limits)
    assert line.startswith("shannon_k: 1.73239 log10(uC^2/cm2), limit 1.5 log10(uC^2/cm2)")


def test_every_limit_on_programs_has_its_test() -> None:
    codes = {limit.code for limit in program_limits(envelope())}
    tested = {message.split(":")[0] for _, message in PASSED.values()} | {"shannon_k"}
    assert codes == tested


@pytest.mark.parametrize(
    ("key", "bound"),
    [
        ("amplitude_ua", 1000.0),
        ("total_current_ua", 2000.0),
        ("charge_per_phase_uc", 0.2),
        ("pulse_rate_hz", 100.0),
        ("pulses_per_train", 10),
        ("train_s", 0.090453),
        ("duty", 0.0453),
        ("charge_per_hour_uc", 2.0),
    ],
)
def test_the_bound_itself_is_allowed(key: str, bound: float) -> None:
    check_programs([PROGRAM], envelope(**{key: bound}))


def test_utah_electrode_is_judged_by_charge_per_phase_and_not_by_density() -> None:
    limits = envelope("microelectrode", 2e-5)
    balanced: dict[str, Any] = {"recovery_amplitude_ua": None, "phase_us": 200.0}
    check_programs([program(amplitude_ua=20.0, **balanced)], limits)  # 4 nC, 200 uC/cm2
    (line,) = refusals([program(amplitude_ua=100.0, **balanced)], limits)
    assert line.startswith("charge_per_phase: 0.02 uC, limit 0.004 uC")


def test_the_larger_phase_counts() -> None:
    stronger = program(recovery_amplitude_ua=4000.0, recovery_phase_us=50.0)
    assert refusals([stronger])[0].startswith("amplitude: 4000 uA, limit 3500 uA")


@pytest.mark.parametrize(
    ("rate_hz", "phase_us", "interphase_us", "fits"),
    [(1000.0, 400.0, 53.0, True), (1000.0, 500.0, 53.0, False), (5000.0, 70.0, 53.0, True)],
)
def test_a_pulse_fits_into_its_period(
    rate_hz: float, phase_us: float, interphase_us: float, fits: bool
) -> None:
    limits = envelope(
        pulse_rate_hz=5000.0, duty=1.0, override_reason="test vector", overridden_by="tests"
    )
    pulse: dict[str, Any] = {"phase_us": phase_us, "interphase_us": interphase_us}
    tight = program(rate_hz=rate_hz, n_pulses=1, recovery_amplitude_ua=None, **pulse)
    if fits:
        check_programs([tight], limits)
    else:
        (line,) = refusals([tight], limits)
        assert line.startswith("pulse_period: 1053 us, limit 1000 us")


def test_three_seconds_at_200_hz_are_too_many_pulses() -> None:
    long = program(rate_hz=200.0, n_pulses=600)
    assert "pulses_per_train: 600 pulses, limit 255 pulses (program 1 'burst')" in refusals([long])
    check_programs([program(rate_hz=200.0, n_pulses=17)], envelope())


@pytest.mark.parametrize("value", [nan, inf, 0.0, -1.0])
@pytest.mark.parametrize(
    ("field", "code"),
    [
        ("amplitude_ua", "amplitude"),
        ("phase_us", "phase"),
        ("recovery_amplitude_ua", "recovery_amplitude"),
        ("recovery_phase_us", "recovery_phase"),
        ("rate_hz", "pulse_rate"),
    ],
)
def test_amounts_are_numbers_above_zero(field: str, code: str, value: float) -> None:
    lines = refusals([program(**{field: value})])
    assert any(line.startswith(f"{code}: {value:g} ") for line in lines)


@pytest.mark.parametrize("value", [nan, inf, -1.0])
def test_interphase_may_be_zero_and_no_less(value: float) -> None:
    check_programs([program(interphase_us=0.0)], envelope())
    (line,) = refusals([program(interphase_us=value)])
    assert line.startswith(f"interphase: {value:g} us, limit 0 us")


@pytest.mark.parametrize("n_pulses", [0, -1, 1.5, nan])
def test_pulses_are_counted_in_whole_numbers(n_pulses: Any) -> None:
    (line,) = refusals([program(n_pulses=n_pulses)])
    assert line.startswith(f"pulses_per_train: {n_pulses:g} pulses, limit 1 pulses")


def test_electrodes_are_named_once_and_count_from_one() -> None:
    (line,) = refusals([replace(PROGRAM, electrodes=())])
    assert line.startswith("electrodes: 0 electrodes, limit 1 electrodes")
    (line,) = refusals([replace(PROGRAM, electrodes=(0, 1))])
    assert line.startswith("electrode: 0 channel number, limit 1 channel number")
    (line,) = refusals([replace(PROGRAM, electrodes=(3, 1, 3))])
    assert line == "electrode: 2 uses, limit 1 uses (program 1 'burst': electrode 3)"


def test_a_slot_holds_one_program() -> None:
    (line,) = refusals([program(2), program(1), program(2)])
    assert line == "program_id: 2 uses, limit 1 uses (program 2)"


def test_nothing_to_load_is_refused() -> None:
    (line,) = refusals([])
    assert line.startswith("programs: 0 programs, limit 1 programs")


def test_every_refusal_of_every_program_is_named() -> None:
    lines = refusals(
        [program(1, amplitude_ua=5000.0), program(2, phase_us=nan), program(3, rate_hz=400.0)]
    )
    found = [(line.split(":")[0], line.split("program ")[1][0]) for line in lines]
    assert found == [
        ("phase", "2"),
        ("recovery_phase", "2"),
        ("amplitude", "1"),
        ("total_current", "1"),
        ("net_charge", "1"),
        ("dc", "1"),
        ("pulse_rate", "3"),
    ]


def test_worst_case_names_the_program_that_uses_most() -> None:
    programs = [program(1, amplitude_ua=500.0), program(2, amplitude_ua=4000.0, n_pulses=2)]
    uses = {use.limit: use for use in worst_case(programs, envelope())}
    assert set(uses) == {limit.code for limit in program_limits(envelope())}
    assert (uses["amplitude"].value, uses["amplitude"].bound) == (4000.0, 3500.0)
    assert uses["amplitude"].where == "program 2 'burst'"
    assert not uses["amplitude"].within
    assert uses["pulses_per_train"].where == "program 1 'burst'"
    assert uses["pulses_per_train"].within


def test_worst_case_of_a_malformed_program_is_no_number() -> None:
    with pytest.raises(SafetyError, match="pulse_rate: 0 Hz"):
        worst_case([program(rate_hz=0.0)], envelope())
