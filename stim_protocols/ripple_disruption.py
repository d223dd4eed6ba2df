"""Ripple-triggered disruption: one pulse at once, and none for at least 200 ms."""

from typing import Annotated, ClassVar

from pydantic import BaseModel, Field

from bci_core.events import Decision, Trigger
from bci_core.stimulus import StimProgram
from stim_protocols.pulse_settings import Amount, PulseSettings, single
from stim_protocols.triggers import ONLY, Pause, one_trigger

LEAST_PAUSE_S = 0.2
"""Least interval between stimuli in Trodes."""


class RippleDisruptionSettings(PulseSettings):
    """Section ``[protocol]`` of a rig with ``kind = "ripple_disruption"``.

    A single pulse to the ventral hippocampal commissure on each ripple: Girardeau et al.
    2009 (Nat Neurosci 12:1222), Ego-Stengel and Wilson 2010 (Hippocampus 20:1), Jadhav et al.
    2012 (Science 336:1454). They used phases of 0.2 ms and 100 to 350 uA, recalled.
    Deceuninck and Kloosterman 2024 (eLife) found no effect of it.

    Attributes
    ----------
    pause_s : float
        Least time from one pulse to the next, 0.2 s or more.
    deadline_s : float
        How long after its target a pulse may still start. Ripples last some 50 to 100 ms
        and are found late in them: a pulse later than the default disrupts little.
    """

    pause_s: Annotated[Amount, Field(ge=LEAST_PAUSE_S)] = LEAST_PAUSE_S
    deadline_s: Amount = 0.01


class RippleDisruptionProtocol:
    """Holds one pulse; a decision to act is one trigger of it, or none in the pause.

    Parameters
    ----------
    settings : RippleDisruptionSettings
    """

    Settings: ClassVar[type[BaseModel]] = RippleDisruptionSettings

    def __init__(self, settings: RippleDisruptionSettings) -> None:
        pulse = single(settings.pulse())
        self._programs = (StimProgram(ONLY, "ripple_disruption", pulse, settings.electrodes),)
        self._deadline_s = settings.deadline_s
        self._pause = Pause(settings.pause_s)

    def programs(self) -> tuple[StimProgram, ...]:
        return self._programs

    def plan(self, decision: Decision, next_seq: int) -> tuple[Trigger, ...]:
        return self._pause.guard(one_trigger(decision, next_seq, self._deadline_s))
