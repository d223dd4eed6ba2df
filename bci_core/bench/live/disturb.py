"""What a bench does to a live session, from outside it."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

from bci_core.bench.live.network import Cut, cannot_cut, listening_ports
from bci_core.bench.live.process import SessionProcess
from bci_core.bench.live.small_disk import Filled, cannot_mount
from bci_core.bench.live.starve import Starved, cannot_starve
from bci_core.bench.scenarios.scenario import Fault, FaultKind, LiveKind, Scenario
from bci_core.clock import Clock
from bci_core.errors import InputError, RunError
from bci_core.session.stop import stop_session

LOOPBACK, EVERYWHERE = "127.0.0.1", "0.0.0.0"  # noqa: S104 - compared with, not listened on


class Disturbance(Protocol):
    """Begun once, and ended once."""

    def begin(self) -> None: ...

    def end(self) -> None: ...


class Signalled:
    """One signal at the beginning, and another at the end where there is one."""

    def __init__(self, process: int, first: int, last: int | None = None) -> None:
        self._process, self._first, self._last = process, first, last

    def begin(self) -> None:
        os.kill(self._process, self._first)

    def end(self) -> None:
        if self._last is not None:
            with suppress(ProcessLookupError):  # The session has ended it meanwhile.
                os.kill(self._process, self._last)


class Pressed:
    """``bci stop``: as the command does it, without the time a new interpreter takes to start."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._folder = folder
        self._clock = clock

    def begin(self) -> None:
        with suppress(RunError):  # It does not wait: whether the session ends is judged.
            stop_session(self._folder, self._folder.parent, 0.0, self._clock)

    def end(self) -> None:
        pass


def cannot(scenario: Scenario) -> str:
    """Why a scenario cannot be had on this machine, or ""."""
    for fault in scenario.faults:
        why = ""
        if fault.kind == LiveKind.NETWORK:
            why = cannot_cut()
        elif fault.kind == LiveKind.STARVED:
            why = cannot_starve(str(fault.priority))
        elif fault.kind == FaultKind.DISK_FULL:
            why = cannot_mount()
        if why:
            return f"{fault.kind}: {why}"
    return ""


def disturbance(fault: Fault, session: SessionProcess, clock: Clock) -> Disturbance:
    """What a fault does; those of the device come with its rig.

    Raises
    ------
    NodeError
        The session lacks what it is to be done to.
    InputError
        There is no way to do it.
    """
    match fault.kind:
        case LiveKind.STOPPED:
            return Signalled(session.pid(str(fault.role)), signal.SIGSTOP, signal.SIGCONT)
        case LiveKind.KILLED:
            return Signalled(session.pid(str(fault.role)), signal.SIGKILL)
        case LiveKind.STARVED:
            return Starved(str(fault.priority), fault.for_s)
        case LiveKind.NETWORK:
            return Cut(session.pid("supervisor"), _ports(str(fault.path), session))
        case FaultKind.STOP:
            return Pressed(session.folder.path, clock)
        case FaultKind.STOP_LOST:
            return Signalled(session.pid("supervisor"), signal.SIGTERM)
        case FaultKind.DISK_FULL:
            return Filled(session.folder.path.parent)
    raise InputError(f"{fault.kind}: cannot be done to a live session")


def _ports(path: str, session: SessionProcess) -> list[int]:
    if path == "commands":
        return listening_ports(session.pid("stimulator"), LOOPBACK)
    if path == "samples":
        return listening_ports(session.pid("amplifier"), EVERYWHERE)
    return []


@contextmanager
def at_once() -> Iterator[None]:
    """Let this thread not wait for the processor, where the system allows that.

    Between reading the clock and doing what that time is noted for, nothing may come.
    """
    with suppress(OSError):
        # Above a session, and above what starves it; not for what is started meanwhile.
        policy = os.SCHED_FIFO | os.SCHED_RESET_ON_FORK
        os.sched_setscheduler(0, policy, os.sched_param(60))
    try:
        yield
    finally:
        with suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
