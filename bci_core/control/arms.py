"""Control arms: what becomes of a trial, whichever protocol plans it.

The policy decides and the protocol plans without knowing the arm; only then a trial's
triggers are shifted, or made sham, and go to the gate like any other. So detector,
policy, protocol, gate and timing are the same in every arm.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import nan
from typing import Any

from bci_core.control.allocation import Allocation
from bci_core.control.arms_settings import ArmsSettings, DelayedArm
from bci_core.events import Decision, Trigger


@dataclass(frozen=True, slots=True)
class Assigned:
    """What one trial was allotted.

    Attributes
    ----------
    trial : int
        Detections that policy and protocol would act on, counted from 0.
    slot : int
        Place in the order of the arms: the trial, or the period it fell into.
    arm : str
        "" where the order is sealed.
    sham : bool
        Whether current is withheld.
    delay_s : float
        From what the protocol planned.
    """

    trial: int
    slot: int
    arm: str = ""
    sham: bool = False
    delay_s: float = 0.0

    def apply(self, planned: Trigger, now_s: float) -> Trigger:
        """The trigger that goes to the gate.

        One that comes too late is late in every arm: the gate sees it as it was planned.
        """
        sham = planned.sham or self.sham
        if not now_s <= planned.deadline_s:
            return replace(planned, sham=sham)
        return replace(
            planned,
            at_s=planned.at_s + self.delay_s,
            deadline_s=planned.deadline_s + self.delay_s,
            sham=sham,
        )


@dataclass(frozen=True, slots=True)
class Design:
    """The arms of a session, with everything the rig left open filled in.

    Attributes
    ----------
    settings : ArmsSettings
    cycle_hz : float
        Of the phase-shuffled arm; NaN where there is none.
    yoked_s : tuple of float
        Onsets of another session's pulses, from its first sample.
    """

    settings: ArmsSettings
    cycle_hz: float = nan
    yoked_s: tuple[float, ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """How often each arm comes in a block."""
        arms = self.settings.chosen()
        return {kind: arm.count * self.settings.blocks for kind, arm in arms.items()}

    @property
    def latest_s(self) -> float:
        """The longest delay that any arm may give."""
        return max(_RANGES[kind](self)[1] for kind in self.counts)

    @property
    def spread_s(self) -> float:
        """By how much two trials may come closer than they were detected."""
        return self.latest_s - min(_RANGES[kind](self)[0] for kind in self.counts)

    def told(self) -> dict[str, Any]:
        """The design as it is published and committed to."""
        settings = self.settings
        arms = {k: a.model_dump(exclude_none=True) for k, a in settings.chosen().items()}
        if "phase_shuffled" in arms:
            arms["phase_shuffled"]["frequency_hz"] = self.cycle_hz
        period = {} if settings.period_s is None else {"period_s": settings.period_s}
        return {"unit": settings.unit, **period, "blocks": settings.blocks, "arms": _plain(arms)}


class ArmAssigner:
    """Allots trials; a function of the decisions it is shown, so that they can be had again.

    Parameters
    ----------
    design : Design
    seed : bytes or None
        None where it is sealed: trials are counted, and nothing is known of their arms.
    """

    def __init__(self, design: Design, seed: bytes | None) -> None:
        self.design = design
        self._allocation = None if seed is None else Allocation(seed, design.counts)
        self._trial = 0
        self._first_s = nan
        self._taken = 0

    def begin(self, first_sample_s: float) -> None:
        """Periods, and the times of another session, count from here, on this machine's clock."""
        self._first_s = first_sample_s

    def assign(self, decision: Decision) -> Assigned:
        """Allot the next trial."""
        return self.assign_at(decision.detection.target_s)

    def assign_at(self, target_s: float) -> Assigned:
        """Allot the next trial, whose target is at this time on this machine's clock."""
        trial, self._trial = self._trial, self._trial + 1
        since_s = target_s - self._first_s
        period_s = self.design.settings.period_s
        slot = trial if period_s is None else max(0, int(since_s // period_s))
        if self._allocation is None:
            return Assigned(trial, slot)
        arm = self._allocation.arm_of(slot)
        if arm in ("sham", "catch") or not self._stimulates(arm, trial):
            return Assigned(trial, slot, arm, sham=True)
        if arm == "yoked":
            return self._yoked(Assigned(trial, slot, arm), since_s)
        least_s, most_s = _RANGES[arm](self.design)
        delay_s = least_s
        if most_s > least_s:
            delay_s += (most_s - least_s) * self._allocation.uniform("delay", trial)
        return Assigned(trial, slot, arm, delay_s=delay_s)

    def _stimulates(self, arm: str, trial: int) -> bool:
        assert self._allocation is not None  # noqa: S101 - asked for by the caller
        p_stim: float = getattr(self.design.settings, arm).p_stim
        return p_stim == 1.0 or self._allocation.uniform("stimulate", trial) < p_stim

    def _yoked(self, assigned: Assigned, since_s: float) -> Assigned:
        times_s = self.design.yoked_s
        while self._taken < len(times_s) and times_s[self._taken] < since_s:
            self._taken += 1
        within_s = _within_s(self.design)
        if self._taken == len(times_s) or times_s[self._taken] - since_s > within_s:
            return replace(assigned, sham=True)
        self._taken += 1
        return replace(assigned, delay_s=times_s[self._taken - 1] - since_s)


def _at_once(_design: Design) -> tuple[float, float]:
    return 0.0, 0.0


def _delayed(design: Design) -> tuple[float, float]:
    delayed = design.settings.delayed
    assert isinstance(delayed, DelayedArm)  # noqa: S101 - one of the chosen
    return delayed.delay_s if isinstance(delayed.delay_s, tuple) else (delayed.delay_s,) * 2


def _jittered(design: Design) -> tuple[float, float]:
    jittered = design.settings.jittered
    return 0.0, jittered.jitter_s if jittered else 0.0


def _within_s(design: Design) -> float:
    yoked = design.settings.yoked
    return yoked.within_s if yoked else 0.0


_RANGES: dict[str, Callable[[Design], tuple[float, float]]] = {
    "active": _at_once,
    "sham": _at_once,
    "catch": _at_once,
    "delayed": _delayed,
    "jittered": _jittered,
    "phase_shuffled": lambda design: (0.0, 1.0 / design.cycle_hz),
    "yoked": lambda design: (0.0, _within_s(design)),
}
"""Least and most delay of each arm. Sham has none of its own: it is what active would be."""


def _plain(value: Any) -> Any:
    """As JSON reads it back."""
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(part) for part in value]
    return value
