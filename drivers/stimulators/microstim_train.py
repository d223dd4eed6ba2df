"""A train on the simulated microstimulator's own time, in whole timing steps.

Whole numbers make the device exact: however time is handed to it, in many
small steps or in one, it ends in the same state.
"""

from bisect import bisect_left
from dataclasses import dataclass
from math import ceil, floor, nan

from bci_core.events import Delivery, Outcome, Trigger
from bci_core.stimulus import BiphasicPulse, PulseTrain
from drivers.stimulators.microstim_settings import TIMING_STEP_US

_TICKS_PER_S = 1e6 / TIMING_STEP_US
_ROUNDING = 0.01
"""Of a tick: what a float of seconds may be off by, for clocks up to a year."""


def tick_at(time_s: float) -> int:
    """The tick that has begun at a time."""
    return floor(time_s * _TICKS_PER_S + _ROUNDING)


def tick_from(time_s: float) -> int:
    """The first tick not before a time."""
    return ceil(time_s * _TICKS_PER_S - _ROUNDING)


def seconds(tick: int) -> float:
    """When a tick begins."""
    return tick / _TICKS_PER_S


@dataclass(frozen=True, slots=True)
class ScheduledTrain:
    """A train the device has accepted.

    Attributes
    ----------
    trigger : Trigger
    train : PulseTrain
        Checked: it fits its pulse period, and its phases are whole ticks.
    onset : int
        Tick of the first phase.
    latency_s : float
        The device's own command latency for this trigger.
    """

    trigger: Trigger
    train: PulseTrain
    onset: int
    latency_s: float

    @property
    def end(self) -> int:
        """Tick at which the last phase is over."""
        return self._pulse_onset(int(self.train.n_pulses) - 1) + self._pulse_ticks

    @property
    def _pulse_ticks(self) -> int:
        return tick_from(self.train.pulse.duration_s)

    def _pulse_onset(self, index: int) -> int:
        # Each from the start of the train, so that rounding does not add up over it.
        return self.onset + round(index / self.train.rate_hz * _TICKS_PER_S)

    def completed(self) -> Delivery:
        """The train ran to its end."""
        if self.trigger.sham:
            return self._delivery(Outcome.SHAM)
        return self._delivery(
            Outcome.DELIVERED,
            offset_s=seconds(self.end),
            n_pulses=int(self.train.n_pulses),
            charge_uc=self.train.charge_uc,
        )

    def aborted(self, at: int, why: str) -> Delivery:
        """The train was stopped at a tick before its end; what was delivered until then."""
        if at <= self.onset:
            return Delivery(
                self.trigger.seq, Outcome.ABORTED, device_latency_s=self.latency_s, reason=why
            )
        if self.trigger.sham:
            return self._delivery(Outcome.ABORTED, reason=why)
        last = bisect_left(range(int(self.train.n_pulses)), at, key=self._pulse_onset) - 1
        begun = self._pulse_onset(last)
        if at - begun >= self._pulse_ticks:  # in the pause after a pulse
            return self._delivery(
                Outcome.ABORTED,
                offset_s=seconds(begun + self._pulse_ticks),
                n_pulses=last + 1,
                charge_uc=(last + 1) * self.train.pulse.charge_per_phase_uc,
                reason=why,
            )
        cut, current_us = _cut(self.train.pulse, (at - begun) * TIMING_STEP_US)
        return self._delivery(
            Outcome.ABORTED,
            offset_s=seconds(begun + round(current_us / TIMING_STEP_US)),
            n_pulses=last,
            charge_uc=last * self.train.pulse.charge_per_phase_uc + cut.charge_per_phase_uc,
            reason=f"{why}; pulse {last + 1} was cut and left {cut.net_charge_uc:g} uC unrecovered",
        )

    def _delivery(
        self,
        outcome: Outcome,
        offset_s: float = nan,
        n_pulses: int = 0,
        charge_uc: float = 0.0,
        reason: str = "",
    ) -> Delivery:
        return Delivery(
            self.trigger.seq,
            outcome,
            onset_s=seconds(self.onset),
            offset_s=offset_s,
            n_pulses=n_pulses,
            charge_uc=charge_uc,
            device_latency_s=self.latency_s,
            reason=reason,
        )


def _cut(pulse: BiphasicPulse, elapsed_us: float) -> tuple[BiphasicPulse, float]:
    """What is left of a pulse stopped in its midst, and when its current ended, in us."""
    first_us = min(elapsed_us, pulse.phase_us)
    second_us = max(0.0, elapsed_us - pulse.phase_us - pulse.interphase_us)
    cut = BiphasicPulse(
        pulse.amplitude_ua,
        first_us,
        pulse.interphase_us,
        recovery_amplitude_ua=pulse.second_amplitude_ua,
        recovery_phase_us=second_us,
    )
    return cut, elapsed_us if second_us > 0.0 else first_us
