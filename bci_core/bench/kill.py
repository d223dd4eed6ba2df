"""Processes of a session killed at random instants while current flows, and what came of it."""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import psutil

from bci_core.bench.child import Say
from bci_core.bench.witness import Seen, Witness
from bci_core.clock import LslClock
from bci_core.config.load import load_rig
from bci_core.errors import BciError, NodeError
from bci_core.record.ledger import read_ledger, verify_ledger
from bci_core.session import privacy
from bci_core.session.folder import SessionFolder

ROLES = ("loop", "stimulator", "supervisor", "amplifier", "recorder")
"""Processes of a session."""

BOUND_S = {"loop": 0.01, "stimulator": 0.01}
"""Longest that current may outlast the kill of the device's host, or of the device. For the others
it is the device's lease or, where that is longer, the time after which samples or heartbeats are
stale, and what a device is granted for stopping."""

RIG = "bench-kill"
STIMULATING_WITHIN_S = 40.0
ENDED_WITHIN_S = 60.0
"""Closing its files included."""

WATCHED_S = 1.5
"""How long after the kill the witness goes on watching."""

BOOKS_S = 0.6
"""Rows younger than this may not have reached the disk when whoever writes them is killed."""


@dataclass(frozen=True, slots=True)
class Kill:
    """One process, killed once.

    Attributes
    ----------
    role : str
    outlasted_s : float
        From the kill to the end of the last current that was seen; 0 when none came after.
    stimulating : bool
        Whether a train was under way.
    ledger : str
        What is wrong with the chain, or "".
    sent, unexplained : int
        Triggers that were let through, and those of them of which nothing tells the end and
        which are older than what the books may lack.
    unlogged : int
        Trains seen by the witness that no row of the ledger asked for.
    """

    role: str
    outlasted_s: float
    stimulating: bool
    ledger: str
    sent: int
    unexplained: int
    unlogged: int


@dataclass(slots=True)
class KillResult:
    """All of the kills.

    Attributes
    ----------
    bound_s : dict of str to float
        For each role.
    kills : list of Kill
    """

    bound_s: dict[str, float]
    kills: list[Kill] = field(default_factory=list)

    def of(self, role: str) -> list[Kill]:
        return [kill for kill in self.kills if kill.role == role]

    def failures(self) -> list[str]:
        """What did not hold, in words."""
        wrong: list[str] = []
        for kill in self.kills:
            bound_s = self.bound_s[kill.role]
            if kill.outlasted_s > bound_s:
                late = f"current {kill.outlasted_s * 1e3:.1f} ms after it, limit"
                wrong.append(f"{kill.role}: {late} {bound_s * 1e3:g} ms")
            if kill.ledger:
                wrong.append(f"{kill.role}: {kill.ledger}")
            if kill.unexplained:
                wrong.append(f"{kill.role}: {kill.unexplained} triggers without an end")
            if kill.unlogged:
                wrong.append(f"{kill.role}: {kill.unlogged} trains that nobody logged")
        return wrong

    def to_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        return asdict(self) | {"failures": self.failures()}


def measure_kills(roles: Sequence[str], trials: int, seed: int, say: Say) -> KillResult:
    """Start sessions, and kill one process of each.

    Parameters
    ----------
    roles : sequence of str
        Of `ROLES`.
    trials : int
        For each role.
    seed : int
        Of the instants.
    say : callable (str)
        Is given lines of progress.

    Raises
    ------
    NodeError
        A session did not come to stimulate, or did not end after the kill.
    """
    rig = load_rig(RIG)
    privacy.confine(rig.lsl)
    other_s = max(
        rig.session.device_lease_s, rig.arming.stale_after_s, rig.arming.heartbeat_timeout_s
    )
    other_s += rig.arming.stop_within_s
    result = KillResult({role: BOUND_S.get(role, other_s) for role in roles})
    rng = np.random.default_rng(seed)
    for trial in range(trials):
        for role in roles:
            with TemporaryDirectory(prefix="bci-bench-") as folder:
                kill = _kill_once(role, float(rng.uniform(0.0, 1.0)), Path(folder))
            result.kills.append(kill)
            say(
                f"{role} {trial + 1} of {trials}: current for {kill.outlasted_s * 1e3:.2f} ms, "
                f"{kill.sent} triggers, {len(result.failures())} failures so far"
            )
    return result


def _kill_once(role: str, after_s: float, out: Path) -> Kill:
    clock = LslClock()
    command = [sys.executable, "-m", "bci_core.cli.app", "run", RIG, "--out", str(out)]
    with (out / "said").open("wb") as said:
        process = subprocess.Popen(command, stdout=said, stderr=said)  # noqa: S603 - itself
    witness = Witness(RIG, lambda: process.poll() is None, process.pid)
    try:
        until_s = clock.now_s() + STIMULATING_WITHIN_S
        while not witness.seen:
            if process.poll() is not None or clock.now_s() > until_s:
                raise NodeError(f"the session did not come to stimulate; {_words(out)}")
            clock.sleep_until(clock.now_s() + 0.02)
        children = processes_of(process.pid)
        clock.sleep_until(clock.now_s() + after_s)
        killed_s = clock.now_s()
        os.kill(children[role], signal.SIGKILL)
        clock.sleep_until(killed_s + WATCHED_S)
        # Its report, which takes as long as all the rest, is not of interest.
        while process.poll() is None and SessionFolder.latest(out).is_running():
            if clock.now_s() > killed_s + ENDED_WITHIN_S:
                raise NodeError(
                    f"the session did not end within {ENDED_WITHIN_S:g} s of the kill of its "
                    f"{role}; {_words(out)}"
                )
            clock.sleep_until(clock.now_s() + 0.02)
        process.kill()
        process.wait()
        gone = [psutil.Process(pid) for pid in children.values() if psutil.pid_exists(pid)]
        psutil.wait_procs(gone, timeout=20.0)
    finally:
        witness.close()
        for pid in processes_of(process.pid).values() if process.poll() is None else ():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()
    return _judge(role, killed_s, witness.seen, SessionFolder.latest(out))


def _words(out: Path) -> str:
    """The last of what a session has said, and the last rows of its ledger."""
    said = (out / "said").read_text("utf-8", "replace")[-500:]
    rows = [line for ledger in out.glob("*/ledger.jsonl") for line in ledger.open(errors="replace")]
    return f"it said: {said}\nlast in its ledger: {''.join(rows[-3:])}"


def _judge(role: str, killed_s: float, seen: list[Seen], folder: SessionFolder) -> Kill:
    ledger = ""
    try:
        verify_ledger(folder.ledger)
    except BciError as error:
        ledger = str(error)
    rows = read_ledger(folder.ledger)
    sent = {
        row.data["seq"]: row.data["now_s"]
        for row in rows
        if row.event == "decision" and row.data["seq"] and not row.data["refusal"]
    }
    told = {row.data["seq"] for row in rows if row.event in ("outcome", "delivery")}
    unexplained = [
        seq for seq, at_s in sent.items() if seq not in told and at_s < killed_s - BOOKS_S
    ]
    trains_s = _trains(seen)
    asked_s = np.array(sorted(sent.values()))
    unlogged = [
        onset_s
        for onset_s, _ in trains_s
        if onset_s < killed_s - BOOKS_S and not np.any(np.abs(asked_s - onset_s) < BOOKS_S)
    ]
    return Kill(
        role=role,
        outlasted_s=max([0.0, *(each.offset_s - killed_s for each in seen)]),
        stimulating=any(onset_s <= killed_s <= offset_s + 0.004 for onset_s, offset_s in trains_s),
        ledger=ledger,
        sent=len(sent),
        unexplained=len(unexplained),
        unlogged=len(unlogged),
    )


def _trains(seen: list[Seen], gap_s: float = 0.015) -> list[tuple[float, float]]:
    """Onset and offset of each train: phases with no longer pause between them."""
    found: list[tuple[float, float]] = []
    for each in seen:
        if found and each.onset_s - found[-1][1] < gap_s:
            found[-1] = (found[-1][0], each.offset_s)
        else:
            found.append((each.onset_s, each.offset_s))
    return found


def processes_of(supervisor: int) -> dict[str, int]:
    """Process ids of a running session, by role."""
    found = {"supervisor": supervisor}
    for child in psutil.Process(supervisor).children(recursive=True):
        with suppress(psutil.Error):  # It has just ended.
            command = child.cmdline() or [""]
            if "LabRecorder" in command[0]:
                found["recorder"] = child.pid
            elif "bci_core.session.node" in command:
                found[command[3]] = child.pid
    return found
