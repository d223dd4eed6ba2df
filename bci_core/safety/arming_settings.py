"""Section ``[arming]`` of a rig."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

LONGEST_LEASE_S = 60.0
"""As the Magstim stimulators, which disarm 60 s after they last fired."""

LATE_IN_A_ROW = 5
"""Triggers in a row that a device has refused as too late, at which it is no accident any more:
half a second of ripples or theta, a few seconds of slow oscillations. Policy."""


class ArmingSettings(BaseModel):
    """Section ``[arming]`` of a rig.

    Attributes
    ----------
    stale_after_s : float
        Samples are fresh for this long.
    heartbeat_timeout_s : float
        A heartbeat is fresh for this long.
    lease_s : float
        Armed ends by itself after this time; each heartbeat renews it.
    stop_within_s : float
        Current reported later than this after a disarm is a fault of the device.
    guard_hold_s : float
        After the guard has spoken nothing is reset or armed for this long: a minute, as
        recommended between an after-discharge and the next stimulus (PMC5514869), or more.
    late_in_a_row : int
        As many triggers one after the other that the device refuses as too late disarm: its
        clock is off from this machine's, or it is slower than it says, and nothing would be
        delivered any more.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    stale_after_s: Annotated[float, Field(gt=0.0, le=5.0, strict=True)] = 0.1
    heartbeat_timeout_s: Annotated[float, Field(gt=0.0, le=10.0, strict=True)] = 1.0
    lease_s: Annotated[float, Field(gt=0.0, le=LONGEST_LEASE_S, strict=True)] = 5.0
    stop_within_s: Annotated[float, Field(gt=0.0, le=1.0, strict=True)] = 0.1
    guard_hold_s: Annotated[float, Field(ge=60.0, le=3600.0, strict=True)] = 60.0
    late_in_a_row: Annotated[int, Field(ge=1, le=1000, strict=True)] = LATE_IN_A_ROW
