"""Who else could read the session's streams, and a namespace where nobody can.

LSL is plaintext. Our configuration confines *discovery* to this machine, but
liblsl's data ports listen on every interface all the same. A network namespace
of the session's own closes them: it has no interface but its own loopback.
"""

import ctypes
import fcntl
import os
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Mapping, Sequence
from types import FrameType

from bci_core import registry
from bci_core.config.rig import LslSettings
from bci_core.errors import InputError
from bci_core.session.stop import STOP_SIGNALS

PRIVATE = "BCI_PRIVATE_NETWORK"
"""Environment variable that a process finds set inside the namespace."""

_CLONE_NEWUSER = 0x10000000
_CLONE_NEWNET = 0x40000000
_SIOCGIFFLAGS = 0x8913
_SIOCSIFFLAGS = 0x8914
_IFF_UP = 0x1


def describe(lsl: LslSettings) -> dict[str, str]:
    """What holds for the wire of a session with these settings, for report and doctor."""
    confined = lsl.resolve_scope == "machine" and lsl.listen_address.startswith("127.")
    return {
        "discovery": "this machine only" if confined else f"scope {lsl.resolve_scope}",
        "data ports": "own network namespace: closed to everything outside the session"
        if is_private()
        else "plaintext, listening on every interface; close them with a firewall or --private",
        "commands": "CURVE keys made for this session; an unknown key is refused",
    }


def lsl_configuration(lsl: LslSettings) -> str:
    """Text of liblsl's configuration that keeps discovery where these settings say."""
    text: str = registry.load("transport", "confinement")(
        lsl.resolve_scope, lsl.listen_address, lsl.known_peers
    )
    return text


def confine(lsl: LslSettings) -> str:
    """Confine this process, before its first use of liblsl; the configuration, for others."""
    text = lsl_configuration(lsl)
    registry.load("transport", "confine_this_process")(text)
    return text


def is_private() -> bool:
    """Whether this process is inside such a namespace."""
    return bool(os.environ.get(PRIVATE))


def run_private(arguments: Sequence[str]) -> int:
    """Run this program again in a network namespace of its own.

    Parameters
    ----------
    arguments : sequence of str
        Command line, without the program.

    Returns
    -------
    int
        Exit status.

    Raises
    ------
    InputError
        The kernel does not allow it.
    """
    command = [sys.executable, "-m", "bci_core.cli.app", *arguments]
    with _namespaced(command) as process:

        def pass_on(number: int, _frame: FrameType | None) -> None:
            process.send_signal(number)  # the session inside disarms and ends in order

        before = {number: signal.signal(number, pass_on) for number in STOP_SIGNALS}
        status = process.wait()
        for number, handler in before.items():
            signal.signal(number, handler)
    return status if status >= 0 else 128 - status


def can_be_private() -> str:
    """Why a private namespace cannot be had here, or ""."""
    try:
        with _namespaced([sys.executable, "-c", "pass"]) as process:
            return "" if process.wait() == 0 else "the process inside did not start"
    except InputError as error:
        return str(error)


def _namespaced(command: Sequence[str]) -> subprocess.Popen[bytes]:
    environment: Mapping[str, str] = os.environ | {PRIVATE: "1"}
    try:
        # A fresh child has one thread, which a new user namespace requires.
        return subprocess.Popen(  # noqa: S603 - this program itself
            command,
            env=environment,
            preexec_fn=_enter_namespace,  # noqa: PLW1509
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise InputError(
            f"--private: this kernel does not allow a network namespace here ({error}); run "
            "without it and close the ports with a firewall, as docs/privacy.md shows"
        ) from error


def _enter_namespace() -> None:
    """Become alone on a network that has only a loopback. Runs between fork and exec."""
    user, group = os.getuid(), os.getgid()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    _write("/proc/self/setgroups", "deny")
    _write("/proc/self/uid_map", f"{user} {user} 1")
    _write("/proc/self/gid_map", f"{group} {group} 1")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        request = struct.pack("16sH14x", b"lo", 0)
        (flags,) = struct.unpack_from("H", fcntl.ioctl(sock, _SIOCGIFFLAGS, request), 16)
        fcntl.ioctl(sock, _SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", flags | _IFF_UP))


def _write(path: str, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)
