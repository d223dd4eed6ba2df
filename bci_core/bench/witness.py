"""Watches what leaves a device, and shares no code with what it watches."""

import ctypes
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pylsl

FOUND_WITHIN_S = 60.0
RESOLVE_S = 10.0
"""Longest that liblsl goes on asking, before it is seen whether the session still runs."""
_CLONE_NEWNET = 0x40000000


@dataclass(frozen=True, slots=True)
class Seen:
    """One row of the ``NAME-current`` stream: a phase of current."""

    channel: int
    amplitude: float
    onset_s: float
    offset_s: float


class Witness:
    """Subscribes to the current of a session, in a thread of its own.

    Parameters
    ----------
    name : str
        Of the rig.
    alive : callable () -> bool
        Whether the session still runs; without it there is nothing to find.
    supervisor : int
        Its process: other sessions may run of the same rig, and this one may have a network
        namespace of its own, where the thread goes to watch.

    Attributes
    ----------
    found : bool
        Whether the stream was there.
    seen : list of Seen
        Only ever grows.
    """

    def __init__(self, name: str, alive: Callable[[], bool], supervisor: int) -> None:
        self.found = False
        self.seen: list[Seen] = []
        # As the supervisor names its streams.
        self._query = f"name='{name}-current' and contains(source_id,'-{supervisor}-current')"
        self._supervisor = supervisor
        self._alive = alive
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop watching, once what has come is taken in."""
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        inlet = self._inlet()
        if inlet is None:
            return
        self.found = True
        with suppress(pylsl.util.LostError):  # The device's process has ended.
            while not self._done.is_set():
                row, _ = inlet.pull_sample(timeout=0.05)
                while row is not None:
                    channel, amplitude, onset_s, offset_s = row
                    self.seen.append(Seen(int(channel), amplitude, onset_s, offset_s))
                    row, _ = inlet.pull_sample(timeout=0.0)
        inlet.close_stream()

    def _inlet(self) -> pylsl.StreamInlet | None:
        until_s = pylsl.local_clock() + FOUND_WITHIN_S
        while pylsl.local_clock() < until_s and self._alive() and not self._done.is_set():
            with suppress(OSError):  # It has ended, or may not be followed.
                _join_network_of(self._supervisor)
            infos = pylsl.resolve_bypred(self._query, 1, RESOLVE_S)
            if infos:
                inlet = pylsl.StreamInlet(infos[0], max_buflen=60, recover=False)
                inlet.open_stream()
                return inlet
        return None


def _join_network_of(process: int) -> None:
    """Put this thread, and those it starts, into the network namespace of a process."""
    theirs = Path(f"/proc/{process}/ns/net")
    if theirs.readlink() == Path("/proc/thread-self/ns/net").readlink():
        return
    descriptor = os.open(theirs, os.O_RDONLY)
    try:
        if ctypes.CDLL(None, use_errno=True).setns(descriptor, _CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")
    finally:
        os.close(descriptor)
