"""The host's side of a device that plays a program when it is told to, and knows nothing else.

Timer, lease, lockout, deadline and sequence are here; the device's own language is a driver's.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import inf
from typing import Any, ClassVar, TypeVar

from bci_core.capabilities import Capabilities
from bci_core.errors import DeviceError, InputError
from bci_core.events import Acceptance, Delivery, Emission, Outcome, Trigger
from bci_core.status import ArmingState, DeviceStatus, Impedance
from bci_core.stimulator.faults import Faults
from bci_core.stimulator.lease import Lease
from bci_core.stimulator.limits import require_within, too_long
from bci_core.stimulator.queue import Accepted, Held, Queue, Reaction
from bci_core.stimulator.settings import StimulatorSettings
from bci_core.stimulator.ticks import Ticks
from bci_core.stimulator.wire import Wire
from bci_core.stimulus import StimProgram

BEFORE_ANY_TIME_S = -1e9
Answer = TypeVar("Answer")


class AtOnce(Wire):
    """Satisfies `bci_core.contracts.Stimulator`, but for its settings; a driver adds the `Wire`.

    When the device does not answer as it should, what it does is unknown: it is halted,
    disarmed, and latched until `reset`. What is here ends with the host, and the device plays
    on to the end of its program: none may be longer than the lease.

    Parameters
    ----------
    settings : StimulatorSettings
    capabilities : Capabilities
    reaction : Reaction
        How the device takes a command.

    Attributes
    ----------
    name : str
        What messages call the device.
    faults : Faults or None
        None for a real device.
    plays_on : bool
        That a device which has lost its host plays its program to the end, for whoever judges.

    Raises
    ------
    InputError
        Faults were planned for a device that is not simulated, or the lockout is too short
        to hear from it between two programs.
    """

    name: ClassVar[str] = "stimulator"
    plays_on: ClassVar[bool] = True

    def __init__(
        self,
        settings: StimulatorSettings,
        capabilities: Capabilities,
        reaction: Reaction | None = None,
    ) -> None:
        if settings.faults and not capabilities.simulated:
            raise InputError(
                f"faults: the {self.name} is real, and faults can be planned for a simulated "
                "device only"
            )
        reaction = reaction or Reaction()
        least_s = reaction.least_lockout_s(capabilities.max_lease_s)
        if settings.min_lockout_s < least_s:
            raise InputError(
                f"min_lockout_s: {settings.min_lockout_s:g} s leaves no time to look "
                f"after a program of the {self.name}; it must be at least {least_s:g} s"
            )
        self.capabilities = capabilities
        self.faults = Faults(settings.faults) if capabilities.simulated else None
        self._ticks = Ticks(capabilities.timing_step_us)
        self._now_s = BEFORE_ANY_TIME_S
        self._lease = Lease(self.name, capabilities.max_lease_s, self._ticks)
        self._queue = Queue(settings, reaction, self._ticks, self._now)
        self._ended: list[Delivery] = []

    def load(self, programs: Sequence[StimProgram]) -> None:
        self._lease.require_disarmed("loading programs")
        if self._lease.latched:
            raise DeviceError(self._lease.why_latched)
        found = self.program_refusals(programs) or list(too_long(programs, self.capabilities))
        require_within(self.name, [str(refusal) for refusal in found])
        self._latching(self.upload, programs, self._now_s)
        self._queue.hold({p.program_id: Held(p, self.ticks_of(p)) for p in programs})

    def read_back(self) -> tuple[StimProgram, ...]:
        if not self._queue.held:
            return ()
        return self._latching(self.memory, self._loaded, self._now_s)

    def arm(self, lease_s: float, now_s: float) -> None:
        self._run(now_s)
        self.reach(self._now_s)
        self._lease.require_armable(lease_s, holds=bool(self._queue.held))
        self._latching(self.enable, self._now_s)
        self._lease.begin(lease_s, self._now)
        if self.faults:
            self.faults.begin(now_s)

    def renew(self, now_s: float) -> bool:
        self._run(now_s)
        return self._lease.renew(self._now)

    def trigger(self, trigger: Trigger, now_s: float) -> Acceptance | None:
        self._run(now_s)
        free_s = max(self._now_s, self.ready_s(self._now_s))
        against = self._lease.refusal() or self.locked()
        refusal = self._queue.admit(trigger, against, self._now_s, free_s)
        if refusal is not None:
            self._ended.append(Delivery(trigger.seq, Outcome.REFUSED, reason=str(refusal)))
        elif self._queue.begins(self._now_s):
            self._begin(self._now_s)
            if self._lease.disarmed:
                return None  # the device has not confirmed it
        return Acceptance(trigger.seq, free_s, refusal)

    def advance(self, now_s: float) -> list[Delivery]:
        self._run(now_s)
        ended, self._ended = self._ended, []
        return ended

    def next_event_s(self) -> float:
        if self._ended:
            return self._now_s
        if self._lease.disarmed:
            return inf
        due_s = self._ticks.seconds(int(min(self._queue.due(), self._lease.end)))
        return min(due_s, self.faults.next_change_s(self._now_s)) if self.faults else due_s

    def disarm(self, reason: str, now_s: float) -> None:
        self._run(now_s)
        if not self._lease.disarmed:
            self._stop(reason or "disarmed", self._now, now_s)

    def disarmed_reason(self) -> str:
        return self._lease.disarmed

    def reset(self, now_s: float) -> None:
        self._run(now_s)
        self._lease.require_latched()
        # What the device holds is not known: everything anew.
        self.recover(now_s)
        self.upload(self._loaded, now_s)
        self._lease.latched = ""

    def status(self, now_s: float) -> DeviceStatus:
        self._run(now_s)
        return DeviceStatus(
            at_s=self.own_s(now_s),
            state=self._state(),
            fault=self._lease.latched,
            readings=self.readings(),
        )

    def impedance(self, electrodes: Sequence[int], now_s: float) -> tuple[Impedance, ...]:  # noqa: ARG002
        raise DeviceError(
            f"the {self.name} cannot measure impedance; measure electrodes "
            f"{', '.join(map(str, electrodes))} by other means"
        )

    def emissions(self) -> list[Emission]:
        return []

    def as_commanded(self, played: Accepted) -> Delivery:
        """A whole program, with what the device was told to deliver."""
        program = played.program
        return Delivery(
            played.trigger.seq,
            Outcome.DELIVERED,
            onset_s=self._ticks.seconds(played.onset),
            offset_s=self._ticks.seconds(played.end),
            n_pulses=program.n_pulses,
            charge_uc=program.charge_in_steps_uc(self.capabilities.amplitude_step_ua),
            device_latency_s=played.latency_s,
        )

    def sent_s(self, due_s: float) -> float:
        """When something leaves that was due at a time that has come."""
        return due_s if self.capabilities.simulated else max(due_s, self._now_s)

    @property
    def _now(self) -> int:
        return self._ticks.at(self._now_s)

    @property
    def _loaded(self) -> list[StimProgram]:
        return [held.program for held in self._queue.held.values()]

    def _state(self) -> ArmingState:
        if not self.connected and not self._lease.latched:
            return ArmingState.DISCONNECTED
        return self._lease.state(
            holds=bool(self._queue.held),
            under_way=self._queue.under_way(self._now),
            recovering=self._queue.recovering(self._now),
        )

    def _run(self, now_s: float) -> None:
        """Do everything that is due by now, in its order. Time never runs back."""
        if now_s > self._now_s:
            self._now_s = now_s
        while not self._lease.disarmed:
            due = min(self._queue.due(), self._lease.end)
            if due > self._now:
                break
            at_s = self.sent_s(self._ticks.seconds(int(due)))
            if due == self._lease.end:
                self._stop("lease expired", max(int(due), self._ticks.at(at_s)), at_s)
            elif self._queue.playing is not None:
                self._see_off(self._queue.playing, at_s)
            else:
                self._begin(at_s)
        if not self._lease.disarmed:
            try:
                self.watch(self._now_s)
            except DeviceError as error:
                self._fail(error)

    def _begin(self, at_s: float) -> None:
        """Have the first begin. The device is not told of a sham, which takes its time as well."""
        first = self._queue.begin(at_s)
        if isinstance(first, Delivery):
            self._ended.append(first)
        elif not first.trigger.sham:
            try:
                self.fire(first.program, at_s)
            except DeviceError as error:
                self._fail(error, at_s)

    def _see_off(self, playing: Accepted, at_s: float) -> None:
        try:
            self.see_off(at_s)
            told = self._told(playing, playing.end, "")
        except DeviceError as error:
            self._fail(error, at_s)
        else:
            self._queue.finish()
            self._ended.append(told)

    def _stop(self, reason: str, at: int, at_s: float) -> None:
        self._lease.disarmed = reason
        try:
            self.halt(at_s)
        except DeviceError as error:
            self._lease.latched = str(error)
        self._drop(at, reason)

    def _fail(self, error: DeviceError, at_s: float | None = None) -> None:
        """Latch a fault; what the device does is not known from here on."""
        self._lease.latched = str(error)
        self.halt_blindly(self._now_s if at_s is None else at_s)
        if not self._lease.disarmed:
            self._lease.disarmed = f"fault: {error}"
        self._drop(self._now, self._lease.disarmed)

    def _latching(self, ask: Callable[..., Answer], *arguments: Any) -> Answer:
        """Ask the device; without an answer it is latched, and the error goes on."""
        try:
            return ask(*arguments)
        except DeviceError as error:
            self._fail(error)
            raise

    def _drop(self, at: int, reason: str) -> None:
        """End all that is accepted. Of a latched device it is not known what it played."""
        playing, waiting = self._queue.drop(at)
        if playing is not None:
            self._ended.append(self._cut(playing, at, reason))
        self._ended += [_never(each, reason) for each in waiting]

    def _cut(self, playing: Accepted, at: int, reason: str) -> Delivery:
        if playing.trigger.sham or not self._lease.latched:
            try:
                return self._told(playing, at, reason)
            except DeviceError as error:
                self._lease.latched = str(error)
        why = f"{reason}; the device may have played all of it"
        return replace(self.as_commanded(playing), outcome=Outcome.UNKNOWN, reason=why)

    def _told(self, played: Accepted, at: int, reason: str) -> Delivery:
        if at <= played.onset:
            return _never(played, reason)
        if not played.trigger.sham:
            return self.account(played, at, reason)
        return Delivery(
            played.trigger.seq,
            Outcome.SHAM if at >= played.end else Outcome.ABORTED,
            onset_s=self._ticks.seconds(played.onset),
            device_latency_s=played.latency_s,
            reason="" if at >= played.end else reason,
        )


def _never(each: Accepted, reason: str) -> Delivery:
    """It was stopped before it began."""
    return Delivery(
        each.trigger.seq, Outcome.ABORTED, device_latency_s=each.latency_s, reason=reason
    )
