"""The simulated implant: ramps, hard density limit, therapies a day, battery, telemetry."""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from bci_core.errors import SafetyError
from bci_core.events import Acceptance, Delivery, Trigger
from bci_core.stimulus import BiphasicPulse, ClickTrain, ProgramPart, PulseTrain, StimProgram
from bci_core.testing.check_stimulator import check_stimulator
from drivers.stimulators.adaptive_ipg import AdaptiveIpg
from drivers.stimulators.adaptive_ipg_settings import AdaptiveIpgSettings

PULSE = BiphasicPulse(1000.0, 60.0)
RAMPED = PulseTrain(PULSE, 100.0, 150, ramp_up_pulses=49, ramp_down_pulses=49)  # 2 mA/s
THERAPY = StimProgram(1, "therapy", RAMPED, (1,))
BURST = StimProgram(5, "burst", PulseTrain(BiphasicPulse(1000.0, 160.0), 200.0, 20), (1, 2))


def ipg(**settings: Any) -> AdaptiveIpg:
    return AdaptiveIpg(
        AdaptiveIpgSettings(**{"command_latency_ms": 0.0, "min_lockout_s": 0.1, **settings})
    )


def armed(program: StimProgram = THERAPY, **settings: Any) -> AdaptiveIpg:
    made = ipg(**settings)
    made.load([program])
    made.arm(10.0, 0.0)
    return made


def give(device: AdaptiveIpg, seq: int, at_s: float, program_id: int = 1) -> Acceptance | None:
    device.renew(at_s)
    return device.trigger(Trigger(seq, program_id, at_s, at_s + 1.0), at_s)


@pytest.mark.parametrize(
    "settings", [{}, {"mode": "responsive"}, {"max_ramp_ma_s": 0.5, "contact_area_cm2": 0.01}]
)
def test_it_keeps_the_contract(settings: dict[str, Any]) -> None:
    check_stimulator(lambda: AdaptiveIpg(AdaptiveIpgSettings(**settings)))


@pytest.mark.parametrize(
    ("program", "mode", "message"),
    [
        # 100 pulses a second without a ramp: 100 mA/s.
        (replace(THERAPY, train=PulseTrain(PULSE, 100.0, 5)), "adaptive", "ramp: 100000 uA/s"),
        # 12 mA for 160 us on 0.06 cm2; the RNS test vector, on a smaller contact.
        (
            replace(BURST, train=PulseTrain(BiphasicPulse(12_000.0, 160.0), 200.0, 5)),
            "responsive",
            "charge_density: 32 uC/cm2, limit 25 uC/cm2 (program 5 'burst', group B program 0)",
        ),
        (
            replace(
                BURST,
                train=PulseTrain(BiphasicPulse(6000.0, 100.0), 200.0, 5),
                electrodes=(1, 2, 3, 4),
            ),
            "responsive",
            "total_current: 24000 uA, limit 20000 uA",
        ),
        (
            replace(BURST, more=(ProgramPart(BURST.train, (3,), 1.0),) * 2),
            "responsive",
            "parts: 3 trains, limit 2 trains",
        ),
        (replace(THERAPY, program_id=17), "adaptive", "program_slot: 17 slot, limit 16 slot"),
        (
            StimProgram(1, "sound", ClickTrain(60.0, 0.05, 1.0), (1,)),
            "responsive",
            "sound: 1 click trains, limit 0",
        ),
    ],
)
def test_what_it_refuses_to_load(program: StimProgram, mode: str, message: str) -> None:
    with pytest.raises(SafetyError) as caught:
        ipg(mode=mode).load([program])
    assert message in str(caught.value)


def test_amplitude_ramps_in_its_steps_and_the_charge_is_that_of_the_steps() -> None:
    device = armed()
    give(device, 1, 1.0)
    (delivery,) = device.advance(5.0)
    cathodic = [-e.amplitude for e in device.emissions() if e.amplitude < 0.0]
    assert cathodic == sorted(cathodic[:60]) + cathodic[60:]
    assert {round(a, 6) % 100.0 for a in cathodic} == {0.0}
    assert (cathodic[0], max(cathodic)) == (100.0, 1000.0)  # 20 uA a pulse: the first four are 0
    rises = [b - a for a, b in pairwise(cathodic)]
    assert max(rises) <= 100.0 + 1e-6
    assert delivery.charge_uc == pytest.approx(RAMPED.charge_in_steps_uc(100.0))
    assert delivery.charge_uc < RAMPED.charge_uc
    assert delivery.n_pulses == 150


def test_therapies_are_counted_over_any_24_hours() -> None:
    device = armed(max_therapies_per_day=3, max_lease_s=60.0)
    for seq in range(1, 4):
        answer = give(device, seq, 5.0 * seq)
        assert answer is not None
        assert answer.refusal is None
    full = give(device, 4, 20.0)
    assert full is not None
    assert (
        str(full.refusal)
        == "therapies_per_day: 4 therapies/24 h, limit 3 therapies/24 h (trigger 4)"
    )
    assert device.therapies_today == 3
    device.disarm("night", 21.0)
    device.arm(10.0, 86_400.0 + 6.0)
    again = give(device, 5, 86_400.0 + 6.0)
    assert again is not None
    assert again.refusal is None  # the first is more than a day ago


def test_the_battery_runs_down_and_then_nothing_is_armed() -> None:
    device = armed(battery_mah=0.001, battery_charge=0.005)  # 18 uC
    before = device.battery
    give(device, 1, 1.0)
    device.advance(4.0)
    spent = (before - device.battery) * 0.001 * 3.6e6
    assert spent == pytest.approx(2.0 * RAMPED.charge_in_steps_uc(100.0))
    give(device, 2, 5.0)
    device.renew(6.0)
    device.advance(9.0)
    assert device.battery == 0.0
    refused = give(device, 3, 9.5)
    assert refused is not None
    assert refused.refusal is not None
    assert refused.refusal.limit == "battery"
    device.disarm("flat", 10.0)
    with pytest.raises(SafetyError, match="battery: 0 %"):
        device.arm(10.0, 10.0)


def test_the_radio_loses_acknowledgements_and_never_a_therapy() -> None:
    device = armed(BURST, mode="responsive", telemetry_loss=0.5, max_lease_s=60.0, seed=3)
    answers = [give(device, seq, 0.5 * seq, 5) for seq in range(1, 41)]
    lost = sum(answer is None for answer in answers)
    assert 10 <= lost <= 30
    told = device.advance(30.0)
    assert [each.seq for each in told] == list(range(1, 41))


def test_reports_come_bunched() -> None:
    device = armed(BURST, mode="responsive", telemetry_interval_ms=500.0, max_lease_s=60.0)
    told: list[tuple[float, Delivery]] = []
    seq, now_s = 0, 0.0
    while now_s < 3.0:
        now_s += 0.05
        if round(now_s / 0.05) % 5 == 0:
            seq += 1
            give(device, seq, now_s, 5)
        told += [(now_s, each) for each in device.advance(now_s)]
    times = sorted({round(at_s, 3) for at_s, _ in told})
    assert len(told) >= seq - 2
    assert min(b - a for a, b in pairwise(times)) >= 0.499


def test_a_report_that_waits_for_its_interval_is_the_next_event() -> None:
    device = armed(BURST, mode="responsive", telemetry_interval_ms=500.0)
    give(device, 1, 1.0, 5)
    assert [each.seq for each in device.advance(1.2)] == [1]
    give(device, 2, 1.3, 5)
    assert device.advance(1.5) == []
    assert device.next_event_s() == pytest.approx(1.7)
    assert [each.seq for each in device.advance(1.7)] == [2]


LOW, HIGH = (
    StimProgram(slot, f"state {slot - 1}", replace(RAMPED, pulse=BiphasicPulse(ua, 60.0)), (1,))
    for slot, ua in ((1, 300.0), (3, 1000.0))
)
HOLD = replace(HIGH, program_id=2, name="hold", holds=(1, 3))


def test_a_state_that_holds_gives_what_was_given_last_until_disarmed() -> None:
    device = ipg()
    device.load([LOW, HOLD, HIGH])
    device.arm(10.0, 0.0)
    refused = give(device, 1, 1.0, 2)
    assert refused is not None
    assert "hold: 0 programs given before, limit 1" in str(refused.refusal)
    told = [each for each in device.advance(1.0) if each.seq > 1]
    for seq, slot in enumerate((1, 2, 3, 2, 2), start=2):
        give(device, seq, 3.0 * seq, slot)
        told += device.advance(3.0 * seq + 2.0)
    assert [each.given_id for each in told] == [0, 1, 0, 3, 3]
    peaks = [round(each.charge_uc / RAMPED.charge_uc * 1000.0, -2) for each in told]
    assert peaks == [300.0, 300.0, 1000.0, 1000.0, 1000.0]
    assert {r.name: r.value for r in device.status(25.0).readings}["given_slot"] == 3.0
    device.disarm("pause", 25.0)
    device.arm(10.0, 26.0)
    again = give(device, 7, 26.0, 2)
    assert again is not None
    assert again.refusal is not None
    assert again.refusal.limit == "hold"


def test_responsive_therapies_hold_nothing() -> None:
    with pytest.raises(SafetyError, match="the device does not remember what it gave"):
        ipg(mode="responsive").load([LOW, HOLD, HIGH])


def test_a_therapy_counts_though_its_acknowledgement_is_lost() -> None:
    device = armed()
    device.faults.switch("drop_ack", True)
    assert give(device, 1, 1.0) is None
    assert device.therapies_today == 1


def test_status_tells_battery_and_therapies() -> None:
    device = armed()
    readings = {r.name: (r.value, r.unit) for r in device.status(0.5).readings}
    assert readings == {
        "battery": (80.0, "%"),
        "therapies_today": (0.0, "therapies"),
        "given_slot": (0.0, "slot"),
    }
