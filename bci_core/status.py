"""What a device, or the permission to use it, says of itself when asked."""

from dataclasses import dataclass
from enum import StrEnum


class ArmingState(StrEnum):
    """Where a device, or the session's permission to use it, stands.

    Current may flow while `STIMULATING` only, which nothing but a trigger in `ARMED` leads to.
    """

    DISCONNECTED = "disconnected"
    SAFE = "safe"
    """Connected, and holds nothing."""
    CONFIGURED = "configured"
    """Holds checked programs."""
    ARMED = "armed"
    STIMULATING = "stimulating"
    RECOVERY = "recovery"
    """Armed, and within the lockout after a train."""
    FAULT_LATCHED = "fault_latched"
    STOPPED = "stopped"
    """Somebody pressed stop."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One quantity a device tells of itself."""

    name: str
    value: float
    unit: str


@dataclass(frozen=True, slots=True)
class DeviceStatus:
    """What a stimulator says of itself when asked.

    Attributes
    ----------
    at_s : float
        When, by the device's own clock. One that stands still, or runs away from the
        host's, is a fault for the host to see.
    state : ArmingState
    fault : str
        What has latched it, or "".
    code : int
        The device's own number of its last error, in its maker's numbering; 0 for none.
    readings : tuple of Reading
        Battery, therapies today, and whatever else it counts.
    """

    at_s: float
    state: ArmingState
    fault: str = ""
    code: int = 0
    readings: tuple[Reading, ...] = ()


@dataclass(frozen=True, slots=True)
class Impedance:
    """Of one electrode, as the device measured it.

    Attributes
    ----------
    electrode : int
    magnitude_kohm : float
    frequency_hz : float
        Of the test current.
    """

    electrode: int
    magnitude_kohm: float
    frequency_hz: float
