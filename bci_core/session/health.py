"""What a process of a session takes from the machine."""

from collections.abc import Mapping
from typing import Any

import psutil


def take(pid: int) -> dict[str, float] | None:
    """Resident memory, open file handles and threads of a process; None when it is gone."""
    try:
        process = psutil.Process(pid)
        with process.oneshot():
            return {
                "rss_kib": float(process.memory_info().rss) / 1024.0,
                "handles": process.num_fds(),
                "threads": process.num_threads(),
            }
    except psutil.Error:
        return None


def health_row(now_s: float, pids: Mapping[str, int], status: Mapping[str, Any]) -> dict[str, Any]:
    """Ledger row of how a session is; a process that is gone is left out.

    Parameters
    ----------
    now_s : float
    pids : mapping of str to int
        Process id by role.
    status : mapping
        What the loop last told of itself; its counts of samples are taken over.
    """
    taken = {role: found for role, pid in pids.items() if (found := take(pid)) is not None}
    counts = {key: status[key] for key in ("samples", "lost") if key in status}
    return {"lsl_s": now_s, "processes": taken, **counts}
