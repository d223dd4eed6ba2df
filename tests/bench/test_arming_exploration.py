"""All events in all orders; and that a machine with a mistake would be found."""

import json
import subprocess
import sys

import pytest

from bci_core.bench.arming import SETTINGS, TO_ARMED, explore_arming
from bci_core.bench.arming_model import EVENTS
from bci_core.errors import RunError
from bci_core.safety.arming import Arming
from bci_core.status import ArmingState


@pytest.mark.processes
def test_every_order_of_eight_events_keeps_current_where_it_is_allowed() -> None:
    """As the command prints it, in a process of its own that no coverage slows down."""
    command = [sys.executable, "-m", "bci_core.cli.app", "bench", "arming", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["start"]["depth"] == 8
    assert found["start"]["orders"] == len(EVENTS) ** 8 > 10**10
    assert found["start"]["transitions"] > 100_000
    assert set(found["start"]["by_state"]) == set(ArmingState)
    for start in ("start", "armed"):
        assert set(found[start]["conducting"]) == {ArmingState.ARMED, ArmingState.STIMULATING}
    assert found["armed"]["conducting"]["stimulating"] > 20


def test_a_longer_order_follows_more() -> None:
    short, longer = explore_arming(1), explore_arming(3)
    # The first, and what connect, heartbeat, samples, stop, latch, guard and a clock that steps
    # back make of it; the rest is refused there, or changes nothing.
    assert (short.states, short.transitions) == (8, len(EVENTS))
    assert longer.transitions > len(EVENTS) * short.states
    assert short.conducting == longer.conducting == {}


class NoLock(Arming):
    """A fault that the next connection forgets."""

    def connect(self, now_s: float) -> None:
        self._fault = ""
        super().connect(now_s)


class NeverStale(Arming):
    def check(self, now_s: float) -> str:
        if self._armed:
            self._samples_s = self._heartbeat_s = self._renewed_s = now_s
        return super().check(now_s)


class Deaf(Arming):
    def disarm(self, reason: str, now_s: float) -> None: ...


class Alone(Arming):
    def reset(self, actor: str, now_s: float, role: str = "") -> None:
        super().reset("second", now_s)


class Hasty(Arming):
    """The guard's hold is forgotten."""

    def latch(self, reason: str, now_s: float, *, guard: bool = False) -> None:
        super().latch(reason, now_s)


class NoRecovery(Arming):
    def ended(self, seq: int, offset_s: float, now_s: float) -> None:
        super().ended(seq, float("nan"), now_s)


@pytest.mark.parametrize(
    ("machine", "depth", "why"),
    [
        (NoLock, 3, "latch, connect: the machine is"),
        (NeverStale, 3, "the machine is armed, the model configured"),
        (Deaf, 1, "disarm: the machine is armed"),
        (Alone, 3, "stop, reset alone: the machine took it"),
        (Hasty, 3, "guard, reset: the machine took it"),
        (NoRecovery, 3, "sent, ended: the machine is armed, the model recovery"),
    ],
)
def test_a_mistake_is_found_and_the_way_to_it_named(
    machine: type[Arming], depth: int, why: str
) -> None:
    with pytest.raises(RunError, match=why):
        explore_arming(depth, TO_ARMED, make=lambda: machine(SETTINGS))
