"""What a calibration finds, fills in and warns of."""

import json
from dataclasses import replace

import numpy as np
import pytest
from pydantic import BaseModel

from bci_core.chunk import StreamInfo
from bci_core.clock import VirtualClock
from bci_core.config.load import load_rig, parse_rig
from bci_core.config.rig import Part, Rig
from bci_core.detection.compiled import CompiledDetector
from bci_core.errors import InputError, StreamLostError
from bci_core.scoring.stretch import Stretch
from bci_core.session import build
from bci_core.tuning.calibrate import calibrate
from bci_core.tuning.calibrated_rig import calibrated, calibrated_text, told
from bci_core.tuning.firing import onsets_of, run_with
from bci_core.tuning.listen import listen

RATE_HZ = 250.0
T = np.arange(round(60 * RATE_HZ)) / RATE_HZ
SOURCE = {"recording": "made.npz", "sha256": "0" * 64}


def quiet(_line: str) -> None:
    pass


def noise(uv: float, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0.0, uv, len(T))


def stretch(*columns: np.ndarray) -> Stretch:
    labels = ("Fz", "C3", "Cz", "C4")[: len(columns)]
    info = StreamInfo("made", RATE_HZ, labels, "made")
    return Stretch(np.column_stack(columns).astype(np.float32), T, info)


@pytest.fixture
def rig() -> Rig:
    """On a virtual clock; finds a rise of alpha on Fz."""
    whole = load_rig("theta-phase")
    kind = build.registry.load("detector", "band_power")
    settings = kind.Settings(channel="Fz", band_hz=(8.0, 13.0), threshold_sd=3.0)
    sine = build.registry.load("amplifier", "sine").Settings()
    return replace(whole, detector=Part("band_power", settings), amplifier=Part("sine", sine))


def test_rates_fall_with_the_threshold_and_the_rigs_own_is_among_them(rig: Rig) -> None:
    found = calibrate(rig, stretch(noise(10.0), noise(10.0, 1)), None, quiet)
    assert found.threshold == "threshold_sd"
    rates = {rate.value: rate for rate in found.rates}
    assert rates[3.0].detections == found.detections
    assert found.threshold_now == 3.0
    per_min = [rate.per_min for rate in found.rates]
    assert per_min[0] > 10.0 > per_min[-1] == 0.0
    assert found.filled_in == {}
    assert found.ready


def test_the_lowest_threshold_that_fires_seldom_enough_is_filled_in(rig: Rig) -> None:
    found = calibrate(rig, stretch(noise(10.0), noise(10.0, 1)), 2.0, quiet)
    chosen = found.filled_in["threshold_sd"]
    rates = {rate.value: rate.per_min for rate in found.rates}
    assert rates[chosen] <= 2.0
    assert found.per_min <= 2.0
    assert max(value for value in rates if value < chosen) < chosen
    assert rates[max(value for value in rates if value < chosen)] > 2.0
    assert calibrated(rig, found).detector.settings.threshold_sd == chosen


def test_a_rate_that_no_threshold_keeps_is_refused(rig: Rig) -> None:
    bursts = noise(1.0)
    for start in np.arange(10.0, 58.0, 1.0):
        inside = (start <= T) & (start + 0.3 > T)
        bursts[inside] += 500.0 * np.sin(2 * np.pi * 10.0 * T[inside])
    with pytest.raises(InputError, match="Set threshold_sd higher in the rig"):
        calibrate(rig, stretch(bursts), 0.0, quiet)


@pytest.fixture
def phase_rig() -> Rig:
    return load_rig("theta-phase")


def test_the_gate_keeps_every_cycle_of_a_steady_rhythm(phase_rig: Rig) -> None:
    sine = noise(1.0) + 20.0 * np.sin(2 * np.pi * 6.0 * T)
    found = calibrate(phase_rig, stretch(sine, noise(1.0)), None, quiet)
    assert found.filled_in["min_amplitude_uv"] == pytest.approx(10.0, rel=0.1)
    assert found.per_min == pytest.approx(360.0, rel=0.05)


def test_white_noise_hardly_passes_the_gate(phase_rig: Rig) -> None:
    found = calibrate(phase_rig, stretch(noise(20.0)), None, quiet)
    lowest = {"min_amplitude_uv": 1e-3}
    cycles = len(onsets_of(run_with(phase_rig, stretch(noise(20.0)), lowest)))
    assert cycles > 200
    assert found.detections < 0.1 * cycles


def test_a_bad_channel_counts_only_where_the_detector_reads_it(rig: Rig) -> None:
    dead, good = np.zeros(len(T)), noise(10.0)
    other = calibrate(rig, stretch(good, dead), None, quiet)
    assert other.ready
    assert any("C3, which is not read: flat" in w for w in other.warnings)
    used = calibrate(rig, stretch(dead, good), None, quiet)
    assert not used.ready
    assert any("Fz, which is read: flat" in w for w in used.warnings)


def test_what_an_operator_should_know_is_warned_of(rig: Rig) -> None:
    silent = calibrate(rig, stretch(noise(10.0)), None, quiet)
    assert "the detector would not have fired at all" not in silent.warnings
    part = stretch(noise(10.0))
    short = Stretch(part.samples[:2500], part.times_s[:2500], part.info)
    assert any(
        "less than baseline_s, 30 s" in w for w in calibrate(rig, short, None, quiet).warnings
    )
    gaps = part.times_s + np.repeat([0.0, 0.4], [7500, len(T) - 7500])
    lossy = calibrate(rig, Stretch(part.samples, gaps, part.info), None, quiet)
    assert "100 samples were lost, in 1 gaps" in lossy.warnings
    never = replace(
        rig.detector, settings=rig.detector.settings.model_copy(update={"threshold_sd": 99.0})
    )
    assert (
        "the detector would not have fired at all"
        in calibrate(replace(rig, detector=never), part, None, quiet).warnings
    )


def test_a_gate_that_follows_by_itself_is_left_to_do_so(phase_rig: Rig) -> None:
    settings = phase_rig.detector.settings.model_copy(update={"min_amplitude_quantile": 0.5})
    rig = replace(phase_rig, detector=Part("phase", settings))
    sine = noise(1.0) + 20.0 * np.sin(2 * np.pi * 6.0 * T)
    assert calibrate(rig, stretch(sine), None, quiet).filled_in == {}


def test_too_few_cycles_leave_the_gate_as_it_is_and_say_so(phase_rig: Rig) -> None:
    sine = stretch(noise(1.0) + 20.0 * np.sin(2 * np.pi * 6.0 * T))
    short = Stretch(sine.samples[:750], sine.times_s[:750], sine.info)
    found = calibrate(phase_rig, short, None, quiet)
    assert found.filled_in == {}
    assert any("min_amplitude_uv is left as it is" in warning for warning in found.warnings)


def test_a_guard_that_would_end_the_session_is_warned_of(rig: Rig) -> None:
    eager = type(rig.detector.settings)(channel="C3", band_hz=(8.0, 13.0), threshold_sd=1.0)
    guarded = replace(rig, guard=Part("band_power", eager))
    found = calibrate(guarded, stretch(noise(10.0), noise(10.0, 1)), None, quiet)
    assert found.used == ("Fz", "C3")
    assert found.guard_alarms > 0
    assert f"the guard would have ended the session: {found.guard_alarms} alarms" in found.warnings
    assert calibrate(rig, stretch(noise(10.0)), None, quiet).guard_alarms is None


def test_the_policy_is_compared_with_how_often_it_fires(phase_rig: Rig) -> None:
    slow = phase_rig.policy.model_copy(update={"max_rate_hz": 2.0})
    sine = noise(1.0) + 20.0 * np.sin(2 * np.pi * 6.0 * T)
    found = calibrate(replace(phase_rig, policy=slow), stretch(sine), None, quiet)
    assert any("the policy lets 2 pass" in warning for warning in found.warnings)


def test_the_calibrated_rig_is_a_rig_and_says_where_it_is_from(rig: Rig) -> None:
    found = calibrate(rig, stretch(noise(10.0)), 2.0, quiet)
    text = calibrated_text(rig, found, SOURCE, VirtualClock().utc())
    assert parse_rig(text) == calibrated(rig, found)
    assert SOURCE["sha256"] in text
    assert f"threshold_sd = {found.filled_in['threshold_sd']:g}" in text.splitlines()[4]


def test_everything_measured_goes_into_the_file_with_its_provenance(rig: Rig) -> None:
    found = calibrate(rig, stretch(noise(10.0), noise(10.0, 1)), None, quiet)
    everything = told(rig, found, SOURCE, VirtualClock().utc())
    read = json.loads(json.dumps(everything, allow_nan=False))
    assert read["source"] == SOURCE
    assert read["provenance"]["versions"]["numpy"] == np.__version__
    assert set(read["levels"]) == {"Fz", "C3"}
    assert read["levels"]["Fz"]["band_uv"] > 0.0


def level_kernel(samples, _times_s, _flags, _settings, state, _out) -> int:
    if len(samples):
        state[0] = samples[-1, 0]
    return 0


class Level(CompiledDetector):
    """Publishes the last sample of its chunk, and finds nothing."""

    class Settings(BaseModel):
        pass

    def __init__(self, *_: object) -> None:
        super().__init__(level_kernel, np.zeros(1), np.zeros(1), (0,), ("level_uv",))


def test_outputs_of_the_detector_are_summed_up(rig: Rig, monkeypatch) -> None:
    monkeypatch.setattr("bci_core.scoring.subject.registry.load", lambda *_: Level)
    other = replace(rig, detector=Part("level", Level.Settings()))
    ramp = np.linspace(0.0, 100.0, len(T)) + 0.001 * noise(1.0)
    found = calibrate(other, stretch(ramp), None, quiet).outputs["level_uv"]
    assert [found[q] for q in ("p5", "p50", "p95", "p99")] == pytest.approx([5, 50, 95, 99], abs=2)


class TestListening:
    def test_as_much_is_taken_as_was_asked_and_the_amplifier_is_closed(self, rig: Rig) -> None:
        clock = VirtualClock(50.0)
        amplifier = build.amplifier(rig, clock)
        lines: list[str] = []
        heard = listen(amplifier, 3.0, clock, lines.append)
        assert len(heard) / RATE_HZ == pytest.approx(3.0, abs=0.15)
        assert heard.times_s[0] >= 50.0
        assert len(lines) >= 3
        assert lines[-1].endswith("of 3 s from sine")
        with pytest.raises(Exception, match="not open"):
            amplifier.read(0.1)

    def test_an_amplifier_that_gives_nothing_is_given_up_and_closed(self, rig: Rig) -> None:
        clock = VirtualClock()
        silent = _Silent(clock)
        with pytest.raises(StreamLostError, match="no samples for 5 s"):
            listen(silent, 3.0, clock, quiet)
        assert silent.closed


class _Silent:
    """An amplifier that is switched off."""

    exhausted = False
    closed = False

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock

    def open(self) -> StreamInfo:
        return StreamInfo("silent", RATE_HZ, ("Fz",), "silent")

    def read(self, wait_s: float) -> None:
        self._clock.sleep_until(self._clock.now_s() + wait_s)

    def close(self) -> None:
        self.closed = True
