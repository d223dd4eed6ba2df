"""The simulated recorder/stimulator: steps, table, compliance register, settling, power-up."""

from dataclasses import replace
from typing import Any

import pytest

from bci_core.errors import DeviceError, SafetyError
from bci_core.events import Outcome, Trigger
from bci_core.status import ArmingState
from bci_core.stimulus import BiphasicPulse, ProgramPart, PulseTrain, StimProgram
from bci_core.testing.check_stimulator import check_stimulator
from drivers.stimulators.electrode import ElectrodeSettings
from drivers.stimulators.firmware_settings import NumberedElectrode
from drivers.stimulators.recorder_stim import RecorderStim
from drivers.stimulators.recorder_stim_settings import RecorderStimSettings

PULSE = BiphasicPulse(20.0, 200.0, 40.0)
PROGRAM = StimProgram(1, "three pulses", PulseTrain(PULSE, 100.0, 3), (1, 2))
OPEN = (NumberedElectrode(number=2, access_kohm=5000.0),)


def armed(*programs: StimProgram, **settings: Any) -> RecorderStim:
    made = RecorderStim(RecorderStimSettings(**{"command_latency_ms": 0.0, **settings}))
    made.load(programs or (PROGRAM,))
    made.arm(made.settings.max_lease_s, 0.0)
    return made


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"sample_rate_hz": 30_193.2367, "step_ua": 0.1},
        {"settle_ms": 100.0, "charge_recovery": False},
        {
            "step_ua": 10.0,
            "max_charge_per_phase_uc": 2.0,
            "electrode": ElectrodeSettings(access_kohm=1.0, double_layer_nf=2000.0),
        },
    ],
)
def test_it_keeps_the_contract(settings: dict[str, Any]) -> None:
    check_stimulator(lambda: RecorderStim(RecorderStimSettings(**settings)))


@pytest.mark.parametrize(
    ("program", "message"),
    [
        (replace(PROGRAM, train=PulseTrain(replace(PULSE, phase_us=210.0), 100.0)), "phase_step"),
        (
            replace(PROGRAM, train=PulseTrain(replace(PULSE, amplitude_ua=256.0), 100.0)),
            "amplitude: 256 uA, limit 255 uA",
        ),
        (
            replace(PROGRAM, train=PulseTrain(replace(PULSE, amplitude_ua=20.5), 100.0)),
            "amplitude_step: 20.5 uA, limit 1 uA",
        ),
        (
            replace(PROGRAM, train=PulseTrain(PULSE, 500.0, 256)),
            None,
        ),
        (
            replace(
                PROGRAM,
                train=PulseTrain(PULSE, 500.0, 200),
                more=(ProgramPart(PulseTrain(PULSE, 500.0, 57), (3,), 0.0),),
            ),
            "deltas: 1028 slots of the table, limit 1024",
        ),
    ],
)
def test_limits_and_steps_of_the_chip(program: StimProgram, message: str | None) -> None:
    chip = RecorderStim(RecorderStimSettings())
    if message is None:
        chip.load([program])  # 256 pulses of 4 changes: just fits
        return
    with pytest.raises(SafetyError, match=message.replace("(", r"\(")):
        chip.load([program])


def test_nothing_fires_before_the_supply_is_up() -> None:
    chip = armed()
    chip.trigger(Trigger(1, 1, 0.0, 1.0), 0.0)
    (delivery,) = chip.advance(0.5)
    assert delivery.onset_s == pytest.approx(0.010, abs=1e-4)
    chip = armed()
    answer = chip.trigger(Trigger(1, 1, 0.0, 0.005), 0.0)
    assert answer is not None
    assert answer.refusal is not None
    assert answer.refusal.limit == "deadline"


def test_a_channel_at_the_compliance_latches_the_chip_until_reset() -> None:
    chip = armed(odd_electrodes=OPEN)
    chip.trigger(Trigger(1, 1, 0.02, 1.0), 0.0)
    (delivery,) = chip.advance(0.2)
    assert delivery.outcome is Outcome.DELIVERED  # by its own account: it measures nothing
    assert chip.disarmed_reason().startswith("compliance: output at 7 V")
    status = chip.status(0.2)
    assert status.state is ArmingState.FAULT_LATCHED
    assert {r.name: r.value for r in status.readings}["compliance_register"] == 0b10
    with pytest.raises(SafetyError, match="latched a fault"):
        chip.arm(1.0, 0.3)
    chip.reset(0.3)
    assert chip.compliance_register == 0
    chip.arm(1.0, 0.3)


def test_the_register_alone_keeps_it_where_that_is_asked() -> None:
    chip = armed(odd_electrodes=OPEN, stop_on_compliance=False)
    chip.trigger(Trigger(1, 1, 0.02, 1.0), 0.0)
    chip.advance(0.2)
    assert chip.disarmed_reason() == ""
    assert chip.compliance_register == 0b10
    chip.reset(0.2)
    assert chip.compliance_register == 0
    with pytest.raises(SafetyError, match="nothing to reset"):
        chip.reset(0.2)


def test_amplifiers_settle_before_the_next_program() -> None:
    chip = armed(settle_ms=200.0)
    chip.trigger(Trigger(1, 1, 0.02, 1.0), 0.0)
    chip.advance(0.1)
    answer = chip.trigger(Trigger(2, 1, 0.1, 1.0), 0.1)
    assert answer is not None
    assert str(answer.refusal).startswith("lockout: ")


def test_charge_recovery_leaves_no_voltage_on_an_electrode() -> None:
    left_v = []
    for recovery in (True, False):
        # The second phase is clipped less than the first, which leaves charge behind.
        chip = armed(
            odd_electrodes=(NumberedElectrode(number=1, access_kohm=349.0, leak_ms=1e5),),
            charge_recovery=recovery,
            stop_on_compliance=False,
        )
        chip.trigger(Trigger(1, 1, 0.02, 1.0), 0.0)
        chip.advance(0.2)
        left_v.append(abs(chip._current.electrodes[1].double_layer_v))
    assert left_v[0] == 0.0
    assert left_v[1] > 0.001


def test_only_its_own_channels_can_be_measured() -> None:
    chip = RecorderStim(RecorderStimSettings())
    with pytest.raises(DeviceError, match="electrodes 1 to 16"):
        chip.impedance([17], 0.0)
