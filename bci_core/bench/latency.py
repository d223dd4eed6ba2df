"""The latency of a whole session, beside the bare transport measured around it."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from bci_core.bench.child import Say, SessionRun, run_session_of
from bci_core.bench.floor import Floats, Floor, measure_floor
from bci_core.clock import LslClock
from bci_core.config.load import load_rig
from bci_core.record.ledger import read_ledger
from bci_core.report.latency import judge, quantiles, stage_times_ms
from bci_core.report.trace import trace
from bci_core.session import build
from bci_core.session.folder import SessionFolder
from bci_core.session.live_loop import SLICE_S

PRESET = "bench-latency"

PACE_HZ = 1.0 / SLICE_S
"""Frames a second on the command path of the floor: as many as the loop's heartbeat sends, which
keep path and caches warm for the triggers in between."""

FLOOR_SHARE = 0.2
"""Of the measuring time, before the session and again after it."""

COMPARED = (
    ("received_to_accepted", "zmq_hop"),
    ("sample_to_accepted", "floor"),
)
"""What is divided by which part of the floor."""

Quantiles = Mapping[str, float | int | None]


@dataclass(frozen=True, slots=True)
class LatencyResult:
    """Figures of one run, in milliseconds.

    Attributes
    ----------
    floor, floor_before, floor_after : mapping of str to quantiles
        ``lsl_echo``, ``zmq_hop``, and ``floor``, the sum of both for one and the same frame.
    session : mapping of str to quantiles
        Each stage, ``received_to_accepted`` and ``sample_to_accepted``.
    ratio : mapping
        Session over floor, for each of `COMPARED`: at ``p50`` and ``p99``; None without a trigger.
    budget : mapping
        As `bci_core.report.latency.judge` gives it.
    about : mapping
        Durations, counts, load of the machine and scheduling, to judge the figures by.
    """

    floor: Mapping[str, Quantiles]
    floor_before: Mapping[str, Quantiles]
    floor_after: Mapping[str, Quantiles]
    session: Mapping[str, Quantiles]
    ratio: Mapping[str, Mapping[str, float | None]]
    budget: Mapping[str, Any]
    about: Mapping[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        return {name: getattr(self, name) for name in self.__slots__}


def measure_latency(duration_s: float, say: Say) -> LatencyResult:
    """Floor, session, floor: so that a machine that changes meanwhile shows.

    Parameters
    ----------
    duration_s : float
        Measuring time, of floor and session together.
    say : callable (str)
        Is given lines of progress.

    Raises
    ------
    NodeError
        A process failed, or the session did not complete.
    """
    rig = load_rig(PRESET)
    info = build.amplifier(rig, LslClock()).describe()
    floor_s = FLOOR_SHARE * duration_s
    session_s = duration_s - 2.0 * floor_s

    def floor(when: str) -> Floor:
        say(f"bare transport {when} the session, {floor_s:g} s")
        return measure_floor(info.rate_hz, len(info.channels), PACE_HZ, floor_s)

    with TemporaryDirectory(prefix="bci-bench-") as out, _load() as load:
        before = floor("before")
        ran = run_session_of(PRESET, session_s, Path(out), say)
        after = floor("after")
        times_ms, scheduling = _session_times(ran)
    session = {key: quantiles(values) for key, values in times_ms.items()}
    both = _figures([before, after])
    return LatencyResult(
        floor=both,
        floor_before=_figures([before]),
        floor_after=_figures([after]),
        session=session,
        ratio={
            f"{part} / {base}": {q: _ratio(session[part][q], both[base][q]) for q in ("p50", "p99")}
            for part, base in COMPARED
        },
        budget=judge(rig.budget.model_dump(), session),
        about={
            "session_s": ran.summary["duration_s"],
            "floor_s": 2.0 * floor_s,
            "rate_hz": info.rate_hz,
            "channels": len(info.channels),
            "floor_frames_hz": PACE_HZ,
            "samples": ran.summary["samples"],
            "samples_lost": ran.summary["samples_lost"],
            "triggers": ran.summary["triggers"],
            "refused": ran.summary["refused"],
            "cpus": os.cpu_count(),
            "load_1min": load,
            "scheduling": {"session": scheduling, "floor": before.scheduling},
        },
    )


def _session_times(ran: SessionRun) -> tuple[dict[str, Floats], str]:
    """Milliseconds of each stage, one value a trigger; and the scheduling that was granted."""
    rows = read_ledger(SessionFolder.open(ran.folder).ledger)
    times_ms = stage_times_ms(trace(rows))
    times_ms["sample_to_accepted"] = (
        times_ms["sample_to_received"] + times_ms["received_to_accepted"]
    )
    granted = [str(row.data["loop"]) for row in rows if row.event == "scheduling"]
    return times_ms, ", ".join(granted)


def _figures(floors: Sequence[Floor]) -> dict[str, Quantiles]:
    return {
        key: quantiles(np.concatenate([getattr(floor, f"{key}_ms") for floor in floors]))
        for key in ("lsl_echo", "zmq_hop", "floor")
    }


def _ratio(value: float | None, base: float | None) -> float | None:
    return None if value is None or not base else value / base


@contextmanager
def _load() -> Iterator[dict[str, float]]:
    """Load averages over the last minute, at the beginning and at the end."""
    load = {"before": os.getloadavg()[0]}
    yield load
    load["after"] = os.getloadavg()[0]
