"""The trains of the last hour, and the limits that depend on them.

Times are those of the triggers, not of the deliveries, so that a recorded
session, run again, meets the same refusals. A train counts from the moment
it is let through, delivered or not, sham or not.
"""

from array import array
from collections import deque
from collections.abc import Sequence
from math import inf

from bci_core.events import Refusal
from bci_core.safety.check import label
from bci_core.safety.envelope import SafetyEnvelope
from bci_core.safety.limits import at_least, at_most
from bci_core.stimulus import StimProgram

HOUR_S = 3600.0
RATE_INTERVALS = 8
"""Intervals the mean train rate is taken over, as in Trodes."""


class TrainHistory:
    """What was let through, in a ring allocated once.

    The hour holds at most ``trains_per_hour`` trains, since the next is refused: that
    limit is also the size of the ring.

    Parameters
    ----------
    envelope : SafetyEnvelope
    programs : sequence of StimProgram
        An index below counts into these.

    Attributes
    ----------
    envelope : SafetyEnvelope
        May be replaced by a tighter one.
    """

    def __init__(self, envelope: SafetyEnvelope, programs: Sequence[StimProgram]) -> None:
        self.envelope = envelope
        self._durations_s = [program.train.duration_s for program in programs]
        self._charges_uc = [program.train.charge_uc for program in programs]
        self._labels = [label(program) for program in programs]
        self._shares = [_shares(program, programs) for program in programs]
        size = envelope.trains_per_hour
        self._ends_s = array("d", bytes(8 * size))
        self._which = array("l", [0]) * size
        self._first = 0
        self._count = 0
        self._per_program = [0] * len(programs)
        self._starts_s: deque[float] = deque(maxlen=RATE_INTERVALS)
        self._last_end_s = -inf

    def refusal(self, index: int, start_s: float) -> Refusal | None:
        """The limit that a train of program `index` from `start_s` would pass. Changes nothing."""
        limits = self.envelope
        where = self._labels[index]
        pause_s = start_s - self._last_end_s
        if not at_least(pause_s, limits.lockout_s):
            return Refusal("lockout", pause_s, limits.lockout_s, "s", where)
        if len(self._starts_s) == RATE_INTERVALS:
            rate = RATE_INTERVALS / (start_s - self._starts_s[0])
            if not at_most(rate, limits.trains_per_s):
                return Refusal("train_rate", rate, limits.trains_per_s, "trains/s", where)

        per_program = self._per_program.copy()
        for program in self._expired(start_s):
            per_program[program] -= 1
        per_program[index] += 1

        trains = sum(per_program)
        if trains > limits.trains_per_hour:
            return Refusal("trains_per_hour", trains, limits.trains_per_hour, "trains", where)
        on_time_s = _dot(per_program, self._durations_s, range(len(per_program)))
        if not at_most(on_time_s, limits.on_time_per_hour_s):
            bound_s = limits.on_time_per_hour_s
            return Refusal("on_time_per_hour", on_time_s, bound_s, "s", where)
        for electrode, sharing in self._shares[index].items():
            charge_uc = _dot(per_program, self._charges_uc, sharing)
            if not at_most(charge_uc, limits.charge_per_hour_uc):
                bound_uc = limits.charge_per_hour_uc
                place = f"{where}, electrode {electrode}"
                return Refusal("charge_per_hour", charge_uc, bound_uc, "uC", place)
        return None

    def add(self, index: int, start_s: float) -> None:
        """Note a train that `refusal` has let through."""
        expired = self._expired(start_s)
        for program in expired:
            self._per_program[program] -= 1
        self._first = (self._first + len(expired)) % len(self._ends_s)
        self._count -= len(expired)

        slot = (self._first + self._count) % len(self._ends_s)
        self._last_end_s = start_s + self._durations_s[index]
        self._ends_s[slot] = self._last_end_s
        self._which[slot] = index
        self._count += 1
        self._per_program[index] += 1
        self._starts_s.append(start_s)

    def _expired(self, start_s: float) -> list[int]:
        """Programs of the oldest trains, those that had ended an hour before `start_s`.

        A train counts in full until its end has left the hour, so no hour, wherever it
        begins, holds more than was counted.
        """
        expired = []
        for i in range(self._count):
            slot = (self._first + i) % len(self._ends_s)
            if self._ends_s[slot] > start_s - HOUR_S:
                break
            expired.append(self._which[slot])
        return expired


def _shares(program: StimProgram, programs: Sequence[StimProgram]) -> dict[int, tuple[int, ...]]:
    """Which programs load the electrodes of `program`: one electrode for each different set."""
    first_with: dict[tuple[int, ...], int] = {}
    for electrode in program.electrodes:
        sharing = tuple(i for i, other in enumerate(programs) if electrode in other.electrodes)
        first_with.setdefault(sharing, electrode)
    return {electrode: sharing for sharing, electrode in first_with.items()}


def _dot(counts: Sequence[int], amounts: Sequence[float], which: Sequence[int]) -> float:
    total = 0.0
    for i in which:
        total += counts[i] * amounts[i]
    return total
