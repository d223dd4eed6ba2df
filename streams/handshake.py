"""What a client watches while it shakes hands, and what it says when nobody takes its hand."""

from typing import Final

import zmq

from streams.admission import BUSY
from streams.keys import SessionKeys, fingerprint

WATCHED: Final = (
    zmq.EVENT_CONNECTED
    | zmq.EVENT_CLOSED
    | zmq.EVENT_DISCONNECTED
    | zmq.EVENT_HANDSHAKE_SUCCEEDED
    | zmq.EVENT_HANDSHAKE_FAILED_AUTH
    | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
    | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
)
"""Events of a socket monitor; their values are as `streams.sockets.next_event` says."""


def why_failed(event: int, value: int, endpoint: str, keys: SessionKeys) -> str:
    """Why a handshake ended with an event that is no success, and what to do."""
    if event != zmq.EVENT_HANDSHAKE_FAILED_AUTH:
        return (
            f"the handshake with the stimulator at {endpoint} failed: it does not "
            "have the server key of this session, or is no stimulator of ours; take "
            "endpoint and keys from the same session"
        )
    if value == BUSY:
        return (
            f"the stimulator at {endpoint} has another client; it serves one at a time. "
            "Close that one first"
        )
    return (
        f"the stimulator at {endpoint} refused this client's key "
        f"{fingerprint(keys.client_public)}; take the keys of the stimulator's session"
    )
