"""The firmware that the simulated stimulators have in common.

It holds programs, keeps its own time in whole steps, fires by its own timer,
enforces its own limits, watches its lease, and reports what it did. Time is
handed in, so it runs live and on a virtual clock. A device adds its own
capabilities, error numbers, output, and ways of failing.
"""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import inf
from typing import ClassVar

import numpy as np

from bci_core.capabilities import Capabilities, SoundCapabilities
from bci_core.errors import DeviceError
from bci_core.events import Acceptance, Delivery, Emission, Outcome, Refusal, Trigger
from bci_core.status import DeviceStatus, Impedance, Reading
from bci_core.stimulator.faults import LATE_ACK_S, WATCHDOG_S, FaultKind, Faults, garbled
from bci_core.stimulator.lease import Lease
from bci_core.stimulator.limits import require_within
from bci_core.stimulator.schedule import Schedule, late
from bci_core.stimulator.ticks import Ticks
from bci_core.stimulus import StimProgram
from drivers.stimulators.device_clock import DeviceClock
from drivers.stimulators.firmware_settings import FirmwareSettings
from drivers.stimulators.output import Output, Slot
from drivers.stimulators.running import Held, Running

KEPT_EMISSIONS = 100_000
"""For whoever asks; the oldest go first where nobody does."""

TEST_HZ = 1000.0
"""Of the current that impedance is measured with, as CereStim and RHS2116 do."""

_BEFORE_ANY_TIME_S = -1e9


class Firmware(ABC):
    """Satisfies `bci_core.contracts.Stimulator`, but for its settings.

    Parameters
    ----------
    settings : FirmwareSettings
    capabilities : Capabilities or SoundCapabilities
    output : Output

    Attributes
    ----------
    name : str
        What messages call the device.
    codes : mapping of str to int
        The maker's number of each refusal, by its limit; `unlisted_code` for the rest.
    ready_after_s : float
        From being armed to being able to fire, while power comes up.
    faults : Faults
    """

    name: ClassVar[str] = "stimulator"
    codes: ClassVar[Mapping[str, int]] = {}
    unlisted_code: ClassVar[int] = 1
    ready_after_s: ClassVar[float] = 0.0

    def __init__(
        self,
        settings: FirmwareSettings,
        capabilities: Capabilities | SoundCapabilities,
        output: Output,
    ) -> None:
        self.capabilities = capabilities
        self.faults = Faults(settings.faults)
        self._limits = settings
        self._output = output
        self._clock = DeviceClock()
        self._ticks = Ticks(capabilities.timing_step_us)
        self._rng = np.random.default_rng(settings.seed)
        self._held: dict[int, Held] = {}
        self._lease = Lease(self.name, settings.max_lease_s, self._ticks)
        self._code = 0
        self._ready = 0
        self._host_s = _BEFORE_ANY_TIME_S
        self._now = self._ticks.at(_BEFORE_ANY_TIME_S)
        self._schedule: Schedule[Running] = Schedule(self._ticks, settings, self._now)
        self._ended: list[Delivery] = []
        self._emissions: deque[Emission] = deque(maxlen=KEPT_EMISSIONS)
        self._status: DeviceStatus | None = None

    # What a device may add.

    @abstractmethod
    def program_refusals(self, programs: Sequence[StimProgram]) -> list[Refusal]:
        """Every limit that any of these programs passes."""

    def draw_latency_s(self) -> float:
        """The delay from accepting a trigger to the earliest onset."""
        return self._limits.draw_latency_s(self._rng)

    def chosen(self, held: Held, where: str) -> Held | Refusal:  # noqa: ARG002
        """What is given for a program: itself, unless it holds."""
        return held

    def taken(self, held: Held) -> None:  # noqa: B027 - most have nothing to remember
        """A program was accepted."""

    def trigger_refusal(self, held: Held, where: str) -> Refusal | None:  # noqa: ARG002
        """What else speaks against starting a program."""
        return None

    def finished(self, delivery: Delivery, held: Held) -> str:  # noqa: ARG002
        """A program has ended, whole or cut; what latches the device for it, or ""."""
        return ""

    def report(self, delivery: Delivery) -> Delivery:
        """What of a delivery its host is told."""
        return delivery

    @abstractmethod
    def readings(self) -> tuple[Reading, ...]:
        """What it tells of itself in its status."""

    # The contract.

    def load(self, programs: Sequence[StimProgram]) -> None:
        self._answers()
        self._lease.require_disarmed("loading programs")
        refusals = self.program_refusals(programs)
        if refusals:
            self._code = self._code_of(refusals[0])
        require_within(self.name, [f"{r} [error {self._code_of(r)}]" for r in refusals])
        self._held = {p.program_id: Held(p, self._output.slots(p)) for p in programs}
        self._schedule.restart()

    def read_back(self) -> tuple[StimProgram, ...]:
        self._answers()
        programs = tuple(held.program for held in self._held.values())
        if programs and self._has(FaultKind.ECHO_ERROR):
            return (garbled(programs[0]), *programs[1:])
        return programs

    def arm(self, lease_s: float, now_s: float) -> None:
        self._run(now_s)
        self._answers()
        self._lease.require_armable(lease_s, holds=bool(self._held))
        self._lease.begin(lease_s, self._now)
        self._ready = self._now + self._ticks.after(self.ready_after_s)
        self.faults.begin(now_s)

    def renew(self, now_s: float) -> bool:
        self._run(now_s)
        return self._lease.renew(self._now)

    def trigger(self, trigger: Trigger, now_s: float) -> Acceptance | None:
        self._run(now_s)
        self._answers(locked_too=False)
        late_s = LATE_ACK_S if self._has(FaultKind.LATE_ACK) else 0.0
        latency_s = self.draw_latency_s() + late_s
        latency_s = max(latency_s, self._ticks.seconds(self._ready - self._now))
        answer = self._admit(trigger, now_s, latency_s)
        refusal = answer if isinstance(answer, Refusal) else None
        if isinstance(answer, Refusal):
            self._code = self._code_of(answer)
            self._ended.append(
                Delivery(
                    trigger.seq,
                    Outcome.REFUSED,
                    device_latency_s=latency_s,
                    reason=str(answer),
                )
            )
        else:
            self._schedule.add(answer)
            self.taken(answer.held)
        if self._has(FaultKind.DROP_ACK):
            return None
        return Acceptance(trigger.seq, now_s + late_s, refusal)

    def advance(self, now_s: float) -> list[Delivery]:
        self._run(now_s)
        ended, self._ended = self._ended, []
        return ended

    def next_event_s(self) -> float:
        if self._ended:
            return self._clock.host_s(self._ticks.seconds(self._now))
        if self._lease.disarmed:
            return inf
        due = min([running.end for running in self._schedule.running[:1]] + [self._lease.end])
        due_s = self._clock.host_s(self._ticks.seconds(due))
        return min(due_s, self.faults.next_change_s(self._host_s))

    def disarm(self, reason: str, now_s: float) -> None:
        self._run(now_s)
        if not self._lease.disarmed:
            self._stop(reason or "disarmed", self._now)

    def disarmed_reason(self) -> str:
        return self._lease.disarmed

    def reset(self, now_s: float) -> None:
        self._run(now_s)
        self._answers()
        self._lease.require_latched()
        if self._has(FaultKind.STUCK_ON):
            raise DeviceError(f"the {self.name} still has {self._lease.latched}; it stays latched")
        self._lease.latched = ""

    def status(self, now_s: float) -> DeviceStatus:
        self._run(now_s)
        self._answers(locked_too=False)
        if self._status is None or not self._has(FaultKind.STALE_STATUS):
            self._status = DeviceStatus(
                at_s=self._clock.own_s(now_s),
                state=self._lease.state(
                    holds=bool(self._held),
                    under_way=self._schedule.under_way(self._now),
                    recovering=self._schedule.recovering(self._now),
                ),
                fault=self._lease.latched,
                code=self._code,
                readings=self.readings(),
            )
        return self._status

    def impedance(self, electrodes: Sequence[int], now_s: float) -> tuple[Impedance, ...]:
        self._run(now_s)
        self._answers()
        self._lease.require_disarmed("measuring electrodes")
        return tuple(
            Impedance(number, self._output.magnitude_kohm(number, TEST_HZ), TEST_HZ)
            for number in electrodes
        )

    def emissions(self) -> list[Emission]:
        for running in self._schedule.running[:1]:
            self._collect(running)
        emitted = list(self._emissions)
        self._emissions.clear()
        return emitted

    def _has(self, kind: FaultKind) -> bool:
        return self.faults.active(kind, self._host_s)

    def _answers(self, *, locked_too: bool = True) -> None:
        if self._has(FaultKind.DISCONNECT):
            raise DeviceError(f"the {self.name} does not answer; is it connected and powered?")
        if locked_too and self._has(FaultKind.LOCKED):
            self._code = self._code_of(Refusal("locked", 1, 0, "locks"))
            raise DeviceError(f"the {self.name} is locked and takes no command but to stop")

    def _code_of(self, refusal: Refusal) -> int:
        return self.codes.get(refusal.limit, self.unlisted_code)

    def _run(self, now_s: float) -> None:
        """Let everything happen that is due by now, in its order. Time never runs back."""
        if not now_s > self._host_s:
            return
        for change_s in (*self.faults.changes(self._host_s, now_s), now_s):
            self._run_to(change_s)

    def _run_to(self, host_s: float) -> None:
        self._output.loosen(self._has(FaultKind.SILENT_CLIP))
        self._now = max(self._now, self._ticks.at(self._clock.own_s(host_s)))
        self._host_s = host_s
        self._fire()
        self._clock.drift(self._has(FaultKind.CLOCK_DRIFT), host_s)
        if not self._lease.disarmed and self._has(FaultKind.DISCONNECT):
            self._stop("host lost", self._now)

    def _fire(self) -> None:
        """Carry out what is over by now."""
        while self._schedule.running and not self._lease.disarmed:
            running = self._schedule.running[0]
            slot = running.run(min(self._now, self._lease.end))
            if slot is None:
                break
            if self._has(FaultKind.STUCK_ON) and not running.trigger.sham:
                self._stick(running, slot)
            elif running.done:
                self._end(self._schedule.finish(), running.completed())
        if not self._lease.disarmed and self._lease.end <= self._now:
            self._stop("lease expired", self._lease.end)

    def _stick(self, running: Running, slot: Slot) -> None:
        """The output stays on after a pulse; the watchdog opens it, and latches."""
        running.hold(slot, WATCHDOG_S)
        self._lease.latched = f"stuck on: the watchdog opened the output after {WATCHDOG_S:g} s"
        self._stop(self._lease.latched, running.onset + slot.end)

    def _end(self, running: Running, delivery: Delivery) -> None:
        self._collect(running)
        if running.held is not self._held[running.trigger.program_id]:
            delivery = replace(delivery, given_id=running.held.program.program_id)
        self._ended.append(self.report(delivery))
        latched = self.finished(delivery, running.held)
        if latched and not self._lease.latched:
            self._lease.latched = latched
            if not self._lease.disarmed:
                self._stop(latched, self._now)

    def _collect(self, running: Running) -> None:
        to_host = self._clock.host_s
        self._emissions.extend(
            replace(e, onset_s=to_host(e.onset_s), offset_s=to_host(e.offset_s))
            for e in running.emissions
        )
        running.emissions.clear()

    def _stop(self, reason: str, at: int) -> None:
        self._lease.disarmed = reason
        for running in self._schedule.stop(at):
            self._end(running, running.aborted(at, reason))

    def _admit(self, trigger: Trigger, now_s: float, latency_s: float) -> Running | Refusal:
        """The one place where a trigger is checked, sham or not."""
        # By its own clock: a device knows no other.
        own_s = self._clock.own_s(now_s)
        locked = Refusal("locked", 1, 0, "locks") if self._has(FaultKind.LOCKED) else None
        against = locked or self._lease.refusal()
        refusal = self._schedule.trigger_refusal(trigger, self._held, against, own_s)
        if refusal is not None:
            return refusal
        where = f"trigger {trigger.seq}"
        held = self.chosen(self._held[trigger.program_id], where)
        if isinstance(held, Refusal):
            return held
        start_s = max(trigger.at_s, own_s + latency_s, self._ticks.seconds(self._now))
        onset = self._ticks.after(start_s)
        refusal = late(self._ticks.seconds(onset), trigger, where)
        if refusal is not None:
            return refusal
        measures = self.capabilities.measures
        new = Running(trigger, held, onset, latency_s, self._ticks, self._output, measures)
        crowded = self._schedule.refusal(new, self._now, where)
        return crowded or self.trigger_refusal(held, where) or new
