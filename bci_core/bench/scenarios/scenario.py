"""A scenario: a rig, faults at times, and what must hold beside what always must."""

import re
from enum import StrEnum
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

DEVICE = "device."
"""What kinds of fault begin with that are switched in the stimulator; the rest is its own name."""


class FaultKind(StrEnum):
    """What the bench breaks itself; a device's own faults are ``device.NAME``."""

    DROPPED = "samples.dropped"
    """Of every `every_n` samples one is lost."""
    DUPLICATED = "samples.duplicated"
    """Of every `every_n` samples one comes twice."""
    REORDERED = "samples.reordered"
    """Of every `every_n` samples one changes places with the next."""
    LATE = "samples.late"
    """Each sample arrives `delay_s` late, with its right time."""
    BURSTY = "samples.bursty"
    """Samples are held back and arrive together every `delay_s`."""
    GONE = "samples.gone"
    """No samples come; those of that time are lost."""
    CLOCK_STEP = "samples.clock_step"
    """Times of samples jump by `step_s`, and back at the end."""
    CLOCK_DRIFT = "samples.clock_drift"
    """Times of samples run fast by `drift`, in seconds a second, and jump back at the end."""
    NOT_FINITE = "samples.not_finite"
    """Every channel reads NaN."""
    RAILED = "samples.railed"
    """Every channel reads 200 mV, above the range of a converter."""
    FLAT = "samples.flat"
    """Every channel repeats its last value."""
    LEAD_OFF = "samples.lead_off"
    """The tone by which an amplifier measures impedance grows to that of `impedance_kohm`."""
    SLOW = "loop.slow"
    """Detecting takes `delay_s` longer at each wait."""
    STOPPED = "loop.stopped"
    """The loop's process stands still, as after SIGSTOP."""
    LOST = "command.lost"
    """Triggers do not reach the device."""
    DOUBLED = "command.doubled"
    """Each trigger reaches the device again, `delay_s` later."""
    DELAYED = "command.delayed"
    """Each trigger reaches the device `delay_s` late."""
    DISARM_LOST = "command.disarm_lost"
    """The loop's order to disarm does not reach the device."""
    CUT = "command.cut"
    """Nothing passes between loop and device."""
    STOP = "session.stop"
    """Somebody presses the emergency stop, at `at_s`."""
    STOP_LOST = "session.stop_lost"
    """As before, but the way to the device fails: only the loop hears of it."""
    DISK_FULL = "session.disk_full"
    """The ledger cannot be written."""
    BOOKS_STOPPED = "session.books_stopped"
    """Whoever keeps the ledger stands still: no row is put down, no heartbeat sent."""


class LiveKind(StrEnum):
    """What the bench does to the processes of a live session, and to what they stand on."""

    STOPPED = "process.stopped"
    """The process of `role` stands still (SIGSTOP), and goes on at the end (SIGCONT)."""
    KILLED = "process.killed"
    """The process of `role` is gone (SIGKILL), at `at_s`."""
    STARVED = "cpu.starved"
    """Busy processes on each core: several at `normal` priority, or one at `realtime`, above
    that of the session."""
    NETWORK = "network.cut"
    """Nothing passes on the `path`: that of the `commands`, of the `samples`, or `everything`."""


_KEYS: dict[str, str] = {
    FaultKind.DROPPED: "every_n",
    FaultKind.DUPLICATED: "every_n",
    FaultKind.REORDERED: "every_n",
    FaultKind.LATE: "delay_s",
    FaultKind.BURSTY: "delay_s",
    FaultKind.CLOCK_STEP: "step_s",
    FaultKind.CLOCK_DRIFT: "drift",
    FaultKind.LEAD_OFF: "impedance_kohm",
    FaultKind.SLOW: "delay_s",
    FaultKind.DOUBLED: "delay_s",
    FaultKind.DELAYED: "delay_s",
    LiveKind.STOPPED: "role",
    LiveKind.KILLED: "role",
    LiveKind.STARVED: "priority",
    LiveKind.NETWORK: "path",
}
"""The one key that a kind needs beside its times; the others take none."""

_AMOUNTS = ("every_n", "delay_s", "step_s", "drift", "impedance_kohm", "role", "priority", "path")
_AT_ONCE = (FaultKind.STOP, FaultKind.STOP_LOST, LiveKind.KILLED)
_EVERYWHERE = (FaultKind.STOP, FaultKind.STOP_LOST, FaultKind.DISK_FULL)
"""Kinds for sessions on the virtual clock and for live ones, beside those of the device."""


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Fault(_Table):
    """One ``[[faults]]`` of a scenario.

    Attributes
    ----------
    kind : str
        A `FaultKind` or `LiveKind`, or ``device.NAME`` for a fault of the stimulator.
    at_s : float
        When it begins, counted from the first arming.
    for_s : float
        How long it lasts. A press of the stop has no length, nor has a kill.
    every_n, delay_s, step_s, drift, impedance_kohm, role, priority, path
        As the kind has it.
    """

    kind: str
    at_s: float = Field(ge=0.0, le=3600.0)
    for_s: float = Field(default=0.0, ge=0.0, le=3600.0)
    every_n: int | None = Field(default=None, ge=2, le=100_000)
    delay_s: float | None = Field(default=None, gt=0.0, le=60.0)
    step_s: float | None = Field(default=None, ge=-60.0, le=60.0)
    drift: float | None = Field(default=None, ge=-0.5, le=0.5)
    impedance_kohm: float | None = Field(default=None, gt=0.0, le=1e6)
    role: Literal["amplifier", "loop", "stimulator", "recorder", "supervisor"] | None = None
    priority: Literal["normal", "realtime"] | None = None
    path: Literal["commands", "samples", "everything"] | None = None

    @model_validator(mode="after")
    def _fits_its_kind(self) -> Self:
        kinds = [str(kind) for kind in (*FaultKind, *LiveKind)]
        if self.kind not in kinds and not re.fullmatch(r"device\.[a-z_]+", self.kind):
            raise ValueError(
                f"no fault is called {self.kind!r}; there are {', '.join(kinds)}, "
                "and device.NAME for those of the stimulator"
            )
        needed = _KEYS.get(self.kind)
        given = [key for key in _AMOUNTS if getattr(self, key) is not None]
        if given != ([needed] if needed else []):
            raise ValueError(
                f"{self.kind} needs {needed or 'no key'} beside at_s and for_s, "
                f"and has {', '.join(given) or 'none'}"
            )
        if (self.for_s == 0.0) is not (self.kind in _AT_ONCE):
            raise ValueError(
                f"for_s is {self.for_s:g} s; a press and a kill have none, everything else lasts "
                "more than 0 s"
            )
        return self

    @property
    def fits_live(self) -> bool:
        """Whether it can be done to a live session."""
        return self.kind in (*LiveKind, *_EVERYWHERE) or self.kind.startswith(DEVICE)

    @property
    def fits_virtual(self) -> bool:
        """Whether it can be done to a session on the virtual clock."""
        return self.kind in tuple(FaultKind) or self.kind.startswith(DEVICE)

    @property
    def end_s(self) -> float:
        """When it is over, counted from the first arming."""
        return self.at_s + self.for_s


Range = tuple[int, int]
"""Least and most."""


class PhaseExpectation(_Table):
    """Where in an oscillation of the first channel the first current of a train must lie.

    Attributes
    ----------
    frequency_hz : float
    target_deg : float
        0 is the peak, 180 the trough.
    within_deg : float
        Most that the circular mean over all trains may be off.
    """

    frequency_hz: float = Field(gt=0.0, le=1000.0)
    target_deg: float
    within_deg: float = Field(default=30.0, gt=0.0, le=90.0)


class Expectation(_Table):
    """Section ``[expect]``: what must hold beyond the invariants.

    Attributes
    ----------
    refused_to_start : str
        The session must not start, for a reason with these words. "" means it starts.
    disarmed : str or tuple of str
        The session must be disarmed, first for a reason with these words, or those of one of
        several: devices tell the same fault differently. "" means it must stay armed throughout.
    may_disarm : str
        Where it must stay armed, a device may be stricter: a reason with these words is right
        as well, and then nothing is asked of outcomes and refusals.
    within_s : float
        Longest time from the beginning of the first fault to that.
    latched : bool
        Whether arming again takes a reset, of the session or of the device.
    left_open : bool
        Of a live session: whether it latches and, unless `disarmed` is given, whether it is
        disarmed at all, depends on how busy the machine is, and is left open.
    ends : str
        A live session must end before its time, for a reason with these words, and another
        one must work; "" means it goes on to its end.
    works_again : bool
        After the last fault the operator arms again, if need be, and current flows again.
    outcomes : dict of str to (int, int)
        Least and most triggers that end so.
    refused : dict of str to (int, int)
        Least and most refusals, by reason, of policy, gate or device.
    phase : PhaseExpectation, optional
    """

    refused_to_start: str = ""
    disarmed: str | tuple[str, ...] = ""
    may_disarm: str = ""
    within_s: float = Field(default=1.0, gt=0.0, le=60.0)
    latched: bool = False
    left_open: bool = False
    ends: str = ""
    works_again: bool = True
    outcomes: dict[str, Range] = {}
    refused: dict[str, Range] = {}
    phase: PhaseExpectation | None = None


class Scenario(_Table):
    """A scenario file.

    Attributes
    ----------
    description : str
        What it is about, in one line.
    rig : str
        A preset, or a file.
    live : bool
        Whether it is for a session of real processes.
    duration_s : float
        From the first arming to the end.
    seed : int
        Of everything random in the rig.
    under_way : bool, optional
        Whether current must flow while the first fault begins, or must not for
        `QUIET_S` before. Not set: either. A live session is waited for until it is so.
    operator : str
        ``patient`` arms again when all faults are over; ``insistent`` tries all the time.
    faults : tuple of Fault
    expect : Expectation
    overrides : dict of str to dict
        Keys of the rig that are other here, by section.
    """

    description: str = Field(min_length=1)
    rig: str = Field(min_length=1)
    live: bool = False
    duration_s: float = Field(gt=0.0, le=3600.0)
    seed: int = Field(default=0, ge=0)
    under_way: bool | None = None
    operator: Literal["patient", "insistent"] = "patient"
    faults: tuple[Fault, ...] = ()
    expect: Expectation = Expectation()
    overrides: dict[str, dict[str, Any]] = {}

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        for fault in self.faults:
            if not (fault.fits_live if self.live else fault.fits_virtual):
                where = "on the virtual clock" if self.live else "live; say live = true"
                raise ValueError(f"{fault.kind} can be had {where} only")
            if fault.end_s >= self.duration_s:
                raise ValueError(
                    f"{fault.kind} ends {fault.end_s:g} s after arming, limit: before "
                    f"the {self.duration_s:g} s of duration_s"
                )
        return self
