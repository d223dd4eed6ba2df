"""Every order of events up to a depth, played to the arming state machine and to a model.

Orders that leave both in the same state need to be followed once only, so the states that
can be reached stand for every order. A state is exact: all that machine and model hold,
times as ticks before now.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from math import isfinite
from typing import Any

from bci_core.bench import arming_model as m
from bci_core.bench.arming_model import EVENTS, TICK_S, ArmingModel
from bci_core.errors import RunError, SafetyError
from bci_core.safety.arming import Arming
from bci_core.safety.arming_settings import ArmingSettings
from bci_core.safety.transition import CONDUCTING, LATCHED
from bci_core.status import ArmingState

SETTINGS = ArmingSettings(
    stale_after_s=m.STALE * TICK_S,
    heartbeat_timeout_s=m.HEARTBEAT * TICK_S,
    lease_s=m.LEASE * TICK_S,
    stop_within_s=m.STOPPING * TICK_S,
    guard_hold_s=m.HOLD * TICK_S,
)
START_S = 1024.0
TO_ARMED = ("connect", "configure", "heartbeat", "samples", "arm")
_TIMES = ("_heartbeat_s", "_samples_s", "_renewed_s", "_held_from_s")
_AGES = {"a tick": 1, "a minute": m.HOLD, "clock back": -m.BACK}


@dataclass(frozen=True, slots=True)
class Exploration:
    """What was found.

    Attributes
    ----------
    depth, events : int
        Events in an order, and how many there are.
    orders : int
        Orders of that many events, all of which the states stand for.
    states, transitions : int
        Of machine and model together, and those between them that were played.
    conducting : dict
        States of the machine in which current may flow, and how many of the explored.
    by_state : dict
        How many of the explored are in each state of the machine.
    """

    depth: int
    events: int
    orders: int
    states: int
    transitions: int
    conducting: dict[str, int]
    by_state: dict[str, int]

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(slots=True)
class _Pair:
    """Machine and model after the same events."""

    machine: Arming
    model: ArmingModel
    now_s: float
    path: tuple[str, ...] = ()

    def after(self, event: str) -> "_Pair":
        next_one = _Pair(
            self.machine.copy(),
            self.model.copy(),
            self.now_s + _AGES.get(event, 0) * TICK_S,
            (*self.path, event),
        )
        taken = next_one.play(event)
        if next_one.model.happen(event) is not taken:
            raise next_one.differs("the machine " + ("took it" if taken else "refused it"))
        return next_one

    def play(self, event: str) -> bool:
        """Let it happen to the machine; False when it was refused."""
        try:
            _play(event, self.machine, self.model, self.now_s)
        except SafetyError:
            return False
        finally:
            self.machine.check(self.now_s)
        return True

    def key(self) -> tuple[Any, ...]:
        facts = vars(self.machine)
        trains = vars(facts["_trains"])
        times = [facts[name] for name in _TIMES]
        times += [trains["free_from_s"], trains["_recovered_s"]]
        for _, start_s, end_s in trains["_trains"]:
            times += [start_s, end_s]
        return (
            self.machine.state,
            facts["_rest"],
            facts["_stopped"],
            facts["_armed_by"],
            tuple(map(self._ticks, times)),
            tuple(train[0] for train in trains["_trains"]),
            self.model.key(),
        )

    def differs(self, what: str) -> RunError:
        return RunError(f"after {', '.join(self.path)}: {what}")

    def _ticks(self, at_s: float) -> float:
        return min((self.now_s - at_s) / TICK_S, m.LONG_AGO) if isfinite(at_s) else m.LONG_AGO


def explore_arming(
    depth: int = 8,
    start: Sequence[str] = (),
    make: Callable[[], Arming] = lambda: Arming(SETTINGS),
) -> Exploration:
    """Play every event in every state that can be reached, up to a depth.

    Parameters
    ----------
    depth : int
        Events in an order, at most `arming_model.DEEPEST`.
    start : sequence of str
        Events that come first in every order, as `TO_ARMED`.
    make : callable
        Makes the machine.

    Raises
    ------
    RunError
        Machine and model differ, current may flow where it must not, a latched state was
        left without a reset, or stop or disarm did not end it. The shortest order of
        events that leads there is named.
    """
    first = _Pair(make(), ArmingModel(), START_S)
    for event in start:
        first = first.after(event)
    front, seen = [first], {first.key()}
    by_state: Counter[str] = Counter()
    conducting: Counter[str] = Counter()
    transitions = 0
    for level in range(depth + 1):
        reached = []
        for pair in front:
            by_state[pair.machine.state] += 1
            conducting[pair.machine.state] += pair.machine.conducts
            if level == depth:
                continue
            for event in EVENTS:
                after = pair.after(event)
                transitions += 1
                _judge(pair, event, after)
                key = after.key()
                if key not in seen:
                    seen.add(key)
                    reached.append(after)
        front = reached
    return Exploration(
        depth=depth,
        events=len(EVENTS),
        orders=len(EVENTS) ** depth,
        states=len(seen),
        transitions=transitions,
        conducting={state: n for state, n in sorted(conducting.items()) if n},
        by_state=dict(sorted(by_state.items())),
    )


def _judge(before: _Pair, event: str, after: _Pair) -> None:
    machine, model = after.machine, after.model
    state = machine.state
    if state is not model.state:
        raise after.differs(f"the machine is {state}, the model {model.state}")
    if machine.conducts is not model.may_conduct:
        raise after.differs(f"current allowed: {machine.conducts}, by the model the opposite")
    if machine.conducts and state not in (ArmingState.ARMED, ArmingState.STIMULATING):
        raise after.differs(f"current is allowed while {state}")
    if not machine.check(after.now_s) and state not in (*CONDUCTING, ArmingState.RECOVERY):
        raise after.differs(f"triggers may be sent while {state}")
    was = before.machine.state
    if was in LATCHED and state not in LATCHED and not event.startswith("reset"):
        raise after.differs(f"left {was} without a reset")
    if was is ArmingState.FAULT_LATCHED and state is ArmingState.STOPPED:
        raise after.differs("a fault was cleared without a reset")
    if event in ("stop", "disarm", "latch", "guard", "disconnect") and machine.conducts:
        raise after.differs(f"current is still allowed after {event}")


def _play(event: str, machine: Arming, model: ArmingModel, now_s: float) -> None:
    ahead_s = m.AHEAD * TICK_S if event == "sent ahead" else 0.0
    match event:
        case "connect":
            machine.connect(now_s)
        case "configure":
            machine.configure(now_s)
        case "heartbeat":
            machine.heartbeat(now_s)
        case "samples":
            machine.samples(now_s)
        case "arm":
            machine.arm(SETTINGS.lease_s, "first", now_s)
        case "sent" | "sent ahead":
            start_s = now_s + ahead_s
            end_s = start_s + m.TRAIN * TICK_S
            machine.sent(model.next_seq, start_s, end_s, m.LOCKOUT * TICK_S, now_s)
        case "ended" if model.trains:
            seq, started, _ = model.trains[0]
            machine.ended(seq, now_s if started >= 0 else float("nan"), now_s)
        case "disarm":
            machine.disarm("asked", now_s)
        case "stop":
            machine.stop("first", now_s)
        case "latch" | "guard":
            machine.latch("fault", now_s, guard=event == "guard")
        case "reset":
            machine.reset("second", now_s)
        case "reset alone":
            machine.reset("first", now_s)
        case "disconnect":
            machine.disconnect(now_s)
        case _:
            machine.check(now_s)
