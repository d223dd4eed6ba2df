"""Messages between the supervisor and a node: JSON lines over the node's standard pipes.

Pipes need no ports and no keys, tell at once when the other side has died,
and work the same through ``ssh``. Nothing here blocks: the loop sends and
receives between two waits for samples.
"""

import json
import os
import select
from collections import deque
from typing import Any

Message = dict[str, Any]

_PIPE_BUF = 4096  # POSIX: a writable pipe takes this much without blocking (Linux value)


class Channel:
    """One end of a two-way line of messages.

    Parameters
    ----------
    read_fd, write_fd : int
        File descriptors, owned by the caller.

    Attributes
    ----------
    closed : bool
        The other side has gone, and everything it said before has been received.
    """

    def __init__(self, read_fd: int, write_fd: int) -> None:
        self._read_fd = read_fd
        self._write_fd = write_fd
        self._partial = b""
        self._outgoing: deque[bytes] = deque()
        self._deaf = False
        self.closed = False

    def send(self, message: Message) -> None:
        """Queue a message and write what the pipe takes now; nothing, when nobody hears it."""
        if self._deaf:
            return
        self._outgoing.append(json.dumps(message, separators=(",", ":")).encode() + b"\n")
        self.flush()

    def flush(self) -> bool:
        """Write what the pipe takes now; True when nothing is left."""
        while self._outgoing and not self._deaf:
            if not select.select([], [self._write_fd], [], 0)[1]:
                return False
            line = self._outgoing.popleft()
            try:
                written = os.write(self._write_fd, line[:_PIPE_BUF])
            except OSError:
                # Nobody hears any more; what was said before can still be read.
                self._deaf = True
                self._outgoing.clear()
                return False
            if written < len(line):
                self._outgoing.appendleft(line[written:])
        return not self._outgoing

    def receive(self) -> list[Message]:
        """Every whole message that has arrived, oldest first. Does not wait."""
        while not self.closed and select.select([self._read_fd], [], [], 0)[0]:
            block = os.read(self._read_fd, 65536)
            if not block:
                self.closed = True
            self._partial += block
        *lines, self._partial = self._partial.split(b"\n")
        return [json.loads(line) for line in lines if line]

    def first(self) -> Message | None:
        """Wait for one message and leave those after it; None when the other side has gone."""
        while b"\n" not in self._partial and not self.closed:
            block = os.read(self._read_fd, 65536)
            self.closed = not block
            self._partial += block
        line, newline, self._partial = self._partial.partition(b"\n")
        return json.loads(line) if newline else None

    def wait(self, timeout_s: float) -> list[Message]:
        """Like `receive`, after waiting up to `timeout_s` for something to arrive."""
        if not self.closed:
            select.select([self._read_fd], [], [], timeout_s)
        return self.receive()
