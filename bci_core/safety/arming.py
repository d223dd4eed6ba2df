"""Whether stimulation is allowed right now. Disarmed is the resting state.

::

                    arm (actor, lease)
       DISARMED ───────────────────────▶ ARMED
          ▲  ▲                            │ │
          │  └── any doubt, or disarm ────┘ │
          │                                 │ stop, or a fault
          └──── reset (actor) ── LATCHED ◀──┘  (from DISARMED too)

Armed needs a fresh heartbeat, fresh samples, an unexpired lease and nobody
having pressed stop. Pure: the clock is handed in with each call. One thread
owns it.
"""

from dataclasses import dataclass
from enum import StrEnum
from math import inf, isfinite
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from bci_core.errors import SafetyError
from bci_core.safety.limits import at_most

LONGEST_LEASE_S = 60.0
"""As the Magstim stimulators, which disarm 60 s after they last fired."""


class ArmingSettings(BaseModel):
    """Section ``[arming]`` of a rig.

    Attributes
    ----------
    stale_after_s : float
        Samples are fresh for this long.
    heartbeat_timeout_s : float
        A heartbeat is fresh for this long.
    lease_s : float
        Armed ends by itself after this time; each heartbeat renews it.
    stop_within_s : float
        Current reported later than this after a disarm is a fault of the device.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    stale_after_s: Annotated[float, Field(gt=0.0, le=5.0, strict=True)] = 0.1
    heartbeat_timeout_s: Annotated[float, Field(gt=0.0, le=10.0, strict=True)] = 1.0
    lease_s: Annotated[float, Field(gt=0.0, le=LONGEST_LEASE_S, strict=True)] = 5.0
    stop_within_s: Annotated[float, Field(gt=0.0, le=1.0, strict=True)] = 0.1


class ArmingState(StrEnum):
    """Where the state machine is."""

    DISARMED = "disarmed"
    ARMED = "armed"
    LATCHED = "latched"


@dataclass(frozen=True, slots=True)
class Transition:
    """One change of state, or one more fault while latched; for the ledger.

    Attributes
    ----------
    at_s : float
        On the clock that was handed in; the last good reading when that one was not.
    before, after : ArmingState
    reason : str
        Short code (``"stale"``), or the words of who disarmed or latched.
    detail : str
        The limit passed, with value and unit, where there is one.
    actor : str
        Who armed, stopped or reset; "" for the software itself.
    """

    at_s: float
    before: ArmingState
    after: ArmingState
    reason: str
    detail: str = ""
    actor: str = ""


class Arming:
    """The arming state machine.

    Every call takes `now_s`, on one clock, never decreasing. A reading that steps back,
    or is not finite, disarms, and earlier heartbeats and samples no longer count.

    Parameters
    ----------
    settings : ArmingSettings
    """

    def __init__(self, settings: ArmingSettings) -> None:
        self._settings = settings
        self._state = ArmingState.DISARMED
        self._code = "disarmed"
        self._clock_s = -inf
        self._heartbeat_s = -inf
        self._samples_s = -inf
        self._lease_s = 0.0
        self._renewed_s = -inf
        self._armed_s = inf
        self._disarmed_s = -inf
        self._history: list[Transition] = []

    @property
    def state(self) -> ArmingState:
        """As of the last call; `check` asks what holds now."""
        return self._state

    @property
    def clock_s(self) -> float:
        """The last good reading that was handed in."""
        return self._clock_s

    def arm(self, lease_s: float, actor: str, now_s: float) -> None:
        """Allow stimulation until `now_s` + `lease_s`, unless renewed.

        Parameters
        ----------
        lease_s : float
            At most 60 s.
        actor : str
            Who arms.
        now_s : float

        Raises
        ------
        SafetyError
            Armed already, latched, no actor, a lease out of range, or no fresh heartbeat
            or samples. All are named; nothing has changed.
        """
        self._advance(now_s)
        reasons = []
        if self._state is ArmingState.ARMED:
            reasons.append("already armed: a heartbeat renews the lease")
        if self._state is ArmingState.LATCHED:
            reasons.append(f"{self._code}: reset it first, by name")
        if not actor.strip():
            reasons.append("actor: 0 names, limit 1 name: say who arms")
        if not 0.0 < lease_s <= LONGEST_LEASE_S:
            reasons.append(f"lease: {lease_s:g} s, limit above 0 s to {LONGEST_LEASE_S:g} s")
        reasons += [detail for _, detail in self._run_out(now_s)]
        if reasons:
            raise SafetyError("not armed:\n" + "\n".join(f"  {reason}" for reason in reasons))
        self._lease_s = lease_s
        self._renewed_s = self._armed_s = now_s
        self._move(ArmingState.ARMED, "arm", f"lease: {lease_s:g} s", actor)

    def heartbeat(self, now_s: float) -> None:
        """Whoever supervises is alive; renews the lease. One that comes too late disarms."""
        self._advance(now_s)
        if now_s == self._clock_s:
            self._heartbeat_s = now_s
            self._renewed_s = now_s

    def samples(self, now_s: float) -> None:
        """Samples arrived at `now_s`. Those that come too late disarm."""
        self._advance(now_s)
        if now_s == self._clock_s:
            self._samples_s = now_s

    def check(self, now_s: float) -> str:
        """Why stimulation is not allowed, or "" when it is.

        Returns
        -------
        str
            ``"disarmed"``, ``"heartbeat"``, ``"stale"``, ``"lease"``, ``"clock"``,
            ``"stopped"``, ``"latched:…"``, the words of whoever disarmed, or "".
        """
        self._advance(now_s)
        return "" if self._state is ArmingState.ARMED else self._code

    def disarm(self, reason: str, now_s: float) -> None:
        """End it. Whoever may arm may arm again."""
        self._advance(now_s)
        if self._state is ArmingState.ARMED:
            self._move(ArmingState.DISARMED, reason)

    def stop(self, actor: str, now_s: float) -> None:
        """Somebody pressed stop. Holds until reset; pressed before arming, it prevents it."""
        self._advance(now_s)
        self._latch("stopped", "stopped", actor)

    def latch(self, reason: str, now_s: float) -> None:
        """A fault: end it, and hold until reset. The first fault stays the answer of `check`."""
        self._advance(now_s)
        self._latch(f"latched:{reason}", reason, "")

    def reset(self, actor: str, now_s: float) -> None:
        """Clear stop and faults, deliberately. What follows is disarmed, not armed.

        Raises
        ------
        SafetyError
            No actor, or nothing is latched.
        """
        self._advance(now_s)
        if not actor.strip():
            raise SafetyError("not reset: actor: 0 names, limit 1 name: say who resets")
        if self._state is not ArmingState.LATCHED:
            raise SafetyError(f"not reset: nothing is latched, the state is {self._state}")
        self._move(ArmingState.DISARMED, "reset", actor=actor)
        self._code = "disarmed"

    def forbade(self, onset_s: float, offset_s: float) -> bool:
        """Whether current from `onset_s` to `offset_s` flowed while disarmed.

        Judged by the latest interval without arming; its first ``stop_within_s`` are
        granted to the device for stopping.
        """
        rearmed_s = self._armed_s if self._state is ArmingState.ARMED else inf
        stopped_s = self._disarmed_s + self._settings.stop_within_s
        return onset_s < rearmed_s and offset_s > stopped_s

    def drain(self) -> list[Transition]:
        """Transitions since the last call, oldest first."""
        drained, self._history = self._history, []
        return drained

    def _advance(self, now_s: float) -> None:
        """Let time pass: disarm for what has run out, and for a clock that cannot be trusted."""
        if not (isfinite(now_s) and now_s >= self._clock_s):
            detail = f"clock: {now_s - self._clock_s:g} s since the last reading, limit 0 s"
            self._heartbeat_s = self._samples_s = -inf
            if self._state is ArmingState.ARMED:
                self._move(ArmingState.DISARMED, "clock", detail)
            if isfinite(now_s):
                self._clock_s = now_s
            return
        self._clock_s = now_s
        if self._state is ArmingState.ARMED:
            run_out = self._run_out(now_s)
            if run_out:
                self._move(ArmingState.DISARMED, *run_out[0])

    def _run_out(self, now_s: float) -> list[tuple[str, str]]:
        """What is not fresh any more, as code and detail."""
        ages = [
            ("heartbeat", now_s - self._heartbeat_s, self._settings.heartbeat_timeout_s),
            ("stale", now_s - self._samples_s, self._settings.stale_after_s),
        ]
        if self._state is ArmingState.ARMED:
            ages.append(("lease", now_s - self._renewed_s, self._lease_s))
        return [
            (code, f"{code}: {age_s:g} s since the last, limit {bound_s:g} s")
            for code, age_s, bound_s in ages
            if not at_most(age_s, bound_s)
        ]

    def _latch(self, code: str, reason: str, actor: str) -> None:
        first = self._state is not ArmingState.LATCHED
        self._move(ArmingState.LATCHED, reason, actor=actor)
        if first:
            self._code = code

    def _move(self, after: ArmingState, reason: str, detail: str = "", actor: str = "") -> None:
        before = self._state
        self._history.append(Transition(self._clock_s, before, after, reason, detail, actor))
        self._state = after
        if before is ArmingState.ARMED:
            self._disarmed_s = self._clock_s
        if after is ArmingState.DISARMED:
            self._code = reason or "disarmed"
