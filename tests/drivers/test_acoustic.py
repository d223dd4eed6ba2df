"""The simulated sound stimulator: levels, pink noise, the output buffer, silence on disarming."""

from typing import Any

import numpy as np
import pytest

from bci_core.errors import DeviceError, SafetyError
from bci_core.events import Outcome, Trigger
from bci_core.stimulus import BiphasicPulse, ClickTrain, ProgramPart, PulseTrain, StimProgram
from bci_core.testing.check_stimulator import check_stimulator
from drivers.stimulators.acoustic import Acoustic
from drivers.stimulators.acoustic_settings import AcousticSettings
from drivers.stimulators.pink_noise import level_db, pink_burst

CLICKS = ClickTrain(55.0, 0.05, 1.075, 2)
PROGRAM = StimProgram(1, "paired clicks", CLICKS, (1, 2))


def armed(**settings: Any) -> Acoustic:
    made = Acoustic(AcousticSettings(max_lease_s=10.0, **settings))
    made.load([PROGRAM])
    made.arm(10.0, 0.0)
    return made


@pytest.mark.parametrize("settings", [{}, {"jitter_ms": 0.0, "min_lockout_s": 2.5}])
def test_it_keeps_the_contract(settings: dict[str, Any]) -> None:
    check_stimulator(lambda: Acoustic(AcousticSettings(**settings)))


@pytest.mark.parametrize(
    ("program", "message"),
    [
        (StimProgram(1, "x", ClickTrain(65.5, 0.05, 1.0), (1,)), "level: 65.5 dB SPL, limit 65"),
        (StimProgram(1, "x", ClickTrain(55.2, 0.05, 1.0), (1,)), "level_step: 55.2 dB SPL"),
        (StimProgram(1, "x", ClickTrain(55.0, 0.05, 0.04), (1,)), "interval: 0.04 s, limit 0.05"),
        (StimProgram(9, "x", CLICKS, (1,)), "program_slot: 9 slot, limit 8 slot"),
        (StimProgram(1, "x", CLICKS, (3,)), "electrode: 3 channel, limit 2 channel"),
        (
            StimProgram(1, "x", CLICKS, (1,), (ProgramPart(CLICKS, (2,), 3.0),)),
            "parts: 2 trains, limit 1",
        ),
        (
            StimProgram(1, "x", PulseTrain(BiphasicPulse(10.0, 200.0), 100.0), (1,)),
            "current: 1 pulse trains, limit 0",
        ),
    ],
)
def test_what_it_refuses_to_load(program: StimProgram, message: str) -> None:
    with pytest.raises(SafetyError) as caught:
        Acoustic(AcousticSettings()).load([program])
    assert message in str(caught.value)


def test_levels_that_would_clip_are_refused_before_anything_is_played() -> None:
    with pytest.raises(DeviceError, match=r"clips above 57.9588 dB SPL .* calibrate again"):
        Acoustic(AcousticSettings(full_scale_db_spl=70.0))


def test_a_click_for_now_waits_for_the_buffer_and_one_announced_ahead_is_on_time() -> None:
    delays = []
    for seed in range(200):
        device = armed(seed=seed)
        device.trigger(Trigger(1, 1, 0.0, 1.0), 0.0)
        delays.append(device.advance(5.0)[0].onset_s)
    assert np.mean(delays) == pytest.approx(0.020, abs=0.001)
    assert np.std(delays) == pytest.approx(0.002, rel=0.25)
    assert max(delays) < AcousticSettings().max_command_latency_s + 0.002
    device = armed()
    device.trigger(Trigger(1, 1, 1.0, 1.1), 0.0)
    assert device.advance(5.0)[0].onset_s == pytest.approx(1.0, abs=2.1e-5)


def test_what_leaves_has_the_level_that_was_asked_by_its_own_samples() -> None:
    device = armed()
    device.trigger(Trigger(1, 1, 1.0, 1.1), 0.0)
    (delivery,) = device.advance(5.0)
    left = device.emissions()
    assert (delivery.outcome, delivery.n_pulses, delivery.charge_uc) == (Outcome.DELIVERED, 2, 0.0)
    assert [(e.channel, e.unit) for e in left] == [(1, "dB SPL"), (2, "dB SPL")] * 2
    assert [e.amplitude for e in left] == pytest.approx([55.0] * 4, abs=0.05)
    assert left[2].onset_s - left[0].onset_s == pytest.approx(1.075, abs=1e-9)


def test_disarming_is_silence_within_a_sample() -> None:
    device = armed()
    device.trigger(Trigger(1, 1, 1.0, 1.1), 0.0)
    device.disarm("guard: arousal", 1.02)
    (delivery,) = device.advance(5.0)
    left = device.emissions()
    assert delivery.outcome is Outcome.ABORTED
    assert delivery.reason == "guard: arousal"
    assert max(e.offset_s for e in left) == pytest.approx(1.02, abs=2.1e-5)


def test_noise_is_pink_and_its_level_is_what_was_asked() -> None:
    rng = np.random.default_rng(1)
    bursts = [pink_burst(0.5, 48_000.0, 0.1, rng) for _ in range(40)]
    power = np.mean([np.abs(np.fft.rfft(b.astype(float))) ** 2 for b in bursts], axis=0)
    hz = np.fft.rfftfreq(24_000, 1 / 48_000.0)
    octaves_db = [
        10 * np.log10(np.mean(power[(hz >= low) & (hz < 2 * low)]))
        for low in (200, 400, 800, 1600, 3200)
    ]
    assert np.diff(octaves_db) == pytest.approx([-3.0] * 4, abs=0.4)
    assert [level_db(b, 95.0) for b in bursts] == pytest.approx([75.0] * 40, abs=0.01)
    assert abs(int(bursts[0][0])) < 30  # no hard edge
