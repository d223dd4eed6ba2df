"""A session of hours, live or on the virtual clock, and what became of it."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bci_core.bench.child import Say, run_session_of
from bci_core.bench.soak.disk import disk_need, require_disk
from bci_core.bench.soak.drift import SPANS
from bci_core.bench.soak.judge import SETTLING, judge_soak
from bci_core.bench.soak.probe import Probe
from bci_core.bench.soak.result import SoakResult
from bci_core.bench.soak.story import Story, read_story
from bci_core.clock import Clock, LslClock, VirtualClock
from bci_core.config.load import load_rig
from bci_core.config.rig import Rig
from bci_core.errors import InputError, NodeError
from bci_core.session import build
from bci_core.session.folder import SessionFolder
from bci_core.session.simulate import SHOW_EVERY_S, on_virtual_clock, play_session
from bci_core.session.watch import HEALTH_EVERY_S

PRESET = "bench-latency"
SHOWN_EVERY = 30
"""Of the lines that a live session says once a second."""


def soak(
    source: str, hours: float, simulated: bool, say: Say, out: Path | None = None
) -> SoakResult:
    """Run a session and follow what it takes, how fast it answers, and what it loses.

    Parameters
    ----------
    source : str
        A preset's name, or the path of a rig file.
    hours : float
        Armed; of a simulation, simulated.
    simulated : bool
        On the virtual clock, in this process, as fast as it goes.
    say : callable (str)
        Is given lines of progress.
    out : Path, optional
        Where the session folder is made, and kept. None: it is thrown away.

    Raises
    ------
    InputError
        It would be too short to say anything, or the disk is too small.
    NodeError
        A live session did not complete.
    """
    duration_s = 3600.0 * hours
    rig = load_rig(source)
    clock: Clock = VirtualClock() if simulated else LslClock()
    least_s = 2.0 * SPANS * (SHOW_EVERY_S if simulated else HEALTH_EVERY_S) / (1.0 - SETTLING)
    if duration_s < least_s:
        raise InputError(
            f"--hours {hours:g}: {duration_s:.0f} s are too short to tell a drift from chance, "
            f"at least {least_s:.0f} s ({least_s / 3600.0:.3f} hours) are needed"
        )
    info = (on_virtual_clock(rig, clock) if simulated else build.amplifier(rig, clock)).describe()
    need_bytes = disk_need(rig, info, len(build.outputs(rig, info)), duration_s)
    with _place(out) as folder:
        free_bytes = require_disk(rig, need_bytes, folder)
        say(
            f"{rig.name}: {len(info.channels)} channels at {info.rate_hz:g} Hz; "
            f"{need_bytes / 1e9:.2f} GB of disk at most, {free_bytes / 1e9:.0f} GB are free"
        )
        run = _simulated if simulated else _live
        session, story, more = run(rig, source, duration_s, folder, say)
        used_bytes = sum(p.stat().st_size for p in session.path.rglob("*") if p.is_file())
    about = {
        "rig": rig.name,
        "simulated_time": simulated,
        "simulated_stimulator": story.start.get("simulated"),
        "session": session.name,
        "asked_s": duration_s,
        "channels": len(info.channels),
        "rate_hz": info.rate_hz,
        "disk": {"at_most_bytes": need_bytes, "used_bytes": used_bytes},
        "cpus": os.cpu_count(),
        "load_1min": os.getloadavg()[0],
    }
    return judge_soak(story, about | dict(more))


def soak_of(folder: SessionFolder) -> SoakResult:
    """Judge a session that was run before, by its folder alone."""
    story = read_story(folder.ledger)
    about = {
        "rig": story.start.get("name"),
        "simulated_time": story.start.get("virtual_time"),
        "simulated_stimulator": story.start.get("simulated"),
        "session": folder.name,
    }
    return judge_soak(story, about)


@contextmanager
def _place(out: Path | None) -> Iterator[Path]:
    if out is not None:
        yield out
        return
    with TemporaryDirectory(prefix="bci-soak-") as made:
        yield Path(made)


def _live(
    _rig: Rig, source: str, duration_s: float, out: Path, say: Say
) -> tuple[SessionFolder, Story, Mapping[str, Any]]:
    lines = 0

    def some(line: str) -> None:
        nonlocal lines
        lines += 1
        if not line.startswith("elapsed") or lines % SHOWN_EVERY == 0:
            say(line.rstrip())

    before = SessionFolder.all_in(out)
    try:
        run_session_of(source, duration_s, out, some, more=("--no-report",))
    except NodeError:
        # One that ran and failed is what a soak is for; one that never began is not.
        if len(SessionFolder.all_in(out)) == len(before):
            raise
    folder = SessionFolder.latest(out)
    say("reading the ledger")
    return folder, read_story(folder.ledger), {}


def _simulated(
    rig: Rig, source: str, duration_s: float, out: Path, say: Say
) -> tuple[SessionFolder, Story, Mapping[str, Any]]:
    probe = Probe(say, LslClock())
    folder, _ = play_session(rig, source, out, probe, duration_s)
    say("reading the ledger")
    story = read_story(folder.ledger)
    story.processes = probe.story.processes
    story.cpu_ms, story.lost = probe.story.cpu_ms, probe.story.lost
    return folder, story, probe.figures()
