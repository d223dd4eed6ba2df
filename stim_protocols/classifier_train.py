"""Classifier-triggered stimulation: a train while a probability is on one side of a threshold."""

from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, Field

from bci_core.events import Decision, Trigger
from bci_core.stimulus import StimProgram
from stim_protocols.pulse_settings import Amount, TrainSettings
from stim_protocols.triggers import ONLY, one_trigger


class ClassifierTrainSettings(TrainSettings):
    """Section ``[protocol]`` of a rig with ``kind = "classifier_train"``.

    Ezzyat et al. 2018 (Nat Commun 9:365) stimulated lateral temporal cortex when the
    probability of later recall was below 0.5: 200 Hz for 500 ms, phases of 300 us, 0.1 to
    0.7 mA in the configurations of Elemem.

    Attributes
    ----------
    rate_hz, train_s : float
        200 Hz for 500 ms.
    threshold : float
        Of the probability, which is the value of the detection. The detector has a threshold
        too; this one holds whatever that is set to.
    side : str
        ``"below"``: stimulate when the probability is below the threshold; ``"above"``.
    deadline_s : float
        How long after its target a train may still start. The state was told from more than
        a second of signal, so it is not over in a tenth of one.
    """

    rate_hz: Amount = 200.0
    train_s: Amount = 0.5
    threshold: Annotated[float, Field(gt=0.0, lt=1.0, strict=True)] = 0.5
    side: Literal["below", "above"] = "below"
    deadline_s: Amount = 0.1


class ClassifierTrainProtocol:
    """Holds one train; a decision to act on a probability on the right side triggers it.

    Parameters
    ----------
    settings : ClassifierTrainSettings
    """

    Settings: ClassVar[type[BaseModel]] = ClassifierTrainSettings

    def __init__(self, settings: ClassifierTrainSettings) -> None:
        train, electrodes = settings.train(), settings.electrodes
        self._programs = (StimProgram(ONLY, "classifier_train", train, electrodes),)
        self._threshold = settings.threshold
        self._below = settings.side == "below"
        self._deadline_s = settings.deadline_s

    def programs(self) -> tuple[StimProgram, ...]:
        return self._programs

    def plan(self, decision: Decision, next_seq: int) -> tuple[Trigger, ...]:
        probability = decision.detection.value
        # NaN is on neither side.
        low, high = probability < self._threshold, probability > self._threshold
        if not (low if self._below else high):
            return ()
        return one_trigger(decision, next_seq, self._deadline_s)
