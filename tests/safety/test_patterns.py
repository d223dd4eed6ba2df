"""Programs of several trains, ramps and clicks, as a device with its steps delivers them."""

from dataclasses import replace
from math import nan
from typing import Any

import pytest

from bci_core.bench.safety_vectors import DEVICE
from bci_core.capabilities import SoundCapabilities
from bci_core.errors import SafetyError
from bci_core.safety.check import check_programs, worst_case
from bci_core.safety.envelope import SafetyEnvelope, SafetySettings
from bci_core.stimulus import BiphasicPulse, ClickTrain, ProgramPart, PulseTrain, StimProgram

PULSE = BiphasicPulse(1000.0, 200.0, 50.0)
TRAIN = PulseTrain(PULSE, 100.0, 5)
CLICK = ClickTrain(55.0, 0.05, 1.075, 2)
SIGNED = {"override_reason": "to see one limit at a time", "overridden_by": "tests"}


def envelope(electrode_class: str = "depth", area_cm2: float = 0.05, **keys: Any) -> SafetyEnvelope:
    section = {"electrode_class": electrode_class, "electrode_area_cm2": area_cm2}
    if electrode_class == "sound":
        del section["electrode_area_cm2"]
    return SafetyEnvelope.from_settings(SafetySettings.model_validate(section | keys | SIGNED))


def pattern(*parts: ProgramPart, train: Any = TRAIN, electrodes: Any = (1,)) -> StimProgram:
    return StimProgram(1, "pattern", train, electrodes, parts)


def uses(program: StimProgram, limits: SafetyEnvelope | None = None, able: Any = DEVICE) -> Any:
    found = worst_case([program], limits or envelope(), able)
    return {use.limit: use.value for use in found}


def refusals(program: StimProgram, limits: SafetyEnvelope | None = None, able: Any = DEVICE) -> Any:
    with pytest.raises(SafetyError) as caught:
        check_programs([program], limits or envelope(), able)
    return [line.strip() for line in str(caught.value).splitlines()[1:-1]]


def test_trains_that_overlap_add_up_and_trains_that_alternate_do_not() -> None:
    together = pattern(ProgramPart(TRAIN, (2, 3)))
    assert uses(together)["total_current"] == 3000.0
    alternating = pattern(ProgramPart(TRAIN, (2, 3), 0.00045))
    assert uses(alternating)["total_current"] == 2000.0
    touching = pattern(ProgramPart(TRAIN, (2, 3), 0.000449))
    assert uses(touching)["total_current"] == 3000.0


def test_trains_that_the_device_may_move_count_as_overlapping() -> None:
    off_step = pattern(ProgramPart(TRAIN, (2, 3), 0.0004504))
    assert uses(off_step)["total_current"] == 3000.0
    assert uses(off_step, able=None)["total_current"] == 2000.0


def test_the_rate_on_an_electrode_is_that_of_all_its_trains() -> None:
    one = PulseTrain(PULSE, 5.0, 1)
    more = [ProgramPart(one, (1,), i * 0.001) for i in range(1, 4)]
    found = uses(pattern(*more, train=one), envelope(pulse_rate_hz=5000.0))
    assert found["pulse_rate"] == pytest.approx(1000.0)
    assert found["pulses_per_train"] == 4
    assert found["duty"] == pytest.approx(0.45)
    elsewhere = [replace(part, electrodes=(i,)) for i, part in enumerate(more, start=2)]
    assert uses(pattern(*elsewhere, train=one))["pulse_rate"] == pytest.approx(5.0)


def test_charge_of_an_electrode_is_that_of_all_its_trains() -> None:
    found = uses(pattern(ProgramPart(TRAIN, (1, 2), 0.1)))
    assert found["charge_per_hour"] == found["charge_per_day"] == pytest.approx(2.0)
    assert found["train"] == pytest.approx(0.1 + TRAIN.duration_s)


def test_pulses_that_meet_on_an_electrode_are_refused() -> None:
    (line,) = refusals(pattern(ProgramPart(TRAIN, (1, 2), 0.0004)))
    assert line == "overlap: 450 us, limit 400 us (program 1 'pattern', electrode 1)"
    check_programs([pattern(ProgramPart(TRAIN, (1,), 0.005))], envelope(), DEVICE)


def test_a_period_off_the_timing_step_comes_out_shorter() -> None:
    slow = replace(DEVICE, timing_step_us=33.12)
    train = PulseTrain(BiphasicPulse(100.0, 33.12), 1000.0, 3)
    limits = envelope(pulse_rate_hz=1001.0, duty=1.0)
    (line,) = refusals(pattern(train=train), limits, slow)
    assert line.startswith("pulse_rate: 1006.44 Hz, limit 1001 Hz")
    tight = PulseTrain(BiphasicPulse(100.0, 400.0, 40.0), 1e6 / 850.0, 3)
    limits = envelope(pulse_rate_hz=2000.0, duty=1.0)
    (line,) = refusals(pattern(train=tight), limits, replace(DEVICE, timing_step_us=100.0))
    assert line == "pulse_period: 840 us, limit 800 us (program 1 'pattern', electrode 1)"
    coarse = replace(DEVICE, timing_step_us=2000.0)
    (line,) = refusals(pattern(train=train), limits, coarse)
    assert line == "pulse_period: 66.24 us, limit 0 us (program 1 'pattern', electrode 1)"


def test_a_ramp_is_as_steep_as_its_largest_step() -> None:
    assert uses(pattern())["ramp"] == 100_000.0
    ramped = replace(TRAIN, n_pulses=9, ramp_up_pulses=3, ramp_down_pulses=3)
    assert uses(pattern(train=ramped))["ramp"] == pytest.approx(25_000.0)
    coarse = replace(DEVICE, amplitude_step_ua=200.0)  # 200, 400, 600, 1000
    assert uses(pattern(train=ramped), able=coarse)["ramp"] == pytest.approx(40_000.0)
    assert uses(pattern(train=ramped), able=None)["ramp"] == pytest.approx(25_000.0)
    up_only = replace(ramped, ramp_down_pulses=0)
    assert uses(pattern(train=up_only))["ramp"] == 100_000.0
    assert uses(pattern(train=replace(TRAIN, n_pulses=1)))["ramp"] == 0.0


def test_a_ramp_that_rounding_unbalances_is_refused() -> None:
    uneven = BiphasicPulse(10.0, 100.0, 0.0, recovery_amplitude_ua=5.0, recovery_phase_us=200.0)
    train = PulseTrain(uneven, 100.0, 6, ramp_up_pulses=1)  # 5 and 2.5 uA, rounded to 2
    assert uses(pattern(train=train), able=None)["net_charge"] == pytest.approx(0.0)
    line = refusals(pattern(train=train))[0]
    assert line.startswith("net_charge: 0.2 of the first phase, limit 0.01 of the first phase")


def test_a_ramp_rounded_down_to_nothing_leaves_nothing() -> None:
    faint = PulseTrain(BiphasicPulse(1.0, 100.0), 100.0, 1, ramp_up_pulses=1)
    found = uses(pattern(train=faint))
    assert found["net_charge"] == 0.0
    assert (found["amplitude"], found["charge_per_phase"]) == (1.0, pytest.approx(1e-4))


def test_the_voltage_goes_by_what_is_stated_and_by_what_was_measured() -> None:
    limits = envelope(access_resistance_kohm=2.0, double_layer_uf=1.0)
    assert uses(pattern(), limits)["compliance"] == pytest.approx(2.2)
    able = replace(DEVICE, compliance_v=3.0)
    check_programs([pattern()], limits, able, {2: 3.5})
    check_programs([pattern()], limits, able, {1: 0.5})
    with pytest.raises(SafetyError, match=r"compliance: 3.2 V, limit 3 V"):
        check_programs([pattern()], limits, able, {1: 3.0})
    assert "compliance" not in uses(pattern(), limits, None)


def test_the_second_phase_starts_from_what_the_first_has_left() -> None:
    strong_second = BiphasicPulse(
        500.0, 200.0, recovery_amplitude_ua=1000.0, recovery_phase_us=100.0
    )
    limits = envelope(access_resistance_kohm=2.0, double_layer_uf=1.0)
    program = pattern(train=PulseTrain(strong_second, 100.0))
    assert uses(program, limits)["compliance"] == pytest.approx(2.0)


def test_on_the_scalp_the_skin_conducts() -> None:
    limits = envelope("transcranial", 35.0, charge_per_phase_uc=1e5)
    train = PulseTrain(BiphasicPulse(1000.0, 40_000.0), 12.0, 10)
    assert uses(pattern(train=train), limits)["compliance"] == pytest.approx(10.0)


SPEAKER = SoundCapabilities(
    n_channels=2,
    n_sources=2,
    n_programs=4,
    max_parts=4,
    max_pulses=10,
    min_level_db_spl=30.0,
    max_level_db_spl=80.0,
    level_step_db=0.5,
    min_click_s=0.01,
    max_click_s=0.2,
    min_interval_s=0.05,
    timing_step_us=20.8,
    min_lockout_s=0.1,
    max_lease_s=5.0,
    max_command_latency_s=0.04,
    measures=(),
    simulated=True,
)


def test_clicks_are_judged_by_level_duration_and_dose() -> None:
    found = uses(pattern(train=CLICK), envelope("sound"), SPEAKER)
    assert found["level"] == 55.0
    assert (found["click"], found["pulses_per_train"]) == (0.05, 2)
    assert found["train"] == found["on_time_per_hour"] == pytest.approx(1.125)
    assert found["sound_dose_per_day"] == pytest.approx(0.1 / 28_800 / 1024)
    loud = pattern(train=replace(CLICK, level_db_spl=66.0))
    (line,) = refusals(loud, envelope("sound"), SPEAKER)
    assert line.startswith("level: 66 dB SPL, limit 65 dB SPL")


def test_clicks_at_the_same_time_are_louder() -> None:
    both = pattern(ProgramPart(CLICK, (2,)), train=CLICK)
    assert uses(both, envelope("sound"), SPEAKER)["level"] == pytest.approx(58.01, abs=0.01)
    after = pattern(ProgramPart(CLICK, (2,), 1.2), train=CLICK)
    assert uses(after, envelope("sound"), SPEAKER)["level"] == pytest.approx(55.0)


def test_a_train_of_the_wrong_kind_is_refused() -> None:
    (line,) = refusals(pattern(train=CLICK))
    assert line.startswith("train_kind: 0 trains of the class, limit 1")
    assert "clicks, electrode class depth" in line
    (line,) = refusals(pattern(), envelope("sound"), SPEAKER)
    assert "pulses, electrode class sound" in line
    (line,) = refusals(pattern(ProgramPart(CLICK, (2,))))
    assert line.startswith("train_kinds: 2 kinds, limit 1 kinds")
    with pytest.raises(SafetyError, match="device: for current, limit: one for electrode class"):
        check_programs([pattern(train=CLICK)], envelope("sound"), DEVICE)
    with pytest.raises(SafetyError, match="train_kind"):
        worst_case([pattern(train=CLICK)], envelope())


@pytest.mark.parametrize(
    ("program", "refusal"),
    [
        (pattern(ProgramPart(TRAIN, (2,), -0.1)), "delay: -0.1 s, limit 0 s"),
        (pattern(ProgramPart(TRAIN, (2,), nan)), "delay: nan s, limit 0 s"),
        (pattern(ProgramPart(TRAIN, ())), "electrodes: 0 electrodes, limit 1"),
        (pattern(train=replace(TRAIN, ramp_up_pulses=-1)), "ramp_up: -1 pulses, limit 0"),
        (pattern(train=replace(TRAIN, ramp_down_pulses=0.5)), "ramp_down: 0.5 pulses, limit 0"),
        (pattern(train=replace(TRAIN, n_pulses=1_000_001)), "pulses_per_train: 1e+06 pulses"),
        (pattern(*[ProgramPart(TRAIN, (2,))] * 1024), "parts: 1025 trains, limit 1024 trains"),
        (pattern(train=replace(CLICK, level_db_spl=nan)), "level: nan dB SPL, limit 0 dB SPL"),
        (pattern(train=replace(CLICK, n_clicks=0)), "pulses_per_train: 0 pulses, limit 1"),
        (pattern(train=replace(CLICK, interval_s=0.04)), "click_interval: 0.05 s, limit 0.04 s"),
    ],
)
def test_what_is_no_program_is_refused(program: StimProgram, refusal: str) -> None:
    sounds = isinstance(program.train, ClickTrain)
    (line,) = refusals(program, envelope("sound" if sounds else "depth"), None)
    assert line.startswith(refusal)


def test_a_train_at_fault_is_named_by_its_number() -> None:
    (line,) = refusals(pattern(ProgramPart(TRAIN, (0,))))
    assert "program 1 'pattern', train 2" in line
