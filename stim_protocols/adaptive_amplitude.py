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
    rise_ma_s, fall_ma_s : float, optional
        Ramps by their slope, as implants have them, in the place of their length: the lower
        an amplitude, the shorter its ramps.
    thresholds : tuple of float
        Of the detection's value, ascending. None: the state is 0 after an end and 1 after an
        onset. One: 0 below it, 1 at or above. Two: 0, 1 between them, and 2.
    amplitudes_ua : tuple of float or str
        One for each state. 0 is no stimulation; ``"hold"`` is what the state before had.
    table : str
        Where the table is kept. ``"host"``: here; any device will do, and a hold is the
        amplitude of the state before. ``"device"``: each state is a slot of the device, which
        has to remember what it gave last for those that hold; see ``Capabilities.holds``.
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
    rise_ma_s: Amount | None = None
    fall_ma_s: Amount | None = None
    thresholds: Annotated[tuple[Threshold, ...], Field(max_length=2)] = ()
    amplitudes_ua: Annotated[tuple[Span | Literal["hold"], ...], Field(min_length=2, max_length=3)]
    table: Literal["host", "device"] = "host"
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
        up_s, down_s = self.ramps_s(self.reachable_ua()[-1])
        if up_s + down_s > self.train_s:
            raise ValueError(
                f"the ramps up and down, {up_s:g} s and {down_s:g} s, together are over the "
                f"{self.train_s:g} s of train_s; shorten them, or lengthen the train"
            )
        return self

    def ramps_s(self, amplitude_ua: float) -> tuple[float, float]:
        """How long the ramps up and down to an amplitude last."""
        ma = amplitude_ua * 1e-3
        up_s = self.ramp_up_s if self.rise_ma_s is None else ma / self.rise_ma_s
        down_s = self.ramp_down_s if self.fall_ma_s is None else ma / self.fall_ma_s
        return up_s, down_s

    def reachable_ua(self) -> list[float]:
        """Every amplitude it can ever stimulate at, the lowest first."""
        return sorted({a for a in self.amplitudes_ua if not isinstance(a, str) and a > 0.0})


class AdaptiveAmplitudeProtocol:
    """Holds one train for each amplitude; a decision to act gets that of the state.

    The state follows every onset and end that is heard, acted on or not, but for those on
    samples that are not to be trusted. Disarmed, what is held is no stimulation.

    With the table in the device, a decision to act names the slot of the state. One that holds
    is named only when the amplitude to be held was asked for last; after one that was heard and
    never asked for, the device could not know it, and its own slot is named. What a device then
    holds is what it gave last, whatever became of a trigger in between.

    Parameters
    ----------
    settings : AdaptiveAmplitudeSettings
    """

    Settings: ClassVar[type[BaseModel]] = AdaptiveAmplitudeSettings

    def __init__(self, settings: AdaptiveAmplitudeSettings) -> None:
        self._settings = settings
        table, of_device = settings.amplitudes_ua, settings.table == "device"
        # In the device the slots are the states, from 1 on; here, the amplitudes.
        rows = enumerate(table if of_device else settings.reachable_ua(), start=1)
        entries = {slot: entry for slot, entry in rows if entry}
        self._slot = {ua: slot for slot, ua in entries.items() if not isinstance(ua, str)}
        self._holding = {slot for slot, entry in entries.items() if isinstance(entry, str)}
        self._programs = tuple(self._program(entry, slot) for slot, entry in entries.items())
        self._amplitude_ua = self._asked_ua = 0.0
        self._state = 0

    def programs(self) -> tuple[StimProgram, ...]:
        return self._programs

    def plan(self, decision: Decision, next_seq: int) -> tuple[Trigger, ...]:
        self.heed(decision)
        slot = self._slot.get(self._amplitude_ua)
        if slot is None:
            return ()
        if self._state + 1 in self._holding and self._asked_ua == self._amplitude_ua:
            slot = self._state + 1
        asked = one_trigger(decision, next_seq, self._settings.deadline_s, program_id=slot)
        if asked:
            self._asked_ua = self._amplitude_ua
        return asked

    def heed(self, decision: Decision) -> None:
        """Follow the state, and with it the amplitude."""
        found = decision.detection
        if decision.situation.disarmed:
            self._amplitude_ua = self._asked_ua = 0.0
            return
        state = None if found.veto else self._state_of(found)
        if state is None:
            return
        self._state, entry = state, self._settings.amplitudes_ua[state]
        if not isinstance(entry, str):
            self._amplitude_ua = entry
        if self._amplitude_ua == 0.0:
            self._asked_ua = 0.0

    def _state_of(self, found: Detection) -> int | None:
        """A value that is no number tells no state."""
        thresholds = self._settings.thresholds
        if found.kind is EventKind.END:
            return 0
        if not thresholds:
            return 1
        return None if isnan(found.value) else sum(found.value >= each for each in thresholds)

    def _program(self, entry: float | str, slot: int) -> StimProgram:
        """The train of an amplitude; a hold counts as the strongest there is."""
        s = self._settings
        ua = s.reachable_ua()[-1] if isinstance(entry, str) else entry
        pulse = BiphasicPulse(ua, s.phase_us, s.interphase_us)
        train = train_of(pulse, s.rate_hz, s.train_s, s.ramps_s(ua))
        if isinstance(entry, str):
            own = tuple(sorted(self._slot.values()))
            return StimProgram(
                slot, f"adaptive hold, up to {ua:g} uA", train, s.electrodes, (), own
            )
        return StimProgram(slot, f"adaptive {ua:g} uA", train, s.electrodes)
