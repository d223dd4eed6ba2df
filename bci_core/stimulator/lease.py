"""Whether a device may fire: not before it is armed, not past its lease, not with a fault."""

from bci_core.errors import DeviceError, SafetyError
from bci_core.events import Refusal
from bci_core.status import ArmingState
from bci_core.stimulator.ticks import Ticks


class Lease:
    """What a device remembers of being armed. Disarmed is its resting state.

    Parameters
    ----------
    name : str
        What messages call the device.
    longest_s : float
        Longest time it stays armed without a heartbeat.
    ticks : Ticks

    Attributes
    ----------
    disarmed : str
        Why it is not armed, or "" when it is.
    latched : str
        The fault it was stopped by and has to be reset from, or "".
    end : int
        Tick at which it lapses unless it is renewed; of no meaning while disarmed.
    """

    def __init__(self, name: str, longest_s: float, ticks: Ticks) -> None:
        self.disarmed = "not armed yet"
        self.latched = ""
        self.end = 0
        self._name = name
        self._longest_s = longest_s
        self._ticks = ticks
        self._length = 0

    def require_disarmed(self, before: str) -> None:
        """Raise `DeviceError` while it is armed."""
        if not self.disarmed:
            raise DeviceError(f"the {self._name} is armed; disarm it before {before}")

    def require_armable(self, lease_s: float, *, holds: bool) -> None:
        """Whether it may be armed for that long.

        Raises
        ------
        SafetyError
            It is armed, has latched a fault, holds no program, or the lease is none.
        """
        if not self.disarmed:
            raise SafetyError(f"the {self._name} is armed already; disarm it first")
        if self.latched:
            raise SafetyError(self.why_latched)
        if not holds:
            raise SafetyError(f"the {self._name} holds no program; load one before arming")
        if not 0.0 < lease_s <= self._longest_s:
            asked = Refusal("lease", lease_s, self._longest_s, "s")
            raise SafetyError(f"the {self._name} was not armed; {asked}; it must be above 0 s")

    def require_latched(self) -> None:
        """Raise `SafetyError` when there is nothing to reset."""
        if not self.latched:
            raise SafetyError(f"the {self._name} has latched nothing; there is nothing to reset")

    @property
    def why_latched(self) -> str:
        """What to say to whoever asks more of a latched device."""
        return f"the {self._name} has latched a fault, {self.latched}; reset it"

    def begin(self, lease_s: float, now: int) -> None:
        """Armed; `require_armable` had nothing against it."""
        self._length = max(1, self._ticks.at(lease_s))
        self.end = now + self._length
        self.disarmed = ""

    def renew(self, now: int) -> bool:
        """A heartbeat. False when it is not armed."""
        if self.disarmed:
            return False
        self.end = now + self._length
        return True

    def refusal(self) -> Refusal | None:
        """What it has against any trigger."""
        if self.disarmed:
            return Refusal("disarmed", 0, 0, "s of lease", self.disarmed)
        return None

    def state(self, *, holds: bool, under_way: bool, recovering: bool) -> ArmingState:
        """Where the device stands, from what it holds and does."""
        if self.latched:
            return ArmingState.FAULT_LATCHED
        if self.disarmed:
            return ArmingState.CONFIGURED if holds else ArmingState.SAFE
        if under_way:
            return ArmingState.STIMULATING
        return ArmingState.RECOVERY if recovering else ArmingState.ARMED
