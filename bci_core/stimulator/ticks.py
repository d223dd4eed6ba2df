"""A device's own time, in whole steps of its clock.

Whole numbers make a device exact: however time is handed to it, in many
small steps or in one, it ends in the same state.
"""

from dataclasses import dataclass
from math import ceil, floor

_ROUNDING = 0.01
"""Of a tick: what a float of seconds may be off by, for clocks up to a year."""


@dataclass(frozen=True, slots=True)
class Ticks:
    """Between seconds and ticks of `step_us` microseconds."""

    step_us: float

    @property
    def per_s(self) -> float:
        return 1e6 / self.step_us

    def at(self, time_s: float) -> int:
        """The tick that has begun at a time."""
        return floor(time_s * self.per_s + _ROUNDING)

    def after(self, time_s: float) -> int:
        """The first tick not before a time."""
        return ceil(time_s * self.per_s - _ROUNDING)

    def nearest(self, time_s: float) -> int:
        """The tick closest to a time."""
        return round(time_s * self.per_s)

    def seconds(self, tick: int) -> float:
        """When a tick begins."""
        return tick / self.per_s
