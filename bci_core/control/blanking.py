"""Which samples to ignore, from what was sent to the device and what it reports.

A trigger that the gate has let through is blanked for as long as the device may act on
it: from its time, or now, up to its deadline and the length of its program. What the
device then reports takes the place of that. Sham is blanked as if it had been delivered.
Where control arms delay, or are blind, the plan holds instead, over every time at which any
arm may act: all lose the same samples, so the detector finds the same in each, and none can
be told by what was blanked.

Each blank holds from the next sample on, and is put down with the index of that sample:
a replay takes it from there (see ``docs/decisions``), never from here.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf, isfinite
from typing import Any, Protocol

from bci_core.control.loop import Act
from bci_core.detection.blanking_settings import BlankingSettings
from bci_core.events import Delivery, Outcome, Refusal
from bci_core.stimulus import StimProgram

STEP_S = 1e-5
"""Trains that end this much later than planned have ended as planned: the device rounds to
its own steps, and of a sham train there is only the plan."""


class Blanks(Protocol):
    """The part of `bci_core.detection.monitor.SampleMonitor` that is needed here."""

    @property
    def samples(self) -> int: ...
    @property
    def last_s(self) -> float: ...
    def blank(self, seq: int, start_s: float, end_s: float) -> None: ...


@dataclass(slots=True)
class _Open:
    """A trigger the device has not reported, and what is blanked for it, in sample time."""

    duration_s: float
    start_s: float = -inf
    end_s: float = -inf


class Blanking:
    """Follows each trigger from being sent to its report.

    Parameters
    ----------
    settings : BlankingSettings
    programs : sequence of StimProgram
        Those loaded on the device.
    monitor : SampleMonitor
    emit : callable (event, data)
        Takes a ledger row.
    clock_offset_s : float
        What is added to a sample's time to get this machine's, on which triggers are.
    latest_s : float or None
        The longest delay of any control arm, where the plan is to hold; else None.
    """

    def __init__(
        self,
        settings: BlankingSettings,
        programs: Sequence[StimProgram],
        monitor: Blanks,
        emit: Callable[[str, dict[str, Any]], None],
        clock_offset_s: float = 0.0,
        latest_s: float | None = None,
    ) -> None:
        self._settings = settings
        self._latest_s = latest_s
        self._durations_s = {p.program_id: p.duration_s for p in programs}
        self._monitor = monitor
        self._emit = emit
        self._offset_s = clock_offset_s
        self._open: dict[int, _Open] = {}

    def note_act(self, act: Act) -> None:
        """Blank what the gate has let through."""
        for (_, answer), planned in zip(act.triggers, act.planned, strict=True):
            if isinstance(answer, Refusal):
                continue
            first_s = max(planned.at_s, act.decision.situation.now_s)
            duration_s = self._durations_s[planned.program_id]
            self._open[planned.seq] = opened = _Open(duration_s)
            end_s = planned.deadline_s + (self._latest_s or 0.0) + duration_s
            self._blank(planned.seq, opened, first_s, end_s)

    def note(self, delivery: Delivery) -> None:
        """Put what the device did in the place of what it might have done."""
        opened = self._open.pop(delivery.seq, None)
        if opened is None or delivery.outcome is Outcome.UNKNOWN:
            return
        if self._latest_s is not None and delivery.outcome is not Outcome.REFUSED:
            return
        onset_s, offset_s = delivery.onset_s, delivery.offset_s
        if not isfinite(onset_s):
            self._tell(delivery.seq, opened, opened.start_s, opened.start_s)
            return
        planned_s = onset_s + opened.duration_s
        if delivery.outcome is Outcome.ABORTED:
            # When a sham train was cut short is not told; the plan holds.
            offset_s = offset_s if isfinite(offset_s) else planned_s
        elif not offset_s > planned_s + STEP_S:
            offset_s = planned_s
        self._blank(delivery.seq, opened, onset_s, offset_s)

    def _blank(self, seq: int, opened: "_Open", onset_s: float, offset_s: float) -> None:
        start_s = onset_s - self._offset_s - self._settings.guard_s
        end_s = offset_s - self._offset_s + self._settings.blanking_s
        self._tell(seq, opened, start_s, end_s)

    def _tell(self, seq: int, opened: "_Open", start_s: float, end_s: float) -> None:
        passed = max(opened.end_s, end_s) <= self._monitor.last_s
        opened.start_s, opened.end_s = start_s, end_s
        if passed:
            return  # and makes no difference any more
        self._monitor.blank(seq, start_s, end_s)
        row = {"at_sample": self._monitor.samples, "seq": seq, "start_s": start_s, "end_s": end_s}
        self._emit("blank", row)
