"""The loop as a process: takes orders from the supervisor, hands it rows for the ledger."""

from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bci_core import registry
from bci_core.clock import Clock
from bci_core.config.load import load_rig
from bci_core.control.journal import LAST_MARKER, MASK, ROW, Journal
from bci_core.control.publishing import output_channels
from bci_core.errors import BciError
from bci_core.session import build
from bci_core.session.channel import Channel, Message
from bci_core.session.doses import doses_of
from bci_core.session.folder import LIFELINE
from bci_core.session.live_loop import LiveLoop, SampleStreams
from bci_core.session.realtime import ask_for_realtime, freeze_garbage

STATUS_EVERY_S = 0.25
UNLOGGED_LIMIT_S = 1.0
"""A row that is not on disk after this long disarms: no log, no stimulation."""


class LoopNode:
    """Runs a `LiveLoop` under the supervisor's orders.

    Orders: ``connect`` {source_id, channels, endpoint, keys, same_machine, earlier, seed of the
    control arms or null}, ``begin``, ``arm`` {actor}, ``disarm`` {reason}, ``reset`` {actor,
    role}, ``tighten`` {limits}, ``logged`` {rows}, ``stop``, ``close``.

    Parameters
    ----------
    rig_path : str
        Of the session's resolved rig.
    session_id : str
        Part of the source ids of this session's streams.
    channel : Channel
        To the supervisor. When it closes, the loop disarms and ends.
    clock : Clock
    outputs : sequence of str
        Labels of what the rig's detector publishes at every sample.
    """

    def __init__(
        self,
        rig_path: str,
        session_id: str,
        channel: Channel,
        clock: Clock,
        outputs: Sequence[str] = (),
    ) -> None:
        self._rig_path = rig_path
        self._channel = channel
        self._clock = clock
        # Only the name yet: the recorder can find these outlets while the rest is imported.
        name = load_rig(rig_path, ()).name
        self._source_ids: list[str] = []

        def outlet(kind: str, stream: str, *channels: Sequence[str]) -> Any:
            self._source_ids.append(f"{session_id}-{stream}")
            made = registry.load("transport", kind)
            return made(f"{name}-{stream}", self._source_ids[-1], *channels)

        def rows(stream: str, labels: Sequence[str], units: Sequence[str]) -> Any:
            return outlet("row_outlet", stream, labels, units)

        self._events = outlet("event_outlet", "events")

        self._journal = Journal(
            self._emit, self._events.push, rows("loop", *zip(*ROW, strict=True)).push
        )
        values = rows("detector", *output_channels(outputs)).push if outputs else _nobody
        self._streams = SampleStreams(rows("mask", *zip(*MASK, strict=True)).push, values, outputs)
        self._live: LiveLoop | None = None
        self._running = False
        self._ending = False
        self._emitted = 0
        self._unlogged: deque[tuple[int, float]] = deque()
        self._status_due_s = 0.0

    def run(self) -> int:
        """Serve until told to stop; the exit status of the process."""
        self._channel.send({"event": "ready", "source_ids": self._source_ids})
        status, why = 0, ""
        try:
            self._inlet_class = registry.load("transport", "inlet")
            parts = ("detector", "guard", "protocol", "stimulator")
            self._rig = load_rig(self._rig_path, parts)
            # Whoever started this node, and before anything is asked of a device.
            build.approvals(self._rig, self._rig_path)
            while not self._ending:
                if self._live is None or not self._running:
                    self._obey(self._channel.wait(0.1))
                    continue
                self._live.step()
                self._obey(self._channel.receive())
                self._report(self._live)
        except BciError as error:
            status, why = error.exit_status, str(error)
            if self._live is not None:
                self._live.disarm("fault")
            self._emit("fault", {"node": "loop", "what": why})
        self._finish(why)
        return status

    def _obey(self, orders: list[Message]) -> None:
        for order in orders:
            match order["do"]:
                case "connect":
                    self._connect(order)
                case "begin" if self._live is not None:
                    self._live.begin()
                    freeze_garbage()
                    self._running = True
                case "arm" if self._live is not None:
                    refused = self._live.arm(order["actor"])
                    if refused:
                        self._channel.send({"event": "arm_refused", "why": refused})
                case "reset" if self._live is not None:
                    refused = self._live.reset(order["actor"], order["role"])
                    self._channel.send({"event": "ordered", "why": refused})
                case "tighten" if self._live is not None:
                    refused = self._live.tighten(order["limits"])
                    self._channel.send({"event": "ordered", "why": refused})
                case "disarm" if self._live is not None:
                    self._live.disarm(order["reason"])
                case "logged":
                    self._logged(order["rows"])
                case "stop":
                    self._stop("stopped")
        if self._channel.closed:
            self._stop("supervisor_lost")

    def _stop(self, reason: str) -> None:
        if self._live is not None:
            self._live.disarm(reason)
        self._ending = True

    def _connect(self, order: Message) -> None:
        # Before the sockets: the threads liblsl and ZeroMQ start inherit it.
        scheduling = ask_for_realtime()
        # As its driver labels them, which makes labels unique where the stream does not.
        channels = tuple(order["channels"])
        inlet = self._inlet_class(order["source_id"], self._clock, channels=channels)
        keys = registry.load("transport", "command_keys").load(order["keys"])
        link = registry.load("transport", "commands")(
            order["endpoint"],
            keys,
            self._clock,
            lifeline=Path(order["keys"]).with_name(LIFELINE),
        )
        self._live = LiveLoop(
            self._rig,
            inlet,
            link,
            self._journal,
            self._streams,
            self._emit,
            self._clock,
            order["same_machine"],
            doses_of(order["earlier"]),
            seed=bytes.fromhex(order.get("seed") or ""),
        )
        self._channel.send({"event": "connected", "scheduling": scheduling})

    def _logged(self, rows: int) -> None:
        """So many of our rows are on disk. That the ledger keeps up is the heartbeat."""
        while self._unlogged and self._unlogged[0][0] <= rows:
            self._unlogged.popleft()
        if self._live is not None:
            self._live.arming.heartbeat(self._clock.now_s())

    def _emit(self, event: str, data: dict[str, Any]) -> None:
        self._emitted += 1
        self._unlogged.append((self._emitted, self._clock.now_s()))
        self._channel.send({"event": "row", "name": event, "data": data})

    def _report(self, live: LiveLoop) -> None:
        now_s = self._clock.now_s()
        if self._unlogged and now_s - self._unlogged[0][1] > UNLOGGED_LIMIT_S:
            live.disarm("ledger")
        if now_s >= self._status_due_s:
            self._status_due_s = now_s + STATUS_EVERY_S
            self._channel.send({"event": "status", **live.status()})
        self._channel.flush()

    def _finish(self, why: str) -> None:
        """Disarmed already. Close the books and stay until the recorder has the last marker."""
        if self._live is not None:
            self._live.close()
        self._events.push(LAST_MARKER, self._clock.now_s())
        self._channel.send({"event": "done", "rows": self._emitted, "why": why})
        while not self._channel.closed:
            self._channel.flush()
            if any(order["do"] == "close" for order in self._channel.wait(0.05)):
                break


def _nobody(_values: Any, _when_s: float) -> None:
    """Where outputs go of a detector that has none."""
