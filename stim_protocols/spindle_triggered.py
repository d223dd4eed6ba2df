"""Spindle-triggered stimulation: a train at the spindles' own rate, as one begins."""

from typing import ClassVar

from pydantic import BaseModel

from stim_protocols.paused_train import PausedTrain
from stim_protocols.pulse_settings import Amount, TrainSettings


class SpindleTriggeredSettings(TrainSettings):
    """Section ``[protocol]`` of a rig with ``kind = "spindle_triggered"``.

    Lustenberger et al. 2016 (Curr Biol 26:2127) gave 12 Hz alternating current through the
    scalp whenever the power from 12 to 15 Hz rose, 1 mA recalled. Rectangular biphasic pulses
    at that rate stand here in place of the sine.

    Attributes
    ----------
    rate_hz, train_s : float
        The default is half a second, six cycles: a spindle that has been found goes on for
        about as long.
    pause_s : float
        Least time from the end of one train to the start of the next; what the stimulus
        itself leaves in the spindle band must not be taken for a spindle.
    deadline_s : float
        How long after its target a train may still start. The default is short against a
        spindle, which lasts half a second or more.
    """

    rate_hz: Amount = 12.0
    train_s: Amount = 0.5
    pause_s: Amount = 1.0
    deadline_s: Amount = 0.05


class SpindleTriggeredProtocol(PausedTrain):
    """Holds one train; a decision to act is one trigger of it, or none in the pause.

    Parameters
    ----------
    settings : SpindleTriggeredSettings
    """

    Settings: ClassVar[type[BaseModel]] = SpindleTriggeredSettings

    def __init__(self, settings: SpindleTriggeredSettings) -> None:
        super().__init__(
            "spindle_triggered",
            settings.train(),
            settings.electrodes,
            settings.deadline_s,
            settings.pause_s,
        )
