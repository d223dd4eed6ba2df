"""The stop key: while a session runs in a terminal, one key ends stimulation at once."""

import os
import select
import sys
import termios
import threading
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

STOP_KEYS = b" sS"
"""Space or s."""
LOOK_EVERY_S = 0.5
HINT = "space or s stops at once"


@contextmanager
def stop_key(pressed: Callable[[], None]) -> Iterator[bool]:
    """Call `pressed`, from a thread of its own, when the key is pressed; True where there is one.

    Keys come one by one and are not shown, while Ctrl-C and Ctrl-Z work as ever. The terminal
    is as it was afterwards, whatever has happened, and nobody else's keys are taken while the
    process is suspended or in the background. Without a terminal on standard input, or when
    begun in the background of one, nothing is done.

    Parameters
    ----------
    pressed : callable
        Must not block.
    """
    terminal = _terminal()
    if terminal is None:
        yield False
        return
    before = termios.tcgetattr(terminal)
    woken, wake = os.pipe()

    def listen() -> None:
        while True:
            # Whoever reads, or sets, a terminal from its background is suspended.
            ours = _is_ours(terminal)
            if ours and termios.tcgetattr(terminal)[3] & termios.ICANON:
                tty.setcbreak(terminal, termios.TCSANOW)  # as after a suspension
            ready, _, _ = select.select(
                [woken, *([terminal] if ours else [])], [], [], LOOK_EVERY_S
            )
            if woken in ready:
                return
            if not ready or not _is_ours(terminal):
                continue
            try:
                keys = os.read(terminal, 64)
            except OSError:  # The terminal has gone; the session is told so by a signal.
                return
            if not keys:
                return
            if any(key in STOP_KEYS for key in keys):
                pressed()

    thread = threading.Thread(target=listen, name="stop key", daemon=True)
    try:
        tty.setcbreak(terminal, termios.TCSANOW)
        thread.start()
        yield True
    finally:
        os.write(wake, b"!")
        if thread.is_alive():
            thread.join()
        with suppress(termios.error):
            if _is_ours(terminal):
                termios.tcsetattr(terminal, termios.TCSANOW, before)
        os.close(woken)
        os.close(wake)


def _terminal() -> int | None:
    """Standard input, where it is a terminal and ours to read."""
    try:
        number = sys.stdin.fileno()
    except (OSError, ValueError, AttributeError):
        return None
    return number if _is_ours(number) else None


def _is_ours(terminal: int) -> bool:
    """Whether it is a terminal, and this process in its foreground."""
    try:
        return os.isatty(terminal) and os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
