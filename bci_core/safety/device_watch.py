"""What a device says of itself beside what the gate believes of it."""

from dataclasses import dataclass
from math import inf, isfinite

from bci_core.events import ArmingState, DeviceStatus

STALE_S = 1.0
"""A device clock that has stood still for this long tells of a status that is not fresh."""

DRIFT_S, DRIFT_PPM = 0.1, 200.0
"""A device clock may run from the host's by this much at once, and by this rate: what a status
takes to arrive, and twice the worst of common quartz. Policy."""

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
    """Follows the statuses of one device."""

    def __init__(self) -> None:
        self._first: tuple[float, float] | None = None
        self._last_at_s = 0.0
        self._moved_s = 0.0
        self._disagrees = ""
        self._disagrees_since_s = 0.0

    def note(
        self,
        status: DeviceStatus,
        asked_s: float,
        now_s: float,
        armed: bool,
        stimulates: bool,
        since_s: float = -inf,
    ) -> Doubt | None:
        """Compare a status with what is believed.

        Parameters
        ----------
        status : DeviceStatus
        asked_s, now_s : float
            When the device was asked, and when its answer was read: it was given in between,
            however long either side was busy.
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
        doubt = self._clock(status.at_s, asked_s, now_s)
        if asked_s < since_s:
            self._disagrees = ""
            return doubt
        return doubt or self._state(status.state, now_s, armed, stimulates)

    def _clock(self, at_s: float, asked_s: float, now_s: float) -> Doubt | None:
        if not isfinite(at_s):
            return Doubt(f"device clock: {at_s:g} s, limit finite", latches=True)
        if self._first is None:
            if now_s - asked_s > DRIFT_S:
                return None  # too long to tell the clocks apart by
            self._first = (now_s, at_s)
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
        off_s = max(asked_s - host_s, host_s - now_s, 0.0)
        bound_s = DRIFT_S + DRIFT_PPM * 1e-6 * abs(now_s - self._first[0])
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
