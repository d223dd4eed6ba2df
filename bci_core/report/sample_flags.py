"""What the monitor thought of each sample of a session.

As the session recorded it, in the ``NAME-mask`` stream. Where there is none, lost and
non-finite samples are flagged anew, and what the ledger says was blanked; the monitor
itself is not run, since this process may have no compiled code.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bci_core.detection.monitor_flags import (
    FLAG_BLANK,
    FLAG_GAP,
    FLAG_NOT_FINITE,
    FLAG_SETTLING,
)
from bci_core.detection.monitor_settings import MonitorSettings
from bci_core.events import Veto
from bci_core.report.evidence import Evidence
from bci_core.report.timeline import number
from bci_core.scoring.stretch import Stretch

Flags = NDArray[np.uint8]


def flags_of(evidence: Evidence, stretch: Stretch, columns: Sequence[int]) -> Flags:
    """Flags of the samples of a stretch of a session.

    Parameters
    ----------
    evidence : Evidence
        With a recording.
    stretch : Stretch
        Of that recording.
    columns : sequence of int
        The channels that were watched.

    Returns
    -------
    ndarray, (n_samples,), uint8
        ``FLAG_…`` bits.
    """
    recording = evidence.recording
    if recording is not None and len(recording.mask_s):
        changes_s = recording.mask_s - evidence.trace.clock_offset_s
        return _held(changes_s, recording.mask, stretch)
    return _made_again(evidence, stretch, columns)


def _held(changes_s: NDArray[np.float64], mask: dict[str, NDArray[Any]], on: Stretch) -> Flags:
    """Each row of the mask holds from its sample to before the next row's."""
    bits = np.zeros(len(changes_s), dtype=np.int64)
    for bit, veto in enumerate(Veto):
        bits |= (np.asarray(mask.get(veto, 0.0)) > 0.0).astype(np.int64) << bit
    # Half a period early, since two clocks lie between.
    early_s = changes_s - 0.5 / on.info.rate_hz
    last = np.searchsorted(early_s, on.times_s, "right") - 1
    return np.where(last >= 0, bits[np.maximum(last, 0)], FLAG_SETTLING).astype(np.uint8)


def _made_again(evidence: Evidence, on: Stretch, columns: Sequence[int]) -> Flags:
    settle_s = number(evidence.section("monitor").get("settle_s"))
    settle_s = settle_s if np.isfinite(settle_s) else MonitorSettings().settle_s
    not_finite = ~np.isfinite(on.samples[:, list(columns)]).all(axis=1)
    gap = np.concatenate([[False], np.diff(on.times_s) > 1.5 / on.info.rate_hz])
    flags = (not_finite * FLAG_NOT_FINITE | gap * FLAG_GAP).astype(np.uint8)
    for fault_s in (on.times_s[0], *on.times_s[flags != 0]):
        first, last = np.searchsorted(on.times_s, [fault_s, fault_s + settle_s])
        flags[first:last] |= FLAG_SETTLING
    for start_s, end_s in evidence.trace.blanks:
        first, last = np.searchsorted(on.times_s, [start_s, end_s])
        flags[first:last] |= FLAG_BLANK
    return flags
