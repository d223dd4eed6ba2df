"""What a device says of itself beside what the gate believes of it."""

from dataclasses import dataclass
from math import inf, isfinite

from bci_core.events import Delivery, Outcome
from bci_core.status import ArmingState, DeviceStatus

STALE_S = 1.0
"""A device clock that has stood still for this long tells of a status that is not fresh."""

SET_BY_S = 0.01
"""Clocks are told apart by the first status that was answered within this time."""

DRIFT_S, DRIFT_PPM, MOST_DRIFT_S = 0.02, 200.0, 0.1
"""A device clock may be off by this much at once, beyond what its answer took, and drift at this
rate, twice the worst of common quartz, up to the most. A trigger that is scheduled comes as much
early or late as the clock is off. Policy."""

DISAGREE_S = 0.5
"""How long a state may differ from what the gate believes: both tell of different moments."""

_MAY_STIMULATE = (ArmingState.ARMED, ArmingState.STIMULATING, ArmingState.RECOVERY)


@dataclass(frozen=True, slots=True)
class Doubt:
    """What a status gives rise to.

    Attributes
    ----------
    reason : str
        With the limit, value and unit.
    latches : bool
        Else it disarms.
    """

    reason: str
    latches: bool


class DeviceWatch:
    """Follows the statuses of one device, and what it refuses.

    Parameters
    ----------
    late_in_a_row : int
        So many triggers refused as too late, one after the other, give rise to doubt.
    """

    def __init__(self, late_in_a_row: int) -> None:
        self._most_late = late_in_a_row
        self._late = 0
        self._first: tuple[float, float] | None = None
        self._last_at_s = 0.0
        self._moved_s = 0.0
        self._disagrees = ""
        self._disagrees_since_s = 0.0

    def note(
        self,
        status: DeviceStatus,
        answered_s: tuple[float, float],
        now_s: float,
        armed: bool,
        stimulates: bool,
        since_s: float = -inf,
    ) -> Doubt | None:
        """Compare a status with what is believed.

        Parameters
        ----------
        status : DeviceStatus
        answered_s : (float, float)
            When the device was asked, and when its answer came: it was given in between,
            however long either side was busy.
        now_s : float
        armed : bool
            Whether the gate lets triggers through.
        stimulates : bool
            Whether a trigger is on its way, or being delivered.
        since_s : float
            From when that has been believed: an answer to an earlier question, which may have
            waited to be read for as long as nobody was armed, tells of another state.
        """
        if status.fault or status.state is ArmingState.FAULT_LATCHED:
            fault = status.fault or "latched, cause not told"
            return Doubt(f"device fault: {fault}, code {status.code}", latches=True)
        doubt = self._clock(status.at_s, *answered_s, now_s)
        if answered_s[0] < since_s:
            self._disagrees = ""
            return doubt
        return doubt or self._state(status.state, now_s, armed, stimulates)

    def note_report(self, delivery: Delivery) -> Doubt | None:
        """Count what the device refuses as too late; whatever it delivers begins a new count.

        A device that is slower than it says, or whose clock is a little ahead, refuses every
        trigger so. Each of them is safe, and together they are a session that does nothing.
        """
        if delivery.outcome is not Outcome.REFUSED:
            self._late = 0
        elif delivery.reason.startswith("deadline:"):
            self._late += 1
        if self._late < self._most_late:
            return None
        late, self._late = self._late, 0
        return Doubt(
            f"device: refused {late} triggers in a row as too late, limit {self._most_late}; "
            "is its clock off from this machine's, or is it slower than it says?",
            latches=False,
        )

    def _clock(self, at_s: float, asked_s: float, told_s: float, now_s: float) -> Doubt | None:
        if not isfinite(at_s):
            return Doubt(f"device clock: {at_s:g} s, limit finite", latches=True)
        if self._first is None:
            if told_s - asked_s > SET_BY_S:
                return None  # too long to tell the clocks apart by
            self._first = (told_s, at_s)
            self._last_at_s, self._moved_s = at_s, now_s
            return None
        if at_s == self._last_at_s:
            age_s = now_s - self._moved_s
            if age_s <= STALE_S:
                return None
            return Doubt(f"device status: {age_s:g} s old, limit {STALE_S:g} s", latches=False)
        self._last_at_s, self._moved_s = at_s, now_s
        # When that was on the host's clock, by what the clocks were apart at first.
        host_s = self._first[0] + at_s - self._first[1]
        off_s = max(asked_s - host_s, host_s - told_s, 0.0)
        drift_s = DRIFT_PPM * 1e-6 * abs(told_s - self._first[0])
        bound_s = min(DRIFT_S + drift_s, MOST_DRIFT_S)
        if off_s <= bound_s:
            return None
        return Doubt(f"device clock: off by {off_s:g} s, limit {bound_s:g} s", latches=True)

    def _state(
        self, state: ArmingState, now_s: float, armed: bool, stimulates: bool
    ) -> Doubt | None:
        flows = state is ArmingState.STIMULATING
        disagrees = ""
        if flows and not stimulates:
            disagrees = "stimulating, nothing was asked"
        elif armed and state not in _MAY_STIMULATE:
            disagrees = f"{state} while armed here"
        elif not armed and state in _MAY_STIMULATE:
            disagrees = f"{state} while disarmed here"
        if disagrees != self._disagrees:
            self._disagrees, self._disagrees_since_s = disagrees, now_s
        for_s = now_s - self._disagrees_since_s
        if not disagrees or for_s <= DISAGREE_S:
            return None
        return Doubt(f"device {disagrees}, for {for_s:g} s, limit {DISAGREE_S:g} s", latches=flows)
