"""Theta-burst stimulation: short bursts of a high rate, repeated at a theta rate."""

from typing import Annotated, ClassVar, Self

from pydantic import BaseModel, Field, model_validator

from bci_core.events import Decision, Trigger
from bci_core.stimulus import ProgramPart, PulseTrain, StimProgram
from stim_protocols.pulse_settings import Amount, Count, PulseSettings
from stim_protocols.triggers import ONLY, one_trigger

MOST_BURSTS = 60
"""Elemem's own bound on the bursts of one theta-burst stimulus."""


class ThetaBurstSettings(PulseSettings):
    """Section ``[protocol]`` of a rig with ``kind = "theta_burst"``.

    The defaults, four pulses at 100 Hz five times a second for a second, follow Titiz et al.
    2017 (eLife 6:e29515), who stimulated through microelectrodes in the right entorhinal
    area while pictures were learnt; recalled. Elemem's are 200 Hz in a quarter of the period
    of 3 or 8 Hz, for 3 s at most.

    Attributes
    ----------
    pulse_rate_hz : float
        Within a burst.
    pulses_per_burst : int
    burst_rate_hz : float
        From the start of a burst to the start of the next.
    n_bursts : int
        At most 60. Each is a train of the program, so a device has to hold as many.
    deadline_s : float
        How long after its target the stimulus may still start. The default is a tenth of
        the period of the bursts, 36 degrees of theta.
    """

    pulse_rate_hz: Amount = 100.0
    pulses_per_burst: Count = 4
    burst_rate_hz: Amount = 5.0
    n_bursts: Annotated[Count, Field(le=MOST_BURSTS)] = 5
    deadline_s: Amount = 0.02

    @model_validator(mode="after")
    def _bursts_apart(self) -> Self:
        burst_s, period_s = self.burst().duration_s, 1.0 / self.burst_rate_hz
        if self.n_bursts > 1 and not burst_s < period_s:
            raise ValueError(
                f"a burst of {self.pulses_per_burst} pulses lasts {burst_s:g} s, limit: below the "
                f"{period_s:g} s of burst_rate_hz; take fewer pulses, or a higher pulse_rate_hz"
            )
        return self

    def burst(self) -> PulseTrain:
        """One of them."""
        return PulseTrain(self.pulse(), self.pulse_rate_hz, self.pulses_per_burst)


class ThetaBurstProtocol:
    """Holds one program with all bursts; each decision to act is one trigger of it.

    Parameters
    ----------
    settings : ThetaBurstSettings
    """

    Settings: ClassVar[type[BaseModel]] = ThetaBurstSettings

    def __init__(self, settings: ThetaBurstSettings) -> None:
        burst, electrodes = settings.burst(), settings.electrodes
        later = tuple(
            ProgramPart(burst, electrodes, delay_s=i / settings.burst_rate_hz)
            for i in range(1, settings.n_bursts)
        )
        self._programs = (StimProgram(ONLY, "theta_burst", burst, electrodes, later),)
        self._deadline_s = settings.deadline_s

    def programs(self) -> tuple[StimProgram, ...]:
        return self._programs

    def plan(self, decision: Decision, next_seq: int) -> tuple[Trigger, ...]:
        return one_trigger(decision, next_seq, self._deadline_s)
