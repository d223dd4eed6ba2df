"""The outputs of the simulated Pulse Pal, their converter, and the inputs that trigger them."""

from collections import deque
from dataclasses import dataclass

from drivers.stimulators import pulse_generator_bytes as wire
from drivers.stimulators.pulse_generator_bytes import BoxParameters
from drivers.stimulators.pulse_generator_output import CustomTrain, PulseOutput


@dataclass(frozen=True, slots=True)
class Spell:
    """An output away from 0 V, between two cycles."""

    onset: int
    offset: int
    output: int
    code: int


class OutputBank:
    """All outputs. Trains are counted in cycles the firmware worked, the converter in all.

    Parameters
    ----------
    parameters : BoxParameters

    Attributes
    ----------
    outputs : list of PulseOutput
    custom_trains : list of CustomTrain
    links, input_modes
        As in `BoxParameters`.
    scheduled : set of int
        Outputs, from 0, triggered by the host; it counts from the next cycle on.
    stuck : bool
        A broken output: trains begin, and do not come back to rest by themselves.
    held_from : int or None
        The cycle from which that first kept an output on.
    """

    def __init__(self, parameters: BoxParameters) -> None:
        self.custom_trains = [CustomTrain() for _ in range(wire.N_CUSTOM_TRAINS)]
        self.outputs = [PulseOutput(self.custom_trains) for _ in range(wire.N_OUTPUTS)]
        self.links = parameters.links
        self.input_modes = parameters.input_modes
        self.scheduled: set[int] = set()
        self.stuck = False
        self.held_from: int | None = None
        self._triggered: set[int] = set()
        self._levels = [False] * wire.N_INPUTS
        self._to_write: set[int] = set()
        self._written = [(0, wire.ZERO)] * wire.N_OUTPUTS  # since when, and which code
        self._spells: list[Spell] = []
        self.program(parameters)

    @property
    def parameters(self) -> BoxParameters:
        """What it is programmed with."""
        outputs = tuple(output.parameters for output in self.outputs)
        return BoxParameters(outputs, self.links, self.input_modes)

    @property
    def busy(self) -> bool:
        """Whether any train runs or waits, or a trigger is on its way."""
        pending = self.scheduled or self._triggered
        return bool(pending) or any(output.busy for output in self.outputs)

    def program(self, parameters: BoxParameters) -> None:
        """Replace every parameter."""
        for output, own in zip(self.outputs, parameters.outputs, strict=True):
            output.parameters = own
        self.links, self.input_modes = parameters.links, parameters.input_modes

    def code(self, output: int) -> int:
        """What the converter of an output holds, from 1."""
        return self._written[output - 1][1]

    def next_moment(self, now: int) -> int | None:
        """The next worked cycle after this one on which anything happens by itself."""
        idle = {i for i, output in enumerate(self.outputs) if not output.busy}
        if self._to_write or self.scheduled or self._triggered & idle:
            return now + 1
        moments = [output.next_moment(now) for output in self.outputs]
        return min((moment for moment in moments if moment is not None), default=None)

    def begin_cycle(self, cycle: int) -> None:
        """Write what the cycle before has changed; see the triggers that came in it."""
        self._write(cycle)
        self._triggered |= self.scheduled
        self.scheduled.clear()

    def play(self, now: int, lines: deque[tuple[int, int, bool]], cycle: int) -> None:
        """Inputs, triggers and trains in one worked cycle.

        Parameters
        ----------
        now : int
            The cycle, of those the firmware worked.
        lines : deque of (int, int, bool)
            Changes of input levels: cycle, input from 0, level. Those due are taken.
        cycle : int
            The cycle, of all.
        """
        before = self._levels.copy()
        while lines and lines[0][0] <= cycle:
            _, number, high = lines.popleft()
            self._levels[number] = high
        rose = [high and not was for high, was in zip(self._levels, before, strict=True)]
        fell = [was and not high for high, was in zip(self._levels, before, strict=True)]
        for i, output in enumerate(self.outputs):
            if output.busy:
                if self._input_stops(i, rose, fell):
                    self._kill(i)
                continue
            linked = any(links[i] and up for links, up in zip(self.links, rose, strict=True))
            if linked or i in self._triggered:
                output.trigger(now)
                self._triggered.discard(i)
        for i, output in enumerate(self.outputs):
            code = output.code
            output.play(now)
            if output.code != code:
                self._to_write.add(i)

    def kill_all(self, cycle: int) -> None:
        """Every output to rest at once. A trigger that has been seen is not forgotten."""
        for i in range(wire.N_OUTPUTS):
            self._kill(i)
        self._write(cycle, forced=True)

    def kill(self, output: int, cycle: int) -> None:
        """One output, from 1, to rest at once."""
        self._kill(output - 1)
        self._write(cycle, forced=True)

    def hold(self, output: int, code: int, cycle: int) -> None:
        """One output, from 1, to a code at once, whatever its train."""
        self.outputs[output - 1].code = code
        self._to_write.add(output - 1)
        self._write(cycle, forced=True)

    def spells(self, until: int, longer_than: float) -> list[Spell]:
        """Where its outputs have been since the last call, in the order of their ends.

        One that is still away from 0 V, for longer than so many cycles, is told up to here,
        and goes on from here.
        """
        for i, (since, code) in enumerate(self._written):
            if code != wire.ZERO and until - since > longer_than:
                self._spells.append(Spell(since, until, i + 1, code))
                self._written[i] = (until, code)
        spells, self._spells = self._spells, []
        return sorted(spells, key=lambda spell: (spell.offset, spell.output))

    def _input_stops(self, output: int, rose: list[bool], fell: list[bool]) -> bool:
        """Whether a trigger input in toggle or gated mode ends a train."""
        for i, links in enumerate(self.links):
            if not links[output]:
                continue
            if self.input_modes[i] == 1 and rose[i]:
                return True
            other = 1 - i
            gated_too = self.input_modes[other] == 2 and self.links[other][output]
            if self.input_modes[i] == 2 and fell[i] and not (gated_too and self._levels[other]):
                return True
        return False

    def _kill(self, i: int) -> None:
        self.outputs[i].kill()
        self._to_write.add(i)

    def _write(self, cycle: int, forced: bool = False) -> None:
        """Move the converters to their codes."""
        for i in self._to_write:
            code, (since, was) = self.outputs[i].code, self._written[i]
            rests = code == self.outputs[i].parameters.resting_code
            if code == was:
                continue
            if self.stuck and rests and not forced:
                self.held_from = self.held_from or cycle
                continue
            if was != wire.ZERO and since < cycle:
                self._spells.append(Spell(since, cycle, i + 1, was))
            self._written[i] = (cycle, code)
        self._to_write.clear()
