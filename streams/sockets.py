"""What pyzmq has no short words for: an eager context, and two questions to a socket."""

import os
from typing import Final

import zmq
from zmq.utils.monitor import parse_monitor_message

Socket = zmq.Socket[bytes]

DONTWAIT: Final = int(zmq.DONTWAIT)
_EVENTS: Final = int(zmq.EVENTS)
_POLLIN: Final = int(zmq.POLLIN)
"""As plain numbers: arithmetic with pyzmq's enums takes longer than the question."""


def eager_context() -> zmq.Context[Socket]:
    """A context whose I/O thread goes before the thread that makes it.

    A thread with real-time priority runs until it sleeps. Were its I/O thread no more
    urgent, a frame would wait, while all cores are taken, until its sender has done
    everything else it had to do.
    """
    context = zmq.Context()
    priority = _next_priority()
    if priority is not None:
        context.set(zmq.THREAD_SCHED_POLICY, os.SCHED_FIFO)
        context.set(zmq.THREAD_PRIORITY, priority)
    return context


def _next_priority() -> int | None:
    """One above this thread's own real-time priority; None when it has none, or may not."""
    if not hasattr(os, "SCHED_FIFO") or os.sched_getscheduler(0) != os.SCHED_FIFO:
        return None
    own = os.sched_getparam(0)
    above = own.sched_priority + 1
    # libzmq aborts the process over a priority that is not granted, so it is tried here.
    try:
        os.sched_setparam(0, os.sched_param(above))
    except OSError:
        return None
    os.sched_setparam(0, own)
    return above


def readable(socket: Socket) -> bool:
    """Whether a message is there. Resets the socket's descriptor, as libzmq has it."""
    return bool(int(socket.get(_EVENTS)) & _POLLIN)


def next_event(monitor: Socket) -> tuple[int, int]:
    """The next event of a socket monitor, which must be readable, and its value.

    Returns
    -------
    (int, int)
        The value is a file descriptor, an error number or a ZAP status, by event.
    """
    message = parse_monitor_message(monitor.recv_multipart())
    return int(message["event"]), int(message["value"])
