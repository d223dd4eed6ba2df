"""The clock of a simulated device, which a fault can make run fast."""

from bci_core.stimulator.faults import DRIFT


class DeviceClock:
    """Between the host's time and the device's own.

    They agree until the clock is made to drift; what has come apart stays apart.
    """

    def __init__(self) -> None:
        self._ahead_s = 0.0
        self._since_s = 0.0
        self._drifts = False

    def drift(self, drifts: bool, at_s: float) -> None:
        """Run fast from now on, or right again."""
        if drifts != self._drifts:
            self._ahead_s = self.own_s(at_s) - at_s
            self._since_s = at_s
            self._drifts = drifts

    def own_s(self, host_s: float) -> float:
        """What the device's clock shows."""
        if not self._drifts:
            return host_s + self._ahead_s
        return host_s + self._ahead_s + DRIFT * (host_s - self._since_s)

    def host_s(self, own_s: float) -> float:
        """When, on the host's clock, the device's shows a time."""
        if not self._drifts:
            return own_s - self._ahead_s
        return (own_s - self._ahead_s + DRIFT * self._since_s) / (1.0 + DRIFT)
