"""A small disk for one session, and what fills it."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bci_core.errors import NodeError

SIZE_MB = 64
BLOCK = bytes(4096)
OTHER = "other-people-s-file"


def cannot_mount() -> str:
    """Why there is no small disk here, or ""."""
    if os.geteuid() != 0:
        return "a disk of its own takes root"
    if shutil.which("mount") is None:
        return "mount not found; install util-linux"
    return ""


@contextmanager
def small_disk(path: Path) -> Iterator[None]:
    """A disk of `SIZE_MB` in memory at `path`, which is copied to the folder below it afterwards.

    Raises
    ------
    NodeError
        It cannot be mounted.
    """
    _do("mount", "-t", "tmpfs", "-o", f"size={SIZE_MB}m", "tmpfs", str(path))
    kept = path.with_name(f"{path.name}-kept")
    try:
        yield
        shutil.copytree(path, kept)
    finally:
        _do("umount", "--lazy", str(path))
    for each in kept.iterdir():
        shutil.move(each, path)
    kept.rmdir()


class Filled:
    """A file of somebody else's that leaves no room beside it.

    Parameters
    ----------
    disk : Path
    """

    def __init__(self, disk: Path) -> None:
        self._file = disk / OTHER

    def begin(self) -> None:
        """Write until nothing more fits."""
        with suppress(OSError), self._file.open("wb", buffering=0) as file:
            while True:
                file.write(BLOCK)

    def end(self) -> None:
        """Give the room back."""
        with suppress(OSError):
            self._file.unlink()


def _do(*command: str) -> None:
    ran = subprocess.run(command, capture_output=True, text=True)  # noqa: S603, PLW1510 - ours
    if ran.returncode != 0:
        raise NodeError(f"{' '.join(command)}: {ran.stderr.strip()}")
