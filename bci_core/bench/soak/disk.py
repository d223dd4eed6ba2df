"""What a session will put on the disk, and whether there is room."""

import shutil
from pathlib import Path

from bci_core.chunk import StreamInfo
from bci_core.config.rig import Rig
from bci_core.errors import InputError

SAMPLE_BYTES, VALUE_BYTES = 9, 4
"""In XDF: a time stamp, and each channel as a float32."""

OUTPUT_BYTES, OUTPUT_VALUE_BYTES = 20, 8
"""What a detector publishes at a sample is a block of its own, in doubles."""

TRIGGER_BYTES = 2500
"""Ledger and recording together: 2270 measured on 17970 triggers of `bench-latency`."""

SECOND_BYTES = 400
"""What the ledger says of the processes, each second."""


def disk_need(rig: Rig, info: StreamInfo, outputs: int, duration_s: float) -> float:
    """Bytes that a session takes at most: as if it triggered as often as its policy allows.

    Parameters
    ----------
    rig : Rig
    info : StreamInfo
        What the amplifier streams.
    outputs : int
        Numbers that the detector publishes at every sample.
    duration_s : float
    """
    sample = SAMPLE_BYTES + VALUE_BYTES * len(info.channels)
    if outputs:
        sample += OUTPUT_BYTES + OUTPUT_VALUE_BYTES * outputs
    triggers = TRIGGER_BYTES * rig.policy.max_rate_hz
    return duration_s * (info.rate_hz * sample + triggers + SECOND_BYTES)


def require_disk(rig: Rig, need_bytes: float, folder: Path) -> float:
    """Refuse a session for which there is no room; the free bytes.

    Raises
    ------
    InputError
        Naming what is needed, what is free, and what to do.
    """
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    free = float(shutil.disk_usage(there).free)
    kept = rig.session.min_free_disk_mb * 1e6
    if need_bytes + kept > free:
        raise InputError(
            f"{folder}: the session may take {need_bytes / 1e9:.2f} GB, and "
            f"{kept / 1e6:g} MB must stay free (session.min_free_disk_mb); {free / 1e9:.2f} GB are "
            "free: give a place on a larger disk with --out, or fewer --hours"
        )
    return free
