"""How long each stage took, for every trigger, and the figures that describe it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from bci_core.events import Outcome
from bci_core.report.trace import Floats, Trace, column

RESPONSE = "received_to_accepted"
"""The middleware's own latency, from having the sample to the device having the command."""

ONSET_ERROR = "onset_error"
DEVICE = "device_command_latency"


@dataclass(frozen=True, slots=True)
class Stage:
    """A part of the way from sample to pulse.

    Attributes
    ----------
    key : str
        In ``summary.json``.
    begins, ends : str
        Stamps it lies between.
    about : str
        For people.
    """

    key: str
    begins: str
    ends: str
    about: str


STAGES = (
    Stage("sample_to_received", "sample_s", "received_s", "amplifier, driver and LSL"),
    Stage("received_to_detected", "received_s", "detected_s", "detector"),
    Stage("detected_to_decided", "detected_s", "decided_s", "from compiled code to the policy"),
    Stage("decided_to_sent", "decided_s", "sent_s", "policy, protocol, safety gate, sending"),
    Stage("sent_to_accepted", "sent_s", "accepted_s", "command path, and the device's check"),
)
"""In the order they happen. From accepted to onset is intended waiting, so it is not one."""

_WHOLE = Stage(RESPONSE, "received_s", "accepted_s", "all of the middleware")


def stage_times_ms(told: Trace) -> dict[str, Floats]:
    """Milliseconds of each stage, one value a trigger; NaN where a stamp never came.

    Beside the stages and `RESPONSE`: `DEVICE`, what the device itself took for the
    command, and `ONSET_ERROR`, how much later than intended the first phase began.
    """
    outcomes = told.outcomes
    times = {
        stage.key: (column(outcomes, stage.ends) - column(outcomes, stage.begins)) * 1e3
        for stage in (*STAGES, _WHOLE)
    }
    times["sample_to_received"] -= told.clock_offset_s * 1e3
    begun = told.with_outcome(Outcome.DELIVERED, Outcome.SHAM, Outcome.ABORTED)
    times[DEVICE] = column(begun, "device_latency_s") * 1e3
    # What a control arm asks for is not what was detected.
    targets_s = {t["seq"]: t.get("at_s", t.get("target_s")) for t in told.triggers}
    intended_s = column([{"target_s": targets_s.get(o.get("seq"))} for o in begun], "target_s")
    times[ONSET_ERROR] = (column(begun, "onset_s") - intended_s) * 1e3
    return times


def quantiles(values: Floats) -> dict[str, float | int | None]:
    """``n``, ``p50``, ``p99``, ``p999`` and ``max`` of the finite values; null without any.

    A percentile is the smallest value seen that at least this share does not exceed
    (nearest rank): with fewer than 1000 values, p99.9 is the maximum.
    """
    ordered = np.sort(values[np.isfinite(values)])
    n = len(ordered)
    made: dict[str, float | int | None] = {"n": n}
    for name, permille in _QUANTILES.items():
        rank = -(-n * permille // 1000)  # rounded up, in whole numbers
        made[name] = float(ordered[rank - 1]) if n else None
    return made


_QUANTILES = {"p50": 500, "p99": 990, "p999": 999, "max": 1000}
_BUDGET_KEY = re.compile(r"(\w+)_(p50|p99|p999|max)_ms")


def judge(
    budget: Mapping[str, Any], latency_ms: Mapping[str, Mapping[str, float | int | None]]
) -> dict[str, Any]:
    """Compare latencies with a rig's section ``[budget]``.

    Returns
    -------
    dict
        ``pass``: None when nothing could be judged. ``limits``: for each key of the
        section its ``limit_ms``, the ``value_ms`` measured, and ``pass``.
    """
    limits: dict[str, dict[str, Any]] = {}
    for key, limit_ms in budget.items():
        match = _BUDGET_KEY.fullmatch(key)
        if match is None or match[1] not in latency_ms or not isinstance(limit_ms, (int, float)):
            continue
        value_ms = latency_ms[match[1]][match[2]]
        passed = None if value_ms is None else value_ms <= limit_ms
        limits[key] = {"limit_ms": float(limit_ms), "value_ms": value_ms, "pass": passed}
    judged = [each["pass"] for each in limits.values() if each["pass"] is not None]
    return {"pass": all(judged) if judged else None, "limits": limits}
