"""The figures of a session, from its files alone, so that they can be made again."""

import json
from collections.abc import Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np

from bci_core.control import blinding
from bci_core.errors import SessionError
from bci_core.events import Outcome
from bci_core.report.achieved_phase import achieved_phase
from bci_core.report.arms import arm_figures
from bci_core.report.audit import audit
from bci_core.report.evidence import Evidence, SessionFiles, read_evidence
from bci_core.report.latency import judge, quantiles, stage_times_ms
from bci_core.report.timeline import Data, number
from bci_core.report.trace import Trace, column

INCOMPLETE = "incomplete"
"""Status of a session whose ledger nobody closed."""


def summarise(files: SessionFiles) -> dict[str, Any]:
    """Figures of a session.

    Returns
    -------
    dict
        As written to ``summary.json``; see ``docs/session-folder.md`` for each key.

    Raises
    ------
    SessionError
        The ledger is missing or was altered.
    """
    return summary_of(read_evidence(files))


def write_summary(files: SessionFiles, evidence: Evidence | None = None) -> dict[str, Any]:
    """`summarise`, and write ``summary.json``.

    Parameters
    ----------
    files : SessionFiles
    evidence : Evidence or None
        What is in them, where that has been read; None reads it.

    Raises
    ------
    SessionError
        As `summarise`; or the file cannot be written.
    """
    made = summary_of(evidence or read_evidence(files))
    write_text(files.summary, json.dumps(made, indent=2, allow_nan=False) + "\n")
    return made


def write_text(path: Path, text: str) -> None:
    """Write a file of a session folder.

    Raises
    ------
    SessionError
        It cannot be written.
    """
    try:
        # Whole or not at all: a disk may fill up half-way.
        partial = path.with_suffix(f"{path.suffix}.partial")
        try:
            partial.write_text(text, encoding="utf-8")
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise SessionError(f"{path}: cannot be written ({error.strerror})") from error


def summary_of(evidence: Evidence) -> dict[str, Any]:
    """Figures of a session whose files have been read."""
    told = evidence.trace
    latency_ms = {key: quantiles(values) for key, values in stage_times_ms(told).items()}
    phase = achieved_phase(evidence)
    audited, why_no_audit = audit(evidence)
    status, reason = _ending(told)
    samples, lost = _samples(evidence)
    return {
        "name": told.name,
        "status": status,
        "reason": reason,
        "simulated": told.simulated,
        "duration_s": _duration_s(told),
        "to_armed_s": _or_none(told.end.get("to_armed_s")),
        "samples": samples,
        "samples_lost": lost,
        "sample_faults": {
            key: told.samples.get(key)
            for key in ("gaps", "not_finite", "flat", "railed", "line_noise", "lead_off", "blanked")
        }
        | {key: told.samples.get(key, 0) for key in ("blank_overflow", "mask_overflow")},
        "detections": told.n_detections,
        "ends": told.n_ends,
        "guard": told.n_guard,
        "triggers": len(told.triggers),
        **_ends(told),
        "unaccounted": told.unaccounted,
        "contradictions": len(told.contradictions),
        "refused": told.refused(),
        "latency_ms": latency_ms,
        "budget": judge(evidence.section("budget"), latency_ms),
        "phase": phase.figures() if phase is not None else None,
        "audit": audited.figures() if audited is not None else None,
        "audit_reason": why_no_audit or None,
        "arms": arm_figures(evidence, phase),
        "charge_uc": None
        if told.is_blind
        else float(np.nansum(column(told.outcomes, "charge_uc"))),
        "safety": {
            "worst_case": [{**use, "used": used_fraction(use)} for use in told.worst_case],
            "overrides": [dict(override) for override in told.overrides],
        },
        "memory": _memory(told.memory),
        "faults": [
            event.text if event.kind == "fault" else f"{event.kind}: {event.text}"
            for event in told.events
            if event.alarming
        ],
        "recording_problem": evidence.recording_problem or None,
        "ledger": {
            "rows": evidence.ledger.rows,
            "head": evidence.ledger.head,
            "closed": evidence.ledger.closed,
        },
    }


def used_fraction(use: Mapping[str, Any]) -> float | None:
    """Share of a limit that is used, by charge for Shannon's k, which is a logarithm of it.

    k = log10(Q^2 / A), so at a given area the charge goes with 10^(k / 2).
    """
    value, bound = number(use.get("value")), number(use.get("bound"))
    if not (isfinite(value) and isfinite(bound)):
        return None
    if use.get("limit") == "shannon_k":
        return float(10.0 ** ((value - bound) / 2.0))
    return value / bound if bound > 0.0 else None


def _ends(told: Trace) -> dict[str, int | None]:
    """How triggers ended; a blind session does not tell pulses from sham."""
    outcomes = (Outcome.DELIVERED, Outcome.SHAM, Outcome.ABORTED)
    counted = {str(o): None if told.is_blind else len(told.with_outcome(o)) for o in outcomes}
    done = sum(o.get("outcome") == blinding.OUTCOME for o in told.outcomes)
    return {**counted, "done": done if told.is_blind else None}


def _ending(told: Trace) -> tuple[str, str]:
    if not told.end:
        return INCOMPLETE, "the ledger was never closed: the session was killed, or still runs"
    return str(told.end.get("status", "")), str(told.end.get("reason", ""))


def _duration_s(told: Trace) -> float:
    """Time from first arming to the end."""
    if told.end:
        return number(told.end.get("duration_s") or 0.0)
    return told.ended_s - told.armed[0].from_s if told.armed else 0.0


def _samples(evidence: Evidence) -> tuple[int | None, int | None]:
    """Counts of the loop; those of the recording where the loop did not live to tell."""
    told, recording = evidence.trace.samples, evidence.recording
    if told:
        return told.get("samples"), told.get("lost")
    if recording is None:
        return None, None
    steps = np.rint(np.diff(recording.times_s) * recording.info.rate_hz)
    return len(recording.times_s), int(np.sum(np.maximum(steps - 1.0, 0.0)))


def _memory(rows: Sequence[Data]) -> dict[str, float | int | None]:
    """Resident memory of the loop's process, and its slope by least squares."""
    times_s, rss_kib = column(rows, "lsl_s"), column(rows, "rss_kib")
    known = np.isfinite(times_s) & np.isfinite(rss_kib)
    times_s, rss_kib = times_s[known], rss_kib[known]
    span_s = float(np.ptp(times_s)) if len(times_s) else 0.0
    slope = None
    if span_s > 0.0:
        t = times_s - times_s.mean()
        slope = float(60.0 * (t @ rss_kib) / (t @ t))
    return {
        "slope_kib_per_min": slope,
        "n": len(times_s),
        "span_s": span_s,
        "first_kib": float(rss_kib[0]) if len(rss_kib) else None,
        "last_kib": float(rss_kib[-1]) if len(rss_kib) else None,
        "max_kib": float(rss_kib.max()) if len(rss_kib) else None,
    }


def _or_none(value: Any) -> float | None:
    known = number(value)
    return known if isfinite(known) else None
