"""Responsive stimulation: therapies in escalation, as long as an episode goes on."""

from math import inf
from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from bci_core.events import Decision, Detection, EventKind, Trigger
from bci_core.stimulus import ProgramPart, StimProgram
from stim_protocols.pulse_settings import Amount, Count, TrainSettings
from stim_protocols.triggers import one_trigger

MOST_THERAPIES = 5
"""Of one episode, in the NeuroPace RNS; recalled."""

MOST_BURSTS = 2
"""Of one therapy, in the NeuroPace RNS."""


class Therapy(TrainSettings):
    """One entry of ``therapies``: one burst, or two alike.

    Attributes
    ----------
    n_bursts : int
        1 or 2. Each is a train of the program, so a device has to hold as many.
    gap_s : float
        From the end of the first burst to the start of the second.
    """

    n_bursts: Annotated[Count, Field(le=MOST_BURSTS)] = 1
    gap_s: Amount = 0.5

    def program(self, program_id: int) -> StimProgram:
        """As a device is asked for it."""
        burst = self.train()
        delay_s = burst.duration_s + self.gap_s
        later = (ProgramPart(burst, self.electrodes, delay_s),) * (self.n_bursts - 1)
        return StimProgram(program_id, f"therapy {program_id}", burst, self.electrodes, later)


class ResponsiveSettings(BaseModel):
    """Section ``[protocol]`` of a rig with ``kind = "responsive"``.

    After the NeuroPace RNS: up to two bursts a therapy; up to five therapies an episode, each
    tried when the one before has not ended it. Bursts of 100 to 200 ms at 200 Hz are usual.
    Five therapies and the usual burst are recalled.

    Attributes
    ----------
    therapies : tuple of Therapy
        In the order they are tried, 1 to 5, each a table with the keys ``amplitude_ua``,
        ``phase_us``, ``interphase_us``, ``electrodes``, ``rate_hz``, ``train_s``,
        ``ramp_up_s``, ``ramp_down_s``, ``n_bursts`` (1 or 2) and ``gap_s`` (between the two).
    post_episode_s : float
        What begins within this time after an end belongs to the same episode.
    max_episode_s : float
        An episode without a new onset for this long has ended, whether its end was heard or
        not. Shorten it for a detector that announces no ends.
    deadline_s : float
        How long after its target a therapy may still start. The default is short against a
        seizure, and covers an implant's way from event to stimulation.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    therapies: Annotated[tuple[Therapy, ...], Field(min_length=1, max_length=MOST_THERAPIES)]
    post_episode_s: Amount = 10.0
    max_episode_s: Amount = 300.0
    deadline_s: Amount = 0.1


class ResponsiveProtocol:
    """Each onset within an episode that is acted on gets the next therapy; then there are none.

    An episode begins with an onset. It is over `post_episode_s` after its end was heard, with
    no onset since, or `max_episode_s` after its last onset; the next onset gets the first
    therapy again. In doubt it goes on, so that no fault leads to more stimulation: an onset on
    samples that are not to be trusted prolongs it, an end on such samples does not end it. A
    therapy counts when it is asked for, whatever gate or device make of it.

    Parameters
    ----------
    settings : ResponsiveSettings
    """

    Settings: ClassVar[type[BaseModel]] = ResponsiveSettings

    def __init__(self, settings: ResponsiveSettings) -> None:
        self._programs = tuple(
            therapy.program(number) for number, therapy in enumerate(settings.therapies, start=1)
        )
        self._settings = settings
        self._given = 0
        self._over_s = -inf

    def programs(self) -> tuple[StimProgram, ...]:
        return self._programs

    def plan(self, decision: Decision, next_seq: int) -> tuple[Trigger, ...]:
        self.heed(decision)
        if self._given == len(self._programs):
            return ()
        asked = one_trigger(
            decision, next_seq, self._settings.deadline_s, program_id=self._given + 1
        )
        self._given += len(asked)
        return asked

    def heed(self, decision: Decision) -> None:
        """Follow the episode; `_over_s` is when it will be over if nothing more is heard."""
        found = decision.detection
        if found.kind is EventKind.ONSET:
            if found.sample_s > self._over_s:
                self._given = 0
            self._over_s = max(self._over_s, found.sample_s + self._settings.max_episode_s)
        elif not found.veto:
            self._over_s = min(self._over_s, self._after(found))

    def _after(self, end: Detection) -> float:
        return end.sample_s + self._settings.post_episode_s
