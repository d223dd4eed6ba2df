"""The pulse of a protocol as keys of a rig, and the amounts that keys are made of."""

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from bci_core.stimulus import BiphasicPulse, PulseTrain

Amount = Annotated[float, Field(gt=0.0, allow_inf_nan=False, strict=True)]
Span = Annotated[float, Field(ge=0.0, allow_inf_nan=False, strict=True)]
"""Zero is none."""

Count = Annotated[int, Field(ge=1, strict=True)]
Electrodes = Annotated[tuple[Count, ...], Field(min_length=1)]


class PulseSettings(BaseModel):
    """A charge-balanced pulse and where it goes. What is delivered has no default.

    Attributes
    ----------
    amplitude_ua, phase_us, interphase_us : float
        The first phase, and the pause after it.
    recovery_amplitude_ua, recovery_phase_us : float, optional
        The second phase, where it is to differ from the first.
    electrodes : tuple of int
        Stimulator channels, counted from 1.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    amplitude_ua: Amount
    phase_us: Amount
    interphase_us: Span = 0.0
    recovery_amplitude_ua: Amount | None = None
    recovery_phase_us: Amount | None = None
    electrodes: Electrodes

    def pulse(self) -> BiphasicPulse:
        """As a device is asked for it."""
        return BiphasicPulse(
            amplitude_ua=self.amplitude_ua,
            phase_us=self.phase_us,
            interphase_us=self.interphase_us,
            recovery_amplitude_ua=self.recovery_amplitude_ua,
            recovery_phase_us=self.recovery_phase_us,
        )


class TrainSettings(PulseSettings):
    """A train by its duration, with ramps inside it.

    Attributes
    ----------
    rate_hz : float
        Pulses per second.
    train_s : float
        Ramps included; the train has as many whole pulses.
    ramp_up_s, ramp_down_s : float
        How long the amplitude takes to rise at the start of the train, and to fall at its
        end.
    """

    rate_hz: Amount
    train_s: Amount
    ramp_up_s: Span = 0.0
    ramp_down_s: Span = 0.0

    @model_validator(mode="after")
    def _ramps_fit(self) -> Self:
        ramps_s = self.ramp_up_s + self.ramp_down_s
        if ramps_s > self.train_s:
            raise ValueError(
                f"ramp_up_s and ramp_down_s are {ramps_s:g} s together, limit: the {self.train_s:g}"
                " s of train_s; shorten them, or lengthen the train"
            )
        return self

    def train(self) -> PulseTrain:
        """As a device is asked for it, in whole pulses; at least one."""
        return train_of(
            self.pulse(), self.rate_hz, self.train_s, (self.ramp_up_s, self.ramp_down_s)
        )


def train_of(
    pulse: BiphasicPulse, rate_hz: float, train_s: float, ramps_s: tuple[float, float]
) -> PulseTrain:
    """The train that takes `train_s`, ramps up and down included, in whole pulses."""
    up_s, down_s = ramps_s
    return PulseTrain(
        pulse,
        rate_hz,
        n_pulses=max(1, round(train_s * rate_hz)),
        ramp_up_pulses=round(up_s * rate_hz),
        ramp_down_pulses=round(down_s * rate_hz),
    )


SINGLE_PULSE_HZ = 100.0
"""A single pulse has no rate; it has to fit into the period of this one, as a device asks."""


def single(pulse: BiphasicPulse) -> PulseTrain:
    """The train of one pulse."""
    return PulseTrain(pulse, SINGLE_PULSE_HZ)
