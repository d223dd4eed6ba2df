"""Adaptive stimulation: short trains, whose amplitude follows the state of a detector."""

from itertools import pairwise
from math import isnan
from typing import Annotated, ClassVar, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from bci_core.events import Decision, Detection, EventKind, Trigger
from bci_core.stimulus import BiphasicPulse, StimProgram
from stim_protocols.pulse_settings import Amount, Electrodes, Span, train_of
from stim_protocols.triggers import one_trigger

HOLD: Final = "hold"
"""In the table of amplitudes: that of the state before."""

Threshold = Annotated[float, Field(allow_inf_nan=False, strict=True)]


class AdaptiveAmplitudeSettings(BaseModel):
    """Section ``[protocol]`` of a rig with ``kind = "adaptive_amplitude"``.

    The table of states, single and dual thresholds and hold are those of the Medtronic
    Summit RC+S. Little et al. 2013 (Ann Neurol 74:449) stimulated the subthalamic nucleus
    while its beta amplitude was high: 130 Hz, 100 us, with 250 ms of ramp; recalled.

    Attributes
    ----------
    phase_us, interphase_us : float
        Of a phase, and the pause between the two, which are alike.
    electrodes : tuple of int
        Stimulator channels, counted from 1.
    rate_hz : float
        Pulses per second.
    train_s, ramp_up_s, ramp_down_s : float
        Of one train, ramps included. Whatever happens to the loop, stimulation is over when
        the train is; as long as the loop goes on, the next train follows.
    thresholds : tuple of float
        Of the detection's value, ascending. None: the state is 0 after an end and 1 after an
        onset. One: 0 below it, 1 at or above. Two: 0, 1 between them, and 2.
    amplitudes_ua : tuple of float or str
        One for each state. 0 is no stimulation; ``"hold"`` is what the state before had.
    deadline_s : float
        How long after its target a train may still start. The default covers an implant's
        radio link, and is short against the states this is for.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    phase_us: Amount
    interphase_us: Span = 0.0
    electrodes: Electrodes
    rate_hz: Amount = 130.0
    train_s: Amount = 1.0
    ramp_up_s: Amount = 0.25
    ramp_down_s: Amount = 0.25
    thresholds: Annotated[tuple[Threshold, ...], Field(max_length=2)] = ()
    amplitudes_ua: Annotated[tuple[Span | Literal["hold"], ...], Field(min_length=2, max_length=3)]
    deadline_s: Amount = 0.2

    @model_validator(mode="after")
    def _states_have_amplitudes(self) -> Self:
        thresholds, states = self.thresholds, max(2, len(self.thresholds) + 1)
        if not all(low < high for low, high in pairwise(thresholds)):
            raise ValueError(f"thresholds must ascend, and are {thresholds}")
        if len(self.amplitudes_ua) != states:
            raise ValueError(
                f"amplitudes_ua has {len(self.amplitudes_ua)} entries, limit: {states}, one for "
                f"each state that {len(thresholds)} thresholds tell apart"
            )
        if not self.reachable_ua():
            raise ValueError("amplitudes_ua never stimulates; give an amplitude above 0 uA")
        if self.ramp_up_s + self.ramp_down_s > self.train_s:
            raise ValueError(
                f"ramp_up_s and ramp_down_s together are over the {self.train_s:g} s of train_s; "
                "shorten them, or lengthen the train"
            )
        return self

    def reachable_ua(self) -> list[float]:
        """Every amplitude it can ever stimulate at, the lowest first."""
        return sorted({a for a in self.amplitudes_ua if not isinstance(a, str) and a > 0.0})


class AdaptiveAmplitudeProtocol:
    """Holds one train for each amplitude; a decision to act gets that of the state.

    The state follows every onset and end that is heard, acted on or not, but for those on
    samples that are not to be trusted. Disarmed, what is held is no stimulation.

    Parameters
    ----------
    settings : AdaptiveAmplitudeSettings
    """

    Settings: ClassVar[type[BaseModel]] = AdaptiveAmplitudeSettings

    def __init__(self, settings: AdaptiveAmplitudeSettings) -> None:
        self._settings = settings
        self._slot = {ua: slot for slot, ua in enumerate(settings.reachable_ua(), start=1)}
        self._programs = tuple(self._program(ua, slot) for ua, slot in self._slot.items())
        self._amplitude_ua = 0.0

    def programs(self) -> tuple[StimProgram, ...]:
        return self._programs

    def plan(self, decision: Decision, next_seq: int) -> tuple[Trigger, ...]:
        self.heed(decision)
        slot = self._slot.get(self._amplitude_ua)
        if slot is None:
            return ()
        return one_trigger(decision, next_seq, self._settings.deadline_s, program_id=slot)

    def heed(self, decision: Decision) -> None:
        """Follow the state, and with it the amplitude."""
        found = decision.detection
        entry = HOLD if found.veto else self._entry(found)
        if decision.situation.disarmed:
            self._amplitude_ua = 0.0
        elif not isinstance(entry, str):
            self._amplitude_ua = entry

    def _entry(self, found: Detection) -> float | str:
        """What the table has for the state; a value that is no number tells no state."""
        table, thresholds = self._settings.amplitudes_ua, self._settings.thresholds
        if found.kind is EventKind.END:
            return table[0]
        if not thresholds:
            return table[1]
        if isnan(found.value):
            return HOLD
        return table[sum(found.value >= threshold for threshold in thresholds)]

    def _program(self, amplitude_ua: float, slot: int) -> StimProgram:
        s = self._settings
        pulse = BiphasicPulse(amplitude_ua, s.phase_us, s.interphase_us)
        train = train_of(pulse, s.rate_hz, s.train_s, (s.ramp_up_s, s.ramp_down_s))
        return StimProgram(slot, f"adaptive {amplitude_ua:g} uA", train, s.electrodes)
