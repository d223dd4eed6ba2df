"""The whole path, from a marked sample to the pulse coming back in the recorded signal."""

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bci_core.bench.child import Say, run_session_of
from bci_core.bench.floor import Floats, measure_floor
from bci_core.bench.latency import PACE_HZ
from bci_core.bench.loopback_edges import edges_of, pair
from bci_core.clock import LslClock
from bci_core.config.load import load_rig
from bci_core.errors import InputError
from bci_core.record.ledger import read_ledger
from bci_core.record.xdf import SessionRecording, read_session_xdf
from bci_core.report.latency import quantiles
from bci_core.report.trace import Trace, column, trace
from bci_core.session import build
from bci_core.session.folder import SessionFolder

PRESET = "bench-loopback"
MARK_CHANNEL, RETURN_CHANNEL = "mark", "return"
WITHIN_S = 0.04
FLOOR_S = 5.0
AT_REST = 0.5
"""Share of the time for an answer that a channel must have been at rest before an edge counts."""

ROUNDING_S = 1e-6
"""Times of one sample, by recorder and loop, differ by less."""

STAMPS = (
    ("mark_to_detection_sample", "mark_s", "sample_s"),
    ("sample_to_received", "sample_s", "received_s"),
    ("received_to_accepted", "received_s", "accepted_s"),
    ("accepted_to_onset", "accepted_s", "onset_s"),
    ("mark_to_onset", "mark_s", "onset_s"),
)
"""What the loop and the device say of the same marks, by their own stamps."""

Quantiles = Mapping[str, float | int | None]


@dataclass(frozen=True, slots=True)
class Channels:
    """Where mark and pulse are in the recording.

    Attributes
    ----------
    mark, back : str
        Labels.
    mark_uv, back_uv : float or None
        Thresholds; None: half of the largest deviation.
    within_s : float
        Longest that a pulse may take to count as an answer.
    """

    mark: str = MARK_CHANNEL
    back: str = RETURN_CHANNEL
    mark_uv: float | None = None
    back_uv: float | None = None
    within_s: float = WITHIN_S


@dataclass(frozen=True, slots=True)
class LoopbackResult:
    """Delays in milliseconds.

    Attributes
    ----------
    mark_to_pulse : quantiles
        By the recording alone; a pulse is on the first sample at or after its onset.
    stamps : mapping of str to quantiles
        Each of `STAMPS`, for the marks that the loop acted on.
    pulse_after_onset : quantiles
        In the recording, after what the device said. Between 0 and a sample's length where
        both tell the same.
    floor : quantiles or None
        The bare transport: an LSL echo and a ZeroMQ hop, measured before the session.
    counts : mapping
        Marks, unanswered, stray pulses, triggers.
    about : mapping
    delays : mapping of str to list
        Each value of ``mark_to_pulse`` and ``mark_to_onset``, for a plot.
    """

    mark_to_pulse: Quantiles
    stamps: Mapping[str, Quantiles]
    pulse_after_onset: Quantiles
    floor: Quantiles | None
    counts: Mapping[str, int]
    about: Mapping[str, Any]
    delays: Mapping[str, list[float]]

    def to_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        return asdict(self)


def measure_loopback(
    source: str, duration_s: float, channels: Channels, say: Say, out: Path | None = None
) -> LoopbackResult:
    """Measure the bare transport, run a session, and read its recording.

    Parameters
    ----------
    source : str
        A preset's name, or the path of a rig file.
    duration_s : float
    channels : Channels
    say : callable (str)
        Is given lines of progress.
    out : Path, optional
        Where the session folder is made, and kept.

    Raises
    ------
    InputError
        The amplifier has no such channels; or nothing stands out on them.
    NodeError
        The session did not complete.
    """
    info = build.amplifier(load_rig(source), LslClock()).describe()
    for label in (channels.mark, channels.back):
        _column(info.channels, label)
    say(f"bare transport, {FLOOR_S:g} s")
    floor = measure_floor(info.rate_hz, len(info.channels), PACE_HZ, FLOOR_S)
    with TemporaryDirectory(prefix="bci-bench-") as made:
        ran = run_session_of(source, duration_s, out or Path(made), say, more=("--no-report",))
        folder = SessionFolder.open(ran.folder)
        return loopback_of(folder, channels, quantiles(floor.floor_ms))


def loopback_of(
    folder: SessionFolder, channels: Channels, floor: Quantiles | None = None
) -> LoopbackResult:
    """The delays of a session that was recorded before.

    Raises
    ------
    InputError
        The recording has no such channels, or nothing stands out on them.
    SessionError
        The files cannot be read.
    """
    told = trace(read_ledger(folder.ledger))
    recording = read_session_xdf(folder.xdf, told.ready.get("stream", {}).get("name"))
    return judge_loopback(recording, told, channels, floor)


def judge_loopback(
    recording: SessionRecording, told: Trace, channels: Channels, floor: Quantiles | None = None
) -> LoopbackResult:
    """Pair marks and pulses of the recording, and set the stamps beside them.

    Judged are the marks while armed, from the first on that the loop acted on.
    """
    info = recording.info
    times_s = recording.times_s + told.clock_offset_s
    dead = max(1, round(AT_REST * channels.within_s * info.rate_hz))
    found = {
        label: edges_of(recording.samples[:, _column(info.channels, label)], label, dead, limit_uv)
        for label, limit_uv in (
            (channels.mark, channels.mark_uv),
            (channels.back, channels.back_uv),
        )
    }
    mark_s, pulse_s = (times_s[found[label].index] for label in (channels.mark, channels.back))
    pairs = pair(mark_s, pulse_s, channels.within_s)
    stamps = _stamps(told, pairs.mark_s, channels.within_s)
    judged = _judged(mark_s, told, stamps["mark_s"], channels.within_s)
    kept = np.isin(pairs.mark_s, judged)
    of_judged = np.isin(stamps["mark_s"], judged)
    stamps = {name: values[of_judged] for name, values in stamps.items()}
    returned_s = pairs.pulse_s[np.searchsorted(pairs.mark_s, stamps["mark_s"])]
    delay_ms = pairs.delay_ms[kept]
    between_ms = {name: 1e3 * (stamps[end] - stamps[begin]) for name, begin, end in STAMPS}
    return LoopbackResult(
        mark_to_pulse=quantiles(delay_ms),
        stamps={name: quantiles(values) for name, values in between_ms.items()},
        pulse_after_onset=quantiles(1e3 * (returned_s - stamps["onset_s"])),
        floor=floor,
        counts={
            "marks": len(judged),
            "unanswered": len(judged) - int(np.sum(kept)),
            "stray": pairs.stray,
            "triggers": len(told.triggers),
            "marks_not_judged": len(mark_s) - len(judged),
        },
        about={
            "rig": told.name,
            "simulated_stimulator": told.simulated,
            "rate_hz": info.rate_hz,
            "sample_ms": 1e3 / info.rate_hz,
            "thresholds_uv": {label: edges.threshold_uv for label, edges in found.items()},
            "noise_uv": {label: edges.noise_uv for label, edges in found.items()},
            "load_1min": os.getloadavg()[0],
        },
        delays={
            "mark_to_pulse": [float(value) for value in delay_ms],
            "mark_to_onset": [float(value) for value in between_ms["mark_to_onset"]],
        },
    )


def _stamps(told: Trace, mark_s: Floats, within_s: float) -> dict[str, Floats]:
    """Stamps of the triggers that belong to answered marks, each with its mark; in order."""
    acted = [o for o in told.outcomes if o.get("onset_s") is not None]
    names = ("sample_s", "received_s", "accepted_s", "onset_s")
    stamps = {name: column(acted, name) for name in names}
    stamps["sample_s"] += told.clock_offset_s
    before = np.searchsorted(mark_s - ROUNDING_S, stamps["sample_s"], side="right") - 1
    stamps["mark_s"] = _at(mark_s, before)
    mine = np.abs(stamps["sample_s"] - stamps["mark_s"]) <= within_s
    _, once = np.unique(stamps["mark_s"][mine], return_index=True)
    return {name: values[mine][once] for name, values in stamps.items()}


def _at(mark_s: Floats, index: NDArray[np.intp]) -> Floats:
    """Marks by number; infinity where there is none."""
    padded = np.concatenate([[-np.inf], mark_s, [np.inf]])
    found: Floats = padded[np.clip(index + 1, 0, len(padded) - 1)]
    return found


def _judged(mark_s: Floats, told: Trace, acted_s: Floats, within_s: float) -> Floats:
    """Marks that the loop could answer: armed, with time left, and its detector settled."""
    inside = np.zeros(len(mark_s), dtype=bool)
    for span in told.armed:
        inside |= (mark_s >= span.from_s) & (mark_s + within_s <= span.to_s)
    if len(acted_s):
        inside &= mark_s >= acted_s[0]
    return mark_s[inside]


def _column(labels: tuple[str, ...], label: str) -> int:
    if label not in labels:
        raise InputError(
            f"the amplifier has no channel {label!r}; it has {', '.join(labels)}: "
            "name them with --mark-channel and --return-channel"
        )
    return labels.index(label)
