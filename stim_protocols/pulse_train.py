"""The plainest protocol: one pulse train, once for each decision, at its target."""

from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from bci_core.events import Decision, Trigger, Verdict
from bci_core.stimulus import BiphasicPulse, PulseTrain, StimProgram

_Amount = Annotated[float, Field(gt=0.0, allow_inf_nan=False, strict=True)]
_Pause = Annotated[float, Field(ge=0.0, allow_inf_nan=False, strict=True)]
_Count = Annotated[int, Field(ge=1, strict=True)]

PROGRAM_ID = 1


class PulseTrainSettings(BaseModel):
    """Section ``[protocol]`` of a rig.

    Attributes
    ----------
    amplitude_ua, phase_us, interphase_us : float
        The first phase, and the pause after it.
    recovery_amplitude_ua, recovery_phase_us : float, optional
        The second phase, where it is to differ from the first.
    rate_hz : float
        Pulses per second. For a single pulse, the rate it has to fit into.
    n_pulses : int
    electrodes : tuple of int
        Stimulator channels, counted from 1.
    deadline_s : float
        How long after its target a train may still start. It has to cover what a
        detection of something already past ("now") takes to reach the device.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    amplitude_ua: _Amount
    phase_us: _Amount
    interphase_us: _Pause = 0.0
    recovery_amplitude_ua: _Amount | None = None
    recovery_phase_us: _Amount | None = None
    rate_hz: _Amount
    n_pulses: _Count
    electrodes: Annotated[tuple[_Count, ...], Field(min_length=1)]
    deadline_s: _Amount = 0.005


class PulseTrainProtocol:
    """Holds one program; each decision to act, sham or not, is one trigger of it.

    Parameters
    ----------
    settings : PulseTrainSettings
    """

    Settings: ClassVar[type[BaseModel]] = PulseTrainSettings

    def __init__(self, settings: PulseTrainSettings) -> None:
        pulse = BiphasicPulse(
            amplitude_ua=settings.amplitude_ua,
            phase_us=settings.phase_us,
            interphase_us=settings.interphase_us,
            recovery_amplitude_ua=settings.recovery_amplitude_ua,
            recovery_phase_us=settings.recovery_phase_us,
        )
        train = PulseTrain(pulse, rate_hz=settings.rate_hz, n_pulses=settings.n_pulses)
        self._programs = (StimProgram(PROGRAM_ID, "pulse_train", train, settings.electrodes),)
        self._deadline_s = settings.deadline_s

    def programs(self) -> tuple[StimProgram, ...]:
        return self._programs

    def plan(self, decision: Decision, next_seq: int) -> tuple[Trigger, ...]:
        if decision.verdict is Verdict.REFUSED:
            return ()
        target_s = decision.detection.target_s
        return (
            Trigger(
                seq=next_seq,
                program_id=PROGRAM_ID,
                at_s=target_s,
                deadline_s=target_s + self._deadline_s,
                sham=decision.verdict is Verdict.SHAM,
            ),
        )
