"""Stopping a session from outside."""

import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import Any

from bci_core.clock import Clock
from bci_core.errors import RunError, SessionError
from bci_core.session.ending import Ending
from bci_core.session.folder import SessionFolder

LOOK_EVERY_S = 0.05
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Each has a session disarm and end in order."""


class StopRequest:
    """Whether somebody has asked for the end: by a signal, or by the key in the terminal."""

    def __init__(self) -> None:
        self._signal = 0
        self._by_key = False
        self._before: dict[int, Any] = {}

    def __bool__(self) -> bool:
        return self._by_key or self._signal != 0

    def listen(self) -> None:
        """Take the signals that ask for an end."""
        self._before = {n: signal.signal(n, self._on_signal) for n in STOP_SIGNALS}

    def leave(self) -> None:
        """Give them back."""
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def press(self, stimulator_pid: int | None) -> None:
        """The key: the stimulator first, from whatever thread, then everything else."""
        self._by_key = True  # so that what the device says of it finds who asked
        if stimulator_pid is not None:
            with suppress(ProcessLookupError):
                os.kill(stimulator_pid, signal.SIGUSR1)

    def ending(self) -> Ending:
        """How a session ends that was asked to."""
        if self._by_key:
            return Ending("stopped", "by the stop key", 128 + signal.SIGTERM)
        name = signal.Signals(self._signal).name
        by = "Ctrl-C" if name == "SIGINT" else f"{name} (bci stop, or the system)"
        return Ending("stopped", f"by {by}", 128 + self._signal)

    def _on_signal(self, number: int, _frame: object) -> None:
        self._signal = number


def stop_session(path: Path | None, root: Path, timeout_s: float, clock: Clock) -> Path:
    """Disarm the stimulator, then ask the supervisor to end; wait until it has.

    Parameters
    ----------
    path : Path or None
        The session folder, or None for the one running under `root`.
    root : Path
    timeout_s : float
    clock : Clock

    Returns
    -------
    Path
        Of the folder that was stopped.

    Raises
    ------
    SessionError
        No session, or more than one, is running there.
    RunError
        It did not end in time. The stimulator has been told to disarm all the same.
    """
    folder = SessionFolder.open(path) if path is not None else _the_running_one(root)
    processes = folder.running_processes()
    if not processes:
        raise SessionError(f"{folder.path} is not running")
    for role, number in (("stimulator", signal.SIGUSR1), ("supervisor", signal.SIGTERM)):
        if role in processes:
            with suppress(ProcessLookupError):  # It has just ended by itself.
                os.kill(processes[role], number)
    if "supervisor" in processes:
        with suppress(ProcessLookupError):
            # One that was suspended in its terminal could not end otherwise.
            os.kill(processes["supervisor"], signal.SIGCONT)
    until_s = clock.now_s() + timeout_s
    while folder.is_running():
        if clock.now_s() > until_s:
            raise RunError(
                f"{folder.path} was told to disarm but did not end within {timeout_s:g} s"
            )
        clock.sleep_until(clock.now_s() + LOOK_EVERY_S)
    return folder.path


def _the_running_one(root: Path) -> SessionFolder:
    running = [f for f in SessionFolder.all_in(root) if f.is_running()]
    if len(running) != 1:
        names = ", ".join(f.path.name for f in running) or "none"
        raise SessionError(
            f"{root}: {len(running)} sessions are running ({names}); "
            "name one with --session, or the folder they are in with --out"
        )
    return running[0]
