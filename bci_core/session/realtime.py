"""What the operating system can do for the tail of the latency, and whether it did."""

import gc
import os

PRIORITY = 10
"""SCHED_FIFO priority: above ordinary work, far below the kernel's own threads."""


def ask_for_realtime() -> str:
    """Real-time scheduling for this thread and those it starts from here on.

    Returns
    -------
    str
        What was granted, for the report.
    """
    if not hasattr(os, "sched_setscheduler"):
        return "ordinary (this system has no SCHED_FIFO)"
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(PRIORITY))
    except PermissionError:
        return "ordinary (not permitted; grant rtprio in limits.conf, or CAP_SYS_NICE)"
    except OSError as error:
        return f"ordinary ({error})"
    return f"SCHED_FIFO {PRIORITY}"


def freeze_garbage() -> None:
    """Keep the collector away from the hot path: what lives now lives on."""
    gc.collect()
    gc.freeze()
    gc.disable()


def sweep(*, everything: bool = False) -> None:
    """Collect what came since the last sweep, or since `freeze_garbage`, where there is time.

    A library may leave reference cycles: numpy does at every array that BrainFlow hands to
    C, half a megabyte a second. Done after every read, it takes some 10 us.
    """
    gc.collect(2 if everything else 0)
