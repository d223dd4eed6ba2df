"""A node as the supervisor sees it: a process, its channel, its log."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, NamedTuple

from bci_core.errors import NodeError
from bci_core.session.channel import Channel, Message


class WaitingNode:
    """A node that has been started before anybody knows for what: it imports, and waits.

    Importing takes longest of all that happens before a session is armed, and can go on
    beside the reading of the rig. Nothing is opened or written before `NodeProcess` tells it
    what it is; until then it complains where its starter does.

    Parameters
    ----------
    role : str
    environment : mapping
        Of the process.
    """

    def __init__(self, role: str, environment: Mapping[str, str]) -> None:
        self.role = role
        self._pipes = _start([role], None, environment)
        self._handed_over = False

    def hand_over(self) -> "_Pipes":
        """Process and pipes, to somebody who sees to their end."""
        self._handed_over = True
        return self._pipes

    def discard(self) -> None:
        """End it, unless it was handed over: it has done nothing, and will not be needed."""
        if self._handed_over:
            return
        self._pipes.process.kill()
        self._pipes.process.wait()
        os.close(self._pipes.read_fd)
        os.close(self._pipes.write_fd)


class NodeProcess:
    """Starts a node and speaks with it.

    Parameters
    ----------
    role : str
    arguments : sequence of str
        For `bci_core.session.node`, after the role.
    log : Path
        Where the node's standard error goes.
    environment : mapping
        Of the process.
    waiting : WaitingNode, optional
        To be used instead of starting one.

    Attributes
    ----------
    fileno : int
        To wait on for messages.
    done : bool
        It has said goodbye.
    killed : bool
        It was ended by `kill`.
    """

    def __init__(
        self,
        role: str,
        arguments: Sequence[str],
        log: Path,
        environment: Mapping[str, str],
        waiting: WaitingNode | None = None,
    ) -> None:
        self.role = role
        self._log = log
        with log.open("wb") as sink:
            pipes = (
                _start([role, *arguments], sink, environment)
                if waiting is None
                else waiting.hand_over()
            )
        self._process = pipes.process
        self.fileno, self._write_fd = pipes.read_fd, pipes.write_fd
        self.channel = Channel(pipes.read_fd, pipes.write_fd)
        self.done = False
        self.killed = False
        if waiting is not None:
            being = {"arguments": list(arguments), "log": str(log.resolve())}
            self.channel.send({"do": "be", "environment": dict(environment), **being})

    @property
    def pid(self) -> int:
        return self._process.pid

    def send(self, order: Message) -> None:
        self.channel.send(order)

    def alive(self) -> bool:
        """Whether the process is still there."""
        return self._process.poll() is None

    def wait(self) -> None:
        """Collect the process once its pipe has closed."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(1.0)

    def kill(self) -> None:
        """End it at once, even when it is stopped or hangs."""
        self.killed = True
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        """Give back the pipe it was heard through."""
        os.close(self.fileno)

    def how_it_ended(self) -> str:
        """For people: status or signal, and the last line of its log."""
        status = self._process.poll()
        if status is None:
            how = "is still running"
        elif status < 0:
            how = f"was ended by {signal.Signals(-status).name}"
        else:
            how = f"ended with status {status}"
        words = self._log.read_text("utf-8", "replace").strip().splitlines()
        return f"{self.role} process {how}" + (f": {words[-1]}" if words else "")

    def end(self, timeout_s: float) -> int:
        """Let go of it, and wait; end it when it does not end by itself.

        Raises
        ------
        NodeError
            It had to be killed.
        """
        os.close(self._write_fd)
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()
            raise NodeError(
                f"{self.role} process did not end within {timeout_s:g} s and was killed"
            ) from None


class _Pipes(NamedTuple):
    process: "subprocess.Popen[bytes]"
    read_fd: int
    write_fd: int


def _start(
    arguments: Sequence[str], sink: IO[bytes] | None, environment: Mapping[str, str]
) -> _Pipes:
    their_read, our_write = os.pipe()
    our_read, their_write = os.pipe()
    process = subprocess.Popen(  # noqa: S603 - our own module
        [sys.executable, "-m", "bci_core.session.node", *arguments],
        stdin=their_read,
        stdout=their_write,
        stderr=sink,
        env=dict(environment),
        # Ctrl-C in the terminal reaches the supervisor only.
        start_new_session=True,
    )
    os.close(their_read)
    os.close(their_write)
    return _Pipes(process, our_read, our_write)
