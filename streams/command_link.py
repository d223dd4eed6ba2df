"""The loop's end of the command path to a stimulator in another process."""

import select
from collections.abc import Callable, Sequence
from functools import partial
from math import ceil
from pathlib import Path
from typing import Final

import numpy as np
import zmq
from numpy.typing import NDArray

from bci_core.capabilities import Capabilities, SoundCapabilities
from bci_core.clock import Clock
from bci_core.errors import DeviceError, LinkError, SafetyError
from bci_core.events import Acceptance, Delivery, Trigger
from bci_core.safety.read_back import require_same
from bci_core.status import DeviceStatus, Impedance
from bci_core.stimulus import StimProgram
from streams.command_frames import (
    RENEW_FRAME,
    Kind,
    acceptance_from,
    delivery_from,
    json_frame,
    pack_trigger,
    ping_frame,
    reply_from,
    state_from,
    token_from,
    trigger_buffer,
)
from streams.command_requests import (
    Arm,
    Disarm,
    FrameError,
    Hello,
    Load,
    Measure,
    ReadBack,
    Reply,
    Request,
    Reset,
    Status,
)
from streams.handshake import WATCHED, why_failed
from streams.keys import SessionKeys
from streams.lifeline import Lifeline
from streams.sockets import DONTWAIT, eager_context, next_event, readable

_ERRORS = {"safety": SafetyError, "device": DeviceError, "link": LinkError}

NEVER_MS: Final = 3_600_000
RETRY_S: Final = 0.02
QUEUE_FRAMES: Final = 64
"""Frames that may wait to be sent. More means that the stimulator does not listen."""
ORDER_S: Final = 1.5
"""Longest wait for the answer to arm, disarm or reset. A loop that waits says nothing, and is
ended by its supervisor after 2 s, with nobody told why."""


class CommandLink:
    """Satisfies `bci_core.contracts.StimulatorLink` over ZeroMQ with CURVE.

    A link that has been lost stays lost: the device has disarmed itself, and a new
    link has to arm it anew.

    Parameters
    ----------
    endpoint : str
        As the server tells it.
    keys : SessionKeys
        With the client's secret key.
    clock : Clock
        One that runs.
    timeout_s : float
        Longest wait for the server to be there, and for an answer; `ORDER_S` for that to an order.
    lifeline : Path, optional
        Held while the link is open, where the server has made it: see `streams.lifeline`.
        The calling thread must be one that lives as long as the process.

    Raises
    ------
    LinkError
        Nobody serves the endpoint, the server is not the one of this session, it refuses
        this key, or it has a client already.
    """

    def __init__(
        self,
        endpoint: str,
        keys: SessionKeys,
        clock: Clock,
        timeout_s: float = 2.0,
        lifeline: Path | None = None,
    ) -> None:
        if keys.client_secret is None:
            raise LinkError("the keys lack the client's secret; give the loop the file client.json")
        self.endpoint = endpoint
        self._keys = keys
        self._clock = clock
        self._timeout_s = timeout_s
        self._lost = ""
        self._disarmed = "not armed yet"
        self._inbox: list[Acceptance | Delivery] = []
        self._replies: dict[int, Reply] = {}
        self._pongs: set[int] = set()
        self._last_id = 0
        self._status_id = 0
        self._asked_s = self._told_s = 0.0
        self._trigger = trigger_buffer()
        self._stirred = select.poll()
        self._context = eager_context()
        self._lifeline: Lifeline | None = None
        try:
            if lifeline is not None and lifeline.exists():
                self._lifeline = Lifeline(lifeline)
                self._lifeline.hold()
            self._connect()
            self._request(Hello(id=self._next_id()))
        except BaseException:
            self.close()
            raise

    def load(self, programs: Sequence[StimProgram]) -> Capabilities | SoundCapabilities:
        """Replace what the device holds, and compare with what it then says it holds.

        Raises
        ------
        SafetyError
            The device refuses a program, or holds something else than was sent.
        DeviceError
            The device is armed, or failed.
        LinkError
        """
        reply = self._request(Load(id=self._next_id(), programs=tuple(programs)))
        held = self._request(ReadBack(id=self._next_id())).programs
        require_same(programs, held)
        return reply.capabilities

    def arm(self, lease_s: float) -> None:
        self._request(Arm(id=self._next_id(), lease_s=lease_s))

    def renew(self) -> None:
        self._send(RENEW_FRAME)

    def send(self, trigger: Trigger) -> float:
        pack_trigger(self._trigger, trigger)
        sent_s = self._clock.now_s()
        self._send(self._trigger)
        return sent_s

    def poll(self) -> list[Acceptance | Delivery]:
        self._listen()
        if self._lost and not self._inbox:
            raise LinkError(self._lost)
        inbox, self._inbox = self._inbox, []
        return inbox

    def disarm(self, reason: str) -> None:
        """Stop the device and wait until it has said so.

        Raises
        ------
        LinkError
            It did not say so. It disarms itself when it has lost its host, or when its
            lease ends.
        """
        self._request(Disarm(id=self._next_id(), reason=reason[:1000]))

    def reset(self) -> None:
        self._request(Reset(id=self._next_id()))

    def disarmed_reason(self) -> str:
        return self._lost or self._disarmed

    def poll_status(self) -> tuple[DeviceStatus, float, float] | None:
        self._listen()
        reply = self._replies.pop(self._status_id, None)
        told = None
        if reply is not None:
            self._status_id = 0
            told = (reply.status, self._asked_s, self._told_s) if reply.status else None
        if not self._status_id:
            request = Status(id=self._next_id())
            self._asked_s = self._clock.now_s()
            self._send(json_frame(request))
            self._status_id = request.id
        return told

    def impedance(self, electrodes: Sequence[int]) -> tuple[Impedance, ...]:
        request = Measure(id=self._next_id(), electrodes=tuple(electrodes))
        return self._request(request).impedances

    def round_trip_s(self, n: int) -> NDArray[np.float64]:
        """Times from here through the server's loop and back, one ping after another.

        Parameters
        ----------
        n : int

        Returns
        -------
        ndarray, (n,), float64
            Seconds.
        """
        times_s = np.empty(n)
        for i in range(n):
            token = self._next_id()
            start_s = self._clock.now_s()
            self._send(ping_frame(Kind.PING, token))
            self._await(partial(self._pongs.__contains__, token), "a ping", self._timeout_s)
            times_s[i] = self._clock.now_s() - start_s
            self._pongs.discard(token)
        return times_s

    def close(self) -> None:
        """Let go of the device, which disarms itself on that."""
        self._lost = self._lost or "the link has been closed"
        if not self._context.closed:
            self._context.destroy(linger=0)
        if self._lifeline is not None:
            self._lifeline.let_go()
            self._lifeline = None

    def _connect(self) -> None:
        until_s = self._clock.now_s() + self._timeout_s
        while not self._try_to_connect(until_s):
            if self._clock.now_s() >= until_s:
                raise LinkError(
                    f"nobody serves a stimulator at {self.endpoint}: no connection within "
                    f"{self._timeout_s:g} s; is the stimulator's process running?"
                )
            self._clock.sleep_until(self._clock.now_s() + RETRY_S)

    def _try_to_connect(self, until_s: float) -> bool:
        """Connect and shake hands; False when nobody is there."""
        self._socket = self._context.socket(zmq.DEALER)
        self._monitor = self._socket.get_monitor_socket(WATCHED)
        self._poller = zmq.Poller()
        self._poller.register(self._monitor, zmq.POLLIN)
        self._socket.set(zmq.CURVE_SERVERKEY, self._keys.server_public.encode())
        self._socket.set(zmq.CURVE_PUBLICKEY, self._keys.client_public.encode())
        self._socket.set(zmq.CURVE_SECRETKEY, (self._keys.client_secret or "").encode())
        # A lost link is not taken up again. Not -1, nor IMMEDIATE: with either, libzmq drops
        # what the server said last when it goes.
        self._socket.set(zmq.RECONNECT_IVL, NEVER_MS)
        self._socket.set(zmq.SNDHWM, QUEUE_FRAMES)
        self._socket.set(zmq.LINGER, 0)
        try:
            self._socket.connect(self.endpoint)
        except zmq.ZMQError as error:
            raise LinkError(f"{self.endpoint} is no address of a stimulator: {error}") from None
        connected = False
        until_s = max(until_s, self._clock.now_s() + RETRY_S)  # A refusal takes a moment too.
        while self._poller.poll(self._left_ms(until_s)):
            event, value = next_event(self._monitor)
            if event == zmq.EVENT_CONNECTED:
                connected = True
            elif event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
                self._poller.register(self._socket, zmq.POLLIN)
                self._stirred.register(self._monitor.fileno(), select.POLLIN)
                return True
            elif event == zmq.EVENT_CLOSED:
                self._give_up_socket()
                return False
            else:
                raise LinkError(why_failed(event, value, self.endpoint, self._keys))
        if not connected:
            # Not told yet that the connection was refused, on a busy machine.
            self._give_up_socket()
            return False
        raise LinkError(
            f"no handshake with a stimulator at {self.endpoint} within {self._timeout_s:g} s: "
            "something listens there but does not answer"
        )

    def _give_up_socket(self) -> None:
        self._socket.disable_monitor()
        self._monitor.close()
        self._socket.close()

    def _request(self, request: Request) -> Reply:
        order = isinstance(request, (Arm, Disarm, Reset))
        within_s = min(self._timeout_s, ORDER_S) if order else self._timeout_s
        self._send(json_frame(request))
        self._await(lambda: request.id in self._replies, f"the request to {request.op}", within_s)
        reply = self._replies.pop(request.id)
        self._disarmed = reply.disarmed
        if reply.error:
            raise _ERRORS[reply.error](reply.message)
        return reply

    def _send(self, frame: bytes | bytearray) -> None:
        # The monitor's descriptor tells that there may be something new; asking the monitor
        # itself, which takes far longer, is left to `_listen`.
        if not self._lost and self._stirred.poll(0):
            self._listen()
        if self._lost:
            raise LinkError(self._lost)
        try:
            self._socket.send(frame, DONTWAIT)
        except zmq.Again:
            raise LinkError(
                f"the stimulator at {self.endpoint} does not listen: {QUEUE_FRAMES} frames wait"
            ) from None

    def _await(self, done: Callable[[], bool], what: str, within_s: float) -> None:
        until_s = self._clock.now_s() + within_s
        while True:
            self._listen()
            if done():
                return
            if self._lost:
                raise LinkError(self._lost)
            if not self._poller.poll(self._left_ms(until_s)):
                raise LinkError(
                    f"the stimulator at {self.endpoint} did not answer {what} within "
                    f"{within_s:g} s; it hangs, or its machine is overloaded"
                )

    def _left_ms(self, until_s: float) -> int:
        return max(0, ceil((until_s - self._clock.now_s()) * 1e3))

    def _listen(self) -> None:
        """Take in what has come. The loss of the server comes after its last words."""
        if self._lost:
            return
        lost = readable(self._monitor)  # Only a loss is left to be told.
        while readable(self._socket):
            self._take(self._socket.recv())
        if lost:
            self._lost = f"the stimulator at {self.endpoint} is gone"

    def _take(self, frame: bytes) -> None:
        match frame[0] if frame else 0:
            case Kind.ACCEPTANCE:
                self._inbox.append(acceptance_from(frame))
            case Kind.DELIVERY:
                self._inbox.append(delivery_from(frame))
            case Kind.STATE:
                self._disarmed = state_from(frame)
            case Kind.PONG:
                self._pongs.add(token_from(frame))
            case Kind.REPLY:
                reply = reply_from(frame)
                self._replies[reply.id] = reply
                if reply.id == self._status_id:
                    self._told_s = self._clock.now_s()
            case kind:
                raise FrameError(f"the stimulator sent {len(frame)} bytes of kind {kind}")

    def _next_id(self) -> int:
        self._last_id += 1
        return self._last_id
