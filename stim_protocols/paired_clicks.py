"""Closed-loop sound in sleep: two clicks of pink noise, in one up-state and the next."""

from typing import ClassVar, Self

from pydantic import BaseModel, ConfigDict, model_validator

from bci_core.events import Decision, Trigger
from bci_core.stimulus import ClickTrain, StimProgram
from stim_protocols.pulse_settings import Amount, Count, Electrodes
from stim_protocols.triggers import ONLY, Pause, one_trigger


class PairedClicksSettings(BaseModel):
    """Section ``[protocol]`` of a rig with ``kind = "paired_clicks"``.

    Ngo et al. 2013 (Neuron 78:545): when a down-state below -80 uV was found, two 50 ms
    clicks of pink noise, the first in the up-state after it and the second 1.075 s later;
    then 2.5 s without stimulus. About 55 dB SPL, recalled. Their control marked the same
    times and was silent: the sham arm. When the first click falls due is the detector's to
    predict (``kind = "slow_oscillation"``, ``target = "up"``).

    Attributes
    ----------
    level_db_spl : float
        Sound pressure level of a click at the ear, re 20 uPa. It has no default: what
        reaches the ear depends on the ear piece, and what wakes depends on the sleeper.
    click_s : float
        Duration of one click.
    interval_s : float
        From the start of one click to the start of the next.
    n_clicks : int
    outputs : tuple of int
        Of the device, counted from 1; both ears by default.
    pause_s : float
        From the end of the last click to the next stimulus.
    deadline_s : float
        How long after its target the first click may still start. An up-state lasts about
        half a second; the default is 14 degrees at 0.8 Hz, and gives room for the output
        buffer of a sound card.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    level_db_spl: Amount
    click_s: Amount = 0.05
    interval_s: Amount = 1.075
    n_clicks: Count = 2
    outputs: Electrodes = (1, 2)
    pause_s: Amount = 2.5
    deadline_s: Amount = 0.05

    @model_validator(mode="after")
    def _clicks_apart(self) -> Self:
        if self.n_clicks > 1 and not self.click_s < self.interval_s:
            raise ValueError(
                f"a click lasts {self.click_s:g} s, limit: below the {self.interval_s:g} s of "
                "interval_s; shorten click_s, or lengthen interval_s"
            )
        return self


class PairedClicksProtocol:
    """Holds both clicks as one program; a decision to act triggers it, or nothing in the pause.

    Parameters
    ----------
    settings : PairedClicksSettings
    """

    Settings: ClassVar[type[BaseModel]] = PairedClicksSettings

    def __init__(self, settings: PairedClicksSettings) -> None:
        clicks = ClickTrain(
            settings.level_db_spl, settings.click_s, settings.interval_s, settings.n_clicks
        )
        self._programs = (StimProgram(ONLY, "paired_clicks", clicks, settings.outputs),)
        self._deadline_s = settings.deadline_s
        self._pause = Pause(settings.pause_s)

    def programs(self) -> tuple[StimProgram, ...]:
        return self._programs

    def plan(self, decision: Decision, next_seq: int) -> tuple[Trigger, ...]:
        asked = one_trigger(decision, next_seq, self._deadline_s)
        return self._pause.guard(asked, lasts_s=self._programs[0].duration_s)
