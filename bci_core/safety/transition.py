"""What changes of state there are, and what a state permits."""

from dataclasses import dataclass

from bci_core.status import ArmingState

ACTIVE = frozenset({ArmingState.ARMED, ArmingState.STIMULATING, ArmingState.RECOVERY})
"""States with a valid lease."""
LATCHED = frozenset({ArmingState.FAULT_LATCHED, ArmingState.STOPPED})
"""States that hold until a reset."""
CONDUCTING = frozenset({ArmingState.ARMED, ArmingState.STIMULATING})
"""The only states in which a device may let current flow."""


@dataclass(frozen=True, slots=True)
class Transition:
    """One change of what is permitted, or one more fault while latched; for the ledger.

    Attributes
    ----------
    at_s : float
        On the clock that was handed in; the last good reading when that one was not.
    before, after : ArmingState
    reason : str
        Short code (``"stale"``), or the words of who disarmed or latched.
    detail : str
        The limit passed, with value and unit, where there is one.
    actor : str
        Who armed, stopped or reset; "" for the software itself.
    """

    at_s: float
    before: ArmingState
    after: ArmingState
    reason: str
    detail: str = ""
    actor: str = ""


def transition_event(transition: Transition) -> str:
    """Event of the ledger: ``armed``, ``disarmed``, ``latched``, ``reset``; or "".

    Connecting and loading are told by the device's process.
    """
    before, after = transition.before, transition.after
    if after in ACTIVE:
        return "armed"
    if after in LATCHED:
        return "latched"
    if before in LATCHED:
        return "reset"
    return "disarmed" if before in ACTIVE else ""
