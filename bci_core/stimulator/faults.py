"""Switches that break a simulated device, the same on every one.

A fault is what a bench sets, at a time or by hand; what follows from it is
the device's. Each is one that real stimulators have shown or are built
against.
"""

from collections.abc import Sequence
from dataclasses import replace
from enum import StrEnum
from math import inf

from pydantic import BaseModel, ConfigDict, Field

from bci_core.errors import DeviceError
from bci_core.stimulus import PulseTrain, StimProgram


class FaultKind(StrEnum):
    """What can go wrong."""

    DISCONNECT = "disconnect"
    """The device does not answer any more. It stops its output, since its host is gone."""
    STUCK_ON = "stuck_on"
    """After the next pulse its output stays on, until its own watchdog opens it."""
    SILENT_CLIP = "silent_clip"
    """An electrode comes off: its access resistance rises until the compliance clips."""
    DROP_ACK = "drop_ack"
    """A trigger is taken and carried out, and its acknowledgement lost."""
    LATE_ACK = "late_ack"
    """Each command takes `LATE_ACK_S` longer."""
    ECHO_ERROR = "echo_error"
    """What it holds is not what was loaded."""
    STALE_STATUS = "stale_status"
    """Its status stands still."""
    CLOCK_DRIFT = "clock_drift"
    """Its clock runs fast by `DRIFT`."""
    LOCKED = "locked"
    """It refuses every command but to stop."""


LATE_ACK_S = 0.05
DRIFT = 0.02
"""Seconds a second, so large that a session of seconds shows it."""

OPEN_FACTOR = 100.0
"""Of the access resistance of an electrode that comes off."""

WATCHDOG_S = 0.005
"""After which a device's own watchdog opens an output that should be off; half of the 10 ms
that current may outlast a stop. A choice of this project."""


class FaultSettings(BaseModel):
    """One entry of ``faults`` in ``[stimulator]``.

    Attributes
    ----------
    kind : FaultKind
    after_s : float
        From the device being armed for the first time.
    for_s : float
        How long it lasts.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    kind: FaultKind
    after_s: float = Field(ge=0.0, le=86_400.0)
    for_s: float = Field(gt=0.0, le=86_400.0)


class Faults:
    """Which faults a device has at the moment.

    Parameters
    ----------
    planned : sequence of FaultSettings
    """

    def __init__(self, planned: Sequence[FaultSettings] = ()) -> None:
        self._planned = tuple(planned)
        self._by_hand: set[FaultKind] = set()
        self._from_s = inf

    def begin(self, now_s: float) -> None:
        """The device has been armed; planned faults count from the first time."""
        self._from_s = min(self._from_s, now_s)

    def switch(self, kind: str, on: bool) -> None:
        """Set or clear a fault by hand; a planned one goes on beside it.

        Raises
        ------
        DeviceError
            There is no such fault.
        """
        if kind not in set(FaultKind):
            raise DeviceError(f"no fault is called {kind!r}; there are {', '.join(FaultKind)}")
        kind = FaultKind(kind)
        if on:
            self._by_hand.add(kind)
        else:
            self._by_hand.discard(kind)

    def active(self, kind: str, now_s: float) -> bool:
        """Whether the device has this fault at a time."""
        return kind in self._by_hand or any(
            fault.kind == kind and begins_s <= now_s < ends_s
            for fault, begins_s, ends_s in self._spans()
        )

    def changes(self, after_s: float, until_s: float) -> list[float]:
        """Times above the one and up to the other at which a planned fault begins or ends."""
        times = {time_s for _, *span in self._spans() for time_s in span}
        return sorted(time_s for time_s in times if after_s < time_s <= until_s)

    def next_change_s(self, after_s: float) -> float:
        """When a planned fault next begins or ends; infinity when none does."""
        return min(self.changes(after_s, inf), default=inf)

    def _spans(self) -> list[tuple[FaultSettings, float, float]]:
        return [
            (fault, self._from_s + fault.after_s, self._from_s + fault.after_s + fault.for_s)
            for fault in self._planned
        ]


def garbled(program: StimProgram) -> StimProgram:
    """A program with one number read wrong."""
    train = program.train
    if isinstance(train, PulseTrain):
        return replace(program, train=replace(train, n_pulses=train.n_pulses + 1))
    return replace(program, train=replace(train, n_clicks=train.n_clicks + 1))
