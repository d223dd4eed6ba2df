"""Bugs put in on purpose, and what the bench says of each."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from math import inf
from typing import Any
from unittest.mock import patch

from bci_core.bench.scenarios.command_faults import FaultyLink
from bci_core.bench.scenarios.load import Named
from bci_core.bench.scenarios.run import Verdict, judge_scenario
from bci_core.chunk import Chunk
from bci_core.control.blanking import Blanking
from bci_core.control.direct_link import DirectLink
from bci_core.control.journal import Journal
from bci_core.detection.monitor import SampleMonitor
from bci_core.detection.sensing import Sensing
from bci_core.errors import InputError
from bci_core.record.ledger import Ledger
from bci_core.safety.arming import Arming
from bci_core.safety.gate import SafetyGate
from bci_core.safety.history import TrainHistory
from bci_core.session import build
from bci_core.session.live_loop import LiveLoop
from bci_core.stimulator.schedule import Schedule

Patch = tuple[Any, str, Callable[..., Any]]


@dataclass(frozen=True, slots=True)
class Mutant:
    """A bug.

    Attributes
    ----------
    name : str
    patches : callable (driver) -> list of (object, attribute, replacement)
        Made when it is put in; `driver` is the class of the rig's stimulator.
    scenarios : tuple of str
        Those that are to catch it; run first, and enough when one does.
    """

    name: str
    patches: Callable[[Any], list[Patch]]
    scenarios: tuple[str, ...]


_ARMING_LETS_TRAINS_PASS: Patch = (Arming, "sent", lambda *_: None)
"""The arming keeps the lockout as well; without this the bug would not show."""


def _believes(gate: Any, delivery: Any) -> str:
    """In the place of comparing a report with what was asked."""
    gate._arming.ended(delivery.seq, delivery.offset_s, gate._arming.clock_s)
    gate._unreported.take(delivery.seq)
    return ""


def _gate_skipped(_: Any) -> list[Patch]:
    refusals = ("_refuse_state", "_refuse_trigger", "_refuse_program")
    open_: list[Patch] = [(SafetyGate, name, lambda *_: None) for name in refusals]
    return [*open_, (TrainHistory, "refusal", lambda *_: None), _ARMING_LETS_TRAINS_PASS]


def _lockout_of_the_train_before(_: Any) -> list[Patch]:
    add, refusal = TrainHistory.add, TrainHistory.refusal

    def shifted(self: Any, index: int, start_s: float) -> float:
        self.__class__.before_s = self._last_end_s
        return add(self, index, start_s)

    def refused(self: Any, index: int, start_s: float) -> Any:
        kept, self._last_end_s = self._last_end_s, getattr(self.__class__, "before_s", -inf)
        try:
            return refusal(self, index, start_s)
        finally:
            self._last_end_s = kept

    return [
        (TrainHistory, "add", shifted),
        (TrainHistory, "refusal", refused),
        _ARMING_LETS_TRAINS_PASS,
    ]


def _no_budgets(_: Any) -> list[Patch]:
    return [(TrainHistory, "refusal", lambda *_: None)]


def _no_blanking(_: Any) -> list[Patch]:
    return [(Blanking, "_tell", lambda *_: None)]


def _stale_never_disarms(_: Any) -> list[Patch]:
    advance = Arming._advance

    def fresh(self: Any, now_s: float) -> None:
        self._samples_s = max(self._samples_s, now_s)
        advance(self, now_s)

    return [(Arming, "_advance", fresh)]


def _heartbeat_ignored(_: Any) -> list[Patch]:
    advance = Arming._advance

    def alive(self: Any, now_s: float) -> None:
        self._heartbeat_s = self._renewed_s = max(self._heartbeat_s, now_s)
        advance(self, now_s)

    return [(Arming, "_advance", alive)]


def _phase_sign(_: Any) -> list[Patch]:
    update = Sensing.update

    def turned(self: Any, chunk: Chunk) -> Any:
        return update(self, Chunk(-chunk.samples, chunk.times_s))

    return [(Sensing, "update", turned)]


def _no_deadline(_: Any) -> list[Patch]:
    hand = FaultyLink._hand

    def later(self: Any, trigger: Any, now_s: float) -> None:
        hand(self, replace(trigger, deadline_s=trigger.deadline_s + 5.0), now_s)

    return [(FaultyLink, "_hand", later), (SafetyGate, "note", _believes)]


def _sham_stimulates(_: Any) -> list[Patch]:
    hand = FaultyLink._hand
    return [
        (FaultyLink, "_hand", lambda self, t, now_s: hand(self, replace(t, sham=False), now_s)),
        (SafetyGate, "note", _believes),
    ]


def _lease_never_ends(device: Any) -> list[Patch]:
    def arm(self: Any, _lease_s: float) -> None:
        self.stimulator.arm(device.max_lease_s, self.clock.now_s())

    return [(DirectLink, "arm", arm)]


def _device_plays_on(device: Any) -> list[Patch]:
    return [(device.kind, "disarm", lambda *_: None)]


def _device_has_no_limits(device: Any) -> list[Patch]:
    return [(device.kind, "program_refusals", lambda *_: [])]


def _sequence_not_checked(_: Any) -> list[Patch]:
    refusal = Schedule.trigger_refusal

    def forgets(self: Any, *args: Any) -> Any:
        self.restart()
        return refusal(self, *args)

    return [(Schedule, "trigger_refusal", forgets)]


def _decision_rows_missing(_: Any) -> list[Patch]:
    note = Journal.note_act
    seen = [0]

    def some(self: Any, act: Any, decided_s: float) -> None:
        seen[0] += 1
        if seen[0] % 3:
            note(self, act, decided_s)

    return [(Journal, "note_act", some)]


def _outcomes_missing(_: Any) -> list[Patch]:
    return [(Journal, "note", lambda *_: None), (Journal, "give_up", lambda *_: None)]


def _chain_broken(_: Any) -> list[Patch]:
    append = Ledger.append

    def forgets(self: Any, *args: Any, **more: Any) -> int:
        if self._rows == 20:
            self._head = "0" * 64
        return append(self, *args, **more)

    return [(Ledger, "append", forgets)]


def _loss_uncounted(_: Any) -> list[Patch]:
    counts = SampleMonitor.counts
    return [(SampleMonitor, "counts", lambda self: replace(counts(self), lost=0))]


def _vetoes_off(_: Any) -> list[Patch]:
    vetoed = Sensing._vetoed
    return [
        (
            Sensing,
            "_vetoed",
            lambda s, found, flags: [replace(d, veto="") for d in vetoed(s, found, flags)],
        )
    ]


def _reports_not_compared(_: Any) -> list[Patch]:
    return [(SafetyGate, "note", _believes)]


def _overdue_never(_: Any) -> list[Patch]:
    return [(SafetyGate, "overdue", lambda *_: "")]


def _status_not_watched(_: Any) -> list[Patch]:
    return [(SafetyGate, "note_status", lambda *_: "")]


def _loop_does_not_tell_the_device(_: Any) -> list[Patch]:
    return [(DirectLink, "disarm", lambda *_: None), (LiveLoop, "_keep_house", _keeps_renewing)]


def _keeps_renewing(self: Any) -> None:
    """Housekeeping that renews the device's lease whatever the arming says."""
    self._link.renew()


MUTANTS = (
    Mutant(
        "device does not check the sequence",
        _sequence_not_checked,
        ("command-doubled-after-the-pulse",),
    ),
    Mutant("gate skipped", _gate_skipped, ("every-cycle-lockout",)),
    Mutant(
        "lockout counts from one train too early",
        _lockout_of_the_train_before,
        ("every-cycle-lockout",),
    ),
    Mutant("budgets and rates off", _no_budgets, ("budget-of-the-hour",)),
    Mutant("blanking off", _no_blanking, ("blanked-after-each-pulse",)),
    Mutant(
        "stale samples do not disarm", _stale_never_disarms, ("samples-gone-while-stimulating",)
    ),
    Mutant("heartbeat ignored", _heartbeat_ignored, ("books-stopped-while-stimulating",)),
    Mutant("sign of the phase", _phase_sign, ("trough-of-each-train",)),
    Mutant("deadline ignored", _no_deadline, ("command-delayed-while-stimulating",)),
    Mutant("sham stimulates", _sham_stimulates, ("sham-arm",)),
    Mutant("lease too long", _lease_never_ends, ("loop-stopped-while-stimulating",)),
    Mutant("device plays on after a disarm", _device_plays_on, ("stop-pressed-while-stimulating",)),
    Mutant("device without limits", _device_has_no_limits, ("over-the-device",)),
    Mutant("rows of decisions missing", _decision_rows_missing, ("no-fault",)),
    Mutant("rows of outcomes missing", _outcomes_missing, ("no-fault",)),
    Mutant("chain of the ledger broken", _chain_broken, ("no-fault",)),
    Mutant("lost samples not counted", _loss_uncounted, ("samples-dropped-in-quiet",)),
    Mutant("vetoes off", _vetoes_off, ("not-finite-while-stimulating",)),
    Mutant(
        "reports not compared", _reports_not_compared, ("device-silent-clip-while-stimulating",)
    ),
    Mutant("missing reports not noticed", _overdue_never, ("command-lost-while-stimulating",)),
    Mutant("status not watched", _status_not_watched, ("device-stale-status-while-stimulating",)),
    Mutant(
        "disarming stays in the loop",
        _loop_does_not_tell_the_device,
        ("samples-gone-while-stimulating",),
    ),
)


@dataclass(frozen=True, slots=True)
class _Device:
    kind: Any
    max_lease_s: float


@contextmanager
def put_in(mutant: Mutant, driver: Any, max_lease_s: float) -> Iterator[None]:
    """Run with a bug; everything is as before afterwards."""
    with ExitStack() as stack:
        for owner, name, replacement in mutant.patches(_Device(driver, max_lease_s)):
            stack.enter_context(patch.object(owner, name, replacement))
        yield


def judge_mutant(mutant: Mutant, named: Sequence[Named]) -> Verdict:
    """The first scenario of those meant for it that catches the bug, or the last that did not."""
    by_name = {each.name: each for each in named}
    missing = [name for name in mutant.scenarios if name not in by_name]
    if missing:
        raise InputError(f"mutant {mutant.name!r} needs scenario {missing[0]!r}")
    verdict = Verdict("", [])
    for name in mutant.scenarios:
        device = _device_of(by_name[name])
        with put_in(mutant, type(device), device.capabilities.max_lease_s):
            verdict = judge_scenario(by_name[name])
        if verdict.failed:
            break
    return verdict


def judge_mutants(named: Sequence[Named]) -> Iterator[tuple[Mutant, Verdict]]:
    """Each bug in turn, and what came of it."""
    for mutant in MUTANTS:
        yield mutant, judge_mutant(mutant, named)


def _device_of(named: Named) -> Any:
    from bci_core.bench.scenarios.load import rig_of

    return build.stimulator(rig_of(named.scenario))
