"""A whole session as its user starts it: ``bci run`` in a process of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bci_core.errors import NodeError

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class SessionRun:
    """A session that has completed.

    Attributes
    ----------
    folder : Path
    summary : dict
        As in ``summary.json``.
    """

    folder: Path
    summary: Mapping[str, Any]


def run_session_of(
    rig: str,
    duration_s: float,
    out: Path,
    say: Say,
    environment: Mapping[str, str] | None = None,
    more: Sequence[str] = (),
) -> SessionRun:
    """Run a session to its end, in new processes throughout.

    Parameters
    ----------
    rig : str
        A preset's name, or the path of a rig file.
    duration_s : float
    out : Path
        Where the session folder is made.
    say : callable (str)
        Is given each line of progress.
    environment : mapping, optional
        Added to this process's.
    more : sequence of str
        Options of ``bci run`` besides.

    Raises
    ------
    NodeError
        The session did not complete; the message repeats its last words.
    """
    command = [sys.executable, "-m", "bci_core.cli.app", "run", rig]
    command += ["--duration", repr(duration_s), "--out", str(out), "--json", *more]
    said = ""
    with subprocess.Popen(  # noqa: S603 - this program itself
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | dict(environment or {}),
    ) as process:
        assert process.stdout is not None  # noqa: S101 - pipes, as asked for above
        assert process.stderr is not None  # noqa: S101
        try:
            for line in process.stderr:
                said = line.strip() or said
                say(said)
            # Printed at the very end, and far less than a pipe holds.
            printed = process.stdout.read()
        except BaseException:
            process.terminate()  # it disarms, then closes its files
            process.wait()
            raise
    if process.returncode != 0:
        raise NodeError(f"the session ended with status {process.returncode}: {said}")
    summary = json.loads(printed)
    return SessionRun(Path(summary["folder"]), summary)
