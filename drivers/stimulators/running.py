"""A program that a device has accepted, and how far it has come."""

from dataclasses import dataclass
from math import nan

from bci_core.events import Delivery, Emission, Outcome, Trigger
from bci_core.stimulator.ticks import Ticks
from bci_core.stimulus import StimProgram
from drivers.stimulators.output import Driven, Output, Slot


@dataclass(frozen=True, slots=True)
class Held:
    """A program in the device's memory, laid out on its time."""

    program: StimProgram
    slots: tuple[Slot, ...]

    @property
    def ticks(self) -> int:
        """From its start to the end of its last pulse."""
        return max(slot.end for slot in self.slots)


class Running:
    """One accepted trigger.

    Parameters
    ----------
    trigger : Trigger
    held : Held
    onset : int
        Tick of the first phase.
    latency_s : float
        The device's own command latency for this trigger.
    ticks : Ticks
    output : Output
    measures : tuple of str
        What the device measures; see `bci_core.contracts.Capabilities`.

    Attributes
    ----------
    held : Held
    emissions : list of Emission
        What has left the device so far, on its own clock. Whoever takes them empties it.
    """

    def __init__(
        self,
        trigger: Trigger,
        held: Held,
        onset: int,
        latency_s: float,
        ticks: Ticks,
        output: Output,
        measures: tuple[str, ...],
    ) -> None:
        self.trigger = trigger
        self.onset = onset
        self.end = onset + held.ticks
        self.emissions: list[Emission] = []
        self.held = held
        self._latency_s = latency_s
        self._ticks = ticks
        self._output = output
        self._measures = measures
        self._next = 0
        self._pulses = 0
        self._charge_uc = 0.0
        self._measured_uc = 0.0
        self._net_uc = 0.0
        self._output_v = 0.0
        self._active_until = onset

    @property
    def done(self) -> bool:
        """Whether every pulse is over."""
        return self._next == len(self.held.slots)

    def run(self, until: int) -> Slot | None:
        """Carry out the next pulse if it is over by a tick, and return it."""
        slot = self.held.slots[self._next]
        if self.onset + slot.end > until:
            return None
        self._next += 1
        self._pulses += 1
        if not self.trigger.sham:
            self._drive(slot, slot.ticks)
        return slot

    def hold(self, slot: Slot, for_s: float) -> None:
        """The output of a pulse that is over, and was no sham, stays on."""
        from_s = self._ticks.seconds(self.onset + slot.end)
        held = self._output.hold(self.held.program, slot, from_s, for_s)
        self._take(held)
        self._net_uc = max(self._net_uc, abs(held.net_charge_uc))
        self._active_until = self._ticks.after(from_s + for_s)

    def completed(self) -> Delivery:
        """It ran to its end."""
        if self.trigger.sham:
            return self._delivery(Outcome.SHAM)
        return self._told(Outcome.DELIVERED, "")

    def aborted(self, at: int, why: str) -> Delivery:
        """It was stopped at a tick before its end."""
        if at <= self.onset:
            return Delivery(
                self.trigger.seq, Outcome.ABORTED, device_latency_s=self._latency_s, reason=why
            )
        if self.trigger.sham:
            return self._delivery(Outcome.ABORTED, reason=why)
        begun = [s for s in self.held.slots[self._next :] if self.onset + s.at < at]
        for slot in begun:
            left_uc = self._drive(slot, at - self.onset - slot.at).net_charge_uc
            if self.onset + slot.end <= at:  # it was waiting behind a longer one
                self._pulses += 1
                continue
            self._net_uc = max(self._net_uc, abs(left_uc))
            if not left_uc:
                continue
            number = f"pulse {slot.index + 1}"
            if len(self.held.program.parts) > 1:
                number += f" of train {slot.part + 1}"
            why = f"{why}; {number} was cut and left {left_uc:g} uC unrecovered"
        return self._told(Outcome.ABORTED, why)

    def _drive(self, slot: Slot, ticks: int) -> Driven:
        onset_s = self._ticks.seconds(self.onset + slot.at)
        whole = ticks >= slot.ticks
        for_us = slot.ticks if whole else ticks
        driven = self._output.drive(self.held.program, slot, onset_s, for_us * self._ticks.step_us)
        self._take(driven)
        begun = self.onset + slot.at
        ended = begun + round(driven.active_us / self._ticks.step_us)
        self._active_until = max(self._active_until, begun + slot.ticks if whole else ended)
        return driven

    def _take(self, driven: Driven) -> None:
        self._charge_uc += driven.charge_uc
        self._measured_uc += driven.measured_charge_uc
        if "net_charge" in self._measures:
            self._net_uc = max(self._net_uc, driven.measured_net_uc)
        self._output_v = max(self._output_v, driven.output_v)
        self.emissions += driven.emissions

    def _told(self, outcome: Outcome, why: str) -> Delivery:
        measured = "charge" in self._measures
        return self._delivery(
            outcome,
            offset_s=self._ticks.seconds(self._active_until),
            n_pulses=self._pulses,
            charge_uc=self._measured_uc if measured else self._charge_uc,
            reason=why,
            net_charge_uc=self._net_uc,
            output_v=self._output_v if "output_v" in self._measures else nan,
        )

    def _delivery(
        self,
        outcome: Outcome,
        *,
        offset_s: float = nan,
        n_pulses: int = 0,
        charge_uc: float = 0.0,
        reason: str = "",
        net_charge_uc: float = 0.0,
        output_v: float = nan,
    ) -> Delivery:
        return Delivery(
            self.trigger.seq,
            outcome,
            onset_s=self._ticks.seconds(self.onset),
            offset_s=offset_s,
            n_pulses=n_pulses,
            charge_uc=charge_uc,
            device_latency_s=self._latency_s,
            reason=reason,
            net_charge_uc=net_charge_uc,
            output_v=output_v,
        )
