"""What the supervisor looks at besides the nodes: disk, recorder, what processes take."""

import os
import shutil
from typing import Any

from bci_core.clock import Clock
from bci_core.errors import LedgerError, RunError
from bci_core.session.folder import SessionFolder
from bci_core.session.health import health_row
from bci_core.session.nodes import Nodes

CHECK_EVERY_S = 1.0
HEALTH_EVERY_S = 2.0
STALLED_S = 5.0
"""LabRecorder writes twice a second."""


class Watch:
    """Looks around about once a second.

    Parameters
    ----------
    folder : SessionFolder
    recorder : LabRecorder
    nodes : Nodes
    min_free_disk_mb : float
    clock : Clock
    """

    def __init__(
        self,
        folder: SessionFolder,
        recorder: Any,
        nodes: Nodes,
        min_free_disk_mb: float,
        clock: Clock,
    ) -> None:
        self._folder = folder
        self._recorder = recorder
        self._nodes = nodes
        self._min_free_disk_mb = min_free_disk_mb
        self._clock = clock
        self._size = 0
        self._grew_s = clock.now_s()
        self._check_due_s = self._health_due_s = clock.now_s()

    def look(self) -> None:
        """Check what is due; put down how the session is (`health_row`) when that is due.

        Raises
        ------
        LedgerError
            The disk is almost full, or the ledger cannot be written.
        RunError
            The recorder has ended, or writes nothing any more.
        """
        now_s = self._clock.now_s()
        if not self._recorder.running():
            raise RunError("the recorder has ended; its words are in logs/recorder.log")
        if now_s >= self._check_due_s:
            self._check_due_s = now_s + CHECK_EVERY_S
            self._check(now_s)
        if now_s >= self._health_due_s:
            self._health_due_s = now_s + HEALTH_EVERY_S
            pids = {**self._nodes.pids(), "recorder": self._recorder.pid, "supervisor": os.getpid()}
            self._nodes.log("health", health_row(now_s, pids, self._nodes.told("loop", "status")))

    def _check(self, now_s: float) -> None:
        try:
            free_mb = shutil.disk_usage(self._folder.path).free / 1e6
            size = self._folder.xdf.stat().st_size
        except OSError as error:
            raise RunError(f"{self._folder.xdf}: cannot be watched ({error.strerror})") from error
        if free_mb < self._min_free_disk_mb:
            raise LedgerError(
                f"disk almost full: {free_mb:.0f} MB free, limit {self._min_free_disk_mb:g} MB "
                "(session.min_free_disk_mb); disarmed, what was written is kept"
            )
        if size != self._size:
            self._size, self._grew_s = size, now_s
        elif now_s - self._grew_s > STALLED_S:
            raise RunError(f"the recording has not grown for {STALLED_S:g} s; is the disk full?")
