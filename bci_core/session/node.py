"""Entry of every node: ``python -m bci_core.session.node ROLE [RIG SESSION_ID [KEYS]]``.

Orders come on standard input, reports go to standard output, one JSON object a
line, so a node can as well be started by ``ssh`` on another machine. A node that is
given its role only imports what the role needs, and takes the rest from its first
order: ``be`` {arguments, environment, log}.
"""

import os
import signal
import sys
from collections.abc import Sequence

from bci_core import registry
from bci_core.clock import LslClock
from bci_core.config.load import load_rig
from bci_core.errors import BciError
from bci_core.session.channel import Channel

ROLES = ("amplifier", "loop", "stimulator")


IMPORTS = {"amplifier": "sample_outlet", "loop": "inlet", "stimulator": "command_server"}
"""The transport whose import is most of what a role imports, whatever the rig."""


def run_node(role: str, *arguments: str) -> int:
    """Run one node on this process's standard pipes; its exit status.

    Parameters
    ----------
    role : str
        Of `ROLES`.
    arguments : str
        Path of the rig, session id, and for the stimulator the path of its keys, for the
        loop the labels of its detector's outputs; or nothing, to have them from the first
        order.
    """
    # Ctrl-C belongs to the supervisor, which disarms before it ends anything.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Reports go to the pipe; whatever a library prints goes to the log.
    write_fd = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    channel = Channel(sys.stdin.fileno(), write_fd)
    if arguments:
        return _run(role, channel, *arguments)
    registry.load("transport", IMPORTS[role])
    order = channel.first()
    if order is None:
        return 0
    os.environ.update(order["environment"])
    log = os.open(order["log"], os.O_WRONLY | os.O_APPEND)
    os.dup2(log, sys.stderr.fileno())
    os.dup2(log, sys.stdout.fileno())
    return _run(role, channel, *order["arguments"])


def _run(role: str, channel: Channel, rig_path: str, session_id: str, *more: str) -> int:
    clock = LslClock()
    if role == "amplifier":
        from bci_core.session.amplifier_node import run_amplifier

        return run_amplifier(load_rig(rig_path, ("amplifier",)), session_id, channel, clock)
    if role == "stimulator":
        from bci_core.session.stimulator_node import run_stimulator

        rig = load_rig(rig_path, ("stimulator",))
        return run_stimulator(rig, rig_path, session_id, "".join(more), channel, clock)
    from bci_core.session.loop_node import LoopNode

    return LoopNode(rig_path, session_id, channel, clock, [each for each in more if each]).run()


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line of a node; used by the supervisor and by ``bci node``."""
    role, *rest = sys.argv[1:] if arguments is None else arguments
    try:
        return run_node(role, *rest)
    except BciError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_status


if __name__ == "__main__":
    sys.exit(main())
