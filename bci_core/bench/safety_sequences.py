"""Random triggers through a gate, with devices that report what they should and what not."""

from dataclasses import dataclass, field
from math import nan
from typing import Any

import numpy as np

from bci_core.bench.safety_oracle import Through, judge_last
from bci_core.bench.safety_vectors import DEVICE
from bci_core.events import Delivery, Outcome, Refusal, Trigger
from bci_core.safety.arming import Arming
from bci_core.safety.arming_settings import ArmingSettings
from bci_core.safety.envelope import SafetyEnvelope, SafetySettings
from bci_core.safety.gate import SafetyGate, Sent
from bci_core.stimulus import BiphasicPulse, PulseTrain, StimProgram

TRIGGERS = 40
"""Of one sequence."""

_WAITS_S = (0.3, 0.5, 0.7, 0.9, 0.0, 2.0, 40.0, 700.0, 3599.0, 20_000.0)
_DENSE = 4
"""The first of these, where a sequence is dense."""

_AHEAD_S = (-0.05, 0.0, 0.0, 0.0, 0.2, 1.0, 4.5, 8.0, nan)

_BALANCED = BiphasicPulse(1000.0, 100.0)
_LEAVES = BiphasicPulse(1000.0, 100.0, recovery_amplitude_ua=995.0)
PROGRAMS = (
    StimProgram(1, "short", PulseTrain(_BALANCED, 10.0, 5), (1, 2)),
    StimProgram(2, "long", PulseTrain(_LEAVES, 20.0, 10), (2, 3)),
    StimProgram(3, "elsewhere", PulseTrain(_LEAVES, 50.0, 4), (4,)),
)
"""0.5, 1.0 and 0.4 uC on each electrode; the second leaves 5 nC, the third 2 nC."""

_CHARGE_UC = {1: 0.5, 2: 1.0, 3: 0.4}
_NET_UC = {1: 0.0, 2: 0.005, 3: 0.002}
_LASTS_S = {1: 0.4002, 2: 0.4502, 3: 0.0602}


class AlwaysArmed(Arming):
    """Arming that allows, so that the limits alone decide; a latch is noted, and let go."""

    def __init__(self) -> None:
        super().__init__(ArmingSettings())
        self.latches = 0

    def check(self, now_s: float) -> str:  # noqa: ARG002 - as the real one
        return ""

    def latch(self, reason: str, now_s: float, *, guard: bool = False) -> None:  # noqa: ARG002
        self.latches += 1

    def sent(self, seq: int, start_s: float, end_s: float, lockout_s: float, now_s: float) -> None:
        pass

    def ended(self, seq: int, offset_s: float, now_s: float) -> None: ...

    def disarm(self, reason: str, now_s: float) -> None: ...

    def forbade(self, onset_s: float, offset_s: float) -> bool:  # noqa: ARG002
        return False


class Nowhere:
    """Stands where the device is, and takes everything."""

    def send(self, trigger: Trigger) -> float:
        return trigger.at_s


@dataclass(slots=True)
class Played:
    """What became of one sequence.

    Attributes
    ----------
    triggers, sent, latched : int
        Triggers asked for, those let through, and reports that latched.
    wrong : list of str
        Limits that a train which was let through passes, by the judge.
    refused : list of str
        Limits that refused, one a trigger.
    """

    triggers: int = 0
    sent: int = 0
    latched: int = 0
    wrong: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


def play(rng: np.random.Generator) -> Played:
    """Ask a gate with random limits for random triggers, and judge each that it sends."""
    envelope = _envelope(rng)
    limits = envelope.limits()
    arming = AlwaysArmed()
    link: Any = Nowhere()
    gate = SafetyGate(envelope, PROGRAMS, link, arming)
    gate.connect(DEVICE)
    played = Played()
    through: list[Through] = []
    ended: list[tuple[float, tuple[int, ...]]] = []
    aborted_s, banned = -1e9, set[int]()
    now_s, seq = 1000.0, 0
    n_waits = _DENSE if rng.random() < 0.3 else len(_WAITS_S)
    for _ in range(TRIGGERS):
        now_s += _WAITS_S[int(rng.integers(n_waits))]
        seq += int(rng.random() < 0.9)
        at_s = now_s + _AHEAD_S[int(rng.integers(len(_AHEAD_S)))]
        number = int(rng.integers(1, 4))
        trigger = Trigger(seq, number, at_s, at_s + 0.1, bool(rng.random() < 0.2))
        if rng.random() < 0.02:
            gate.after_discharge.note_abort(now_s)
            aborted_s = now_s
            banned |= {e for end_s, on in ended if end_s >= now_s - 10.0 for e in on}
        answer = gate.deliver(trigger, now_s)
        gate.overdue(now_s)
        played.triggers += 1
        if isinstance(answer, Refusal):
            played.refused.append(answer.limit)
            continue
        assert isinstance(answer, Sent)  # noqa: S101 - the only other answer
        played.sent += 1
        train = _asked(number, max(at_s, now_s))
        through.append(train)
        played.wrong += judge_last(through, limits)
        if now_s - aborted_s < 60.0 or banned & train.charge_uc.keys():
            played.wrong.append("sent within the lockout, or on an electrode that is banned")
        report = _report(rng, trigger, number, train)
        gate.note(report)
        _count(train, report, number)
        ended.append((_asked(number, train.start_s).end_s, tuple(train.charge_uc)))
    played.latched = arming.latches
    return played


def _envelope(rng: np.random.Generator) -> SafetyEnvelope:
    section: dict[str, Any] = {
        "electrode_class": "depth",
        "electrode_area_cm2": 0.05,
        "lockout_s": float(0.1 + rng.random()),
        "trains_per_s": float(0.3 + 2.0 * rng.random()),
        "trains_per_hour": int(rng.integers(4, 30)),
        "charge_per_hour_uc": float(1.0 + 9.0 * rng.random()),
        "charge_per_day_uc": float(2.0 + 18.0 * rng.random()),
        "on_time_per_hour_s": float(0.5 + 7.0 * rng.random()),
        "on_time_per_day_s": float(1.0 + 14.0 * rng.random()),
        "net_charge_per_hour_uc": float(0.005 + 0.1 * rng.random()),
        "override_reason": "random",
        "overridden_by": "bench",
    }
    return SafetyEnvelope.from_settings(SafetySettings.model_validate(section))


def _asked(number: int, start_s: float) -> Through:
    electrodes = {1: (1, 2), 2: (2, 3), 3: (4,)}[number]
    lasts_s = _LASTS_S[number]
    charge_uc = dict.fromkeys(electrodes, _CHARGE_UC[number])
    net_uc = dict.fromkeys(electrodes, _NET_UC[number])
    return Through(start_s, start_s + lasts_s, lasts_s, charge_uc, net_uc)


def _report(rng: np.random.Generator, trigger: Trigger, number: int, train: Through) -> Delivery:
    """Mostly as asked; sometimes late, too much, cut short, or unbalanced."""
    onset_s = train.start_s + (0.0 if rng.random() < 0.7 else float(rng.random() * 0.1))
    offset_s = onset_s + _LASTS_S[number]
    pulses = {1: 5, 2: 10, 3: 4}[number]
    charge_uc = _CHARGE_UC[number]
    kind = rng.random()
    if trigger.sham:
        return Delivery(trigger.seq, Outcome.SHAM, onset_s, offset_s)
    if kind < 0.1:
        charge_uc *= 1.0 + float(rng.random())
    if kind < 0.75:
        return Delivery(trigger.seq, Outcome.DELIVERED, onset_s, offset_s, pulses, charge_uc)
    if kind < 0.85:
        net_uc = float(rng.random() * 0.01)
        return Delivery(
            trigger.seq, Outcome.DELIVERED, onset_s, offset_s, pulses, charge_uc, 0.0, "", net_uc
        )
    return Delivery(
        trigger.seq, Outcome.ABORTED, onset_s, onset_s + 0.01, 0, 0.0, 0.0, "guard",
        float(rng.random() * 0.1),
    )  # fmt: skip


def _count(train: Through, report: Delivery, number: int) -> None:
    """The larger of what was asked and what was reported."""
    for electrode in train.charge_uc:
        train.charge_uc[electrode] = max(train.charge_uc[electrode], report.charge_uc)
        if report.outcome is Outcome.ABORTED:
            train.net_charge_uc[electrode] += report.net_charge_uc
        elif report.n_pulses:
            left_uc = report.net_charge_uc * report.n_pulses
            train.net_charge_uc[electrode] = max(_NET_UC[number], left_uc)
    train.end_s = max(train.end_s, report.offset_s)
