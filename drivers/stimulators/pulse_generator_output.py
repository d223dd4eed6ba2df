"""One output of the simulated Pulse Pal: its pulse train, cycle by cycle, as the firmware plays it.

The firmware looks at every cycle whether a moment has come; this looks only at the cycles
on which one does. A moment it has passed is missed, here as there: with durations of
zero an output stays where it is.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum

from drivers.stimulators.pulse_generator_bytes import MAX_CUSTOM_PULSES, ZERO, OutputParameters


@dataclass(slots=True)
class CustomTrain:
    """Pulses at times of their own, as one of the two memories for them holds it."""

    count: int = 0
    times: list[int] = field(default_factory=lambda: [0] * MAX_CUSTOM_PULSES)
    codes: list[int] = field(default_factory=lambda: [0] * MAX_CUSTOM_PULSES)


_NO_TRAIN = CustomTrain()


def _at(memory: list[int], index: int) -> int:
    """Beyond its memory the firmware reads whatever is there; here that is zero."""
    return memory[index] if index < len(memory) else 0


class Phase(IntEnum):
    """Where in a pulse an output is."""

    REST = 0
    FIRST = 1
    BETWEEN = 2
    SECOND = 3


class PulseOutput:
    """One output and where it is in its train.

    Parameters
    ----------
    custom_trains : sequence of CustomTrain
        The box's two, as they are at any moment.

    Attributes
    ----------
    parameters : OutputParameters
        Read at every moment, so that a change takes effect within a train, too.
    uses_bursts : bool
        The firmware computes it when it is programmed, and not from every parameter.
    looping : bool
        Whether the end of the train is passed over.
    code : int
        Of the converter, as of the next cycle.
    waiting, playing : bool
        Triggered and in the delay; in the train.
    """

    def __init__(self, custom_trains: Sequence[CustomTrain]) -> None:
        self.parameters = OutputParameters()
        self.uses_bursts = False
        self.looping = False
        self.code = ZERO
        self.waiting = False
        self.playing = False
        self._custom_trains = custom_trains
        self._phase = Phase.REST
        self._in_burst = False
        self._index = 0
        self._triggered = self._began = self._ends = self._pulse_at = self._burst_at = 0

    @property
    def busy(self) -> bool:
        return self.waiting or self.playing

    def refresh_bursts(self) -> None:
        """What the firmware derives when it is programmed."""
        p = self.parameters
        self.uses_bursts = bool(p.burst and p.interburst)
        if p.custom_target == 1:
            self.uses_bursts = True
        if p.custom_train > 0 and p.custom_target == 0:
            self.uses_bursts = False

    def trigger(self, now: int) -> None:
        """Begin the delay before the train, in this cycle."""
        self.waiting, self._in_burst = True, True
        self._triggered, self._phase = now, Phase.REST

    def kill(self) -> None:
        """Back to rest, whatever it was doing."""
        self.waiting = self.playing = self._in_burst = False
        self._index, self._phase = 0, Phase.REST
        self.code = self.parameters.resting_code

    def next_moment(self, now: int) -> int | None:
        """The next cycle after this one on which something happens by itself."""
        moments = [self._triggered + self.parameters.delay] if self.waiting else []
        if self.playing:
            moments.append(self._ends)
            if self._in_burst:
                moments.append(self._pulse_at)
            if self.uses_bursts:
                moments.append(self._burst_at)
        return min((moment for moment in moments if moment > now), default=None)

    def play(self, now: int) -> None:
        """What the firmware does with this output in one cycle, in its order."""
        if self.waiting and now == self._triggered + self.parameters.delay:
            self._begin(now)
        if not self.playing:
            return
        if self._in_burst and now == self._pulse_at:
            self._turn(now)
        if self.uses_bursts and now == self._burst_at:
            self._burst(now)
        p = self.parameters
        over = now == self._ends and self.playing and not self.looping
        if over and (p.custom_train == 0 or p.custom_loop == 1):
            self.kill()

    def _begin(self, now: int) -> None:
        p = self.parameters
        self.waiting, self.playing = False, True
        self._phase = Phase.REST
        self._began, self._ends = now, now + p.train
        if p.custom_target == 1:
            # Without a custom train the firmware takes the second one's.
            first = self._custom_trains[0 if p.custom_train == 1 else 1]
            self._burst_at, self._in_burst = now + first.times[0], False
        else:
            self._burst_at = now + p.burst
        if p.custom_train == 0:
            # Even if no pulse fits into the burst: the output is then on until its end.
            self._pulse_at, self.code = now, p.phase1_code
        else:
            self._pulse_at, self._index = now + self._custom().times[0], 0

    def _turn(self, now: int) -> None:
        """From one phase of a pulse to the next."""
        match self._phase:
            case Phase.REST if self._custom_pulses:
                self._begin_custom(now)
            case Phase.REST:
                self._begin_pulse(now)
            case Phase.FIRST:
                self._end_first(now)
            case Phase.BETWEEN:
                self._begin_second(now)
            case _:
                self._end_second(now)

    @property
    def _custom_pulses(self) -> bool:
        """Whether its pulses, rather than its bursts, come at times of their own."""
        return self.parameters.custom_train > 0 and self.parameters.custom_target != 1

    def _custom(self) -> CustomTrain:
        number = self.parameters.custom_train
        known = 1 <= number <= len(self._custom_trains)
        return self._custom_trains[number - 1] if known else _NO_TRAIN

    def _time(self, index: int) -> int:
        return _at(self._custom().times, index)

    def _custom_code(self) -> int:
        return _at(self._custom().codes, self._index)

    def _begin_pulse(self, now: int) -> None:
        p = self.parameters
        self._pulse_at = now + p.phase1
        if self.uses_bursts and self._pulse_at >= self._burst_at:
            return  # it would not end within the burst
        self._phase = Phase.FIRST
        self.code = self._custom_code() if p.custom_train else p.phase1_code

    def _begin_custom(self, now: int) -> None:
        p, custom = self.parameters, self._custom()
        touches_next = False
        if p.custom_loop == 1 and self._index == custom.count:
            self._index, self._began = 0, now
        if self._index < custom.count:
            if self._gap(self._index) > p.phase1:
                self._pulse_at = now + p.phase1
            else:
                self._pulse_at = self._began + self._time(self._index + 1)
                touches_next = True
        if not touches_next:
            self._phase = Phase.FIRST
        self.code = self._custom_code()
        if not p.biphasic:
            self._index += 1
        if self._index > custom.count:
            self._index = 0
            if p.custom_loop == 0:
                self.kill()

    def _gap(self, index: int) -> int:
        """Between two pulses of a custom train, in the firmware's unsigned numbers."""
        return (self._time(index + 1) - self._time(index)) % 2**32

    def _end_first(self, now: int) -> None:
        p = self.parameters
        if p.biphasic and p.interphase == 0:
            self._begin_second(now)
        elif p.biphasic:
            self._pulse_at, self._phase = now + p.interphase, Phase.BETWEEN
            self.code = p.resting_code
        elif self._custom_pulses:
            self._end_custom(now)
        else:
            self._pulse_at, self._phase = now + p.interpulse, Phase.REST
            self.code = p.resting_code

    def _end_custom(self, now: int) -> None:
        """A monophasic pulse of a custom train is over."""
        p, custom = self.parameters, self._custom()
        if self._index != custom.count:
            self._pulse_at, self._phase = self._began + self._time(self._index), Phase.REST
            self.code = p.resting_code
        elif p.custom_loop == 1:
            self._index, self._began = 0, now
            self.code = custom.codes[0]
            self._phase = Phase.FIRST if self._gap(0) > p.phase1 else Phase.REST
            self._pulse_at = now + p.phase1
            self._index = 1
        else:
            self.kill()

    def _begin_second(self, now: int) -> None:
        p = self.parameters
        self._pulse_at, self._phase = now + p.phase2, Phase.SECOND
        if p.custom_train == 0:
            self.code = p.phase2_code
            return
        # The mirror image, in the firmware's 16 bits: that of the lowest code is the lowest.
        self.code = (2 * ZERO - self._custom_code()) % 2**16
        if p.custom_target == 0:
            self._index += 1

    def _end_second(self, now: int) -> None:
        p = self.parameters
        if p.custom_train == 0 and p.interpulse == 0:
            self._pulse_at, self._phase = now + p.phase1, Phase.FIRST
            self.code = p.phase1_code
            return
        self._pulse_at = now + p.interpulse
        if p.custom_train and p.custom_target == 0:
            self._pulse_at = self._began + self._time(self._index)
            if self._index == self._custom().count:
                self.kill()
        self._phase, self.code = Phase.REST, p.resting_code

    def _burst(self, now: int) -> None:
        """A burst ends, or the next begins."""
        p = self.parameters
        if not self._in_burst:
            self._burst_at, self._pulse_at = now + p.burst, now + p.phase1
            self._phase, self._in_burst = Phase.FIRST, True
            custom = self._custom()
            if not (p.custom_train and p.custom_target == 1):
                self.code = p.phase1_code
            elif self._index < custom.count:
                self.code = self._custom_code()
            return
        if p.custom_train == 0:
            self._pulse_at = self._burst_at = now + p.interburst
        elif p.custom_target == 1:
            self._index += 1
            if self._index == self._custom().count:
                self.kill()
            self._pulse_at = self._burst_at = self._began + self._time(self._index)
        self._in_burst, self.code = False, p.resting_code
