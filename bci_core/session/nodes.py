"""The nodes of a session, heard together; what they report goes into the ledger."""

import os
import select
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from bci_core.clock import Clock
from bci_core.errors import BciError, LedgerError, NodeError
from bci_core.record.blind_ledger import LedgerLike
from bci_core.session.channel import Message
from bci_core.session.folder import SessionFolder
from bci_core.session.node import ROLES
from bci_core.session.process import NodeProcess, WaitingNode

PUMP_S = 0.05
"""How often the ledger is brought to disk and the loop is told so: its heartbeat."""
SILENT_S = 2.0
"""A running loop tells its state four times a second; after this long it hangs."""

ONE_THREAD = dict.fromkeys(("MKL_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
"""A real-time thread that spins for a linear-algebra thread, which is ordinary, may starve it."""


def node_environment() -> dict[str, str]:
    """What a node's process starts with, unless the user says otherwise."""
    return ONE_THREAD | os.environ


@contextmanager
def waiting_nodes() -> Iterator[tuple[WaitingNode, ...]]:
    """One node for each role, which imports and waits; those not needed are ended."""
    waiting = tuple(WaitingNode(role, node_environment()) for role in ROLES)
    try:
        yield waiting
    finally:
        for node in waiting:
            node.discard()


Heard = Callable[[NodeProcess, Message], None]


class Nodes:
    """Starts nodes, hears them, keeps the ledger, gives the loop its heartbeat.

    Parameters
    ----------
    folder : SessionFolder
    session_id : str
    ledger : LedgerLike
    clock : Clock
    heard : callable (node, message)
        Told of every message, after rows have been put into the ledger. Raises nothing.
    waiting : sequence of WaitingNode
        Used, each for its role, before new ones are started.
    """

    def __init__(
        self,
        folder: SessionFolder,
        session_id: str,
        ledger: LedgerLike,
        clock: Clock,
        heard: Heard,
        waiting: Sequence[WaitingNode] = (),
    ) -> None:
        self._folder = folder
        self._session_id = session_id
        self._ledger = ledger
        self._clock = clock
        self._heard = heard
        self._waiting = {node.role: node for node in waiting}
        self._processes: dict[str, NodeProcess] = {}
        self._told: dict[str, dict[str, Message]] = {}
        self._silent_s: dict[str, float] = {}
        self._pumped_s = clock.now_s()
        self._rows_of_loop = 0
        self._unsynced = False
        self._ledger_lost = False

    def spawn(self, role: str, *more: str) -> None:
        """Start a node; `more` follows rig and session id on its command line."""
        environment = node_environment() | {"LSLAPICFG": str(self._folder.lsl_config)}
        arguments = [str(self._folder.rig), self._session_id, *more]
        log = self._folder.logs / f"{role}.log"
        self._told[role] = {}
        waiting = self._waiting.pop(role, None)
        self._processes[role] = NodeProcess(role, arguments, log, environment, waiting)

    def get(self, role: str) -> NodeProcess | None:
        return self._processes.get(role)

    def pids(self) -> dict[str, int]:
        """Process id of each node, by role."""
        return {role: node.pid for role, node in self._processes.items()}

    def __getitem__(self, role: str) -> NodeProcess:
        return self._processes[role]

    def told(self, role: str, event: str) -> Message:
        """The last message of a kind, or an empty one."""
        return self._told.get(role, {}).get(event, {})

    def log(self, event: str, data: dict[str, Any], durable: bool = False) -> None:
        """Put a row of the supervisor's own into the ledger.

        Raises
        ------
        LedgerError
            It cannot be written. Told once; what comes after is not put down any more.
        """
        self._put_down(event, "supervisor", data)
        if durable:
            self._sync()

    def pump(self) -> None:
        """Hear everybody, bring the ledger to disk, tell the loop so.

        Raises
        ------
        NodeError
            A node died without a goodbye.
        LedgerError
            As `log`; the loop gets no heartbeat from here on.
        """
        listening = [n for n in self._processes.values() if not n.channel.closed]
        if listening:
            select.select([n.fileno for n in listening], [], [], PUMP_S)
        else:
            self._clock.sleep_until(self._clock.now_s() + PUMP_S)
        now_s = self._clock.now_s()
        # Time in which nobody listened is nobody's silence.
        waited_s = min(now_s - self._pumped_s, 2.0 * PUMP_S)
        self._pumped_s = now_s
        for node in listening:
            self._silent_s[node.role] = self._silent_s.get(node.role, 0.0) + waited_s
            self._hear(node)
        self._sync()
        if "loop" in self._processes and not self._ledger_lost:
            self._processes["loop"].send({"do": "logged", "rows": self._rows_of_loop})

    def end_if_silent(self, role: str) -> None:
        """Kill a node that should speak and does not: it must not wake up later and act.

        Raises
        ------
        NodeError
            It was silent for `SILENT_S`.
        """
        silent_s = self._silent_s.get(role, 0.0)
        if silent_s > SILENT_S:
            self._processes[role].kill()
            raise NodeError(
                f"{role} process said nothing for {silent_s:.1f} s, limit {SILENT_S:g} s, "
                "and was killed"
            )

    def until(self, condition: Callable[[], bool], what: str, limit_s: float) -> None:
        """Pump until something holds.

        Raises
        ------
        NodeError
            It did not within `limit_s`.
        """
        until_s = self._clock.now_s() + limit_s
        while not condition():
            if self._clock.now_s() > until_s:
                raise NodeError(
                    f"waited {limit_s:g} s for {what}; the logs are in {self._folder.logs}"
                )
            self.pump()

    def end_all(self, orders: dict[str, str], limit_s: float) -> None:
        """Tell each node its last order and wait for it; kill what does not end.

        Raises
        ------
        NodeError
            Some node had to be killed. The others have ended all the same.
        """
        problems = []
        for role, node in self._processes.items():
            node.send({"do": orders[role]})
        for role, node in self._processes.items():
            try:
                status = node.end(limit_s)
                self._hear_rest(node)
                self.log("node.exit", {"node": role, "status": status})
            except BciError as error:
                problems.append(str(error))
        if problems:
            raise NodeError("; ".join(problems))

    def died(self) -> list[str]:
        """How the nodes ended that nobody told to, nor killed."""
        return [
            node.how_it_ended()
            for node in self._processes.values()
            if not (node.done or node.killed or node.alive())
        ]

    def _hear(self, node: NodeProcess) -> None:
        failure: LedgerError | None = None
        for message in node.channel.receive():
            self._silent_s[node.role] = 0.0
            if message["event"] == "row":
                try:
                    self._put_down(message["name"], node.role, message["data"])
                except LedgerError as error:
                    failure = error  # after the node has been heard out
                self._rows_of_loop += node.role == "loop"
            else:
                self._told[node.role][message["event"]] = message
            node.done = node.done or message["event"] == "done"
            self._heard(node, message)
        if failure is not None:
            raise failure
        if node.channel.closed and not (node.done or node.killed):
            node.wait()
            raise NodeError(node.how_it_ended())

    def _hear_rest(self, node: NodeProcess) -> None:
        node.done = True
        self._hear(node)
        node.close()

    def _put_down(self, event: str, actor: str, data: dict[str, Any]) -> None:
        if self._ledger_lost:
            return
        self._unsynced = True
        try:
            self._ledger.append(event, actor, data)
        except LedgerError:
            self._ledger_lost = True
            raise

    def _sync(self) -> None:
        if self._ledger_lost or not self._unsynced:
            return
        try:
            self._ledger.sync()
        except LedgerError:
            self._ledger_lost = True
            raise
        self._unsynced = False
