"""Stopping a session from outside."""

import os
import signal
from contextlib import suppress
from pathlib import Path

from bci_core.clock import Clock
from bci_core.errors import RunError, SessionError
from bci_core.session.folder import SessionFolder

LOOK_EVERY_S = 0.05
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Each has a session disarm and end in order."""


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
