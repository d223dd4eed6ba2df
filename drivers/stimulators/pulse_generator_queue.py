"""What the pulse generator's driver has accepted, and when the box is to be told of it.

The box has no timer of its own for this, no lockout and no deadline: the driver does.
"""

from collections.abc import Mapping
from dataclasses import replace
from math import ceil, inf, isfinite

from bci_core.contracts import Capabilities
from bci_core.events import Delivery, Outcome, Refusal, Trigger
from drivers.stimulators.pulse_generator_programs import CommandedOutput
from drivers.stimulators.pulse_generator_settings import (
    CRYSTAL,
    TRIGGER_CYCLES,
    PulseGeneratorSettings,
)
from drivers.stimulators.running import Held, Running
from drivers.stimulators.schedule import Schedule
from drivers.stimulators.ticks import Ticks

ROUNDING_S = 1e-9


class Queue:
    """Accepted triggers, in the order of their onsets.

    Parameters
    ----------
    settings : PulseGeneratorSettings
    able : Capabilities
    ticks : Ticks
        Of the box's cycle.
    before : int
        A tick before any program.

    Attributes
    ----------
    output : CommandedOutput
        Lays programs out on the box's cycles.
    playing : Running or None
        The box was told to begin it, and it was not seen off.
    """

    def __init__(
        self, settings: PulseGeneratorSettings, able: Capabilities, ticks: Ticks, before: int
    ) -> None:
        self.output = CommandedOutput(able)
        self.playing: Running | None = None
        self._settings = settings
        self._ticks = ticks
        self._usb = ticks.after(settings.usb_latency_ms * 1e-3)
        self._schedule = Schedule(
            ticks, settings.min_lockout_s, settings.max_trains_per_min, before
        )
        self._over = before  # end of the last program
        self._last_seq = 0

    @property
    def waiting(self) -> bool:
        """Whether anything is accepted and not ended."""
        return bool(self._schedule.running)

    def restart(self) -> None:
        """Count triggers anew."""
        self._last_seq = 0

    def admit(
        self,
        trigger: Trigger,
        programs: Mapping[int, Held],
        against: Refusal | None,
        now_s: float,
        free_s: float,
    ) -> Running | Refusal:
        """The one place where a trigger is checked, sham or not; taken, if nothing is against it.

        Parameters
        ----------
        trigger : Trigger
        programs : mapping of int to Held
        against : Refusal or None
            Why nothing may be triggered.
        now_s : float
        free_s : float
            When the box can read a command at the earliest.
        """
        where = f"trigger {trigger.seq}"
        if trigger.seq <= self._last_seq:
            return Refusal("sequence", trigger.seq, self._last_seq + 1, "seq", where)
        self._last_seq = trigger.seq
        if against is not None:
            return replace(against, where=f"{where}: {against.where}" if against.where else where)
        held = programs.get(trigger.program_id)
        if held is None:
            slots = max(programs)
            return Refusal("program", trigger.program_id, slots, "slot", f"{where}: empty slot")
        if not (isfinite(trigger.at_s) and isfinite(trigger.deadline_s)):
            return Refusal("not_finite", trigger.at_s, trigger.deadline_s, "s", where)
        ahead_s = trigger.at_s - now_s
        if ahead_s > self._settings.max_ahead_s:
            return Refusal("ahead", ahead_s, self._settings.max_ahead_s, "s", where)
        soonest = self._ticks.after(max(now_s, free_s)) + TRIGGER_CYCLES
        onset = max(soonest, self._ticks.after(trigger.at_s))
        late_s = self._late_s(onset, trigger)
        if late_s > 0.0:
            return Refusal("deadline", late_s, 0.0, "s late", where)
        latency_s = self._ticks.seconds(soonest + self._usb) - now_s
        new = Running(trigger, held, onset, latency_s, self._ticks, self.output, ())
        refusal = self._schedule.refusal(new, self._ticks.at(now_s), where)
        if refusal is None:
            self._schedule.add(new)
        return refusal or new

    def due(self) -> float:
        """The tick at which the box has next to be told something; infinity if never."""
        if self.playing is not None:
            return self.playing.end + self._usb + self._slack(self.playing)
        if self._schedule.running:
            return self._schedule.running[0].onset - TRIGGER_CYCLES
        return inf

    def begins(self, now_s: float) -> bool:
        """Whether the first must be told now to begin in time."""
        at_once = self._ticks.after(now_s) + TRIGGER_CYCLES
        return (
            self.playing is None
            and bool(self._schedule.running)
            and self._schedule.running[0].onset <= at_once
        )

    def begin(self, at_s: float) -> Running | Delivery:
        """The first begins, or is dropped because the driver was called too late."""
        first = self._schedule.running[0]
        late = max(0, self._ticks.after(at_s) + TRIGGER_CYCLES - first.onset)
        first.onset += late
        first.end += late
        refusal = self._too_late(first)
        if refusal is not None:
            self._schedule.running.remove(first)
            return Delivery(first.trigger.seq, Outcome.ABORTED, reason=str(refusal))
        self.playing = first
        return first

    def finish(self) -> Delivery:
        """The one that plays has come to its end."""
        self.playing = None
        done = self._schedule.finish()
        self._over = done.end
        return _completed(done)

    def drop(self, at: int, reason: str, *, known: bool) -> list[Delivery]:
        """End all at a tick. `known` says that the box has heard of it."""
        playing, self.playing = self.playing, None
        ended: list[Delivery] = []
        for running in self._schedule.stop(at):
            if running is not playing:
                ended.append(running.aborted(min(at, running.onset), reason))
            elif not known and not running.trigger.sham:
                why = f"{reason}; the box may have played all of it"
                ended.append(replace(_completed(running), outcome=Outcome.UNKNOWN, reason=why))
            elif at >= running.end:
                ended.append(_completed(running))
            else:
                ended.append(running.aborted(at, reason))
        return ended

    def under_way(self, now: int) -> bool:
        """Whether a program has begun and not ended."""
        return self._schedule.under_way(now)

    def recovering(self, now: int) -> bool:
        """Whether the lockout after the last program lasts."""
        return self._schedule.recovering(now)

    def _slack(self, playing: Running) -> int:
        """Cycles by which a train may end later than reckoned, its way through USB aside.

        An abort that came before its end would leave its last pulse unbalanced.
        """
        if self._settings.simulated:
            return 0  # where its cycles begin is known, and its clock is the host's
        return 1 + ceil(CRYSTAL * (playing.end - playing.onset))

    def _late_s(self, onset: int, trigger: Trigger) -> float:
        return self._ticks.seconds(onset + self._usb) - trigger.deadline_s

    def _too_late(self, first: Running) -> Refusal | None:
        """What speaks against a start that the driver's own lateness has put off."""
        where = f"trigger {first.trigger.seq}: the driver was called too late"
        late_s = self._late_s(first.onset, first.trigger)
        if late_s > 0.0:
            return Refusal("deadline", late_s, 0.0, "s late", where)
        pause_s, least_s = (
            self._ticks.seconds(first.onset - self._over),
            self._settings.min_lockout_s,
        )
        if pause_s < least_s - ROUNDING_S:
            return Refusal("lockout", pause_s, least_s, "s", where)
        return None


def _completed(running: Running) -> Delivery:
    """As told to the box, which tells nothing of what it played."""
    while not running.done:
        running.run(running.end)
    return running.completed()
