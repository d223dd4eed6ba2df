"""A session with artefacts, and what it would have detected without them.

A detection is caused by our own pulse when it would not be there without the artefact. So the
samples of the same brain without artefacts are put through the same detector, at the same
samples blanked as in the session: nothing else differs, however late the artefact shows.

Noise that comes up to a threshold is found or not by the last bit of a sample. What the
detector would find without the artefact, were its thresholds a hundredth different, is not
caused by it.
"""

import sys
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bci_core.bench.effect.runs import played, run_condition, with_amplifier, with_settings
from bci_core.chunk import Chunk
from bci_core.config.rig import Rig
from bci_core.events import EventKind, Outcome
from bci_core.record.ledger_format import LedgerRow
from bci_core.record.xdf import SessionRecording, read_session_xdf
from bci_core.session import build

CHUNK = 256


@dataclass(frozen=True, slots=True)
class Pair:
    """Detections of a session, and those without artefacts.

    Attributes
    ----------
    pulses : int
    detected_s, without_s, nearly_s : ndarray
        Times of what was detected and not vetoed, in seconds from the first sample: in the
        session, without artefacts, and without them by the same detector or one nearly so.
    """

    pulses: int
    detected_s: NDArray[np.float64]
    without_s: NDArray[np.float64]
    nearly_s: NDArray[np.float64]

    def caused(self, tolerance_s: float) -> NDArray[np.float64]:
        """Detections that are there because of the artefact."""
        return _missing_in(self.nearly_s, self.detected_s, tolerance_s)

    def tipped(self, tolerance_s: float) -> NDArray[np.float64]:
        """Detections of what all but reached the threshold without the artefact."""
        only_with = _missing_in(self.without_s, self.detected_s, tolerance_s)
        return np.setdiff1d(only_with, self.caused(tolerance_s))

    def hidden(self, tolerance_s: float) -> NDArray[np.float64]:
        """Detections that are not there because of it."""
        return _missing_in(self.detected_s, self.without_s, tolerance_s)


def play_pair(rig: Rig, duration_s: float, nearly: Sequence[Mapping[str, Any]]) -> Pair:
    """Play a session of the whole loop, and detect again without its artefacts.

    Parameters
    ----------
    rig : Rig
        With a brain that feels nothing (`bci_core.bench.artefact.cases.DEAF`).
    duration_s : float
    nearly : sequence of mapping
        Settings of detectors that are nearly the same.
    """
    clean = run_condition(with_amplifier(rig, artefact_ratio=0.0), "unstimulated", duration_s)
    with played(rig, duration_s) as (folder, rows):
        recorded = read_session_xdf(folder.xdf, rig.name)
    n = min(len(clean.samples), len(recorded.samples))
    begin_s = float(recorded.times_s[0])
    told = [
        row.data
        for row in rows
        if row.event == "decision" and row.data["kind"] != EventKind.END and not row.data["veto"]
    ]
    detected_s = np.unique([data["sample_s"] for data in told]) - begin_s
    rigs = [rig, *(replace(rig, detector=with_settings(rig.detector, **each)) for each in nearly)]
    found_s = [detect_again(each, recorded, rows, clean.samples[:n]) - begin_s for each in rigs]
    without_s, nearly_s = found_s[0], np.unique(np.concatenate(found_s))
    delivered = [
        row.data["n_pulses"]
        for row in rows
        if row.event == "outcome" and row.data["outcome"] == Outcome.DELIVERED
    ]
    return Pair(int(sum(delivered)), detected_s, without_s, nearly_s)


def detect_again(
    rig: Rig,
    recorded: SessionRecording,
    rows: Sequence[LedgerRow],
    samples: NDArray[np.float32],
) -> NDArray[np.float64]:
    """Times of what is detected, and not vetoed, in other samples with a session's blanks.

    Parameters
    ----------
    rig : Rig
    recorded : SessionRecording
        For the times of the samples.
    rows : sequence of LedgerRow
        Of the session.
    samples : ndarray, (n_samples, n_channels), float32
        From the session's first sample on.
    """
    ready = next(row.data for row in rows if row.event == "loop.ready")
    blanks = deque(row.data for row in rows if row.event == "blank")
    sensing = build.sensing(rig, recorded.info, ready["lead_s"])
    found_s: list[float] = []
    start = 0
    while start < len(samples):
        while blanks and blanks[0]["at_sample"] <= start:
            blank = blanks.popleft()
            sensing.monitor.blank(blank["seq"], blank["start_s"], blank["end_s"])
        upto = int(blanks[0]["at_sample"]) if blanks else sys.maxsize
        stop = min(start + CHUNK, len(samples), upto)
        found = sensing.update(Chunk(samples[start:stop], recorded.times_s[start:stop]))
        found_s += [d.sample_s for d in found if d.kind is not EventKind.END and not d.veto]
        start = stop
    return np.array(found_s)


def _missing_in(
    there_s: NDArray[np.float64], asked_s: NDArray[np.float64], tolerance_s: float
) -> NDArray[np.float64]:
    """Those of `asked_s` that have nothing in `there_s` within the tolerance."""
    if not len(there_s):
        return asked_s
    after = np.searchsorted(there_s, asked_s)
    nearest = np.minimum(
        np.abs(asked_s - there_s[np.maximum(after - 1, 0)]),
        np.abs(asked_s - there_s[np.minimum(after, len(there_s) - 1)]),
    )
    return asked_s[nearest > tolerance_s]
