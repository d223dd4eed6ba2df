"""One run of a rig: starts the nodes, arms, watches, keeps the ledger, ends in order."""

import os
import select
import shutil
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any, Protocol

import psutil

from bci_core import registry
from bci_core.clock import Clock
from bci_core.config.rig import Rig
from bci_core.errors import BciError, LedgerError, NodeError, RunError
from bci_core.record.ledger import Ledger
from bci_core.session.folder import SessionFolder
from bci_core.session.process import NodeProcess

PUMP_S = 0.05
"""How often the ledger is brought to disk and the loop is told so: its heartbeat."""
READY_S = 60.0
"""Longest wait for a node; a cold compile of the kernels takes a few seconds."""
REARM_AFTER_S = 1.0
PASSING = ("stale", "heartbeat", "lease", "ledger")
"""Reasons to be disarmed that may pass by themselves."""
MEMORY_EVERY_S = 2.0
CHECK_EVERY_S = 1.0
RECORDER_STALL_S = 5.0
END_S = 5.0
STOP_SIGNALS = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}


@dataclass(frozen=True, slots=True)
class Ending:
    """How a session ended.

    Attributes
    ----------
    status : str
        ``completed``, ``stopped`` or ``failed``.
    reason : str
        For people.
    exit_status : int
        0 completed, 1 failed, 128 + signal when stopped by one.
    """

    status: str
    reason: str
    exit_status: int


class Progress(Protocol):
    """Shows the operator how it goes."""

    def say(self, text: str) -> None:
        """One line about something that happened."""
        ...

    def show(self, state: Mapping[str, Any]) -> None:
        """Live figures; may be called often."""
        ...


class Supervisor:
    """Runs one session.

    Parameters
    ----------
    rig : Rig
    folder : SessionFolder
        Already holds the resolved rig.
    ledger : Ledger
    clock : Clock
    progress : Progress
    duration_s : float
        Armed time after which the session ends.
    """

    def __init__(
        self,
        rig: Rig,
        folder: SessionFolder,
        ledger: Ledger,
        clock: Clock,
        progress: Progress,
        duration_s: float,
    ) -> None:
        self.rig = rig
        self.folder = folder
        self._ledger = ledger
        self._clock = clock
        self._progress = progress
        self._duration_s = duration_s
        self._session_id = f"{folder.path.name}-{os.getpid()}"
        self._nodes: dict[str, NodeProcess] = {}
        self._recorder: Any = None
        self._told: dict[str, dict[str, dict[str, Any]]] = {}
        self._rows_of_loop = 0
        self._unsynced = False
        self._stop_signal = 0
        self._ending: Ending | None = None
        self._armed_s = float("nan")
        self._rearm_at_s = float("inf")
        self._rearms = 0
        self._memory_due_s = 0.0
        self._check_due_s = 0.0
        self._xdf_grew = (0, 0.0)
        self.to_armed_s = float("nan")

    # The life of a session ------------------------------------------------------------

    def run(self) -> Ending:
        """From nothing to a closed session folder. Never raises for what goes wrong in a run."""
        before = {s: signal.signal(s, self._on_signal) for s in STOP_SIGNALS}
        try:
            self._start()
            self._watch()
        except BciError as error:
            self._end_with("failed", self._root_cause(str(error)), error.exit_status)
        finally:
            self._finish()
            for number, handler in before.items():
                signal.signal(number, handler)
        assert self._ending is not None  # noqa: S101 - both ways out of the try set it
        return self._ending

    def _start(self) -> None:
        amplifier_class = registry.load("amplifier", self.rig.amplifier.name)
        direct = bool(getattr(amplifier_class, "publishes_itself", False))
        keys = self.folder.path / "keys"
        registry.load("transport", "command_keys").generate().save(keys)
        if not direct:
            self._spawn("amplifier")
        self._spawn("stimulator", str(keys / "server.json"))
        self._spawn("loop")
        self.folder.mark_running(os.getpid(), self._nodes["stimulator"].pid)
        self._wait_for("loop", "ready")
        if direct:
            source_id = (
                amplifier_class(self.rig.amplifier.settings, self._clock).describe().source_id
            )
        else:
            source_id = self._wait_for("amplifier", "ready")["source_id"]
        ids = [source_id, f"{self._session_id}-events", f"{self._session_id}-loop"]
        self._recorder = registry.load("transport", "recorder")(
            self.folder.xdf, ids, self.folder.logs / "recorder.log", self._clock
        )
        endpoint = self._wait_for("stimulator", "ready")["endpoint"]
        self._nodes["loop"].send(
            {
                "do": "connect",
                "source_id": source_id,
                "endpoint": endpoint,
                "keys": str(keys / "client.json"),
                "same_machine": not direct,
            }
        )
        connected = self._wait_for("loop", "connected")
        # The keys have done their work; a session's folder is kept and copied.
        shutil.rmtree(keys)
        self._until(self._recorder.started, "the recorder to start")
        self._progress.say(f"recording to {self.folder.xdf}")
        self._log("scheduling", {"loop": connected["scheduling"]})
        self._nodes["loop"].send({"do": "begin"})
        self._until(lambda: "status" in self._told["loop"], "the loop's first samples")
        self._arm()
        self._until(lambda: isfinite(self._armed_s), "the loop to arm")

    def _watch(self) -> None:
        until_s = self._armed_s + self._duration_s
        while self._ending is None:
            self._pump()
            now_s = self._clock.now_s()
            if self._stop_signal:
                name = signal.Signals(self._stop_signal).name
                how = "Ctrl-C" if name == "SIGINT" else name
                self._end_with(
                    "stopped", f"by {how}", STOP_SIGNALS[signal.Signals(self._stop_signal)]
                )
            elif now_s >= until_s:
                self._end_with("completed", f"ran for {self._duration_s:g} s", 0)
            elif now_s >= self._rearm_at_s:
                self._rearm_at_s = float("inf")
                self._arm()
            self._look_around(now_s)
            self._show(now_s)

    def _finish(self) -> None:
        """Disarm first, then close files, whatever has happened before."""
        self._progress.say("disarming and closing")
        for step in (self._stop_loop, self._stop_recorder, self._stop_nodes, self._close_ledger):
            try:
                step()
            except BciError as error:
                self._progress.say(str(error))
                self._try_log("fault", {"node": "supervisor", "what": str(error)})
                self._end_with("failed", str(error), error.exit_status)
        self.folder.mark_ended()

    def _stop_loop(self) -> None:
        loop = self._nodes.get("loop")
        if loop is None or not loop.alive():
            return
        loop.send({"do": "disarm", "reason": "session_end"})
        loop.send({"do": "stop"})
        self._until(lambda: loop.done or not loop.alive(), "the loop to close its books", END_S)

    def _stop_recorder(self) -> None:
        if self._recorder is None:
            return
        loop = self._nodes["loop"]
        if loop.done and self._recorder.running():
            # Its last marker in the file means that everything before it is, too.
            self._until(
                lambda: self._recorder.has_written("session:end") or not self._recorder.running(),
                "the last marker to reach the recording",
                END_S,
            )
        self._recorder.stop()

    def _stop_nodes(self) -> None:
        problems = []
        orders = {"amplifier": "stop", "loop": "close", "stimulator": "stop"}
        for role, node in self._nodes.items():
            node.send({"do": orders[role]})
        for role, node in self._nodes.items():
            try:
                self._pump_node(node)
                status = node.end(END_S)
                self._try_log("node.exit", {"node": role, "status": status})
            except NodeError as error:
                problems.append(str(error))
        if problems:
            raise NodeError("; ".join(problems))

    def _close_ledger(self) -> None:
        ending = self._ending or Ending("failed", "internal error", 1)
        armed = isfinite(self._armed_s)
        self._ledger.append(
            "session.end",
            "supervisor",
            {
                "status": ending.status,
                "reason": ending.reason,
                "duration_s": self._clock.now_s() - self._armed_s if armed else 0.0,
                "to_armed_s": self.to_armed_s if armed else None,
            },
            durable=True,
        )
        self._ledger.close()

    def _end_with(self, status: str, reason: str, exit_status: int) -> None:
        # The first reason is the cause; a failure while closing turns success into failure.
        if self._ending is None or (status == "failed" and self._ending.status != "failed"):
            self._ending = Ending(status, reason, exit_status)

    # Arming ---------------------------------------------------------------------------

    def _arm(self) -> None:
        self._log("arm.intent", {"lease_s": self.rig.arming.lease_s}, durable=True)
        self._nodes["loop"].send({"do": "arm", "actor": "operator"})

    def _on_armed(self) -> None:
        if not isfinite(self._armed_s):
            self._armed_s = self._clock.now_s()
            started = psutil.Process().create_time()
            self.to_armed_s = self._clock.utc().timestamp() - started
            self._progress.say(f"armed after {self.to_armed_s:.1f} s")

    def _on_disarmed(self, reason: str) -> None:
        if self._ending is not None or self._stop_signal:
            return
        self._progress.say(f"disarmed: {reason}")
        if reason in PASSING and self._rearms < self.rig.session.max_rearms:
            self._rearms += 1
            self._rearm_at_s = self._clock.now_s() + REARM_AFTER_S
        elif reason not in ("fault", "stopped", "session_end"):
            self._end_with("failed", f"disarmed: {reason}", 1)

    # Messages -------------------------------------------------------------------------

    def _spawn(self, role: str, *more: str) -> None:
        environment = os.environ | {"LSLAPICFG": str(self.folder.lsl_config)}
        arguments = [str(self.folder.rig), self._session_id, *more]
        log = self.folder.logs / f"{role}.log"
        self._told[role] = {}
        self._nodes[role] = NodeProcess(role, arguments, log, environment)

    def _pump(self) -> None:
        """Hear all nodes, bring the ledger to disk, tell the loop so."""
        open_nodes = [n for n in self._nodes.values() if not n.channel.closed]
        fds = [n.fileno for n in open_nodes]
        if fds:
            select.select(fds, [], [], PUMP_S)
        for node in open_nodes:
            self._pump_node(node)
        if self._unsynced:
            self._ledger.sync()
            self._unsynced = False
        loop = self._nodes.get("loop")
        if loop is not None:
            loop.send({"do": "logged", "rows": self._rows_of_loop})

    def _pump_node(self, node: NodeProcess) -> None:
        for message in node.channel.receive():
            self._hear(node, message)
        if node.channel.closed and not node.done and self._ending is None:
            raise NodeError(node.how_it_ended())

    def _hear(self, node: NodeProcess, message: dict[str, Any]) -> None:
        event = message.pop("event")
        if event == "row":
            self._ledger.append(message["name"], node.role, message["data"])
            self._unsynced = True
            self._rows_of_loop += node.role == "loop"
            if message["name"] == "armed":
                self._on_armed()
            elif message["name"] == "disarmed":
                self._on_disarmed(message["data"]["reason"])
            elif message["name"] == "emergency_stop":
                self._end_with("stopped", "emergency stop", 143)
            return
        self._told[node.role][event] = message
        if event == "arm_refused":
            raise RunError(f"the loop was not armed: {message['why']}")
        if event == "done":
            node.done = True
            self._on_done(node, message)

    def _on_done(self, node: NodeProcess, message: dict[str, Any]) -> None:
        if message["why"]:
            raise NodeError(f"{node.role}: {message['why']}")
        if message.get("how") == "exhausted":
            self._end_with("completed", "the recording has ended", 0)

    def _wait_for(self, role: str, event: str) -> dict[str, Any]:
        self._until(lambda: event in self._told[role], f"the {role} to be {event}")
        return self._told[role][event]

    def _until(self, condition: Callable[[], bool], what: str, limit_s: float = READY_S) -> None:
        until_s = self._clock.now_s() + limit_s
        while not condition():
            if self._clock.now_s() > until_s:
                raise NodeError(f"waited {limit_s:g} s for {what}; see {self.folder.logs}")
            if self._stop_signal and self._ending is None:
                raise RunError(f"stopped while waiting for {what}")
            self._pump()

    # Looking around -------------------------------------------------------------------

    def _look_around(self, now_s: float) -> None:
        if now_s >= self._memory_due_s:
            self._memory_due_s = now_s + MEMORY_EVERY_S
            rss_kib = self._nodes["loop"].memory_kib()
            if isfinite(rss_kib):
                self._log("memory", {"lsl_s": now_s, "rss_kib": rss_kib})
        if now_s >= self._check_due_s:
            self._check_due_s = now_s + CHECK_EVERY_S
            self._check_disk_and_recorder(now_s)

    def _check_disk_and_recorder(self, now_s: float) -> None:
        free_mb = shutil.disk_usage(self.folder.path).free / 1e6
        if free_mb < self.rig.session.min_free_disk_mb:
            raise LedgerError(
                f"disk almost full: {free_mb:.0f} MB free, limit "
                f"{self.rig.session.min_free_disk_mb:g} MB (session.min_free_disk_mb); "
                "disarmed, what was written is kept"
            )
        if not self._recorder.running():
            raise RunError("the recorder has ended; see logs/recorder.log")
        size = self.folder.xdf.stat().st_size
        if size != self._xdf_grew[0]:
            self._xdf_grew = (size, now_s)
        elif now_s - self._xdf_grew[1] > RECORDER_STALL_S:
            raise RunError(f"the recording has not grown for {RECORDER_STALL_S:g} s")

    def _show(self, now_s: float) -> None:
        loop = self._told["loop"].get("status", {})
        amplifier = self._told.get("amplifier", {}).get("status", {})
        self._progress.show(
            {
                "elapsed_s": now_s - self._armed_s,
                "duration_s": self._duration_s,
                **loop,
                "device_lost": amplifier.get("lost", 0),
            }
        )

    def _root_cause(self, what: str) -> str:
        """A dead node explains what the others complain about."""
        dead = [n.how_it_ended() for n in self._nodes.values() if not n.alive() and not n.done]
        return "; ".join([*dead, what]) if dead and dead != [what] else what

    def _on_signal(self, number: int, _frame: object) -> None:
        self._stop_signal = number

    def _log(self, event: str, data: dict[str, Any], durable: bool = False) -> None:
        self._ledger.append(event, "supervisor", data, durable=durable)
        self._unsynced = True

    def _try_log(self, event: str, data: dict[str, Any]) -> None:
        try:
            self._log(event, data)
        except LedgerError:
            self._progress.say(f"not in the ledger: {event} {data}")
