"""The nodes of a session, heard together; what they report goes into the ledger."""

import os
import select
from collections.abc import Callable
from typing import Any

from bci_core.clock import Clock
from bci_core.errors import BciError, NodeError
from bci_core.record.ledger import Ledger
from bci_core.session.channel import Message
from bci_core.session.folder import SessionFolder
from bci_core.session.process import NodeProcess

PUMP_S = 0.05
"""How often the ledger is brought to disk and the loop is told so: its heartbeat."""

Heard = Callable[[NodeProcess, Message], None]


class Nodes:
    """Starts nodes, hears them, keeps the ledger, gives the loop its heartbeat.

    Parameters
    ----------
    folder : SessionFolder
    session_id : str
    ledger : Ledger
    clock : Clock
    heard : callable (node, message)
        Told of every message, after rows have been put into the ledger.
    """

    def __init__(
        self,
        folder: SessionFolder,
        session_id: str,
        ledger: Ledger,
        clock: Clock,
        heard: Heard,
    ) -> None:
        self._folder = folder
        self._session_id = session_id
        self._ledger = ledger
        self._clock = clock
        self._heard = heard
        self._processes: dict[str, NodeProcess] = {}
        self._told: dict[str, dict[str, Message]] = {}
        self._rows_of_loop = 0
        self._unsynced = False

    def spawn(self, role: str, *more: str) -> None:
        """Start a node; `more` follows rig and session id on its command line."""
        environment = os.environ | {"LSLAPICFG": str(self._folder.lsl_config)}
        arguments = [str(self._folder.rig), self._session_id, *more]
        log = self._folder.logs / f"{role}.log"
        self._told[role] = {}
        self._processes[role] = NodeProcess(role, arguments, log, environment)

    def get(self, role: str) -> NodeProcess | None:
        return self._processes.get(role)

    def __getitem__(self, role: str) -> NodeProcess:
        return self._processes[role]

    def told(self, role: str, event: str) -> Message:
        """The last message of a kind, or an empty one."""
        return self._told.get(role, {}).get(event, {})

    def log(self, event: str, data: dict[str, Any], durable: bool = False) -> None:
        """Put a row of the supervisor's own into the ledger."""
        self._ledger.append(event, "supervisor", data, durable=durable)
        self._unsynced = not durable

    def pump(self) -> None:
        """Hear everybody, bring the ledger to disk, tell the loop so.

        Raises
        ------
        NodeError
            A node died without a goodbye.
        LedgerError
            The ledger cannot be written; the loop gets no heartbeat from here on.
        """
        listening = [n for n in self._processes.values() if not n.channel.closed]
        if listening:
            select.select([n.fileno for n in listening], [], [], PUMP_S)
        for node in listening:
            self._hear(node)
        if self._unsynced:
            self._ledger.sync()
            self._unsynced = False
        if "loop" in self._processes:
            self._processes["loop"].send({"do": "logged", "rows": self._rows_of_loop})

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
        """How the nodes ended that nobody told to."""
        return [
            node.how_it_ended()
            for node in self._processes.values()
            if not node.done and not node.alive()
        ]

    def _hear(self, node: NodeProcess) -> None:
        for message in node.channel.receive():
            if message["event"] == "row":
                self._ledger.append(message["name"], node.role, message["data"])
                self._unsynced = True
                self._rows_of_loop += node.role == "loop"
            else:
                self._told[node.role][message["event"]] = message
            node.done = node.done or message["event"] == "done"
            self._heard(node, message)
        if node.channel.closed and not node.done:
            node.wait()
            raise NodeError(node.how_it_ended())

    def _hear_rest(self, node: NodeProcess) -> None:
        node.done = True
        self._hear(node)
        node.close()
