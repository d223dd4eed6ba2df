"""A stimulator behind a CURVE-secured TCP port: the process that owns the device."""

import os
import select
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

import zmq
from zmq.utils import z85

from bci_core.clock import Clock
from bci_core.contracts import Stimulator
from bci_core.errors import LinkError
from streams.admission import Admission
from streams.command_frames import MAX_FRAME_BYTES
from streams.command_handler import HOST_LOST, CommandHandler, OnEvent
from streams.keys import SessionKeys
from streams.lifeline import AVAILABLE, Lifeline
from streams.sockets import DONTWAIT, eager_context, readable

FRAMES_A_STEP: Final = 32
"""Served before the device and the client's health are looked at again."""

UNREAD_FRAMES: Final = 256
"""Beyond what the network holds. A client that lets more pile up is deaf, and disarmed."""

HANDSHAKE_MS: Final = 1000
FLUSH_MS: Final = 200
"""How long closing waits for the last frames to leave."""


class CommandServer:
    """Serves one stimulator in the thread that calls it.

    Each step: a host that has gone first, since current must stop; then frames, each
    answered before the next thing is done; then the device, whose time runs on. It
    sleeps until one of these is due and never polls.

    Parameters
    ----------
    stimulator : Stimulator
    clock : Clock
        One that runs; also the device's time.
    endpoint : str
        ZeroMQ address; ``*`` as the port takes a free one.
    keys : SessionKeys
        With the server's secret key.
    lifeline : Path, optional
        File to make: a host on this machine that holds it is known to be dead before its
        connection closes. See `streams.lifeline`.
    on_event : callable (str, dict)
        For the ledger; see `CommandHandler` and `Admission` for the events.

    Attributes
    ----------
    endpoint : str
        The address in use.

    Raises
    ------
    LinkError
        The keys lack the server's part, or the address cannot be served.
    """

    def __init__(
        self,
        stimulator: Stimulator,
        clock: Clock,
        endpoint: str = "tcp://127.0.0.1:*",
        *,
        keys: SessionKeys,
        on_event: OnEvent,
        lifeline: Path | None = None,
    ) -> None:
        if keys.server_secret is None:
            raise LinkError(
                "the keys lack the server's secret; give the stimulator the file server.json"
            )
        self._clock = clock
        self._on_event = on_event
        self._handler = CommandHandler(stimulator, clock, on_event)
        self._lifeline = Lifeline.make(lifeline) if lifeline and AVAILABLE else None
        self._peer = b""
        self._stop_reason = ""
        self._woken, self._wake = os.pipe()
        os.set_blocking(self._wake, False)
        self._context = eager_context()
        self._socket = self._context.socket(zmq.ROUTER)
        self._socket.set(zmq.CURVE_SERVER, 1)
        self._socket.set(zmq.CURVE_SECRETKEY, keys.server_secret.encode())
        self._socket.set(zmq.CURVE_PUBLICKEY, keys.server_public.encode())
        self._socket.set(zmq.ZAP_DOMAIN, b"bci")
        self._socket.set(zmq.ROUTER_MANDATORY, 1)
        self._socket.set(zmq.MAXMSGSIZE, MAX_FRAME_BYTES)
        self._socket.set(zmq.SNDHWM, UNREAD_FRAMES)
        self._socket.set(zmq.HANDSHAKE_IVL, HANDSHAKE_MS)
        self._socket.set(zmq.LINGER, FLUSH_MS)
        self._admission = Admission(self._socket, z85.decode(keys.client_public), on_event)
        self._waited_for = (self._socket, *self._admission.sockets)
        self._descriptors = [*(socket.fileno() for socket in self._waited_for), self._woken]
        try:
            self._socket.bind(endpoint)
        except zmq.ZMQError as error:
            self.close()
            raise LinkError(f"the stimulator cannot be served at {endpoint}: {error}") from None
        self.endpoint = self._socket.get_string(zmq.LAST_ENDPOINT).rstrip("\0")

    def run(self, should_stop: Callable[[], bool], look_every_s: float = 0.05) -> None:
        """Serve until `should_stop` says so, which is asked that often; then disarm."""
        try:
            while not should_stop():
                self.step(look_every_s)
        finally:
            self._disarm("server stopped")

    def step(self, max_wait_s: float) -> None:
        """Sleep until something is due, at most `max_wait_s`, and do it.

        Parameters
        ----------
        max_wait_s : float
        """
        only_frames = self._wait(max_wait_s)
        stop_reason, self._stop_reason = self._stop_reason, ""
        if stop_reason:
            self._disarm(stop_reason)
        if not only_frames and self._admission.step():
            self._handler.lose_client(self._clock.now_s())
            self._tell_news()  # In case it is there after all.
            self._peer = b""
        for _ in range(FRAMES_A_STEP):
            if not self._serve_one():
                break
        self._tell_news()

    def disarm_soon(self, reason: str) -> None:
        """Have the device disarmed before anything else, waking `step` if it sleeps.

        The one method that a signal handler or another thread may call.
        """
        self._stop_reason = reason or "disarmed"
        with suppress(BlockingIOError):  # A full pipe wakes as well.
            os.write(self._wake, b"!")

    def close(self) -> None:
        """Disarm the device, tell its client, and close the port."""
        if self._context.closed:
            return
        self._disarm("server stopped")
        self._socket.disable_monitor()
        self._admission.close()
        self._context.destroy()
        os.close(self._woken)
        os.close(self._wake)

    def _host_died(self) -> None:
        if not self._context.closed:
            self.disarm_soon(HOST_LOST)

    def _disarm(self, reason: str) -> None:
        self._handler.stop(reason, self._clock.now_s())
        self._tell_news()

    def _wait(self, max_wait_s: float) -> bool:
        """Sleep until something comes or is due; whether it is frames, and nothing else."""
        wait_s = min(max_wait_s, self._handler.next_event_s() - self._clock.now_s())
        # libzmq's descriptors tell of changes only: what has come already must be asked about,
        # and asking resets them.
        if wait_s > 0.0 and not any(readable(socket) for socket in self._waited_for):
            woken, _, _ = select.select(self._descriptors, [], [], wait_s)
            if self._woken in woken:
                os.read(self._woken, 4096)
            return woken == self._descriptors[:1]
        return False

    def _serve_one(self) -> bool:
        """Take a message and do what it says; False when there is none."""
        try:
            peer = self._socket.recv(DONTWAIT)
        except zmq.Again:
            return False
        frame = self._socket.recv(DONTWAIT, copy=False)
        if frame.more:
            count = 1 + len(self._socket.recv_multipart(DONTWAIT))
            self._on_event("malformed", {"why": f"a message of {count} frames"})
        # A client that has gone may have left messages behind.
        elif frame.get("User-Id") == self._admission.client:
            if peer != self._peer:
                self._peer = peer
                if self._lifeline is not None:
                    self._lifeline.watch(self._host_died)
            answer = self._handler.answer(frame.bytes, self._clock.now_s())
            if answer is not None:
                self._send(answer)
        return True

    def _tell_news(self) -> None:
        for frame in self._handler.news(self._clock.now_s()):
            self._send(frame)

    def _send(self, frame: bytes) -> None:
        if not self._peer:
            return
        try:
            self._socket.send_multipart([self._peer, frame], DONTWAIT)
        except zmq.Again:
            self._peer = b""
            self._handler.stop(HOST_LOST, self._clock.now_s())
            self._on_event("client_deaf", {"why": f"it left {UNREAD_FRAMES} frames unread"})
        except zmq.ZMQError:  # It has gone; the monitor is about to say so.
            self._peer = b""
            self._handler.stop(HOST_LOST, self._clock.now_s())
