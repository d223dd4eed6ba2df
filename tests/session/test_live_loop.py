"""The loop on real time, with an inlet and a link that stand in this process."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from bci_core.chunk import Chunk, StreamInfo
from bci_core.clock import VirtualClock
from bci_core.config.load import load_rig
from bci_core.config.rig import Part, Rig
from bci_core.control.direct_link import DirectLink
from bci_core.control.journal import MASK, Journal
from bci_core.detection.band_power import BandPowerSettings
from bci_core.errors import DeviceError, LinkError
from bci_core.events import Detection, EventKind
from bci_core.session import build
from bci_core.session.live_loop import LiveLoop, SampleStreams
from bci_core.status import ArmingState
from streams.lsl import Wake

INFO = StreamInfo("bench", 250.0, ("Fz", "C3"), "bench-1")
GUARD = BandPowerSettings(channel="C3", band_hz=(20.0, 40.0))


class Inlet:
    """A sine, sample by sample, and whatever detections it is handed."""

    info = INFO

    def __init__(self, clock: VirtualClock, offset_s: float) -> None:
        self._clock = clock
        self._offset_s = offset_s
        self.found: list[Detection] = []
        self.alarms: list[Detection] = []

    def clock_offset_s(self) -> float:
        return self._offset_s

    def received_s(self) -> float:
        return self._clock.now_s()

    def read(self, wait_s: float) -> Chunk | None:
        if wait_s == 0.0:
            return None
        self._clock.sleep_until(self._clock.now_s() + 1.0 / INFO.rate_hz)
        when_s = self._clock.now_s() - self._offset_s
        value = 20.0 * np.sin(2.0 * np.pi * 5.0 * when_s)
        return Chunk(np.full((1, 2), value, np.float32), np.array([when_s]))

    def wait(self, sensing: Any, until_s: float) -> Wake:
        chunk = self.read(until_s)
        assert chunk is not None
        sensing.update(chunk)
        when_s, now_s = float(chunk.times_s[0]), self._clock.now_s()
        found, self.found = self.found, []
        alarms, self.alarms = self.alarms, []
        return Wake(1, when_s, when_s, now_s, now_s, found, alarms)

    def close(self) -> None: ...


class Link(DirectLink):
    def round_trip_s(self, n: int) -> NDArray[np.float64]:
        return np.full(n, 0.0002)


class Bench:
    def __init__(self, rig: Rig, offset_s: float = 0.0) -> None:
        self.clock = VirtualClock(1000.0)
        self.offset_s = offset_s
        self.rows: list[tuple[str, dict[str, Any]]] = []
        self.markers: list[str] = []
        self.mask: list[tuple[float, list[float]]] = []
        journal = Journal(self._emit, lambda text, _: self.markers.append(text), lambda *_: None)
        self.outputs: list[float] = []
        streams = SampleStreams(
            lambda row, s: self.mask.append((s, row.tolist())),
            lambda row, s: self.outputs.append(s),
            build.outputs(rig, INFO),
        )
        self.inlet = Inlet(self.clock, offset_s)
        self.link = Link(build.stimulator(rig), self.clock)
        self.loop = LiveLoop(
            rig, self.inlet, self.link, journal, streams, self._emit, self.clock, not offset_s
        )

    def _emit(self, event: str, data: dict[str, Any]) -> None:
        self.rows.append((event, data))

    def data(self, event: str) -> list[dict[str, Any]]:
        return [data for name, data in self.rows if name == event]

    def steps(self, seconds: float) -> None:
        until_s = self.clock.now_s() + seconds
        while self.clock.now_s() < until_s:
            self.loop.arming.heartbeat(self.clock.now_s())
            self.loop.step()

    def detection(self, ahead_s: float = 0.02) -> Detection:
        now_s = self.clock.now_s() - self.offset_s
        return Detection(self.loop.sensing.monitor.samples, now_s, now_s + ahead_s, 5.0)

    def step_with(self, found: Sequence[Detection] = (), alarms: Sequence[Detection] = ()) -> None:
        self.inlet.found, self.inlet.alarms = list(found), list(alarms)
        self.loop.arming.heartbeat(self.clock.now_s())
        self.loop.step()


def plain(rig: Rig) -> Rig:
    """With a detector that finds nothing of its own here."""
    silent = BandPowerSettings(channel="Fz", band_hz=(20.0, 40.0), learning_s=600.0)
    return replace(rig, detector=Part("band_power", silent))


@pytest.fixture
def guarded() -> Rig:
    return replace(plain(load_rig("theta-phase")), guard=Part("band_power", GUARD))


def armed(rig: Rig, offset_s: float = 0.0) -> Bench:
    bench = Bench(rig, offset_s)
    bench.steps(0.1)
    assert bench.loop.arm("tester") == ""
    return bench


def test_an_onset_of_the_guard_comes_before_what_the_detector_found(guarded: Rig) -> None:
    bench = armed(guarded)
    bench.step_with([bench.detection()], [bench.detection()])
    assert bench.link.disarmed_reason() == "guard:band_power"
    assert bench.loop.disarmed == "guard:band_power"
    (decision,) = bench.data("decision")
    assert (decision["reason"], decision["disarmed"]) == ("disarmed", "latched:guard:band_power")
    assert [name for name, _ in bench.rows if name in ("latched", "guard", "decision")] == [
        *("latched", "guard", "decision"),
    ]
    assert bench.data("latched")[0]["reason"] == "guard:band_power"


def test_what_was_sent_before_is_cut_short(guarded: Rig) -> None:
    bench = armed(guarded)
    bench.step_with([bench.detection(ahead_s=0.1)])
    bench.step_with(alarms=[bench.detection()])
    bench.steps(0.2)
    assert [row["outcome"] for row in bench.data("outcome")] == ["aborted"]
    # Nothing has been delivered, so nothing is blanked any more.
    assert bench.data("blank")[-1]["start_s"] == bench.data("blank")[-1]["end_s"]


def test_the_device_is_stopped_before_a_row_is_made_of_it(
    guarded: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = armed(guarded)
    seen: list[str] = []
    stop = bench.link.disarm
    monkeypatch.setattr(bench.link, "disarm", lambda reason: (seen.append("device"), stop(reason)))
    emit = bench.loop._emit
    monkeypatch.setattr(bench.loop, "_emit", lambda name, row: (seen.append(name), emit(name, row)))
    bench.loop.disarm("stopped")
    assert seen == ["device", "disarmed"]


def test_a_device_that_does_not_answer_is_disarmed_in_the_books_all_the_same(
    guarded: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = armed(guarded)

    def gone(_reason: str) -> None:
        raise LinkError("no answer")

    monkeypatch.setattr(bench.link, "disarm", gone)
    bench.loop.disarm("stopped")
    assert [name for name, _ in bench.rows][-2:] == ["disarmed", "fault"]
    assert bench.loop.arming.check(bench.clock.now_s())


def test_it_is_not_armed_again(guarded: Rig) -> None:
    bench = armed(guarded)
    bench.step_with(alarms=[bench.detection()])
    bench.steps(0.1)
    assert "latched:guard:band_power: reset it first" in bench.loop.arm("tester")
    assert bench.link.disarmed_reason()


def test_one_before_arming_prevents_it(guarded: Rig) -> None:
    bench = Bench(guarded)
    bench.steps(0.1)
    bench.step_with(alarms=[bench.detection()])
    assert "latched:guard" in bench.loop.arm("tester")
    assert bench.data("latched")


def test_its_end_is_put_down_and_changes_nothing(guarded: Rig) -> None:
    bench = armed(guarded)
    bench.step_with(alarms=[replace(bench.detection(), kind=EventKind.END)])
    bench.steps(0.1)
    assert bench.loop.disarmed == ""
    assert bench.data("guard")[0]["kind"] == "end"
    assert bench.markers == ["guard:end"]


@pytest.mark.parametrize("offset_s", [0.0, 300.0, -300.0])
def test_a_pulse_spoils_the_samples_of_its_own_time_on_whatever_clock(offset_s: float) -> None:
    bench = armed(plain(load_rig("theta-phase")), offset_s)
    bench.steps(1.0)
    target_s = bench.clock.now_s() + 0.02
    bench.step_with([bench.detection(ahead_s=0.02)])
    bench.steps(0.2)
    (outcome,) = bench.data("outcome")
    assert outcome["outcome"] == "delivered"
    assert outcome["onset_s"] == pytest.approx(target_s, abs=1e-5)
    at = [label for label, _ in MASK].index("blank")
    (start_s,) = [s for s, row in bench.mask if row[at]]
    end_s = next(s for s, row in bench.mask if s > start_s and not row[at])
    # The mask goes out on this machine's clock.
    assert start_s == pytest.approx(target_s - 0.002, abs=0.005)
    assert end_s == pytest.approx(target_s + 0.0005 + 0.02, abs=0.005)
    rows = bench.data("blank")
    assert rows[0]["start_s"] == pytest.approx(target_s - offset_s - 0.002, abs=1e-6)
    assert [row["at_sample"] for row in rows] == sorted(row["at_sample"] for row in rows)
    # So do the detector's outputs, one row a wait.
    assert np.allclose(np.diff(bench.outputs), 0.004)
    assert bench.outputs[-1] == pytest.approx(bench.clock.now_s(), abs=1e-6)
    assert bench.loop.status()["sample_faults"] == {"blanked": 6}


def test_a_reset_by_a_second_person_is_followed_by_arming(guarded: Rig) -> None:
    bench = armed(guarded)
    bench.step_with(alarms=[bench.detection()])
    assert "limit at least 60 s" in bench.loop.reset("ada", "clinician")
    bench.clock.sleep_until(bench.clock.now_s() + 60.0)
    bench.steps(0.1)
    assert "tester armed; a second person" in bench.loop.reset("tester", "clinician")
    assert "role: operator, as tester" in bench.loop.reset("ada", "operator")
    assert bench.data("reset") == []
    assert bench.loop.reset("ada", "clinician") == ""
    assert [row["actor"] for row in bench.data("reset")] == ["ada"]
    assert bench.loop.disarmed == "reset"
    bench.steps(0.1)
    assert bench.loop.arm("tester") == ""
    assert bench.loop.disarmed == ""


def test_what_the_device_has_latched_is_reset_with_it(guarded: Rig) -> None:
    bench = armed(plain(load_rig("theta-phase")))
    asked: list[str] = []
    bench.link.reset = lambda: asked.append("reset")  # type: ignore[method-assign]
    bench.loop.arming.latch("trigger 1: charge", bench.clock.now_s())
    assert "tester armed" in bench.loop.reset("tester", "")
    assert asked == [], "a device is left latched while the session is"
    assert bench.loop.reset("ada", "") == ""
    assert asked == ["reset"]


def test_a_device_whose_fault_stays_keeps_the_session_latched(guarded: Rig) -> None:
    bench = armed(plain(load_rig("theta-phase")))

    def still_there() -> None:
        raise DeviceError("it still is stuck on")

    bench.link.reset = still_there  # type: ignore[method-assign]
    bench.loop.arming.latch("trigger 1: charge", bench.clock.now_s())
    assert bench.loop.reset("ada", "") == "it still is stuck on"
    assert bench.loop.arming.state is ArmingState.FAULT_LATCHED


def test_tighter_limits_hold_from_then_on_and_are_put_down() -> None:
    bench = armed(plain(load_rig("theta-phase")))
    assert "is looser than" in bench.loop.tighten({"lockout_s": 0.01})
    assert bench.data("tightened") == []
    assert bench.loop.tighten({"amplitude_ua": 1.0}) == ""
    assert bench.data("tightened")[0]["limits"] == {"amplitude_ua": 1.0}
    bench.step_with([bench.detection()])
    (decision,) = bench.data("decision")
    assert decision["refusal"]["limit"] == "amplitude"
    assert decision["refusal"]["bound"] == 1.0
