"""The stimulator as a process of its own: whom it serves, and what ends it."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bci_core.clock import LslClock
from bci_core.errors import LinkError, NodeError
from bci_core.session.process import NodeProcess
from bci_core.stimulus import BiphasicPulse, PulseTrain, StimProgram
from streams.command_link import CommandLink
from streams.keys import SessionKeys, fingerprint

pytestmark = pytest.mark.processes

CLOCK = LslClock()
PROGRAM = StimProgram(1, "one", PulseTrain(BiphasicPulse(10.0, 200.0, 60.0), 100.0), (1,))


class Node:
    """A stimulator node and what it has reported."""

    def __init__(self, folder: Path) -> None:
        self.keys = SessionKeys.generate()
        self.keys.save(folder / "keys")
        self.process = NodeProcess(
            "stimulator",
            ["theta-phase", "test", str(folder / "keys" / "server.json")],
            folder / "stimulator.log",
            os.environ,
        )
        self.heard: list[dict[str, Any]] = []
        self.links: list[CommandLink] = []
        self.endpoint = self.until(lambda m: m["event"] == "ready")["endpoint"]

    def until(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The next message of a kind."""
        until_s = CLOCK.now_s() + 20.0
        while CLOCK.now_s() < until_s:
            self.heard += self.process.channel.wait(0.5)
            while self.heard:
                message = self.heard.pop(0)
                if wanted(message):
                    return message
        raise AssertionError(self.process.how_it_ended())

    def row(self, name: str) -> dict[str, Any]:
        """Data of the next ledger row of that name."""
        return self.until(lambda m: m["event"] == "row" and m["name"] == name)["data"]

    def armed(self) -> CommandLink:
        link = CommandLink(self.endpoint, self.keys, CLOCK)
        self.links.append(link)
        link.load([PROGRAM])
        link.arm(2.0)
        self.row("device_armed")
        return link


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    node = Node(tmp_path)
    yield node
    for link in node.links:
        link.close()
    node.process.kill()
    node.process.close()


def test_a_wrong_key_is_refused_and_logged_then_signals_stop_and_end_it(node: Node) -> None:
    stranger = SessionKeys.generate()
    keys = stranger.model_copy(update={"server_public": node.keys.server_public})
    with pytest.raises(LinkError, match="refused this client's key"):
        CommandLink(node.endpoint, keys, CLOCK)
    refused = node.row("client_refused")
    assert refused["why"] == "unknown key"
    assert refused["key"] == fingerprint(stranger.client_public)

    link = node.armed()
    os.kill(node.process.pid, signal.SIGUSR1)
    assert node.row("device_disarmed")["reason"] == "emergency_stop"
    assert node.row("emergency_stop") == {"device": "microstim"}

    link.arm(2.0)
    node.row("device_armed")
    os.kill(node.process.pid, signal.SIGTERM)
    assert node.row("device_disarmed")["reason"] == "terminated"
    assert node.until(lambda m: m["event"] == "done")["why"] == "ended by SIGTERM"


def test_it_disarms_and_ends_when_its_supervisor_is_gone(node: Node) -> None:
    node.armed()
    assert node.process.end(5.0) == 0
    assert node.row("device_disarmed")["reason"] == "server stopped"


def test_a_mistake_in_its_files_is_one_clear_line(tmp_path: Path) -> None:
    log = tmp_path / "stimulator.log"
    process = NodeProcess("stimulator", ["theta-phase", "x", "no-such.json"], log, os.environ)
    process.channel.wait(20.0)
    process.wait()
    assert process.how_it_ended().startswith(
        "stimulator process ended with status 1: the session's keys cannot be read"
    )
    assert len(log.read_text().splitlines()) == 1
    process.end(1.0)
    process.close()


def test_a_process_that_does_not_end_is_killed(tmp_path: Path) -> None:
    process = NodeProcess("stimulator", ["theta-phase", "x"], tmp_path / "log", os.environ)
    os.kill(process.pid, signal.SIGSTOP)
    with pytest.raises(NodeError, match=r"did not end within 0\.1 s and was killed"):
        process.end(0.1)
    assert not process.alive()
    assert process.killed
    assert "was ended by SIGKILL" in process.how_it_ended()
    process.close()


def test_it_is_started_by_its_own_command_too(tmp_path: Path) -> None:
    SessionKeys.generate().save(tmp_path / "keys")
    command = [sys.executable, "-m", "bci_core.cli.app", "node", "stimulator", "theta-phase"]
    done = subprocess.run(
        [*command, "trial-1", "--keys", str(tmp_path / "keys" / "server.json")],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30.0,
    )
    assert done.returncode == 0
    assert '"event":"ready"' in done.stdout.splitlines()[0]
    assert '"event":"done"' in done.stdout.splitlines()[-1]
