"""One run of a rig: starts the nodes, arms, watches, and ends in order."""

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from math import isfinite, nan
from types import MappingProxyType
from typing import Any

from bci_core import registry
from bci_core.chunk import StreamInfo
from bci_core.clock import Clock, process_age_s
from bci_core.config.rig import Rig
from bci_core.errors import BciError, LedgerError
from bci_core.session import doses
from bci_core.session.arms import Opened
from bci_core.session.channel import Message
from bci_core.session.closing import END_S, stop_loop, stop_recorder
from bci_core.session.desk import OrderDesk
from bci_core.session.ending import Ending, SessionEnd
from bci_core.session.folder import SessionFolder
from bci_core.session.nodes import Nodes
from bci_core.session.process import NodeProcess, WaitingNode
from bci_core.session.progress import Progress
from bci_core.session.rearming import PASSING, Rearming
from bci_core.session.stop import StopRequest
from bci_core.session.watch import Watch
from bci_core.status import ArmingState

READY_S = 60.0
"""Longest wait for a node; a cold compile of the kernels takes a few seconds."""
EXPECTED = ("fault", "link", "stopped", "session_end", "not_armed")
"""Reasons that come with an ending, or an answer, of their own."""
EMERGENCY_STOP = "device: emergency_stop"


class _Stopped(Exception):  # noqa: N818 - a turn of the road, not an error
    """Somebody asked for the end before the session was armed."""


class Supervisor:
    """Runs one session.

    Parameters
    ----------
    rig : Rig
    info : StreamInfo
        What the amplifier will stream, as found when the rig was checked.
    folder : SessionFolder
        Already holds the resolved rig and the LSL configuration.
    opened : Opened
        Its ledger, and the seed of its control arms.
    clock : Clock
    progress : Progress
    duration_s : float
        Armed time after which the session ends.
    waiting : sequence of WaitingNode
        Nodes that have been started already, and will be told what they are.
    outputs : sequence of str
        Labels of what the detector publishes at every sample.
    operator : str
        Who runs it.
    """

    def __init__(
        self,
        rig: Rig,
        info: StreamInfo,
        folder: SessionFolder,
        opened: Opened,
        clock: Clock,
        progress: Progress,
        duration_s: float,
        waiting: Sequence[WaitingNode] = (),
        outputs: Sequence[str] = (),
        operator: str = "operator",
    ) -> None:
        self._rig = rig
        self._info = info
        self._folder = folder
        self._ledger = ledger = opened.ledger
        self._seed = opened.seed
        self._clock = clock
        self._progress = progress
        self._duration_s = duration_s
        self._outputs = outputs
        self._keys = folder.path / "keys"
        self._id = f"{folder.path.name}-{os.getpid()}"
        self._nodes = Nodes(folder, self._id, ledger, clock, self._heard, waiting)
        self._recorder: Any = None
        self._watch: Watch | None = None
        self._operator = operator
        self._stop = StopRequest()
        self._desk = OrderDesk(rig, folder, self._nodes, clock, operator)
        self._end = SessionEnd(clock)
        self._armed_s = nan
        self._to_armed_s = nan
        self._rearming = Rearming(rig.session.max_rearms)

    def run(self) -> Ending:
        """From nothing to closed files. What goes wrong in a run is in the answer."""
        self._stop.listen()
        try:
            self._start()
            self._serve()
        except _Stopped:
            self._end_as_asked()
        except BciError as error:
            self._end.fail(str(error))
        finally:
            self._finish()
            self._stop.leave()
        return self._end.final()

    def press_stop(self) -> None:
        """The key in the terminal: no current from here on. Any thread may press it."""
        stimulator = self._nodes.get("stimulator")
        self._stop.press(None if stimulator is None else stimulator.pid)

    def _start(self) -> None:
        """Bring everything up, side by side where it can be, and arm."""
        amplifier = registry.load("amplifier", self._rig.amplifier.name)
        published = getattr(amplifier, "publishes_itself", False)
        keys = self._keys
        registry.load("transport", "command_keys").generate().save(keys)
        if not published:
            self._nodes.spawn("amplifier")
        self._nodes.spawn("stimulator", str(keys / "server.json"))
        self._nodes.spawn("loop", *self._outputs)
        self._folder.mark_running(os.getpid(), self._nodes["stimulator"].pid)
        self._desk.box.open()
        source_id = self._info.source_id if published else self._wait("amplifier")["source_id"]
        self._recorder = registry.load("transport", "recorder")(
            self._folder.xdf,
            [source_id, *self._more_source_ids()],
            self._folder.logs / "recorder.log",
            self._folder.lsl_config,
        )
        if not published:
            self._wait("amplifier", "streaming")
        loop = self._nodes["loop"]
        loop.send(
            {
                "do": "connect",
                "source_id": source_id,
                "endpoint": self._wait("stimulator")["endpoint"],
                "keys": str(keys / "client.json"),
                "same_machine": not published,
                "channels": list(self._info.channels),
                "earlier": doses.told(self._folder),
                "seed": self._seed and self._seed.hex(),
            }
        )
        connected = self._wait("loop", "connected")
        self._forget_keys()
        self._until(self._recorder.started, "the recorder to start")
        self._nodes.log("scheduling", {"loop": connected["scheduling"]})
        least_mb = self._rig.session.min_free_disk_mb
        self._watch = Watch(self._folder, self._recorder, self._nodes, least_mb, self._clock)
        self._watch.look()
        loop.send({"do": "begin"})
        self._until(lambda: self._status().get("samples", 0) > 0, "the loop's first samples")
        self._arm()
        self._rearming.begin(self._clock.now_s())
        self._until(self._is_armed, "the loop to arm")

    def _more_source_ids(self) -> list[str]:
        """Of the streams beside the samples, as their processes tell."""
        told = [self._wait("loop"), self._wait("stimulator")]
        told.append(self._nodes.told("amplifier", "ready"))
        return [each for one in told for each in one.get("source_ids", [])]

    def _serve(self) -> None:
        assert self._watch is not None  # noqa: S101 - _start has made it
        while self._end.ending is None:
            self._nodes.pump()
            now_s = self._clock.now_s()
            self._end_as_asked()
            if now_s >= self._armed_s + self._duration_s:
                self._complete(f"ran for {self._duration_s:g} s")
            overdue = self._desk.serve()
            if overdue:
                self._end.fail(overdue)
            self._arm_again_if_due()
            self._nodes.end_if_silent("loop")
            self._watch.look()
            if self._end.ending is None:
                self._show(now_s)

    def _finish(self) -> None:
        """Disarm first, then close files, whatever has happened before."""
        self._progress.say("disarming, then closing files")
        last = {"amplifier": "stop", "loop": "close", "stimulator": "stop"}
        steps: tuple[Callable[[], None], ...] = (
            lambda: stop_loop(self._nodes),
            self._show_closing,
            lambda: stop_recorder(self._recorder, self._folder, self._nodes, self._clock),
            lambda: self._nodes.end_all(last, END_S),
            self._close_ledger,
        )
        for step in steps:
            try:
                step()
            except BciError as error:
                self._progress.say(str(error))
                self._end.fail(str(error))
            self._tell_failure()
        self._forget_keys()
        self._desk.box.close()
        self._folder.mark_ended()

    def _show_closing(self) -> None:
        if isfinite(self._armed_s):
            self._show(self._end.ended_s, {"disarmed": "closing files"})

    def _close_ledger(self) -> None:
        ending = self._end.final()
        armed = isfinite(self._armed_s)
        told = {
            "status": ending.status,
            "reason": ending.reason,
            "duration_s": self._end.ended_s - self._armed_s if armed else 0.0,
            "to_armed_s": self._to_armed_s if armed else None,
            "rearms": self._rearming.count,
        }
        self._ledger.append("session.end", "supervisor", told, durable=True)
        self._ledger.close()

    def _tell_failure(self) -> None:
        """Say once why the session failed, processes that died of themselves first."""
        reason = self._end.failure(self._nodes.died())
        if reason is None:
            return
        self._progress.say(f"failed: {reason}")
        # A ledger that cannot be written is a reason to end, not to end worse.
        with suppress(LedgerError):
            self._ledger.append("fault", "supervisor", {"what": reason})

    def _end_as_asked(self, otherwise: str = "") -> None:
        """End as somebody asked; for another reason to stop, where there is one."""
        if self._stop or otherwise:
            asked = self._stop.ending() if self._stop else Ending("stopped", otherwise, 143)
            self._end.end(asked)

    def _complete(self, reason: str) -> None:
        if self._desk.latched:
            self._end.fail(f"latched: {self._desk.latched}, and not reset")
        self._end.end(Ending("completed", reason, 0))

    def _is_armed(self) -> bool:
        self._arm_again_if_due()
        return isfinite(self._armed_s)

    def _arm_again_if_due(self) -> None:
        # What is latched waits for a second person, however often it may be armed again.
        if self._end.ending is not None or self._desk.latched:
            return
        if self._rearming.is_due(self._clock.now_s()):
            self._arm()

    def _arm(self) -> None:
        self._nodes.log("arm.intent", {"lease_s": self._rig.arming.lease_s}, durable=True)
        self._nodes["loop"].send({"do": "arm", "actor": self._operator})

    def _heard(self, node: NodeProcess, message: Message) -> None:
        match message["event"]:
            case "row" if message["name"] == "armed":
                self._on_armed()
            case "row" if message["name"] == "disarmed":
                self._on_disarmed(message["data"])
            case "row" if message["name"] == "latched":
                self._on_latched(message["data"])
            case "row" if message["name"] == "reset":
                self._on_reset(message["data"])
            case "ordered":
                self._desk.heard(message["why"])
            case "row" if message["name"] == "emergency_stop":
                self._end_as_asked("by the emergency stop")
            case "arm_refused":
                self._on_refused(message["why"])
            case "done" if message["why"]:
                self._end.fail(f"{node.role}: {message['why']}")
            case "done" if message.get("how") == "exhausted":
                self._on_exhausted()

    def _on_armed(self) -> None:
        if isfinite(self._armed_s):
            self._progress.say("armed again")
            return
        self._armed_s = self._clock.now_s()
        self._to_armed_s = process_age_s()
        self._progress.say(f"armed {self._to_armed_s:.1f} s after the command")

    def _on_disarmed(self, change: Mapping[str, Any]) -> None:
        reason = change["reason"]
        if self._end.ending is not None or self._stop or not isfinite(self._armed_s):
            return
        told = f"disarmed: {change['detail'] or reason}"
        self._progress.say(told)
        if reason == EMERGENCY_STOP:
            self._end_as_asked("by the emergency stop")
        elif reason not in EXPECTED and not (
            reason in PASSING and self._rearming.disarmed(self._clock.now_s())
        ):
            self._end.fail(told)

    def _on_latched(self, change: Mapping[str, Any]) -> None:
        if self._end.ending is not None or self._stop or not isfinite(self._armed_s):
            return
        told, waits = self._desk.latch(change)
        self._progress.say(told)
        if not waits:
            self._end.fail(told)

    def _on_reset(self, change: Mapping[str, Any]) -> None:
        self._desk.reset()
        if change.get("after") == ArmingState.DISCONNECTED:
            self._end.fail("the loop has lost its stimulator; a new session connects to it anew")
            return
        self._rearming.ordered(self._clock.now_s())
        self._progress.say(f"reset by {change['actor']}; arming again")

    def _on_refused(self, why: str) -> None:
        if self._desk.latched:
            return
        was_armed = isfinite(self._armed_s)
        again = self._rearming.disarmed if was_armed else self._rearming.refused_at_first
        if not again(self._clock.now_s()):
            self._end.fail(f"the loop was not armed: {why}")

    def _on_exhausted(self) -> None:
        if isfinite(self._armed_s):
            self._complete("the recording has come to its end")
        else:
            self._end.fail("the recording came to its end before the session was armed")

    def _show(self, now_s: float, more: Mapping[str, Any] = MappingProxyType({})) -> None:
        elapsed = {"elapsed_s": now_s - self._armed_s, "duration_s": self._duration_s}
        self._progress.show({**elapsed, **self._status(), **more})

    def _status(self) -> Message:
        return self._nodes.told("loop", "status")

    def _wait(self, role: str, event: str = "ready") -> Message:
        self._until(lambda: bool(self._nodes.told(role, event)), f"the {role} to be {event}")
        return self._nodes.told(role, event)

    def _until(self, condition: Callable[[], bool], what: str) -> None:
        def holds_or_stopped() -> bool:
            if self._stop or self._end.ending is not None:
                raise _Stopped
            return condition()

        self._nodes.until(holds_or_stopped, what, READY_S)

    def _forget_keys(self) -> None:
        """They have done their work; a session's folder is kept and copied."""
        shutil.rmtree(self._keys, ignore_errors=True)
