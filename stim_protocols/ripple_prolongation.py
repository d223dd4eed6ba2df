"""Ripple-triggered prolongation: a short train from the onset of a ripple."""

from typing import ClassVar

from pydantic import BaseModel

from stim_protocols.paused_train import PausedTrain
from stim_protocols.pulse_settings import Amount, TrainSettings


class RippleProlongationSettings(TrainSettings):
    """Section ``[protocol]`` of a rig with ``kind = "ripple_prolongation"``.

    Fernández-Ruiz et al. 2019 (Science 364:1082) made ripples longer with 100 ms of light on
    CA1, a trapezoid, from their onset; the duration and the shape are recalled. Pulses with
    ramps stand here in place of light, which is an adaptation and not their protocol.

    Attributes
    ----------
    rate_hz, train_s : float
        The default lasts as long as their light.
    ramp_up_s, ramp_down_s : float
        The flanks of the trapezoid.
    pause_s : float
        Least time from the end of one train to the start of the next.
    deadline_s : float
        How long after its target a train may still start: it has to fall into the ripple
        that it is to make longer.
    """

    rate_hz: Amount = 200.0
    train_s: Amount = 0.1
    ramp_up_s: Amount = 0.02
    ramp_down_s: Amount = 0.02
    pause_s: Amount = 0.2
    deadline_s: Amount = 0.01


class RippleProlongationProtocol(PausedTrain):
    """Holds one train; a decision to act is one trigger of it, or none in the pause.

    Parameters
    ----------
    settings : RippleProlongationSettings
    """

    Settings: ClassVar[type[BaseModel]] = RippleProlongationSettings

    def __init__(self, settings: RippleProlongationSettings) -> None:
        super().__init__(
            "ripple_prolongation",
            settings.train(),
            settings.electrodes,
            settings.deadline_s,
            settings.pause_s,
        )
