"""What each control arm was: how many trials, what the device did, how late, at which phase."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from bci_core.events import Outcome
from bci_core.report.achieved_phase import AchievedPhase
from bci_core.report.evidence import Evidence
from bci_core.report.latency import ONSET_ERROR, RESPONSE, quantiles, stage_times_ms
from bci_core.report.timeline import Data, number
from bci_core.report.trace import column

_SHOWN = ("p50", "p99")


def arm_figures(evidence: Evidence, phase: AchievedPhase | None) -> dict[str, Any] | None:
    """The control arms of a session.

    Returns
    -------
    dict or None
        None for a session without arms. Else ``design``, ``commitment``, ``block_size``,
        ``blind``, ``opened_by`` and ``opened_utc`` (null where not opened), and ``per_arm``,
        one dict an arm; null while the session is blind.
    """
    told = evidence.trace
    committed = told.committed
    if not committed:
        return None
    return {
        "design": committed.get("design"),
        "commitment": committed.get("commitment"),
        "block_size": committed.get("block_size"),
        "seed_from": committed.get("seed_from"),
        "blind": bool(committed.get("blind")),
        "opened_by": told.unblinded.get("by"),
        "opened_utc": told.unblinded.get("utc"),
        "per_arm": None if told.is_blind else _per_arm(evidence, phase),
    }


def _per_arm(evidence: Evidence, phase: AchievedPhase | None) -> list[dict[str, Any]]:
    told = evidence.trace
    times_ms = stage_times_ms(told)
    arm_of = {d["seq"]: str(d["arm"]) for d in told.triggers if d.get("arm")}
    # Each of these has a row for each outcome, or for each that the device began.
    of_all = np.array([arm_of.get(o.get("seq"), "") for o in told.outcomes])
    begun = told.with_outcome(Outcome.DELIVERED, Outcome.SHAM, Outcome.ABORTED)
    of_begun = np.array([arm_of.get(o.get("seq"), "") for o in begun])
    figures = []
    for arm in (told.committed.get("design") or {}).get("arms", {}):
        trials = [d for d in told.decisions if d.get("arm") == arm]
        outcomes = [o for o in told.outcomes if arm_of.get(o.get("seq")) == arm]
        onsets_s = column(_at_an_onset(outcomes), "onset_s")
        error = None if phase is None else phase.error_of(onsets_s, told.clock_offset_s)
        response = quantiles(times_ms[RESPONSE][of_all == arm])
        onset_error = quantiles(times_ms[ONSET_ERROR][of_begun == arm])
        figures.append(
            {
                "arm": arm,
                "trials": len({d.get("trial") for d in trials}),
                "triggers": sum(own == arm for own in arm_of.values()),
                **{str(o): sum(row.get("outcome") == o for row in outcomes) for o in Outcome},
                "gate_refused": sum(d.get("refusal") is not None for d in trials),
                "delay_s": _range([number(d.get("delay_s")) for d in trials]),
                "charge_uc": float(np.nansum(column(outcomes, "charge_uc"))),
                f"{RESPONSE}_ms": {key: response[key] for key in _SHOWN},
                f"{ONSET_ERROR}_ms": {key: onset_error[key] for key in _SHOWN},
                "phase_error_deg": None if error is None or not error.n else error.mean_deg,
                "resultant_length": None
                if error is None or not error.n
                else error.resultant_length,
            }
        )
    return figures


def _at_an_onset(outcomes: Sequence[Data]) -> list[Data]:
    return [o for o in outcomes if o.get("outcome") in (Outcome.DELIVERED, Outcome.SHAM)]


def _range(values: list[float]) -> list[float] | None:
    return [min(values), max(values)] if values else None
