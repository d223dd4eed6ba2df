"""The last steps of a session that take waiting: the loop's books, then the recording."""

from typing import Any

from bci_core.clock import Clock
from bci_core.control.journal import LAST_MARKER
from bci_core.errors import RunError
from bci_core.session.folder import SessionFolder
from bci_core.session.nodes import Nodes

END_S = 5.0


def stop_loop(nodes: Nodes) -> None:
    """Have the loop disarm and close its books; end it when it does not.

    Raises
    ------
    NodeError
        It did not in time, and was killed.
    """
    loop = nodes.get("loop")
    if loop is None or not loop.alive():
        return
    if not nodes.told("loop", "connected"):
        loop.kill()  # It has no books yet, and may be compiling for a while.
        return
    loop.send({"do": "disarm", "reason": "session_end"})
    loop.send({"do": "stop"})
    try:
        nodes.until(lambda: loop.done, "the loop to close its books", END_S)
    finally:
        if not loop.done:
            loop.kill()  # Nobody may act who does not obey.


def stop_recorder(recorder: Any, folder: SessionFolder, nodes: Nodes, clock: Clock) -> None:
    """Close the recording, if there is one, but not before it has what the loop said last.

    Raises
    ------
    RunError
        It lacks that.
    """
    if recorder is None:
        return
    until_s = clock.now_s() + recorder.HAS_EVERYTHING_S
    try:
        nodes.until(
            lambda: clock.now_s() >= until_s or not recorder.running(),
            "the recorder to take over what was said last",
            END_S,
        )
    finally:
        recorder.stop()
    if nodes["loop"].done and not recorder.has_written(LAST_MARKER):
        raise RunError(f"{folder.xdf.name} lacks its last marker, {LAST_MARKER!r}")
