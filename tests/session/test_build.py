"""The composition root: parts by name, and every mistake before anything starts."""

from dataclasses import replace

import pytest

from bci_core.clock import VirtualClock
from bci_core.config.load import load_rig, presets
from bci_core.config.rig import Part
from bci_core.control.direct_link import DirectLink
from bci_core.detection.band_power import BandPowerSettings
from bci_core.detection.monitor_settings import MonitorSettings
from bci_core.detection.signal_quality import SignalQualitySettings
from bci_core.errors import ConfigError
from bci_core.safety.arming import Arming
from bci_core.session import build
from drivers.amplifiers.recording import RecordingSettings

CLOCK = VirtualClock()


def test_a_good_rig_says_what_will_be_streamed() -> None:
    info = build.check(load_rig("theta-phase"), "theta-phase", CLOCK)
    assert (info.rate_hz, info.channels[0]) == (250.0, "Fz")


def test_mistakes_of_every_part_come_at_once_below_their_section() -> None:
    rig = load_rig("theta-phase")
    wrong = replace(
        rig,
        amplifier=Part("recording", RecordingSettings(file="no-such-file.npz")),
        protocol=Part(
            rig.protocol.name, rig.protocol.settings.model_copy(update={"amplitude_ua": 99.0})
        ),
    )
    with pytest.raises(ConfigError) as found:
        build.check(wrong, "rig.toml", CLOCK)
    assert [problem.where for problem in found.value.problems] == ["amplifier", "safety"]
    assert "no-such-file.npz" in str(found.value)
    assert "charge_per_phase" in str(found.value)


def test_a_program_the_device_cannot_do_is_found_without_the_device() -> None:
    rig = load_rig("theta-phase")
    weak = rig.stimulator.settings.model_copy(update={"max_amplitude_ua": 5.0})
    with pytest.raises(ConfigError) as found:
        build.check(replace(rig, stimulator=Part("microstim", weak)), "rig.toml", CLOCK)
    assert [problem.where for problem in found.value.problems] == ["stimulator"]


def test_a_wired_loop_holds_the_protocols_programs() -> None:
    rig = load_rig("theta-phase")
    link = DirectLink(build.stimulator(rig), CLOCK)
    wired = build.wire(rig, link, Arming(rig.arming))
    assert link.load(wired.protocol.programs()).simulated
    assert wired.loop.gate is wired.gate


def test_mistakes_of_guard_and_monitor_are_found_too() -> None:
    rig = load_rig("theta-phase")
    guard = BandPowerSettings(channel="nowhere", band_hz=(100.0, 200.0))
    wrong = replace(
        rig,
        guard=Part("band_power", guard),
        monitor=MonitorSettings(lead_off_hz=125.0),
    )
    with pytest.raises(ConfigError) as found:
        build.check(wrong, "rig.toml", CLOCK)
    assert sorted(problem.where for problem in found.value.problems) == [
        *("guard.band_hz", "guard.channel", "monitor.lead_off_hz"),
    ]


def test_outputs_are_known_before_anything_starts() -> None:
    rig = load_rig("theta-phase")
    info = build.amplifier(rig, CLOCK).describe()
    asked = SignalQualitySettings(channels=("Fz",))
    outputs = build.outputs(replace(rig, detector=Part("signal_quality", asked)), info)
    assert outputs[0] == "Fz flags"
    assert build.outputs(rig, info) == build.sensing(rig, info, 0.01).outputs


@pytest.mark.parametrize("preset", presets())
def test_every_preset_passes_every_check(preset: str) -> None:
    info = build.check(load_rig(preset), preset, CLOCK)
    assert info.channels
