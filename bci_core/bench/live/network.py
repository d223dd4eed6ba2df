"""A network of a session's own, and cuts in it: what is sent is dropped, nobody is told."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from bci_core.errors import NodeError

PRIORITY = 60
"""SCHED_FIFO priority of who cuts, above a session's 10."""

LISTENING = "0A"
"""State of a socket in ``/proc/net/tcp``."""

APART = (
    "unshare",
    "--net",
    "sh",
    "-c",
    # Loopback has no policies unless it is told to.
    'ip link set lo up && echo 0 > /proc/sys/net/ipv4/conf/lo/disable_xfrm && exec "$@"',
    "sh",
)
"""Put before a command: it becomes alone on a network, in the same process."""


def cannot_cut() -> str:
    """Why there are no cuts here, or ""."""
    missing = [tool for tool in ("unshare", "nsenter", "ip") if shutil.which(tool) is None]
    if missing:
        return f"{', '.join(missing)} not found; install util-linux and iproute2"
    if os.geteuid() != 0:
        return "a network of its own that can be cut takes root"
    tried = subprocess.run([*APART, "true"], capture_output=True, text=True)  # noqa: S603, PLW1510 - ours
    return "" if tried.returncode == 0 else f"no network namespace here: {tried.stderr.strip()}"


class Cut:
    """Drops what goes to or comes from ports, in the namespace of a process.

    By policies of the kernel's (``ip xfrm``), which need no module beyond it: a packet that
    meets one is dropped on its way out, and TCP sends it again, as over a cable that is out.

    Parameters
    ----------
    process : int
        In the namespace.
    ports : sequence of int
        TCP ports of this machine; empty for all that is sent.
    """

    def __init__(self, process: int, ports: Sequence[int]) -> None:
        ends = [[f"{end}port", str(port)] for port in ports for end in ("s", "d")]
        selectors = [["proto", "tcp", *end] for end in ends] or [[]]
        anywhere = "xfrm policy add dir out src 0.0.0.0/0 dst 0.0.0.0/0"
        self._cut = [f"{anywhere} {' '.join(each)} action block" for each in selectors]
        # Both are there before they are needed: a cut is to come at once, and mending it must
        # not depend on who is left in the namespace.
        self._cutting, self._mending = _waiting(process), _waiting(process)

    def begin(self) -> None:
        """Cut.

        Raises
        ------
        NodeError
            The kernel does not do it.
        """
        _have(self._cutting, self._cut)

    def end(self) -> None:
        """Mend it."""
        _have(self._mending, ["xfrm policy flush"])


def _waiting(process: int) -> "subprocess.Popen[str]":
    """``ip`` in a process's namespace, waiting for what to do."""
    command = ["nsenter", f"--target={process}", "--net", "ip", "-batch", "-"]
    pipe = subprocess.PIPE
    waiting = subprocess.Popen(  # noqa: S603 - a fixed program
        command, stdin=pipe, stdout=pipe, stderr=subprocess.STDOUT, text=True
    )
    with suppress(OSError):
        os.sched_setscheduler(waiting.pid, os.SCHED_FIFO, os.sched_param(PRIORITY))
    return waiting


def _have(waiting: "subprocess.Popen[str]", lines: Sequence[str]) -> None:
    said, _ = waiting.communicate("".join(f"{line}\n" for line in lines))
    if waiting.returncode != 0:
        raise NodeError(f"the network could not be cut or mended: {said.strip()}")


def listening_ports(process: int | str, address: str) -> list[int]:
    """TCP ports on which a process listens at an IPv4 address of its own network.

    Parameters
    ----------
    process : int
    address : str
        ``127.0.0.1`` or ``0.0.0.0``.
    """
    number = int.from_bytes(bytes(map(int, address.split("."))), "little")
    at = f"{number:08X}"
    sockets = set()
    for each in Path(f"/proc/{process}/fd").iterdir():
        with suppress(FileNotFoundError):  # Closed meanwhile.
            sockets.add(str(each.readlink()))
    ports = []
    _, *lines = Path(f"/proc/{process}/net/tcp").read_text("ascii").splitlines()
    for line in lines:
        _, local, _, state, *more = line.split()
        where, _, port = local.partition(":")
        if where == at and state == LISTENING and f"socket:[{more[5]}]" in sockets:
            ports.append(int(port, 16))
    return sorted(ports)
