"""A simulated constant-current microstimulator, after the Blackrock CereStim micro.

A model of its firmware: it holds programs, keeps its own time in whole timing
steps, fires by its own timer, enforces its own limits, and reports what it
really delivered. Time is handed in, so it runs live and on a virtual clock.
"""

from bisect import bisect_right, insort
from collections.abc import Sequence
from math import exp, inf, isfinite
from typing import ClassVar

import numpy as np
from pydantic import BaseModel

from bci_core.errors import DeviceError, SafetyError
from bci_core.events import Acceptance, Delivery, Outcome, Refusal, Trigger
from bci_core.stimulus import StimProgram
from drivers.stimulators.microstim_programs import program_refusals
from drivers.stimulators.microstim_settings import MAX_SCHEDULED, MicrostimSettings
from drivers.stimulators.microstim_train import ScheduledTrain, seconds, tick_at, tick_from

_RATE_WINDOW = tick_from(60.0)
_BEFORE_ANY_TIME = tick_at(-1e9)


class Microstim:
    """Satisfies `bci_core.contracts.Stimulator`.

    Parameters
    ----------
    settings : MicrostimSettings

    Attributes
    ----------
    capabilities : Capabilities
    """

    Settings: ClassVar[type[BaseModel]] = MicrostimSettings

    def __init__(self, settings: MicrostimSettings) -> None:
        self.settings = settings
        self.capabilities = settings.capabilities()
        self._lockout = tick_from(settings.min_lockout_s)
        self._rng = np.random.default_rng(settings.seed)
        self._programs: dict[int, StimProgram] = {}
        self._disarmed = "not armed yet"
        self._lease = 0
        self._lease_end = 0
        self._now = _BEFORE_ANY_TIME
        self._last_seq = 0
        self._trains: list[ScheduledTrain] = []  # in the order of their onsets
        self._onsets: list[int] = []  # of the last minute and of what is scheduled, sorted
        self._free_from = self._now
        self._ended: list[Delivery] = []

    def load(self, programs: Sequence[StimProgram]) -> None:
        if not self._disarmed:
            raise DeviceError("the microstimulator is armed; disarm it before loading programs")
        refusals = program_refusals(programs, self.capabilities)
        if refusals:
            lines = "\n".join(f"  {refusal}" for refusal in refusals)
            raise SafetyError(f"the microstimulator loaded nothing, these limits forbid:\n{lines}")
        self._programs = {program.program_id: program for program in programs}
        self._last_seq = 0

    def arm(self, lease_s: float, now_s: float) -> None:
        self._run(now_s)
        if not self._disarmed:
            raise SafetyError("the microstimulator is armed already; disarm it first")
        if not self._programs:
            raise SafetyError("the microstimulator holds no program; load one before arming")
        longest_s = self.settings.max_lease_s
        if not 0.0 < lease_s <= longest_s:
            asked = Refusal("lease", lease_s, longest_s, "s")
            raise SafetyError(f"the microstimulator was not armed; {asked}; it must be above 0 s")
        self._lease = max(1, tick_at(lease_s))
        self._lease_end = self._now + self._lease
        self._disarmed = ""

    def renew(self, now_s: float) -> bool:
        self._run(now_s)
        if self._disarmed:
            return False
        self._lease_end = self._now + self._lease
        return True

    def trigger(self, trigger: Trigger, now_s: float) -> Acceptance:
        self._run(now_s)
        latency_s = self._command_latency_s()
        answer = self._admit(trigger, now_s, latency_s)
        if isinstance(answer, Refusal):
            self._ended.append(
                Delivery(
                    trigger.seq,
                    Outcome.REFUSED,
                    device_latency_s=latency_s,
                    reason=str(answer),
                )
            )
            return Acceptance(trigger.seq, now_s, answer)
        insort(self._trains, answer, key=lambda train: train.onset)
        insort(self._onsets, answer.onset)
        return Acceptance(trigger.seq, now_s)

    def advance(self, now_s: float) -> list[Delivery]:
        self._run(now_s)
        ended, self._ended = self._ended, []
        return ended

    def next_event_s(self) -> float:
        if self._ended:
            return seconds(self._now)
        if self._disarmed:
            return inf
        if self._trains:
            return seconds(min(self._trains[0].end, self._lease_end))
        return seconds(self._lease_end)

    def disarm(self, reason: str, now_s: float) -> None:
        self._run(now_s)
        if not self._disarmed:
            self._stop(reason or "disarmed", self._now)

    def disarmed_reason(self) -> str:
        return self._disarmed

    def _run(self, now_s: float) -> None:
        """Let everything happen that is due by now, in its order. Time never runs back."""
        self._now = max(self._now, tick_at(now_s))
        if self._disarmed:
            return
        until = min(self._now, self._lease_end)
        while self._trains and self._trains[0].end <= until:
            done = self._trains.pop(0)
            self._free_from = done.end
            self._ended.append(done.completed())
        if self._lease_end <= self._now:
            self._stop("lease expired", self._lease_end)

    def _stop(self, reason: str, at: int) -> None:
        if self._trains and self._trains[0].onset < at:
            self._free_from = at
        self._ended += [train.aborted(at, reason) for train in self._trains]
        self._trains.clear()
        del self._onsets[bisect_right(self._onsets, at) :]
        self._disarmed = reason

    def _command_latency_s(self) -> float:
        if self.settings.command_latency_ms == 0.0:
            return 0.0
        spread = exp(self.settings.command_latency_sigma * self._rng.standard_normal())
        return self.settings.command_latency_ms * 1e-3 * spread

    def _admit(self, trigger: Trigger, now_s: float, latency_s: float) -> ScheduledTrain | Refusal:
        """The one place where a trigger is checked, sham or not."""
        where = f"trigger {trigger.seq}"
        if trigger.seq <= self._last_seq:
            return Refusal("sequence", trigger.seq, self._last_seq + 1, "seq", where)
        self._last_seq = trigger.seq
        if self._disarmed:
            return Refusal("disarmed", 0, 0, "s of lease", f"{where}: {self._disarmed}")
        program = self._programs.get(trigger.program_id)
        if program is None:
            return Refusal(
                "program", trigger.program_id, max(self._programs), "slot", f"{where}: empty slot"
            )
        if not (isfinite(trigger.at_s) and isfinite(trigger.deadline_s)):
            return Refusal("not_finite", trigger.at_s, trigger.deadline_s, "s", where)
        start_s = max(trigger.at_s, now_s + latency_s, seconds(self._now))
        if start_s - now_s > self.settings.max_ahead_s:
            return Refusal("ahead", start_s - now_s, self.settings.max_ahead_s, "s", where)
        train = ScheduledTrain(trigger, program.train, tick_from(start_s), latency_s)
        late_s = seconds(train.onset) - trigger.deadline_s
        if late_s > 0.0:
            return Refusal("deadline", late_s, 0.0, "s late", where)
        return self._crowding(train, where) or train

    def _crowding(self, new: ScheduledTrain, where: str) -> Refusal | None:
        """What the trains before and after it say to a new one."""
        if len(self._trains) >= MAX_SCHEDULED:
            return Refusal("scheduled", len(self._trains) + 1, MAX_SCHEDULED, "trains", where)
        for other in self._trains:
            gap = max(new.onset - other.end, other.onset - new.end)
            if gap < 0:
                return Refusal("overlap", seconds(-gap), 0.0, "s", where)
            if gap < self._lockout:
                return self._locked_out(gap, where)
        if new.onset - self._free_from < self._lockout:
            return self._locked_out(new.onset - self._free_from, where)
        del self._onsets[: bisect_right(self._onsets, self._now - _RATE_WINDOW)]
        # Trains scheduled later than this one count too, so no window around it overflows.
        within = len(self._onsets) - bisect_right(self._onsets, new.onset - _RATE_WINDOW)
        most = self.settings.max_trains_per_min
        if within >= most:
            return Refusal("train_rate", within + 1, most, "trains/min", where)
        return None

    def _locked_out(self, gap: int, where: str) -> Refusal:
        return Refusal("lockout", seconds(gap), self.settings.min_lockout_s, "s", where)
