"""Orders to a running session from another terminal: files in its folder, answered there.

Whoever may write into the session folder may give orders; what an order needs beyond that,
a second person's key, is for who serves it to see.
"""

import json
import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

from bci_core.clock import Clock
from bci_core.errors import RunError, SessionError
from bci_core.session.folder import SessionFolder

FOLDER = "orders"
LOOK_EVERY_S = 0.02
LONGEST_BYTES = 100_000

Order = dict[str, Any]


class OrderBox:
    """The supervisor's end.

    Parameters
    ----------
    folder : SessionFolder
    """

    def __init__(self, folder: SessionFolder) -> None:
        self._path = folder.path / FOLDER

    def open(self) -> None:
        """Take orders from here on."""
        with suppress(OSError):  # Without room on the disk there is nothing to order.
            self._path.mkdir(mode=0o700, exist_ok=True)

    def take(self) -> list[tuple[str, Order]]:
        """Orders that have come, each with what to answer it by."""
        taken = []
        with suppress(OSError):
            for path in sorted(self._path.glob("*.order")):
                order: Any = None
                with suppress(ValueError):
                    if path.stat().st_size <= LONGEST_BYTES:
                        order = json.loads(path.read_text("utf-8"))
                path.unlink()
                if isinstance(order, dict):
                    taken.append((path.stem, order))
                else:
                    self.answer(path.stem, "not an order: no JSON table")
        return taken

    def answer(self, name: str, refused: str) -> None:
        """Say what became of an order: why it was refused, or ""."""
        with suppress(OSError):
            _write(self._path / f"{name}.answer", {"refused": refused})

    def close(self) -> None:
        """Take no more."""
        shutil.rmtree(self._path, ignore_errors=True)


def give_order(folder: SessionFolder, order: Order, clock: Clock, timeout_s: float = 10.0) -> None:
    """Give an order and wait until it has been carried out.

    Raises
    ------
    SessionError
        The session does not run, or takes no orders.
    RunError
        It refuses, saying why, or does not answer in time.
    """
    box = folder.path / FOLDER
    name = f"{os.getpid()}-{clock.utc():%H%M%S%f}"
    if not folder.is_running():
        raise SessionError(f"{folder.path} is not running")
    try:
        _write(box / f"{name}.order", order)
    except OSError as error:
        raise SessionError(f"{folder.path} takes no orders ({error.strerror})") from error
    answer = box / f"{name}.answer"
    until_s = clock.now_s() + timeout_s
    while not answer.exists():
        if clock.now_s() > until_s or not folder.is_running():
            with suppress(OSError):
                (box / f"{name}.order").unlink()
            raise RunError(f"{folder.path} did not answer within {timeout_s:g} s, or has ended")
        clock.sleep_until(clock.now_s() + LOOK_EVERY_S)
    refused = json.loads(answer.read_text("utf-8"))["refused"]
    with suppress(OSError):
        answer.unlink()
    if refused:
        raise RunError(f"{folder.path} refused: {refused}")


def _write(path: Path, told: Order) -> None:
    whole = path.with_suffix(".tmp")
    whole.write_text(json.dumps(told), "utf-8")
    whole.replace(path)  # readers see all of it or nothing
