"""Tells a device's process, on the same machine, that its host has died: at once.

A process that is killed gives up its memory before its sockets, and with a few
hundred megabytes that takes tens of milliseconds in which a closed connection cannot
be seen. A robust mutex in shared memory is given up first of all: the kernel marks
it and wakes whoever waits for it when the thread that holds it ends, however it ends
(Linux, Documentation/locking/robust-futexes).

Where there are no robust mutexes, or the host is another machine, the connection and
the lease still tell.
"""

import ctypes
import errno
import mmap
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar, Final

from bci_core.errors import LinkError

_SIZE: Final = 64
"""Bytes; pthread_mutex_t takes 40 on x86-64 and 48 on AArch64, its attributes 4 to 8."""
_SHARED: Final = 1
_ROBUST: Final = 1

_libc = ctypes.CDLL(None, use_errno=False)
AVAILABLE: Final = hasattr(_libc, "pthread_mutexattr_setrobust")
"""Whether this system has robust mutexes."""


class Lifeline:
    """A mutex in a file, held by the host for as long as it lives.

    Parameters
    ----------
    path : Path
        Of the file, which `make` has made.

    Raises
    ------
    LinkError
        The file cannot be opened.
    """

    # The C library links what a thread holds into a list: it must stay mapped until let go.
    _held: ClassVar[set["Lifeline"]] = set()

    def __init__(self, path: Path) -> None:
        try:
            with path.open("r+b") as file:
                self._memory = mmap.mmap(file.fileno(), _SIZE)
        except (OSError, ValueError) as error:
            raise LinkError(f"{path} is no lifeline: {error}") from error
        self._mutex = (ctypes.c_char * _SIZE).from_buffer(self._memory)

    @classmethod
    def make(cls, path: Path) -> "Lifeline":
        """A new file, readable by this user alone.

        Raises
        ------
        LinkError
            It is there already, or cannot be written.
        """
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
            os.truncate(descriptor, _SIZE)
            os.close(descriptor)
        except OSError as error:
            raise LinkError(f"the lifeline {path} cannot be made: {error}") from error
        made = cls(path)
        attributes = (ctypes.c_char * _SIZE)()
        for call, *more in (
            (_libc.pthread_mutexattr_init,),
            (_libc.pthread_mutexattr_setpshared, _SHARED),
            (_libc.pthread_mutexattr_setrobust, _ROBUST),
        ):
            _must(call(ctypes.byref(attributes), *more))
        _must(_libc.pthread_mutex_init(made._mutex, ctypes.byref(attributes)))
        return made

    def hold(self) -> None:
        """Take it, in the thread that stands for the host: the one that never ends before it.

        Raises
        ------
        LinkError
            Somebody else holds it.
        """
        _must(_libc.pthread_mutex_trylock(self._mutex))
        self._held.add(self)

    def let_go(self) -> None:
        """The host leaves of its own accord. In the thread that holds it."""
        if _libc.pthread_mutex_unlock(self._mutex) == 0:
            self._held.discard(self)

    def watch(self, on_death: Callable[[], None]) -> None:
        """Call `on_death`, from a thread of its own, when the holder dies.

        Nothing happens when it lets go, or when nobody holds it.
        """
        threading.Thread(target=self._wait, args=(on_death,), name="lifeline", daemon=True).start()

    def _wait(self, on_death: Callable[[], None]) -> None:
        # A foreign call: other threads run while this one sleeps in the kernel.
        status = _libc.pthread_mutex_lock(self._mutex)
        if status == errno.EOWNERDEAD:
            on_death()
            _libc.pthread_mutex_consistent(self._mutex)
        if status in (0, errno.EOWNERDEAD):
            _libc.pthread_mutex_unlock(self._mutex)


def _must(status: int) -> None:
    if status != 0:
        raise LinkError(f"the lifeline cannot be taken: {os.strerror(status)}")
