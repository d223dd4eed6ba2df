"""A second opinion on the arming state machine: slow, in whole ticks, from plain facts.

It shares nothing with `bci_core.safety.arming` but the names of the states. It keeps how
long ago each thing happened, and works out from that alone what may be.
"""

from copy import copy
from dataclasses import dataclass

from bci_core.status import ArmingState

TICK_S = 0.125
STALE, HEARTBEAT, LEASE, LOCKOUT, STOPPING, HOLD, TRAIN = 2, 4, 3, 2, 1, 480, 2
"""In ticks: the settings both are run with, and the length of a train."""

EVENTS = (
    *("connect", "configure", "heartbeat", "samples", "arm", "sent", "sent ahead", "ended"),
    *("disarm", "stop", "latch", "guard", "reset", "reset alone", "disconnect"),
    *("a tick", "a minute", "clock back"),
)
"""What can happen. Time passes in the last three only."""
AHEAD = 1
BACK = 3
"""How far ahead a trigger is sent, and how far the clock steps back, in ticks."""
SOON = 8 * (AHEAD + TRAIN + LOCKOUT)
"""When every train that can have been sent has ended."""
DEEPEST = 20
LONG_AGO = HOLD + 1 + BACK * DEEPEST
"""So long that no number of events explored makes it recent again."""


@dataclass(slots=True)
class ArmingModel:
    """What is known, in ticks before now; negative lies ahead.

    Attributes
    ----------
    device : int
        0 gone, 1 there, 2 with programs.
    ordered : bool
        Somebody armed, and nothing has ended it.
    faulty, stopped : bool
    heartbeat, samples, renewed, guarded : int
        Ticks since.
    trains : tuple of (int, int, int)
        Number, ticks since start and since end of each that nobody has told the end of.
    calm : int
        Ticks since the lockout of what has ended was over.
    free : int
        Ticks since the next train may start.
    """

    device: int = 0
    ordered: bool = False
    faulty: bool = False
    stopped: bool = False
    ever_armed: bool = False
    heartbeat: int = LONG_AGO
    samples: int = LONG_AGO
    renewed: int = LONG_AGO
    guarded: int = LONG_AGO
    trains: tuple[tuple[int, int, int], ...] = ()
    calm: int = LONG_AGO
    free: int = LONG_AGO

    def copy(self) -> "ArmingModel":
        return copy(self)

    def key(self) -> tuple[object, ...]:
        """All that it knows."""
        return tuple(getattr(self, name) for name in self.__slots__)

    @property
    def state(self) -> ArmingState:
        if self.faulty:
            return ArmingState.FAULT_LATCHED
        if self.stopped:
            return ArmingState.STOPPED
        if not self.ordered:
            return (ArmingState.DISCONNECTED, ArmingState.SAFE, ArmingState.CONFIGURED)[self.device]
        if [1 for _, started, ended in self.trains if started >= 0 > ended]:
            return ArmingState.STIMULATING
        return ArmingState.RECOVERY if self.calm < 0 else ArmingState.ARMED

    @property
    def next_seq(self) -> int:
        """Number of the next train: the least that none has."""
        return next(n for n in range(1, 99) if n not in [seq for seq, _, _ in self.trains])

    @property
    def may_conduct(self) -> bool:
        """Whether every condition for current holds: the whole of it, from the facts."""
        return (
            self.device == 2
            and self.ordered
            and self.heartbeat <= HEARTBEAT
            and self.samples <= STALE
            and self.renewed <= LEASE
            and not (self.faulty or self.stopped)
            and self.guarded >= HOLD
            and (self.calm >= 0 or any(on >= 0 > off for _, on, off in self.trains))
        )

    def happen(self, event: str) -> bool:
        """Take an event over; False when it is one to be refused, which changes nothing."""
        match event:
            case "a tick":
                self._age(1)
            case "a minute":
                self._age(HOLD)
            case "clock back":
                self._step_back()
            case "heartbeat":
                self.heartbeat = self.renewed = 0
            case "samples":
                self.samples = 0
            case "connect" | "disconnect":
                self.device = int(event == "connect")
                self._end()
            case "configure":
                if self.ordered or self.faulty or self.stopped or self.device == 0:
                    return False
                self.device = 2
            case "arm":
                return self._arm()
            case "sent":
                return self._send(0)
            case "sent ahead":
                return self._send(AHEAD)
            case "ended":
                self._tell_end()
            case "disarm":
                self._end()
            case "stop":
                self.stopped = True
                self._end()
            case "latch" | "guard":
                self.faulty = True
                if event == "guard":
                    self.guarded = 0
                self._end()
            case _:
                return self._reset(alone=event == "reset alone")
        return True

    def _arm(self) -> bool:
        fresh = self.heartbeat <= HEARTBEAT and self.samples <= STALE
        ready = self.device == 2 and not (self.ordered or self.faulty or self.stopped)
        if not (fresh and ready and self.guarded >= HOLD):
            return False
        self.ordered = self.ever_armed = True
        self.renewed = 0
        return True

    def _send(self, ahead: int) -> bool:
        if not self.ordered or self.free + ahead < 0:
            return False
        self.trains = (*self.trains, (self.next_seq, -ahead, -ahead - TRAIN))
        self.free = -ahead - TRAIN - LOCKOUT
        return True

    def _tell_end(self) -> None:
        if self.trains:
            (_, started, _), *rest = self.trains
            self.trains = tuple(rest)
            if started >= 0:
                self.calm = min(self.calm, -LOCKOUT)

    def _reset(self, alone: bool) -> bool:
        if not (self.faulty or self.stopped) or self.guarded < HOLD:
            return False
        if alone and self.ever_armed:
            return False
        self.faulty = self.stopped = False
        return True

    def _age(self, ticks: int) -> None:
        """Tick by tick while a train may still end, then all at once."""
        for _ in range(min(ticks, SOON)):
            self._grow_older(1)
            self.trains = tuple((seq, on + 1, off + 1) for seq, on, off in self.trains)
            while self.trains and self.trains[0][2] >= 0:
                self.trains = self.trains[1:]
                self.calm = min(self.calm, -LOCKOUT)
        self._grow_older(max(ticks - SOON, 0))
        if self.heartbeat > HEARTBEAT or self.samples > STALE or self.renewed > LEASE:
            self._end()

    def _grow_older(self, ticks: int) -> None:
        self.heartbeat = min(self.heartbeat + ticks, LONG_AGO)
        self.samples = min(self.samples + ticks, LONG_AGO)
        self.renewed = min(self.renewed + ticks, LONG_AGO)
        self.guarded = min(self.guarded + ticks, LONG_AGO)
        self.calm = min(self.calm + ticks, LONG_AGO)
        self.free = min(self.free + ticks, LONG_AGO)

    def _step_back(self) -> None:
        self._end()
        self.heartbeat = self.samples = LONG_AGO
        self.calm -= BACK
        self.free -= BACK
        self.guarded = max(self.guarded - BACK, 0)

    def _end(self) -> None:
        if self.ordered and self.trains:
            self.calm = min(self.calm, -LOCKOUT + max(-STOPPING, self.trains[-1][2]))
        self.trains = ()
        self.ordered = False
