"""The command path: a stimulator's server, the loop's link to it, and their keys.

::

    loop ── CommandLink ══ ZeroMQ over TCP, CURVE ══ CommandServer ── stimulator

Frames are in `streams.command_frames` and `streams.command_requests`.
"""

from streams.command_link import CommandLink
from streams.command_server import CommandServer
from streams.keys import SessionKeys

__all__ = ["CommandLink", "CommandServer", "SessionKeys"]
