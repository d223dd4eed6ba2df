"""What a blind session does not tell before it is unblinded, and what stands in its place.

A row that depends on the arm is split: what every arm would have told stays, the whole
of it is sealed. Refusals stay, since an operator must see them, without the value that
a delay would show in. A fault of the device is never hidden, whatever it gives away.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from bci_core.events import Outcome, Trigger, Verdict
from bci_core.stimulus import StimProgram

VERDICT = "stim_or_sham"
"""Of a decision to act, and marker of what came of it."""

OUTCOME = "done"
"""Of a trigger that the device has taken to its end, with current, without, or cut short."""

REPORT_S = 0.05
"""A device's report is expected this soon after a train."""

_DONE = (Outcome.DELIVERED, Outcome.SHAM, Outcome.ABORTED)
_ARM = ("arm", "delay_s", "at_s")
_AMOUNTS = (
    "onset_s",
    "offset_s",
    "n_pulses",
    "charge_uc",
    "device_latency_s",
    "net_charge_uc",
    "output_v",
)


def withhold(event: str, data: Mapping[str, Any]) -> dict[str, Any] | None:
    """What may be told of a row; None when all of it may."""
    match event:
        case "decision":
            return _decision(data)
        case "outcome":
            return _outcome(data)
        case "delivery":
            return {"seq": data["seq"]}
        case "arms.committed":
            return {key: value for key, value in data.items() if key != "secret_seed"}
    return None


def marker(outcome: Outcome) -> str:
    """Marker of a trigger's end."""
    return VERDICT if outcome in _DONE else str(outcome)


def outcome_told(outcome: str) -> str:
    """Outcome as a blind session has it."""
    return OUTCOME if outcome in _DONE else str(outcome)


def _decision(data: Mapping[str, Any]) -> dict[str, Any] | None:
    if data["verdict"] not in (Verdict.STIM, Verdict.SHAM):
        return None
    told = {key: value for key, value in data.items() if key not in _ARM}
    told["verdict"] = VERDICT
    if told["refusal"] is not None:
        told["refusal"] = {**told["refusal"], "value": None}
    return told


def _outcome(data: Mapping[str, Any]) -> dict[str, Any]:
    told = dict(data)
    for key in _AMOUNTS:
        told[key] = None
    told["outcome"] = outcome_told(data["outcome"])
    # A reason gives its limit before its value.
    told["reason"] = "" if told["outcome"] == OUTCOME else data["reason"].split(":", 1)[0]
    return told


class HoldBack:
    """When the end of a trigger may be told: no earlier in one arm than in another.

    Parameters
    ----------
    programs : sequence of StimProgram
        Those loaded on the device.
    latest_s : float
        The longest delay of any arm.
    """

    def __init__(self, programs: Sequence[StimProgram], latest_s: float) -> None:
        self._latest_s = latest_s
        self._durations_s = {p.program_id: p.duration_s for p in programs}

    def until_s(self, planned: Trigger) -> float:
        """From then on, whatever the arm, the device has reported."""
        duration_s = self._durations_s[planned.program_id]
        return planned.deadline_s + self._latest_s + duration_s + REPORT_S
