"""The plainest protocol: one pulse train, once for each decision, at its target."""

from typing import ClassVar

from pydantic import BaseModel

from bci_core.events import Decision, Trigger
from bci_core.stimulus import PulseTrain, StimProgram
from stim_protocols.pulse_settings import Amount, Count, PulseSettings
from stim_protocols.triggers import ONLY, one_trigger


class PulseTrainSettings(PulseSettings):
    """Section ``[protocol]`` of a rig.

    Attributes
    ----------
    rate_hz : float
        Pulses per second. For a single pulse, the rate it has to fit into.
    n_pulses : int
    deadline_s : float
        How long after its target a train may still start. It has to cover what a
        detection of something already past ("now") takes to reach the device.
    """

    rate_hz: Amount
    n_pulses: Count
    deadline_s: Amount = 0.005


class PulseTrainProtocol:
    """Holds one program; each decision to act, sham or not, is one trigger of it.

    Parameters
    ----------
    settings : PulseTrainSettings
    """

    Settings: ClassVar[type[BaseModel]] = PulseTrainSettings

    def __init__(self, settings: PulseTrainSettings) -> None:
        train = PulseTrain(settings.pulse(), settings.rate_hz, settings.n_pulses)
        self._programs = (StimProgram(ONLY, "pulse_train", train, settings.electrodes),)
        self._deadline_s = settings.deadline_s

    def programs(self) -> tuple[StimProgram, ...]:
        return self._programs

    def plan(self, decision: Decision, next_seq: int) -> tuple[Trigger, ...]:
        return one_trigger(decision, next_seq, self._deadline_s)
