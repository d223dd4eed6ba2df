"""What a driver has accepted for a device that fires only at once, and when to tell it.

Such a device has no timer for this, no lockout and no deadline: the driver has.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, inf

from bci_core.events import Delivery, Outcome, Refusal, Trigger
from bci_core.stimulator.schedule import Schedule, late
from bci_core.stimulator.settings import StimulatorSettings
from bci_core.stimulator.ticks import Ticks
from bci_core.stimulus import StimProgram

ROUNDING_S = 1e-9
LOOK_AFTER_S = 0.001
"""For the answers of a device between two programs; a choice of this project."""


@dataclass(frozen=True, slots=True)
class Reaction:
    """How a device takes a command to fire.

    Attributes
    ----------
    lead : int
        Steps of its clock from reading the command to the first phase.
    transit_s : float
        What the command takes to it, at most.
    drift : float
        By which its clock may be off the host's; 0 where its steps are the host's, as in a
        simulation.
    """

    lead: int = 0
    transit_s: float = 0.0
    drift: float = 0.0

    def slack(self, ticks: int) -> int:
        """Steps by which a program may end later than reckoned, its way to the device aside."""
        return 1 + ceil(self.drift * ticks) if self.drift else 0

    def least_lockout_s(self, longest_s: float) -> float:
        """What a lockout must leave to look after a program, of at most that length."""
        return self.transit_s + self.drift * longest_s + LOOK_AFTER_S


@dataclass(frozen=True, slots=True)
class Held:
    """A program in the device's memory, and how many steps of its clock it lasts."""

    program: StimProgram
    ticks: int


@dataclass(slots=True, eq=False)
class Accepted:
    """A trigger the device is told of at its time.

    Attributes
    ----------
    trigger : Trigger
    program : StimProgram
    onset, end : int
        Ticks of the first phase and of the end.
    latency_s : float
        The device's own command latency for it.
    """

    trigger: Trigger
    program: StimProgram
    onset: int
    end: int
    latency_s: float


class Queue:
    """Accepted triggers, in the order of their onsets.

    Parameters
    ----------
    limits : StimulatorSettings
    reaction : Reaction
    ticks : Ticks
        Of the device's clock.
    before : int
        A tick before any program.

    Attributes
    ----------
    held : mapping of int to Held
        By slot; set with `hold`.
    playing : Accepted or None
        The device was told to begin it, and it was not seen off.
    """

    def __init__(
        self, limits: StimulatorSettings, reaction: Reaction, ticks: Ticks, before: int
    ) -> None:
        self.held: Mapping[int, Held] = {}
        self.playing: Accepted | None = None
        self._limits = limits
        self._reaction = reaction
        self._ticks = ticks
        self._transit = ticks.after(reaction.transit_s)
        self._schedule: Schedule[Accepted] = Schedule(ticks, limits, before)
        self._over = before  # end of the last program

    @property
    def waiting(self) -> bool:
        """Whether anything is accepted and not ended."""
        return bool(self._schedule.running)

    def hold(self, held: Mapping[int, Held]) -> None:
        """Other programs are in the device; triggers are counted anew."""
        self.held = held
        self._schedule.restart()

    def admit(
        self, trigger: Trigger, against: Refusal | None, now_s: float, free_s: float
    ) -> Refusal | None:
        """The one place where a trigger is checked, sham or not; taken, if nothing is against it.

        Parameters
        ----------
        trigger : Trigger
        against : Refusal or None
            Why nothing may be triggered.
        now_s : float
        free_s : float
            When the device can read a command at the earliest.
        """
        refusal = self._schedule.trigger_refusal(trigger, self.held, against, now_s)
        if refusal is not None:
            return refusal
        where = f"trigger {trigger.seq}"
        held = self.held[trigger.program_id]
        soonest = self._ticks.after(max(now_s, free_s)) + self._reaction.lead
        onset = max(soonest, self._ticks.after(trigger.at_s))
        latency_s = self._ticks.seconds(soonest + self._transit) - now_s
        new = Accepted(trigger, held.program, onset, onset + held.ticks, latency_s)
        refusal = self._late(new, where) or self._schedule.refusal(
            new, self._ticks.at(now_s), where
        )
        if refusal is None:
            self._schedule.add(new)
        return refusal

    def due(self) -> float:
        """The tick at which the device has next to be told something; infinity if never."""
        playing = self.playing
        if playing is not None:
            return playing.end + self._transit + self._reaction.slack(playing.end - playing.onset)
        if self._schedule.running:
            return self._schedule.running[0].onset - self._reaction.lead
        return inf

    def begins(self, now_s: float) -> bool:
        """Whether the first must be told now to begin in time."""
        at_once = self._ticks.after(now_s) + self._reaction.lead
        return (
            self.playing is None
            and bool(self._schedule.running)
            and self._schedule.running[0].onset <= at_once
        )

    def begin(self, at_s: float) -> Accepted | Delivery:
        """The first begins, or is dropped because the driver was called too late."""
        first = self._schedule.running[0]
        behind = max(0, self._ticks.after(at_s) + self._reaction.lead - first.onset)
        first.onset += behind
        first.end += behind
        refusal = self._too_late(first)
        if refusal is not None:
            self._schedule.running.remove(first)
            return Delivery(first.trigger.seq, Outcome.ABORTED, reason=str(refusal))
        self.playing = first
        return first

    def finish(self) -> None:
        """The one that plays has come to its end."""
        self.playing = None
        self._over = self._schedule.finish().end

    def drop(self, at: int) -> tuple[Accepted | None, list[Accepted]]:
        """End all at a tick: the one that plays, and those that never began."""
        playing, self.playing = self.playing, None
        return playing, [each for each in self._schedule.stop(at) if each is not playing]

    def under_way(self, now: int) -> bool:
        """Whether a program has begun and not ended."""
        return self._schedule.under_way(now)

    def recovering(self, now: int) -> bool:
        """Whether the lockout after the last program lasts."""
        return self._schedule.recovering(now)

    def _late(self, each: Accepted, where: str) -> Refusal | None:
        return late(self._ticks.seconds(each.onset + self._transit), each.trigger, where)

    def _too_late(self, first: Accepted) -> Refusal | None:
        """What speaks against a start that the driver's own lateness has put off."""
        where = f"trigger {first.trigger.seq}: the driver was called too late"
        refusal = self._late(first, where)
        if refusal is not None:
            return refusal
        pause_s = self._ticks.seconds(first.onset - self._over)
        if pause_s < self._limits.min_lockout_s - ROUNDING_S:
            return Refusal("lockout", pause_s, self._limits.min_lockout_s, "s", where)
        return None
