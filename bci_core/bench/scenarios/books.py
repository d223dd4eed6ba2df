"""Keeps the ledger of a bench as the supervisor keeps that of a live session."""

import os
from typing import Any

from bci_core.bench.scenarios.plan import FaultPlan, Truth
from bci_core.bench.scenarios.scenario import FaultKind
from bci_core.clock import Clock
from bci_core.errors import InputError, LedgerError
from bci_core.record.blind_ledger import LedgerLike
from bci_core.record.ledger import Ledger
from bci_core.session.live_loop import LiveLoop

FULL = "/dev/full"
"""Every write to it fails as on a full disk."""


class Books:
    """Takes the loop's rows, puts them down, and beats the heart that this is done.

    Parameters
    ----------
    ledger : LedgerLike
    clock : Clock
    plan : FaultPlan
    truth : Truth
    """

    def __init__(self, ledger: LedgerLike, clock: Clock, plan: FaultPlan, truth: Truth) -> None:
        self._ledger = ledger
        self._clock = clock
        self._plan = plan
        self._truth = truth
        self._waiting: list[tuple[str, str, dict[str, Any]]] = []
        self._full = False
        self._lost = False

    def emit(self, event: str, data: dict[str, Any]) -> None:
        """A row of the loop, on its way."""
        self._waiting.append((event, "loop", data))

    def delivery(self, data: dict[str, Any]) -> None:
        """The device's own report, on its way."""
        self._waiting.append(("delivery", "stimulator", data))

    def keep(self, loop: LiveLoop) -> None:
        """Put down what has come; a ledger that fails disarms, one that keeps up is a heartbeat."""
        now_s = self._clock.now_s()
        if self._plan.active(FaultKind.BOOKS_STOPPED, now_s):
            return
        if self._plan.active(FaultKind.DISK_FULL, now_s) and not self._full:
            self._full = True
            _fill(self._ledger)
        rows, self._waiting = self._waiting, []
        for event, actor, data in rows:
            self._append(event, actor, data)
        if self._lost:
            loop.disarm("ledger")
        else:
            loop.arming.heartbeat(now_s)

    def log(self, event: str, data: dict[str, Any]) -> bool:
        """A row of the supervisor's own, on the disk before this returns; whether it is."""
        if self._plan.active(FaultKind.BOOKS_STOPPED, self._clock.now_s()):
            return False
        return self._append(event, "supervisor", data, durable=True)

    def close(self, status: str, reason: str) -> None:
        """The last row, where the ledger takes one."""
        self._append("session.end", "supervisor", {"status": status, "reason": reason}, True)
        self._ledger.close()

    def _append(self, event: str, actor: str, data: dict[str, Any], durable: bool = False) -> bool:
        try:
            self._ledger.append(event, actor, data, durable=durable)
        except LedgerError:
            self._truth.counts["rows_lost"] += 1
            if not self._lost:
                self._lost = True
                self._truth.books_failed_s = self._clock.now_s()
            return False
        return True


def _fill(ledger: LedgerLike) -> None:
    """From here on every write of the ledger fails with ENOSPC, by the kernel's own word."""
    if not isinstance(ledger, Ledger):
        raise InputError(f"{FaultKind.DISK_FULL}: not for a blind session")
    full = os.open(FULL, os.O_WRONLY)
    os.dup2(full, ledger._fd)
    os.close(full)
