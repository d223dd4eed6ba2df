"""Two questions to a ZeroMQ socket that pyzmq has no short words for."""

import zmq
from zmq.utils.monitor import parse_monitor_message

Socket = zmq.Socket[bytes]


def readable(socket: Socket) -> bool:
    """Whether a message is there. Resets the socket's descriptor, as libzmq has it."""
    return bool(int(socket.get(zmq.EVENTS)) & zmq.POLLIN)


def next_event(monitor: Socket) -> tuple[int, int]:
    """The next event of a socket monitor, which must be readable, and its value.

    Returns
    -------
    (int, int)
        The value is a file descriptor, an error number or a ZAP status, by event.
    """
    message = parse_monitor_message(monitor.recv_multipart())
    return int(message["event"]), int(message["value"])
