"""Who may connect to a stimulator: one client at a time, with the session's key."""

from typing import Final

import zmq

from streams.command_handler import OnEvent
from streams.keys import fingerprint
from streams.sockets import Socket, next_event, readable

ZAP_ENDPOINT: Final = "inproc://zeromq.zap.01"
"""Where libzmq asks whether a key may pass (ZeroMQ RFC 27)."""

REFUSED: Final = 400
"""ZAP status for a key that may not pass."""

BUSY: Final = 500
"""ZAP status, taken here for "another client is connected". Reaches the refused client."""

_WATCHED = (
    zmq.EVENT_ACCEPTED
    | zmq.EVENT_DISCONNECTED
    | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
    | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
)


class Admission:
    """Answers libzmq's question about each key, and notices when the client goes.

    Make it before its socket is bound.

    Parameters
    ----------
    socket : zmq.Socket
        The server's, in a context of its own.
    client_public : bytes
        The one key that passes, as 32 raw bytes.
    on_event : callable (str, dict)
        Is told ``client_connected`` and ``client_refused`` with the key's fingerprint.

    Attributes
    ----------
    client : str
        The user id that messages of the present client carry, or "" when there is none.
    """

    def __init__(self, socket: Socket, client_public: bytes, on_event: OnEvent) -> None:
        self._client_public = client_public
        self._on_event = on_event
        self._zap = socket.context.socket(zmq.REP)
        self._zap.bind(ZAP_ENDPOINT)
        self._monitor = socket.get_monitor_socket(_WATCHED)
        self._open: set[int] = set()
        self._maybe_client: set[int] = set()
        self._admitted = 0
        self.client = ""

    @property
    def sockets(self) -> tuple[Socket, Socket]:
        """Those that must be waited for."""
        return self._zap, self._monitor

    def step(self) -> bool:
        """Let at most one client in; True when the client that was in has gone.

        A connection is a file descriptor to the monitor, a key to ZAP, and nothing joins
        the two. But a connection is accepted before its key is asked about, so the client
        is among those open at that moment. Which others were, hardly ever any, count as
        the client too: in doubt, it has gone.
        """
        asked = self._zap.recv_multipart() if readable(self._zap) else None
        gone = self._watch()
        if asked is not None:
            self._zap.send_multipart(self._judge(asked))
        return gone

    def close(self) -> None:
        """Let nobody in any more."""
        self._zap.close(linger=0)
        self._monitor.close(linger=0)

    def _watch(self) -> bool:
        gone = False
        while readable(self._monitor):
            event, connection = next_event(self._monitor)
            match event:
                case zmq.EVENT_ACCEPTED:
                    self._open.add(connection)
                case zmq.EVENT_DISCONNECTED:
                    self._open.discard(connection)
                    if connection in self._maybe_client:
                        self._maybe_client.clear()
                        self.client = ""
                        gone = True
                case _:
                    self._on_event(
                        "client_refused",
                        {"why": "its handshake failed: not the session's server key, or no key"},
                    )
        return gone

    def _judge(self, asked: list[bytes]) -> list[bytes]:
        version, request_id, _domain, address, _identity, mechanism, *credentials = asked
        key = credentials[0] if mechanism == b"CURVE" and credentials else b""
        who = {"key": fingerprint(key), "address": address.decode(errors="replace")}
        if key != self._client_public:
            self._on_event("client_refused", {"why": "unknown key", **who})
            return [version, request_id, str(REFUSED).encode(), b"unknown key", b"", b""]
        if self.client:
            self._on_event("client_refused", {"why": "another client is connected", **who})
            return [version, request_id, str(BUSY).encode(), b"busy", b"", b""]
        self._admitted += 1
        self.client = f"client-{self._admitted}"
        self._maybe_client = set(self._open)
        self._on_event("client_connected", who)
        return [version, request_id, b"200", b"OK", self.client.encode(), b""]
