"""Plays a live scenario: starts a session, does to it what is asked, and notes what was done."""

import json
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from threading import Thread
from typing import Any

from bci_core.bench.live.disturb import at_once, disturbance
from bci_core.bench.live.network import APART
from bci_core.bench.live.process import SessionProcess, session_process
from bci_core.bench.live.small_disk import small_disk
from bci_core.bench.scenarios.plan import TRUTH
from bci_core.bench.scenarios.scenario import DEVICE, Fault, FaultKind, LiveKind, Scenario
from bci_core.clock import Clock
from bci_core.config.load import dump_rig
from bci_core.config.rig import Rig
from bci_core.errors import BciError, NodeError
from bci_core.session import privacy
from bci_core.session.orders import give_order

MOMENT_S = 15.0
"""Longest wait for stimulation to be under way, or for quiet."""
QUIET_S = 0.8
RECENT_S = 0.08
"""A phase of current that ended so long ago is of a train under way, as far as a witness can
know: a device's process reports 50 times a second."""
BEGUN_S = 0.15
"""Of a train that has begun so recently there is more to come."""
OPERATOR_S = 0.5
"""How long after the last fault somebody resets what is latched."""
OVERDUE_S = 30.0
"""After its time, and what it waited for, a session that has not ended will not."""
RESETTER = "second person"
STOPPED = 143
"""Exit status of a session that was ended by SIGTERM."""
AGAIN_PHASES = 200
"""Current that shows that another session works: two trains of the bench's rigs."""


@dataclass(slots=True)
class LiveTruth:
    """What the bench has done, on the LSL clock, and what it has seen from outside.

    A fault was begun by ``begin_s``, and at the earliest at ``begin_from_s``; likewise its end.
    """

    armed_s: float | None = None
    faults: list[dict[str, Any]] = field(default_factory=list)
    presses: list[tuple[float, bool]] = field(default_factory=list)
    resets: list[float] = field(default_factory=list)
    status: int | None = None
    left: list[str] = field(default_factory=list)
    again: str | None = None
    """What kept another session from working, "" when it worked; None without one."""
    phases: list[tuple[int, float, float, float]] = field(default_factory=list)
    failure: str = ""

    def write(self, path: Path, end_s: float) -> None:
        """Put it down beside what the session has put down."""
        told = {name: getattr(self, name) for name in self.__slots__}
        fulls = [f["begin_s"] for f in self.faults if f["kind"] == FaultKind.DISK_FULL]
        failed_s = min(fulls, default=None)
        whole = {**told, "end_s": end_s, "books_failed_s": failed_s}
        (path / TRUTH).write_text(json.dumps(whole), "utf-8")


def run_live(
    scenario: Scenario, rig: Rig, scratch: Path, clock: Clock, say: Callable[[str], None]
) -> Path:
    """Run a scenario; the session folder, with the truth in it.

    Raises
    ------
    BciError
        The session does not start, or what is to be done cannot be done.
    """
    privacy.confine(rig.lsl)
    path, out = scratch / "rig.toml", scratch / "sessions"
    path.write_text(dump_rig(rig), "utf-8")
    out.mkdir()
    truth = LiveTruth()
    kinds = {fault.kind for fault in scenario.faults}
    before = APART if LiveKind.NETWORK in kinds else ()
    with ExitStack() as stack:
        if FaultKind.DISK_FULL in kinds:
            stack.enter_context(small_disk(out))
        session = stack.enter_context(
            session_process(rig, path, out, clock, scenario.duration_s, before)
        )
        say("starting a session")
        truth.armed_s = session.until_stimulating()
        end_s = _Play(scenario, session, truth, clock, say).run()
        if scenario.expect.ends:
            say("starting another session")
            truth.again = _again(rig, path, out, clock)
        folder = session.folder.path
    truth.phases = [(s.channel, s.amplitude, s.onset_s, s.offset_s) for s in session.seen]
    truth.write(folder, end_s)
    return folder


class _Play:
    """The faults of a scenario, each at its time, and an operator who resets."""

    def __init__(
        self,
        scenario: Scenario,
        session: SessionProcess,
        truth: LiveTruth,
        clock: Clock,
        say: Callable[[str], None],
    ) -> None:
        self._scenario = scenario
        self._session = session
        self._truth = truth
        self._clock = clock
        self._say = say
        self._over_s = inf
        self._latched = False
        self._resetting: Thread | None = None

    def run(self) -> float:
        """To the end of the session; when that was."""
        zero_s = self._truth.armed_s or 0.0
        faults = sorted(self._scenario.faults, key=lambda fault: fault.at_s)
        # The device has its own from its rig, and counts from being armed itself.
        for fault in [each for each in faults if each.kind.startswith(DEVICE)]:
            faults.remove(fault)
            self._over_s = zero_s + fault.end_s
            times = dict.fromkeys(("begin_from_s", "begin_s"), zero_s + fault.at_s)
            times |= dict.fromkeys(("end_from_s", "end_s"), self._over_s)
            self._truth.faults.append({"kind": fault.kind, "role": None, "path": None, **times})
        if faults:
            self._until(zero_s + faults[0].at_s)
            zero_s += self._moment() - (zero_s + faults[0].at_s)
            self._over_s = inf
        made = [(fault, disturbance(fault, self._session, self._clock)) for fault in faults]
        steps: list[tuple[float, Callable[[], None]]] = []
        for fault, does in made:
            told: dict[str, Any] = {"kind": fault.kind, "role": fault.role, "path": fault.path}
            self._truth.faults.append(told)
            steps.append((zero_s + fault.at_s, self._step(fault, told, "begin", does.begin)))
            steps.append((zero_s + fault.end_s, self._step(fault, told, "end", does.end)))
        for at_s, step in sorted(steps, key=lambda each: each[0]):
            self._until(at_s)
            step()
        if steps or not self._truth.faults:
            self._over_s = self._clock.now_s()
        self._until(zero_s + self._scenario.duration_s + OVERDUE_S)
        end_s = self._clock.now_s()
        self._truth.status, self._truth.left = self._session.end()
        if self._resetting is not None:
            self._resetting.join()
        return end_s

    def _step(
        self, fault: Fault, told: dict[str, Any], which: str, do: Callable[[], None]
    ) -> Callable[[], None]:
        """Begin or end a fault, and note from when and by when that was so."""

        def step() -> None:
            self._say(f"{fault.kind} {fault.role or fault.path or ''} {which}s")
            with at_once():
                from_s = self._clock.now_s()
                do()
                told[f"{which}_s"] = self._clock.now_s()
            told[f"{which}_from_s"] = from_s
            if which == "begin" and fault.kind in (FaultKind.STOP, FaultKind.STOP_LOST):
                self._truth.presses.append((from_s, fault.kind == FaultKind.STOP))

        return step

    def _moment(self) -> float:
        """When stimulation is under way, or not, as the scenario has it."""
        wanted = self._scenario.under_way
        until_s = self._clock.now_s() + MOMENT_S
        while wanted is not None and self._session.runs():
            now_s, seen = self._clock.now_s(), self._session.seen
            since_s = now_s - seen[-1].offset_s
            if wanted and since_s < RECENT_S and now_s - self._began_s() < BEGUN_S:
                break
            if not wanted and since_s > QUIET_S:
                break
            if now_s > until_s:
                raise NodeError(
                    f"stimulation was {'never' if wanted else 'always'} under way within "
                    f"{MOMENT_S:g} s; the scenario needs another rig"
                )
            self._tend()
        return self._clock.now_s()

    def _began_s(self) -> float:
        """When the last train began."""
        began_s = inf
        for each in reversed(self._session.seen):
            if began_s - each.offset_s > RECENT_S and began_s < inf:
                break
            began_s = each.onset_s
        return began_s

    def _until(self, at_s: float) -> None:
        """Wait, as long as the session runs; a step that is due is taken anyway."""
        while self._clock.now_s() < at_s and self._session.runs():
            self._tend()

    def _tend(self) -> None:
        """Look, and reset what is latched once everything is over."""
        for row in self._session.look():
            if row["event"] in ("latched", "reset"):
                self._latched = row["event"] == "latched"
            if row["event"] == "reset":
                self._truth.resets.append(row["data"]["at_s"])
        waited = self._clock.now_s() > self._over_s + OPERATOR_S
        if self._latched and waited and not (self._resetting and self._resetting.is_alive()):
            self._say("resetting what is latched")
            self._resetting = Thread(target=self._reset, name="reset", daemon=True)
            self._resetting.start()
        self._session.wait()

    def _reset(self) -> None:
        """``bci reset``: as the command does it, without the start of a new interpreter."""
        with suppress(BciError):  # What is not reset is tried again; a session may have ended.
            give_order(self._session.folder, {"do": "reset", "by": RESETTER}, self._clock)


def _again(rig: Rig, path: Path, out: Path, clock: Clock) -> str:
    """Another session of the same rig; what kept it from stimulating, or ""."""
    with session_process(rig, path.rename(path.with_name("again.toml")), out, clock) as session:
        try:
            session.until_stimulating()
            while session.runs() and len(session.seen) < AGAIN_PHASES:
                session.wait()
            if not session.runs():
                return f"it ended by itself: {session.words()}"
            session.process.terminate()
            status, left = session.end()
        except BciError as error:
            return str(error)
    if status != STOPPED or left:
        return f"it ended with status {status}, still there: {', '.join(left) or 'nothing'}"
    return ""
