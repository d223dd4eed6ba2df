"""From a detection to rows, markers and counts, with a real gate and a real simulated device."""

import json
import sys
from dataclasses import replace
from math import isnan
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from bci_core.clock import VirtualClock
from bci_core.control.arms import ArmAssigner, Design
from bci_core.control.arms_settings import ActiveArm, ArmsSettings, ShamArm
from bci_core.control.blanking import Blanking
from bci_core.control.direct_link import DirectLink
from bci_core.control.hearing import hear
from bci_core.control.journal import ROW, Journal
from bci_core.control.loop import ClosedLoop
from bci_core.control.plain import plain
from bci_core.control.policy import PolicySettings, StandardPolicy
from bci_core.detection.blanking_settings import BlankingSettings
from bci_core.detection.monitor import SampleCounts
from bci_core.events import (
    Acceptance,
    Decision,
    Detection,
    EventKind,
    Outcome,
    Situation,
    Trigger,
    Verdict,
)
from bci_core.safety.arming import Arming
from bci_core.safety.arming_settings import ArmingSettings
from bci_core.safety.envelope import SafetyEnvelope, SafetySettings
from bci_core.safety.gate import SafetyGate
from drivers.stimulators.microstim import Microstim
from stim_protocols.pulse_train import PulseTrainProtocol, PulseTrainSettings

PULSES = PulseTrainSettings(
    amplitude_ua=10.0,
    phase_us=200.0,
    interphase_us=60.0,
    rate_hz=100.0,
    n_pulses=2,
    electrodes=(1,),
)
SAFETY = SafetySettings.model_validate(
    {"electrode_class": "microelectrode", "electrode_area_cm2": 2e-5}
)


class Samples:
    """Stands where the monitor is, with what is blanked for each trigger."""

    def __init__(self) -> None:
        self.samples, self.last_s = 0, 100.0
        self.blanks: dict[int, tuple[float, float]] = {}

    def blank(self, seq: int, start_s: float, end_s: float) -> None:
        self.blanks[seq] = (start_s, end_s)


class Bench:
    """A loop on a virtual clock that remembers what it was told to record."""

    def __init__(
        self,
        arms: ArmsSettings | None = None,
        refractory_s: float = 0.01,
        clock_offset_s: float = 0.0,
    ) -> None:
        self.clock = VirtualClock(start_s=100.0)
        protocol = PulseTrainProtocol(PULSES)
        self.link = DirectLink(Microstim(Microstim.Settings()), self.clock)
        capabilities = self.link.load(protocol.programs())
        self.arming = Arming(ArmingSettings())
        self.arming.connect(0.0)
        self.arming.configure(0.0)
        envelope = SafetyEnvelope.from_settings(SAFETY)
        gate = SafetyGate(envelope, protocol.programs(), self.link, self.arming)
        gate.connect(capabilities)
        policy = PolicySettings(refractory_s=refractory_s, max_rate_hz=100.0)
        assigner = None if arms is None else ArmAssigner(Design(arms), bytes(32))
        self.loop = ClosedLoop(StandardPolicy(policy), protocol, gate, clock_offset_s, assigner)
        self.loop.begin(self.clock.now_s() - clock_offset_s)
        self.rows: list[tuple[str, dict[str, Any]]] = []
        self.markers: list[tuple[str, float]] = []
        self.stream: list[NDArray[np.float64]] = []
        self.journal = Journal(
            lambda event, data: self.rows.append((event, data)),
            lambda text, when_s: self.markers.append((text, when_s)),
            lambda row, _when_s: self.stream.append(row),
        )
        self.samples = Samples()
        self.blanking = Blanking(
            BlankingSettings(), protocol.programs(), self.samples, lambda *_row: None
        )
        now_s = self.clock.now_s()
        self.arming.heartbeat(now_s)
        self.arming.samples(now_s)
        self.arming.arm(5.0, "tester", now_s)
        self.link.arm(2.0)

    def detect(self, ahead_s: float = 0.005, **changes: Any) -> None:
        now_s = self.clock.now_s()
        found = replace(Detection(7, now_s - 0.001, now_s + ahead_s, 3.5), **changes)
        situation = Situation(now_s - 0.0005, now_s - 0.0004, now_s, self.arming.check(now_s))
        act = self.loop.act(found, situation)
        self.journal.note_act(act, now_s)
        self.blanking.note_act(act)

    def pass_time(self, seconds: float) -> None:
        until_s = self.clock.now_s() + seconds
        while (now_s := self.clock.now_s()) < until_s:
            self.clock.sleep_until(min(now_s + 0.05, until_s))
            self.arming.heartbeat(self.clock.now_s())
            self.arming.samples(self.clock.now_s())
            self.link.renew()
            answers = self.link.poll()
            gate = self.loop.gate
            hear(answers, self.journal, gate, self.blanking, self.clock.now_s())

    def again(self, after_s: float) -> None:
        """The first trigger comes to the device a second time."""
        self.pass_time(after_s)
        at_s = self.clock.now_s()
        self.link.send(Trigger(1, 1, at_s, at_s + 0.1))

    def outcome(self) -> dict[str, Any]:
        return next(data for event, data in self.rows if event == "outcome")


def test_a_detection_becomes_a_pulse_at_its_target_with_seven_stamps() -> None:
    bench = Bench()
    bench.detect(ahead_s=0.005)
    assert bench.journal.waiting == 1
    bench.pass_time(0.1)
    told = bench.outcome()
    stamps = [
        told[f"{name}_s"]
        for name in ("sample", "received", "detected", "decided", "sent", "accepted", "onset")
    ]
    assert stamps == sorted(stamps)
    assert told["onset_s"] == pytest.approx(100.005, abs=2e-6)
    assert (told["outcome"], told["n_pulses"]) == (Outcome.DELIVERED, 2)
    assert told["charge_uc"] == pytest.approx(2 * 10.0 * 200.0 * 1e-6)
    assert bench.markers == [("stim", told["onset_s"])]
    row = dict(zip((label for label, _ in ROW), bench.stream[0], strict=True))
    assert row["onset_s"] == told["onset_s"]
    assert row["sham"] == 0.0
    assert bench.journal.counts == {"detections": 1, "triggers": 1, "delivered": 1}
    assert bench.journal.waiting == 0


def test_rows_are_plain_json() -> None:
    bench = Bench()
    bench.detect()
    bench.pass_time(0.1)
    bench.detect(veto="gap")
    for _, data in bench.rows:
        json.dumps(data, allow_nan=False)


def test_a_refusal_by_the_policy_is_recorded_with_its_reason() -> None:
    bench = Bench()
    bench.detect(veto="gap")
    assert bench.rows[0][1]["verdict"] == Verdict.REFUSED
    assert bench.markers == [("refused:gap", 100.0)]
    assert bench.journal.refused == {"gap": 1}
    assert bench.journal.waiting == 0


def test_a_refusal_by_the_gate_is_recorded_with_limit_value_and_unit() -> None:
    bench = Bench()
    bench.detect()
    bench.pass_time(0.1)
    bench.detect()
    refusal = bench.rows[-1][1]["refusal"]
    assert refusal["limit"] == "lockout"
    assert (refusal["bound"], refusal["unit"]) == (0.2, "s")
    assert refusal["value"] < 0.2
    assert bench.markers[-1][0] == "refused:lockout"
    assert bench.journal.refused == {"lockout": 1}


def test_a_refusal_by_the_device_is_recorded_too() -> None:
    bench = Bench()
    bench.link.disarm("somebody else")
    bench.detect()
    bench.pass_time(0.1)
    assert bench.outcome()["outcome"] == Outcome.REFUSED
    assert sum(bench.journal.refused.values()) == 1
    assert bench.markers[0][0].startswith("refused:")


def test_the_active_arm_is_stimulation() -> None:
    bench = Bench(ArmsSettings(active=ActiveArm()))
    bench.detect()
    bench.pass_time(0.1)
    assert bench.outcome()["outcome"] == Outcome.DELIVERED
    assert bench.markers[0][0] == "stim"
    assert bench.stream[0][[label for label, _ in ROW].index("sham")] == 0.0


def test_sham_is_the_same_without_the_current() -> None:
    bench = Bench(ArmsSettings(sham=ShamArm()))
    bench.detect()
    bench.pass_time(0.1)
    told = bench.outcome()
    assert (told["outcome"], told["n_pulses"], told["charge_uc"]) == (Outcome.SHAM, 0, 0.0)
    assert bench.markers[0][0] == "sham"
    assert bench.stream[0][[label for label, _ in ROW].index("sham")] == 1.0


def test_a_train_that_is_cut_short_says_so() -> None:
    bench = Bench()
    bench.detect(ahead_s=0.0)
    bench.pass_time(0.005)
    bench.link.disarm("tester")
    bench.pass_time(0.001)
    assert bench.outcome()["outcome"] == Outcome.ABORTED
    assert bench.outcome()["n_pulses"] == 1
    assert bench.markers[0][0] == "aborted"


def test_a_trigger_whose_device_is_gone_ends_unknown() -> None:
    bench = Bench()
    bench.detect()
    bench.journal.give_up("the device is gone")
    told = bench.outcome()
    assert (told["outcome"], told["onset_s"]) == (Outcome.UNKNOWN, None)
    assert told["reason"] == "the device is gone"
    assert isnan(bench.stream[0][[label for label, _ in ROW].index("onset_s")])
    assert bench.journal.waiting == 0


def test_an_answer_about_an_unknown_trigger_changes_nothing() -> None:
    bench = Bench()
    bench.journal.note(Acceptance(99, 1.0))
    assert bench.rows == []


def test_a_command_that_comes_twice_ends_as_its_first_copy_does() -> None:
    bench = Bench()
    bench.detect(ahead_s=0.02)
    bench.again(after_s=0.01)
    bench.pass_time(0.002)
    (copy,) = [data for event, data in bench.rows if event == "copy"]
    assert (copy["seq"], copy["reason"].split(":")[0]) == (1, "sequence")
    assert bench.markers == [("copy", pytest.approx(100.012))]
    assert bench.journal.waiting == 1
    assert "came to the device twice" in bench.arming.check(bench.clock.now_s())
    bench.pass_time(0.1)
    assert (bench.outcome()["outcome"], bench.outcome()["n_pulses"]) == (Outcome.DELIVERED, 2)
    assert bench.outcome()["accepted_s"] == 100.0
    assert bench.samples.blanks[1][0] > 100.0  # for the pulse, not taken back by the copy
    assert bench.journal.counts["refused"] == 0


def test_a_copy_after_the_pulse_is_no_second_outcome() -> None:
    bench = Bench()
    bench.detect()
    bench.again(after_s=0.1)
    bench.pass_time(0.01)
    assert [event for event, _ in bench.rows] == ["decision", "outcome", "copy"]
    assert bench.outcome()["outcome"] == Outcome.DELIVERED


def test_triggers_are_numbered_without_holes() -> None:
    bench = Bench()
    for _ in range(4):
        bench.detect()
        bench.pass_time(0.6)
    assert [d["seq"] for event, d in bench.rows if event == "outcome"] == [1, 2, 3, 4]


def test_the_end_of_an_event_is_noted_and_nothing_else() -> None:
    bench = Bench()
    bench.detect(kind=EventKind.END, channel=3)
    ((event, told),) = bench.rows
    assert (event, told["verdict"], told["kind"]) == ("decision", Verdict.NOTED, "end")
    assert (told["channel"], told["seq"], told["reason"]) == (3, 0, "")
    assert bench.markers == [("end", 100.0)]
    assert bench.journal.counts == {"ends": 1}
    assert bench.journal.refused == {}
    bench.detect()
    assert bench.journal.counts == {"ends": 1, "detections": 1, "triggers": 1}


def test_no_policy_can_make_the_end_of_an_event_stimulate() -> None:
    class Eager:
        Settings = PolicySettings

        def decide(self, detection: Detection, situation: Situation) -> Decision:
            return Decision(detection, situation, Verdict.STIM)

    bench = Bench()
    bench.loop.policy = Eager()
    bench.detect(kind=EventKind.END)
    assert bench.journal.waiting == 0
    bench.detect()
    assert bench.journal.waiting == 1


def test_what_the_detector_knows_of_an_event_is_put_down() -> None:
    bench = Bench()
    bench.detect(channel=2, spread_s=0.004)
    bench.pass_time(0.1)
    told = bench.rows[0][1]
    assert (told["kind"], told["channel"], told["spread_s"]) == ("onset", 2, 0.004)
    assert json.loads(json.dumps(told))["kind"] == "onset"
    row = dict(zip((label for label, _ in ROW), bench.stream[0], strict=True))
    assert (row["channel"], row["spread_s"]) == (2.0, 0.004)


def test_samples_of_another_machine_are_acted_on_by_this_machines_clock() -> None:
    bench = Bench(clock_offset_s=40.0)
    bench.detect(sample_s=59.999, target_s=60.005)
    bench.pass_time(0.1)
    assert bench.outcome()["onset_s"] == pytest.approx(100.005, abs=2e-6)
    # Told as it was found.
    assert (bench.rows[0][1]["sample_s"], bench.rows[0][1]["target_s"]) == (59.999, 60.005)
    assert bench.outcome()["sample_s"] == 59.999


def test_what_the_guard_finds_is_put_down_and_onsets_are_counted() -> None:
    bench = Bench()
    alarm = Detection(5, 99.9, 99.9, 12.0, "settling")
    bench.journal.note_guard(alarm, "band_power", 100.0)
    bench.journal.note_guard(replace(alarm, kind=EventKind.END), "band_power", 101.0)
    assert [event for event, _ in bench.rows] == ["guard", "guard"]
    told = bench.rows[0][1]
    assert (told["guard"], told["kind"], told["veto"]) == ("band_power", "onset", "settling")
    assert (told["sample_index"], told["now_s"]) == (5, 100.0)
    assert bench.markers == [("guard:onset", 100.0), ("guard:end", 101.0)]
    assert bench.journal.counts == {"guard": 1}


def test_acting_and_telling_leave_nothing_in_memory() -> None:
    bench = Bench()
    counts = SampleCounts(1000, 0, 0, 0, 0, 0)

    def go_on(rounds: int) -> int:
        for _ in range(rounds):
            bench.detect()
            bench.pass_time(0.05)
            plain(counts)
            bench.link.stimulator.emissions()
            for kept in (bench.rows, bench.markers, bench.stream):
                kept.clear()
        return sys.getallocatedblocks()

    before = go_on(200)
    # A tuple kept for each of them would be 200 of every size.
    assert go_on(200) - before < 100


class Listens(PulseTrainProtocol):
    """Puts down what it hears of, and asks for nothing while the value is below zero."""

    def __init__(self) -> None:
        super().__init__(PULSES)
        self.heard: list[str] = []

    def plan(self, decision: Decision, next_seq: int) -> tuple[Trigger, ...]:
        self.heard.append("plan")
        return super().plan(decision, next_seq) if decision.detection.value >= 0.0 else ()

    def heed(self, decision: Decision) -> None:
        self.heard.append(decision.reason or str(decision.verdict))


def test_a_protocol_hears_of_every_decision_once() -> None:
    bench, listens = Bench(clock_offset_s=0.5), Listens()
    bench.loop = ClosedLoop(bench.loop.policy, listens, bench.loop.gate)
    bench.detect()
    bench.detect()
    bench.detect(veto="gap", ahead_s=1.0)
    bench.detect(kind=EventKind.END)
    assert listens.heard == ["plan", "refractory", "gap", "noted"]


def test_a_protocol_that_asks_for_nothing_has_refused() -> None:
    bench, listens = Bench(), Listens()
    bench.loop = ClosedLoop(bench.loop.policy, listens, bench.loop.gate)
    bench.detect(value=-1.0)
    assert (bench.rows[0][1]["verdict"], bench.rows[0][1]["reason"]) == ("refused", "protocol")
    assert (bench.rows[0][1]["seq"], bench.rows[0][1]["program_id"]) == (0, 0)
    assert bench.journal.refused == {"protocol": 1}
    # No number is lost to what was never asked for.
    bench.pass_time(0.1)
    bench.detect()
    assert (bench.rows[-1][1]["seq"], bench.rows[-1][1]["program_id"]) == (1, 1)
