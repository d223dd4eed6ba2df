"""Whether stimulation is allowed right now. Disarmed is the resting state.

::

    DISCONNECTED ── connect ──▶ SAFE ── configure ──▶ CONFIGURED ◀─────── disarm, any doubt
                                                       │      ▲                    │
                                                      arm   reset                  │
                                                       ▼      │                    │
                 ┌──────────────────────────────────▶ ARMED ───────────────────────┤
                 │ the lockout is over                 │ a train begins            │
             RECOVERY ◀── the train has ended ── STIMULATING ──────────────────────┘

    stop from anywhere ──▶ STOPPED         a fault from anywhere ──▶ FAULT_LATCHED
    Both hold, whatever else happens, until a second person resets them.

Armed needs a connected device with checked programs, a fresh heartbeat, fresh
samples, an unexpired lease and nobody having pressed stop. Pure: the clock is
handed in with each call. One thread owns it.
"""

from copy import copy
from math import inf, isfinite

from bci_core.errors import SafetyError
from bci_core.safety.arming_settings import LONGEST_LEASE_S, ArmingSettings
from bci_core.safety.limits import at_least, at_most
from bci_core.safety.reasons import refuse, same_name
from bci_core.safety.running import RunningTrains
from bci_core.safety.transition import CONDUCTING, LATCHED, Transition
from bci_core.status import ArmingState


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
        self._rest = ArmingState.DISCONNECTED
        self._armed = False
        self._fault = ""
        self._stopped = False
        self._code = "disarmed"
        self._armed_by = self._armed_as = ""
        self._clock_s = -inf
        self._heartbeat_s = -inf
        self._samples_s = -inf
        self._lease_s = 0.0
        self._renewed_s = -inf
        self._armed_s = inf
        self._disarmed_s = -inf
        self._held_from_s = -inf
        self._trains = RunningTrains()
        self._history: list[Transition] = []

    @property
    def state(self) -> ArmingState:
        """As of the last call; `check` asks what holds now."""
        if self._fault:
            return ArmingState.FAULT_LATCHED
        if self._stopped:
            return ArmingState.STOPPED
        if not self._armed:
            return self._rest
        return self._trains.state(self._clock_s)

    @property
    def clock_s(self) -> float:
        """The last good reading that was handed in."""
        return self._clock_s

    @property
    def armed_s(self) -> float:
        """When it was armed last; inf before the first time."""
        return self._armed_s

    @property
    def conducts(self) -> bool:
        """Whether a device may let current flow, as of the last call."""
        return self.state in CONDUCTING

    def connect(self, now_s: float) -> None:
        """A device answers. It holds nothing yet, and has lost what it may have held."""
        self._rest_in(ArmingState.SAFE, "connected", now_s)

    def configure(self, now_s: float) -> None:
        """The device holds programs, and they have been checked.

        Raises
        ------
        SafetyError
            No device is connected, the session is armed, or something is latched.
        """
        self._advance(now_s)
        if self.state not in (ArmingState.SAFE, ArmingState.CONFIGURED):
            raise SafetyError(
                f"not configured: the state is {self.state}, programs are loaded while it is "
                "safe or configured; connect, disarm or reset first"
            )
        self._rest_in(ArmingState.CONFIGURED, "configured", now_s)

    def disconnect(self, now_s: float) -> None:
        """The device is gone. What is latched stays so."""
        self._rest_in(ArmingState.DISCONNECTED, "disconnected", now_s)

    def arm(self, lease_s: float, actor: str, now_s: float, role: str = "") -> None:
        """Allow stimulation until `now_s` + `lease_s`, unless renewed.

        Parameters
        ----------
        lease_s : float
            At most 60 s.
        actor, role : str
            Who arms, and as what. Somebody else has to reset what is latched after this.

        Raises
        ------
        SafetyError
            No device with checked programs, armed already, latched, or guarded not long
            ago, no actor, a lease out of range, or no fresh heartbeat or samples. All
            are named; nothing has changed.
        """
        self._advance(now_s)
        reasons = []
        if self._rest is not ArmingState.CONFIGURED:
            reasons.append(f"{self._rest}: no device holds checked programs; configure it first")
        if self._armed:
            reasons.append("already armed: a heartbeat renews the lease")
        if self.state in LATCHED:
            reasons.append(f"{self._code}: reset it first, by name")
        if not actor.strip():
            reasons.append("actor: 0 names, limit 1 name: say who arms")
        if not 0.0 < lease_s <= LONGEST_LEASE_S:
            reasons.append(f"lease: {lease_s:g} s, limit above 0 s to {LONGEST_LEASE_S:g} s")
        reasons += self._held(now_s)
        reasons += [detail for _, detail in self._run_out(now_s)]
        refuse("not armed", reasons)
        before = self.state
        self._lease_s = lease_s
        self._renewed_s = self._armed_s = now_s
        self._armed_by, self._armed_as = actor, role
        self._armed = True
        self._note(before, "arm", f"lease: {lease_s:g} s", actor)

    def sent(self, seq: int, start_s: float, end_s: float, lockout_s: float, now_s: float) -> None:
        """A trigger goes to the device: a train from `start_s` to `end_s`, then the lockout.

        Raises
        ------
        SafetyError
            Not armed, times that are none, or a start before the lockout of an earlier
            train is over. Nothing has changed; nothing may be sent.
        """
        self._advance(now_s)
        reasons = [] if self._armed else [f"{self._code}: arm first"]
        if not now_s <= start_s <= end_s < inf:
            reasons.append(f"train: from {start_s:g} s to {end_s:g} s, limit from {now_s:g} s on")
        elif not at_least(start_s, self._trains.free_from_s):
            reasons.append(f"start: {start_s:g} s, limit at least {self._trains.free_from_s:g} s")
        refuse(f"trigger {seq} not sent", reasons)
        self._trains.add(seq, start_s, end_s, lockout_s)

    def ended(self, seq: int, offset_s: float, now_s: float) -> None:
        """The device reports the end of a train; NaN for one that never began."""
        self._advance(now_s)
        self._trains.end(seq, offset_s)

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
        """Why no trigger may be sent, or "" when one may.

        During a train and its lockout one may be sent ahead: that it does not start before
        the lockout is over is for the gate and `sent` to see.

        Returns
        -------
        str
            ``"disarmed"``, ``"heartbeat"``, ``"stale"``, ``"lease"``, ``"clock"``, ``"stopped"``,
            ``"disconnected"``, ``"latched:…"``, the words of whoever disarmed, or "".
        """
        self._advance(now_s)
        return "" if self._armed else self._code

    def disarm(self, reason: str, now_s: float) -> None:
        """End it. Whoever may arm may arm again."""
        self._advance(now_s)
        if self._armed:
            self._disarm(reason)

    def stop(self, actor: str, now_s: float) -> None:
        """Somebody pressed stop. Holds until reset; pressed before arming, it prevents it."""
        self._advance(now_s)
        before = self.state
        if before not in LATCHED:
            self._release("stopped")
        self._stopped = True
        self._note(before, "stopped", actor=actor)

    def latch(self, reason: str, now_s: float, *, guard: bool = False) -> None:
        """A fault: end it, and hold until reset. The first fault stays the answer of `check`.

        Parameters
        ----------
        reason : str
        guard : bool
            The guard found what must not be stimulated into: no reset, and no arming,
            before ``guard_hold_s`` have passed.
        """
        self._advance(now_s)
        before = self.state
        if not self._fault:
            self._release(f"latched:{reason}")
        self._fault = self._fault or reason or "fault"
        if guard:
            self._held_from_s = self._clock_s
        self._note(before, reason)

    def reset(self, actor: str, now_s: float, role: str = "") -> None:
        """Clear stop and faults, deliberately. What follows is disarmed, not armed.

        Parameters
        ----------
        actor, role : str
            Somebody else than who armed last and, where both roles are known, as
            something else.
        now_s : float

        Raises
        ------
        SafetyError
            No actor, or the one who armed, nothing is latched, or the guard spoke not
            long ago. All are named.
        """
        self._advance(now_s)
        reasons = self._held(now_s)
        if not actor.strip():
            reasons.append("actor: 0 names, limit 1 name: say who resets")
        elif same_name(actor, self._armed_by):
            reasons.append(f"actor: {actor} armed; a second person has to reset")
        elif role and same_name(role, self._armed_as):
            reasons.append(f"role: {role}, as {self._armed_by}, who armed; another role has to")
        before = self.state
        if before not in LATCHED:
            reasons.append(f"nothing is latched, the state is {before}")
        refuse("not reset", reasons)
        self._fault, self._stopped, self._code = "", False, "disarmed"
        self._note(before, "reset", actor=actor)

    def forbade(self, onset_s: float, offset_s: float) -> bool:
        """Whether current from `onset_s` to `offset_s` flowed while disarmed.

        Judged by the latest interval without arming; its first ``stop_within_s`` are
        granted to the device for stopping.
        """
        rearmed_s = self._armed_s if self._armed else inf
        stopped_s = self._disarmed_s + self._settings.stop_within_s
        return onset_s < rearmed_s and offset_s > stopped_s

    def copy(self) -> "Arming":
        """A second one in the same state, for who asks what would happen."""
        other = copy(self)
        other._trains = copy(self._trains)
        other._history = []
        return other

    def drain(self) -> list[Transition]:
        """Transitions since the last call, oldest first.

        That a train begins or ends changes no permission, and is not among them.
        """
        drained, self._history = self._history, []
        return drained

    def _advance(self, now_s: float) -> None:
        """Let time pass: disarm for what has run out, and for a clock that cannot be trusted."""
        if not (isfinite(now_s) and now_s >= self._clock_s):
            detail = f"clock: {now_s - self._clock_s:g} s since the last reading, limit 0 s"
            self._heartbeat_s = self._samples_s = -inf
            if self._armed:
                self._disarm("clock", detail)
            if isfinite(now_s):
                self._clock_s = now_s
                self._held_from_s = min(self._held_from_s, now_s)
            return
        self._clock_s = now_s
        self._trains.advance(now_s)
        if self._armed and not self._fresh(now_s):
            self._disarm(*self._run_out(now_s)[0])

    def _fresh(self, now_s: float) -> bool:
        """Whether nothing has run out; asked at every trigger, and so without a list."""
        settings = self._settings
        return (
            at_most(now_s - self._heartbeat_s, settings.heartbeat_timeout_s)
            and at_most(now_s - self._samples_s, settings.stale_after_s)
            and at_most(now_s - self._renewed_s, self._lease_s)
        )

    def _run_out(self, now_s: float) -> list[tuple[str, str]]:
        """What is not fresh any more, as code and detail."""
        ages = [
            ("heartbeat", now_s - self._heartbeat_s, self._settings.heartbeat_timeout_s),
            ("stale", now_s - self._samples_s, self._settings.stale_after_s),
        ]
        if self._armed:
            ages.append(("lease", now_s - self._renewed_s, self._lease_s))
        return [
            (code, f"{code}: {age_s:g} s since the last, limit {bound_s:g} s")
            for code, age_s, bound_s in ages
            if not at_most(age_s, bound_s)
        ]

    def _held(self, now_s: float) -> list[str]:
        """Why it is too soon after the guard spoke, or nothing."""
        since_s, hold_s = now_s - self._held_from_s, self._settings.guard_hold_s
        if since_s >= hold_s:
            return []
        return [f"guard: {since_s:g} s since it spoke, limit at least {hold_s:g} s"]

    def _rest_in(self, state: ArmingState, reason: str, now_s: float) -> None:
        self._advance(now_s)
        before = self.state
        if self._armed:
            self._release(reason)
        self._rest = state
        if self.state is not before:
            self._note(before, reason)

    def _disarm(self, reason: str, detail: str = "") -> None:
        before = self.state
        self._release(reason or "disarmed")
        self._note(before, reason, detail)

    def _release(self, code: str) -> None:
        """Not armed from here on, and why."""
        if self._armed:
            self._armed = False
            self._disarmed_s = self._clock_s
            self._trains.cut(self._clock_s + self._settings.stop_within_s)
        self._code = code

    def _note(self, before: ArmingState, reason: str, detail: str = "", actor: str = "") -> None:
        self._history.append(Transition(self._clock_s, before, self.state, reason, detail, actor))
