import os
import signal
import socket
import subprocess
import sys
import threading

import pytest

from bci_core.errors import LinkError
from streams.lifeline import AVAILABLE, Lifeline

pytestmark = pytest.mark.skipif(not AVAILABLE, reason="no robust mutexes on this system")

HOST = """
import socket, sys
import numpy as np
from pathlib import Path
from streams.lifeline import Lifeline
held = Lifeline(Path(sys.argv[1]))
held.hold()
connection = socket.create_connection(("127.0.0.1", int(sys.argv[2])))
weight = np.ones(int(sys.argv[3]) * 1_000_000 // 8)
print("holding", flush=True)
if sys.stdin.readline() == "let go\\n":
    held.let_go()
    print("let go", flush=True)
sys.stdin.read()
"""


class Host:
    """A process that holds a lifeline and a connection, as the loop does."""

    def __init__(self, path, megabytes=1):
        with socket.create_server(("127.0.0.1", 0)) as listening:
            port = listening.getsockname()[1]
            arguments = [sys.executable, "-c", HOST, str(path), str(port), str(megabytes)]
            self.process = subprocess.Popen(
                arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
            self.connection, _ = listening.accept()
        assert self.process.stdout.readline() == "holding\n"

    def kill(self):
        os.kill(self.process.pid, signal.SIGKILL)

    def end(self):
        self.process.kill()
        self.process.communicate()
        self.connection.close()


@pytest.fixture
def start(tmp_path):
    hosts = []

    def make(**how):
        hosts.append(Host(tmp_path / "lifeline", **how))
        return hosts[-1]

    yield make
    for host in hosts:
        host.end()


def holder(path):
    """Thread that the kernel has down for it: the low 30 bits of the word it locks by."""
    return int.from_bytes(path.read_bytes()[:4], sys.byteorder) & 0x3FFFFFFF


@pytest.mark.processes
def test_a_host_that_is_killed_is_told_of_before_its_connection_closes(tmp_path, start):
    path = tmp_path / "lifeline"
    lifeline = Lifeline.make(path)
    host = start(megabytes=400)
    assert holder(path) == host.process.pid
    told = threading.Event()
    lifeline.watch(told.set)
    host.kill()
    assert host.connection.recv(1) == b""
    # Not a matter of how fast this machine is: the kernel does one before the other.
    assert holder(path) != host.process.pid
    assert told.wait(10.0)


@pytest.mark.processes
def test_a_host_that_lets_go_is_not_reported_and_the_next_one_is_watched(tmp_path, start):
    lifeline = Lifeline.make(tmp_path / "lifeline")
    host = start()
    told = []
    lifeline.watch(lambda: told.append("first"))
    host.process.stdin.write("let go\n")
    host.process.stdin.flush()
    assert host.process.stdout.readline() == "let go\n"
    host.kill()
    host.process.wait()

    second = start()
    died = threading.Event()
    lifeline.watch(died.set)
    assert not died.is_set()
    second.kill()
    assert died.wait(10.0)
    assert told == []


@pytest.mark.processes
def test_only_one_holds_it(tmp_path, start):
    Lifeline.make(tmp_path / "lifeline")
    start()
    with pytest.raises(LinkError, match="cannot be taken"):
        Lifeline(tmp_path / "lifeline").hold()


def test_nobody_holds_it_and_nobody_is_reported(tmp_path):
    lifeline = Lifeline.make(tmp_path / "lifeline")
    told = []
    lifeline.watch(lambda: told.append("died"))
    for thread in threading.enumerate():
        if thread.name == "lifeline":
            thread.join(10.0)
    assert told == []


def test_what_is_wrong_with_the_file_is_said(tmp_path):
    Lifeline.make(tmp_path / "lifeline")
    assert (tmp_path / "lifeline").stat().st_mode & 0o777 == 0o600
    with pytest.raises(LinkError, match="cannot be made"):
        Lifeline.make(tmp_path / "lifeline")
    with pytest.raises(LinkError, match="no lifeline"):
        Lifeline(tmp_path / "missing")
    (tmp_path / "empty").touch()
    with pytest.raises(LinkError, match="no lifeline"):
        Lifeline(tmp_path / "empty")
