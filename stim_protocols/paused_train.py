"""One train, once for each decision to act, with the pause that its protocol keeps by itself."""

from bci_core.events import Decision, Trigger
from bci_core.stimulus import PulseTrain, StimProgram
from stim_protocols.triggers import ONLY, Pause, one_trigger


class PausedTrain:
    """Holds one train; a decision to act is one trigger of it, or none in the pause.

    Parameters
    ----------
    name : str
        Of the program.
    train : PulseTrain
    electrodes : tuple of int
    deadline_s : float
        How long after its target a train may still start.
    pause_s : float
        Least time from the end of one train to the start of the next.
    """

    def __init__(
        self,
        name: str,
        train: PulseTrain,
        electrodes: tuple[int, ...],
        deadline_s: float,
        pause_s: float,
    ) -> None:
        self._programs = (StimProgram(ONLY, name, train, electrodes),)
        self._deadline_s = deadline_s
        self._pause = Pause(pause_s)

    def programs(self) -> tuple[StimProgram, ...]:
        return self._programs

    def plan(self, decision: Decision, next_seq: int) -> tuple[Trigger, ...]:
        asked = one_trigger(decision, next_seq, self._deadline_s)
        return self._pause.guard(asked, lasts_s=self._programs[0].duration_s)
