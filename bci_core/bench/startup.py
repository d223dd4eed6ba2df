"""From the command to an armed session, with and without compiled kernels on disk."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from bci_core.bench.child import Say, run_session_of

ARMED_S = 0.5
"""How long each session runs once it is armed; only its start is of interest."""

BUDGET_S: Mapping[str, float] = {"warm": 4.0, "cold": 10.0}


@dataclass(frozen=True, slots=True)
class StartupResult:
    """Seconds from the start of the process to armed.

    Attributes
    ----------
    cache : str
        ``warm``, or ``cold``: no compiled kernel was on disk.
    times_s : sequence of float
        One a session, in order.
    budget_s : float
        What the median is judged against.
    """

    cache: str
    times_s: Sequence[float]
    budget_s: float

    @property
    def median_s(self) -> float:
        return median(self.times_s)

    @property
    def within(self) -> bool:
        return self.median_s <= self.budget_s

    def to_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        return asdict(self) | {"median_s": self.median_s, "pass": self.within}


def measure_startup(rig: str, caches: Sequence[str], repeats: int, say: Say) -> list[StartupResult]:
    """Start sessions, one after another.

    Parameters
    ----------
    rig : str
        A preset's name, or the path of a rig file.
    caches : sequence of str
        Of ``warm`` and ``cold``.
    repeats : int
        Sessions for each.
    say : callable (str)
        Is given lines of progress.

    Raises
    ------
    NodeError
        A session did not complete.
    """
    return [
        StartupResult(cache, _times_s(rig, cache, repeats, say), BUDGET_S[cache])
        for cache in caches
    ]


def _times_s(rig: str, cache: str, repeats: int, say: Say) -> list[float]:
    times_s = []
    with TemporaryDirectory(prefix="bci-bench-") as folder:
        if cache == "warm":
            say("one session that is not counted, to have the cache filled")
            _to_armed_s(rig, Path(folder), {}, say)
        for i in range(repeats):
            environment = {}
            if cache == "cold":
                empty = Path(folder) / f"numba-{i}"
                empty.mkdir()
                environment["NUMBA_CACHE_DIR"] = str(empty)
            times_s.append(_to_armed_s(rig, Path(folder), environment, say))
            say(f"{cache} start {i + 1} of {repeats}: {times_s[-1]:.2f} s to armed")
    return times_s


def _to_armed_s(rig: str, folder: Path, environment: Mapping[str, str], say: Say) -> float:
    ran = run_session_of(rig, ARMED_S, folder, say, environment)
    return float(ran.summary["to_armed_s"])
