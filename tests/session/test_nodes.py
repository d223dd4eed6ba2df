"""Nodes heard together: rows to the ledger, its heartbeat to the loop, deaths and silence told."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bci_core.clock import VirtualClock
from bci_core.errors import LedgerError, NodeError
from bci_core.record.ledger import Ledger, read_ledger
from bci_core.session import nodes
from bci_core.session.channel import Channel
from bci_core.session.folder import SessionFolder
from bci_core.session.nodes import Nodes
from bci_core.session.process import NodeProcess, WaitingNode


class Puppet:
    """A node without a process: the test speaks for it."""

    def __init__(
        self,
        role: str,
        arguments: Any,
        log: Path,
        environment: dict[str, str],
        waiting: Any = None,
    ) -> None:
        self.role = role
        self.environment = environment
        self.fileno, self.their_write = os.pipe()
        self.their_read, self.write = os.pipe()
        self.channel = Channel(self.fileno, self.write)
        self.theirs = Channel(self.their_read, self.their_write)
        self.done = self.killed = self.is_closed = False
        self.status: int | None = None

    def send(self, order: dict[str, Any]) -> None:
        self.channel.send(order)

    def alive(self) -> bool:
        return self.status is None

    def wait(self) -> None: ...

    def kill(self) -> None:
        self.killed, self.status = True, -9

    def die(self) -> None:
        self.status = -9
        os.close(self.their_write)

    def end(self, timeout_s: float) -> int:
        if self.status is None:
            self.theirs.send({"event": "done", "why": ""})
            self.die()
        return 0

    def close(self) -> None:
        self.is_closed = True

    def how_it_ended(self) -> str:
        return f"{self.role} process was ended by SIGKILL"


class Stage:
    def __init__(self, tmp_path: Path) -> None:
        self.clock = VirtualClock(100.0)
        self.folder = SessionFolder.create(tmp_path, "test", self.clock)
        self.ledger = Ledger(self.folder.ledger, self.clock)
        self.heard: list[tuple[str, dict[str, Any]]] = []
        self.nodes = Nodes(
            self.folder, "id", self.ledger, self.clock, lambda n, m: self.heard.append((n.role, m))
        )
        self.nodes.spawn("amplifier")
        self.nodes.spawn("loop")
        self.amplifier: Any = self.nodes["amplifier"]
        self.loop: Any = self.nodes["loop"]

    def row(self, name: str, **data: Any) -> None:
        self.loop.theirs.send({"event": "row", "name": name, "data": data})


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    monkeypatch.setattr(nodes, "NodeProcess", Puppet)
    monkeypatch.setattr(nodes, "PUMP_S", 0.001)
    stage = Stage(tmp_path)
    yield stage
    stage.ledger.close()


def test_rows_go_to_the_ledger_and_the_loop_is_told_how_many(stage: Stage) -> None:
    stage.row("armed", at_s=1.5)
    stage.amplifier.theirs.send({"event": "status", "lost": 3})
    stage.row("disarmed", reason="stale")
    stage.nodes.pump()
    stage.nodes.log("health", {"lsl_s": 1.0})
    told = [(row.actor, row.event) for row in read_ledger(stage.folder.ledger)]
    assert told == [("loop", "armed"), ("loop", "disarmed"), ("supervisor", "health")]
    assert stage.loop.theirs.receive()[-1] == {"do": "logged", "rows": 2}
    assert stage.nodes.told("amplifier", "status")["lost"] == 3
    assert stage.nodes.told("stimulator", "status") == {}
    assert [role for role, _ in stage.heard] == ["amplifier", "loop", "loop"]


def test_linear_algebra_keeps_to_one_thread_unless_the_user_says_otherwise(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    stage.nodes.spawn("stimulator")
    environment = stage.nodes["stimulator"].environment  # type: ignore[attr-defined]
    assert environment["OPENBLAS_NUM_THREADS"] == "1"
    assert environment["OMP_NUM_THREADS"] == "3"
    assert environment["LSLAPICFG"] == str(stage.folder.lsl_config)


def test_a_death_is_told_after_the_last_words(stage: Stage) -> None:
    stage.row("fault", what="the end")
    stage.loop.die()
    with pytest.raises(NodeError, match="loop process was ended by SIGKILL"):
        stage.nodes.pump()
    assert read_ledger(stage.folder.ledger)[-1].data == {"what": "the end"}
    assert stage.nodes.died() == ["loop process was ended by SIGKILL"]
    stage.nodes.pump()


def test_a_goodbye_is_no_death(stage: Stage) -> None:
    stage.loop.theirs.send({"event": "done", "why": ""})
    stage.loop.die()
    stage.nodes.pump()
    assert stage.loop.done
    assert stage.nodes.died() == []


def test_a_ledger_that_fails_is_told_once_and_stops_the_heartbeat(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> int:
        raise LedgerError("No space left on device")

    stage.nodes.pump()
    assert stage.loop.theirs.receive() == [{"do": "logged", "rows": 0}]
    monkeypatch.setattr(stage.ledger, "append", full)
    stage.row("decision")
    stage.loop.theirs.send({"event": "status", "samples": 7})
    with pytest.raises(LedgerError, match="No space left"):
        stage.nodes.pump()
    assert stage.nodes.told("loop", "status")["samples"] == 7
    stage.nodes.pump()
    stage.nodes.log("node.exit", {}, durable=True)
    assert stage.loop.theirs.receive() == []


def test_a_disk_that_takes_no_more_is_told_once(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing() -> None:
        raise LedgerError("Input/output error")

    monkeypatch.setattr(stage.ledger, "sync", failing)
    with pytest.raises(LedgerError, match="Input/output"):
        stage.nodes.log("arm.intent", {}, durable=True)
    stage.nodes.pump()


def test_a_node_that_hangs_is_killed_and_a_nap_of_the_listener_is_no_silence(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nodes, "PUMP_S", 0.25)
    monkeypatch.setattr(nodes.select, "select", lambda *_: ([], [], []))
    stage.clock.sleep_until(1000.0)
    stage.nodes.pump()
    stage.nodes.end_if_silent("loop")
    for _ in range(10):
        stage.clock.sleep_until(stage.clock.now_s() + 0.25)
        stage.nodes.pump()
    with pytest.raises(NodeError, match="loop process said nothing for"):
        stage.nodes.end_if_silent("loop")
    assert stage.loop.killed
    assert stage.nodes.died() == []


def test_waiting_has_a_limit(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    def tick(*_: Any) -> tuple[list[int], list[int], list[int]]:
        stage.clock.sleep_until(stage.clock.now_s() + 0.5)
        return [], [], []

    monkeypatch.setattr(nodes.select, "select", tick)
    with pytest.raises(NodeError, match=r"waited 2 s for the moon.*logs"):
        stage.nodes.until(lambda: False, "the moon", 2.0)


def test_everyone_is_ended_and_whoever_had_to_be_killed_is_named(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stubborn(timeout_s: float) -> int:
        raise NodeError("amplifier process did not end")

    monkeypatch.setattr(stage.amplifier, "end", stubborn)
    stage.row("samples", samples=5)
    with pytest.raises(NodeError, match="amplifier process did not end"):
        stage.nodes.end_all({"amplifier": "stop", "loop": "close"}, 1.0)
    assert {"do": "close"} in stage.loop.theirs.receive()
    assert stage.loop.is_closed
    told = [row.event for row in read_ledger(stage.folder.ledger)]
    assert told == ["samples", "node.exit"]


@pytest.mark.processes
def test_a_waiting_node_becomes_what_it_is_told_to_be(tmp_path: Path) -> None:
    waiting = WaitingNode("amplifier", os.environ)
    log = tmp_path / "amplifier.log"
    environment = dict(os.environ) | {"BCI_TEST": "1"}
    node = NodeProcess("amplifier", ["no-such-preset", "id"], log, environment, waiting)
    node.wait()
    while node.alive():
        node.channel.wait(1.0)
    assert "no-such-preset" in log.read_text("utf-8")
    assert "ended with status 2" in node.how_it_ended()
    waiting.discard()  # is not its to end any more
    node.end(5.0)
    node.close()


@pytest.mark.processes
def test_waiting_nodes_that_nobody_needs_are_ended() -> None:
    with nodes.waiting_nodes() as waiting:
        used, *others = waiting
        process = used.hand_over().process
    assert all(node.hand_over().process.returncode == -9 for node in others)
    assert process.poll() is None
    process.kill()
    process.wait()


def test_one_message_is_taken_and_the_rest_left() -> None:
    read, write = os.pipe()
    channel = Channel(read, write)
    os.write(write, b'{"do": "be"}\n{"do": "stop"}\n{"do"')
    assert channel.first() == {"do": "be"}
    assert channel.receive() == [{"do": "stop"}]
    os.close(write)
    assert channel.first() is None
    assert channel.closed
    os.close(read)
