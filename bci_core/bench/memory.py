"""Whether the loop's process keeps to its memory while a session runs."""

from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from bci_core.bench.child import Say, run_session_of
from bci_core.bench.floor import Floats
from bci_core.errors import SessionError
from bci_core.record.ledger import read_ledger
from bci_core.report.trace import column, trace
from bci_core.session.folder import SessionFolder

SETTLING = 0.1
"""Share of the session left out at its start: buffers and caches fill once."""

LEAST_READINGS = 3
"""For a slope with an error of its own."""


@dataclass(frozen=True, slots=True)
class MemoryResult:
    """Resident memory of the loop's process.

    Attributes
    ----------
    slope_kib_per_min, standard_error_kib_per_min : float
        Of a straight line through the readings, by least squares. The error takes
        readings as independent, so steps of the allocator make it too small.
    first_kib, last_kib, max_kib : float
        Of these readings.
    n : int
        Readings the line goes through.
    span_s : float
        From the first of them to the last.
    settling_s : float
        Left out before them.
    samples, triggers : int
        What the session went through.
    """

    slope_kib_per_min: float
    standard_error_kib_per_min: float
    first_kib: float
    last_kib: float
    max_kib: float
    n: int
    span_s: float
    settling_s: float
    samples: int
    triggers: int

    def to_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        return asdict(self)


def measure_memory(rig: str, duration_s: float, say: Say) -> MemoryResult:
    """Run a session and fit its loop's memory over time.

    Parameters
    ----------
    rig : str
        A preset's name, or the path of a rig file.
    duration_s : float
    say : callable (str)
        Is given lines of progress.

    Raises
    ------
    NodeError
        The session did not complete.
    SessionError
        It was too short for a slope.
    """
    with TemporaryDirectory(prefix="bci-bench-") as out:
        ran = run_session_of(rig, duration_s, Path(out), say)
        readings = trace(read_ledger(SessionFolder.open(ran.folder).ledger)).memory
    times_s, rss_kib = column(readings, "lsl_s"), column(readings, "rss_kib")
    settling_s = SETTLING * duration_s
    settled = times_s >= times_s[0] + settling_s if len(times_s) else np.zeros(0, dtype=bool)
    times_s, rss_kib = times_s[settled], rss_kib[settled]
    if len(times_s) < LEAST_READINGS:
        raise SessionError(
            f"{len(times_s)} readings of memory after settling, at least {LEAST_READINGS} are "
            "needed; give a longer --duration"
        )
    slope, error = line_through(times_s / 60.0, rss_kib)
    return MemoryResult(
        slope_kib_per_min=slope,
        standard_error_kib_per_min=error,
        first_kib=float(rss_kib[0]),
        last_kib=float(rss_kib[-1]),
        max_kib=float(rss_kib.max()),
        n=len(rss_kib),
        span_s=float(np.ptp(times_s)),
        settling_s=settling_s,
        samples=ran.summary["samples"],
        triggers=ran.summary["triggers"],
    )


def line_through(x: Floats, y: Floats) -> tuple[float, float]:
    """Slope of a straight line by least squares, and its standard error.

    Parameters
    ----------
    x, y : ndarray, (n,)
        At least 3 points, not all at one `x`.
    """
    x = x - x.mean()
    y = y - y.mean()
    slope = float(x @ y) / float(x @ x)
    left = y - slope * x
    variance = float(left @ left) / (len(x) - 2)
    return slope, float(np.sqrt(variance / float(x @ x)))
