"""Whatever a host does, in whatever order: no pulse while disarmed, none too many, none too soon.

The witness below knows nothing of the device but what it was told and what it
answered, and does its own arithmetic.
"""

from dataclasses import dataclass, field
from itertools import pairwise
from math import isfinite, isnan

from hypothesis import given, settings
from hypothesis import strategies as st

from bci_core.errors import DeviceError, SafetyError
from bci_core.events import Acceptance, Delivery, Outcome, Trigger
from bci_core.stimulus import BiphasicPulse, PulseTrain, StimProgram
from drivers.stimulators.microstim import Microstim
from drivers.stimulators.microstim_settings import MicrostimSettings

STEP_S = 1e-6
LEASE_S = 0.3
SETTINGS = MicrostimSettings(
    min_lockout_s=0.02,
    max_trains_per_min=6,
    max_lease_s=LEASE_S,
    command_latency_ms=2.0,
    command_latency_sigma=0.5,
)
PROGRAMS = (
    StimProgram(1, "one", PulseTrain(BiphasicPulse(20.0, 200.0, 60.0), 100.0), (1,)),
    StimProgram(2, "burst", PulseTrain(BiphasicPulse(50.0, 300.0, 53.0), 333.0, 40), (1, 2)),
    StimProgram(3, "slow", PulseTrain(BiphasicPulse(1.0, 20_000.0, 100.0), 7.0, 3), (3,)),
)
TOO_MUCH = StimProgram(4, "much", PulseTrain(BiphasicPulse(150.0, 200.0, 60.0), 100.0), (1,))


@dataclass(frozen=True)
class Do:
    """One thing a host does, after waiting."""

    wait_s: float
    what: str
    program_id: int = 1
    ahead_s: float = 0.0
    patience_s: float = 0.2
    sham: bool = False


WAIT_S = st.one_of(
    st.sampled_from([0.0, 0.0, 1e-6, 0.0002, 0.021, 0.021, 0.021, 0.35]), st.floats(0.0, 0.1)
)
WHAT = ["trigger"] * 9 + ["renew"] * 5 + ["arm"] * 3 + ["disarm", "load", "load_too_much"]
DOING = st.builds(
    Do,
    wait_s=WAIT_S,
    what=st.sampled_from(WHAT),
    program_id=st.sampled_from([1, 1, 1, 2, 2, 3, 4]),
    ahead_s=st.one_of(st.just(0.0), st.floats(-0.1, 0.1)),
    patience_s=st.sampled_from([0.0, 0.003, 0.2, 0.2, 0.2]),
    sham=st.sampled_from([False, False, True]),
)


@dataclass
class Witness:
    """When the device may have been armed, by what it was told alone."""

    armed_s: list[tuple[float, float]] = field(default_factory=list)
    asked: dict[int, Trigger] = field(default_factory=dict)
    answers: list[Acceptance] = field(default_factory=list)
    ended: list[Delivery] = field(default_factory=list)

    def arm(self, now_s: float) -> None:
        self.armed_s.append((now_s, now_s + LEASE_S))

    def renew(self, now_s: float) -> None:
        self.armed_s[-1] = (self.armed_s[-1][0], now_s + LEASE_S)

    def disarm(self, now_s: float) -> None:
        if self.armed_s:
            start_s, end_s = self.armed_s[-1]
            self.armed_s[-1] = (start_s, min(end_s, now_s))


def play(doings: list[Do], steps: int) -> Witness:
    """Do it all, letting time run in that many steps between two doings."""
    device = Microstim(SETTINGS)
    device.load(PROGRAMS)
    witness = Witness()
    now_s = 100.0
    for seq, doing in enumerate([*doings, Do(5.0, "nothing")], start=1):
        for step in range(1, steps):
            witness.ended += device.advance(now_s + doing.wait_s * step / steps)
        now_s += doing.wait_s
        match doing.what:
            case "trigger":
                at_s = now_s + doing.ahead_s
                trigger = Trigger(seq, doing.program_id, at_s, at_s + doing.patience_s, doing.sham)
                witness.asked[seq] = trigger
                witness.answers.append(device.trigger(trigger, now_s))
            case "arm":
                try:
                    device.arm(LEASE_S, now_s)
                    witness.arm(now_s)
                except SafetyError:
                    assert device.disarmed_reason() == ""
            case "renew":
                if device.renew(now_s):
                    witness.renew(now_s)
            case "disarm":
                device.disarm("asked to", now_s)
                witness.disarm(now_s)
            case "load":
                try:
                    device.load(PROGRAMS)
                except DeviceError:
                    assert device.disarmed_reason() == ""
            case "load_too_much":
                try:
                    device.load([*PROGRAMS, TOO_MUCH])
                    raise AssertionError("a program over the limit was loaded")
                except (SafetyError, DeviceError):
                    pass
    witness.ended += device.advance(now_s)
    assert device.disarmed_reason() != ""
    return witness


SCRIPTS = st.lists(DOING, min_size=20, max_size=60).map(lambda doings: [Do(0.0, "arm"), *doings])


def every_trigger_ends_once_and_as_it_was_answered(witness: Witness) -> None:
    assert sorted(d.seq for d in witness.ended) == sorted(witness.asked)
    outcome = {d.seq: d.outcome for d in witness.ended}
    for answer in witness.answers:
        assert (outcome[answer.seq] is Outcome.REFUSED) == (answer.refusal is not None)


def no_current_while_disarmed_late_early_or_by_sham(witness: Witness) -> None:
    for delivery in witness.ended:
        trigger = witness.asked[delivery.seq]
        if delivery.charge_uc == 0.0:
            assert delivery.n_pulses == 0
            assert isnan(delivery.offset_s)
            continue
        assert not trigger.sham
        assert trigger.at_s - 1e-7 <= delivery.onset_s <= trigger.deadline_s
        assert delivery.onset_s <= delivery.offset_s
        assert any(
            start_s <= delivery.onset_s + STEP_S and delivery.offset_s <= end_s + STEP_S
            for start_s, end_s in witness.armed_s
        )


def never_more_charge_or_pulses_than_asked(witness: Witness) -> None:
    for delivery in witness.ended:
        if delivery.charge_uc == 0.0:
            continue
        train = PROGRAMS[witness.asked[delivery.seq].program_id - 1].train
        assert delivery.charge_uc <= train.charge_uc * (1 + 1e-12)
        assert delivery.n_pulses <= train.n_pulses
        part_uc = delivery.charge_uc - delivery.n_pulses * train.pulse.charge_per_phase_uc
        assert -1e-12 <= part_uc <= train.pulse.charge_per_phase_uc * (1 + 1e-9)
        whole = delivery.n_pulses == train.n_pulses
        assert whole == (delivery.outcome is Outcome.DELIVERED)


def never_closer_than_the_lockout_nor_more_often_than_the_rate(witness: Witness) -> None:
    begun = sorted((d for d in witness.ended if isfinite(d.onset_s)), key=lambda d: d.onset_s)
    for before, after in pairwise(begun):
        # A sham has no end of its own; its program has.
        end_s = before.offset_s
        if isnan(end_s) and before.outcome is Outcome.SHAM:
            program = PROGRAMS[witness.asked[before.seq].program_id - 1]
            end_s = before.onset_s + program.train.duration_s
        if isfinite(end_s):
            assert after.onset_s - end_s >= SETTINGS.min_lockout_s - 2 * STEP_S
    most = SETTINGS.max_trains_per_min
    for first, beyond in zip(begun, begun[most:], strict=False):
        assert beyond.onset_s - first.onset_s >= 60.0 - STEP_S


@settings(max_examples=80, deadline=None, derandomize=True)
@given(SCRIPTS)
def test_whatever_a_host_does(doings: list[Do]) -> None:
    witness = play(doings, 1)
    every_trigger_ends_once_and_as_it_was_answered(witness)
    no_current_while_disarmed_late_early_or_by_sham(witness)
    never_more_charge_or_pulses_than_asked(witness)
    never_closer_than_the_lockout_nor_more_often_than_the_rate(witness)


@settings(max_examples=20, deadline=None, derandomize=True)
@given(SCRIPTS, st.integers(2, 17))
def test_splitting_time_changes_nothing(doings: list[Do], steps: int) -> None:
    once, often = play(doings, 1), play(doings, steps)
    assert repr(once.answers) == repr(often.answers)
    assert repr(once.ended) == repr(often.ended)
