"""Takes the processor away from everybody else, for a while."""

import os
import subprocess
import sys
from math import ceil

PER_CORE = 4
"""Busy processes of ordinary priority on each core."""

PRIORITY = 50
"""SCHED_FIFO priority of those above a session's own, which is 10."""

# Ends by itself whatever becomes of who started it: with all cores busy at a real-time
# priority there may be nobody left to end it.
_BUSY = """
import os, signal, sys
core, priority, for_s = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
os.sched_setaffinity(0, {core})
signal.setitimer(signal.ITIMER_REAL, for_s)
if priority:
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(priority))
while True:
    pass
"""


def cannot_starve(priority: str) -> str:
    """Why the processor cannot be taken away so, or ""."""
    if priority == "normal":
        return ""
    command = [sys.executable, "-S", "-E", "-c", _BUSY, "0", str(PRIORITY), "0.01"]
    tried = subprocess.run(command, capture_output=True, text=True)  # noqa: S603, PLW1510 - ours
    if "PermissionError" in tried.stderr:
        return "real-time priority is not permitted; grant rtprio, or CAP_SYS_NICE"
    return ""


class Starved:
    """Busy processes on every core that this process may use.

    Parameters
    ----------
    priority : str
        ``normal`` or ``realtime``.
    for_s : float
    """

    def __init__(self, priority: str, for_s: float) -> None:
        self._realtime = priority == "realtime"
        self._for_s = for_s
        self._busy: list[subprocess.Popen[bytes]] = []

    def begin(self) -> None:
        """Start them all."""
        level = PRIORITY if self._realtime else 0
        for core in sorted(os.sched_getaffinity(0)) * (1 if self._realtime else PER_CORE):
            arguments = [str(core), str(level), repr(self._for_s)]
            command = [sys.executable, "-S", "-E", "-c", _BUSY, *arguments]
            self._busy.append(subprocess.Popen(command))  # noqa: S603 - ours

    def end(self) -> None:
        """Wait until they have ended, as they do by themselves."""
        for each in self._busy:
            try:
                each.wait(ceil(self._for_s) + 5.0)
            except subprocess.TimeoutExpired:
                each.kill()
                each.wait()
