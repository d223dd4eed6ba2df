"""A simulated Pulse Pal 2, byte by byte and cycle by cycle, as its firmware 2.0.1 behaves.

The traps of the real box are in it. A packet that stops half way stops the outputs where
they are, for half a second; what is missing is taken as zeros and acknowledged; then the box
waits for somebody to press its joystick, and wakes with 5 V trains that the first trigger
input fires. A trigger of an output that is busy is remembered, and a train that was triggered
one cycle before an abort begins all the same. Nothing is ever refused.

Not simulated are its menus, and what happens beyond the end of its memory: a write there is
lost, and a custom train longer than the memory ends the box.
"""

from collections import deque
from enum import Enum
from math import inf
from typing import Final

from drivers.stimulators import pulse_generator_bytes as wire
from drivers.stimulators.pulse_generator_bank import OutputBank
from drivers.stimulators.pulse_generator_bytes import BoxParameters
from drivers.stimulators.pulse_generator_commands import Commands, Reading

READ_TIMEOUT: Final = 10_020
"""Cycles after which the firmware gives up waiting for a byte: the first millisecond past 500."""

RELOAD: Final = 40_000
"""Cycles it takes from the press that ends a failure to working again."""

PAUSE_AFTER_CLICK: Final = 20_000
"""Cycles the box stands still after a press that aborted trains."""


class Health(Enum):
    """Whether the box works."""

    WORKING = "working"
    COMMUNICATION_FAILURE = "communication failure"
    """It waits for its joystick to be pressed."""
    CRASHED = "crashed"


class PulseGeneratorBox:
    """The box between its serial port and its outputs. Time is handed in, in cycles.

    Parameters
    ----------
    stored : BoxParameters
        What its settings file holds as it is switched on.
    now : int
        The cycle it is switched on at.

    Attributes
    ----------
    bank : OutputBank
        Its outputs.
    commands : Commands
        What its host's bytes do to it.
    health : Health
    """

    def __init__(self, stored: BoxParameters | None = None, now: int = 0) -> None:
        self.bank = OutputBank(stored or BoxParameters())
        self.commands = Commands(self.bank, self._answer)
        self.health = Health.WORKING
        self._received: deque[tuple[int, int]] = deque()
        self._lines: deque[tuple[int, int, bool]] = deque()
        self._answers: list[tuple[int, bytes]] = []
        self._last = now - 1
        self._lost = 0  # cycles in which the firmware stood still
        self._command: Reading | None = None
        self._command_from = 0
        self._patient = False

    def receive(self, data: bytes, at: int) -> None:
        """Bytes come in over USB, to be had from a cycle on."""
        self._received.extend((at, byte) for byte in data)

    def set_line(self, number: int, high: bool, at: int) -> None:
        """The level of a trigger input, from 1, changes."""
        self._lines.append((at, number - 1, high))

    def click(self, at: int) -> None:
        """Somebody presses the joystick: it ends a failure, or any train."""
        self.run(at)
        if self.health is Health.COMMUNICATION_FAILURE:
            self.health, self.commands.timed_out = Health.WORKING, False
            self.commands.load_defaults()
            self._stand_still(at + RELOAD)
        elif self.health is Health.WORKING and self._command is None and self.bank.busy:
            self.bank.kill_all(at)
            self._stand_still(at + PAUSE_AFTER_CLICK)

    def run(self, until: int) -> None:
        """Let every cycle up to this one pass."""
        while (cycle := self.next_change()) <= until:
            self._step(int(cycle))
        if self.health is Health.WORKING and self._command is None:
            self._last = max(self._last, until)

    def answers(self) -> list[tuple[int, bytes]]:
        """What it has sent since the last call, and on which cycles."""
        sent, self._answers = self._answers, []
        return sent

    @property
    def has_unread(self) -> bool:
        """Whether bytes wait that it is going to read."""
        return bool(self._received) and self.health is Health.WORKING

    def next_change(self) -> float:
        """The next cycle on which anything happens; infinity if nothing does by itself."""
        if self.health is not Health.WORKING:
            return inf
        arrival = self._received[0][0] if self._received else inf
        if self._command is not None:
            gives_up = self.commands.cycle + READ_TIMEOUT if self._patient else inf
            return min(gives_up, max(arrival, self.commands.cycle))
        moment = self.bank.next_moment(self._last - self._lost)
        due = inf if moment is None else moment + self._lost
        line = self._lines[0][0] if self._lines else inf
        return max(self._last + 1, min(arrival, due, line))

    def _step(self, cycle: int) -> None:
        """One call of the firmware's handler, or what is left of one that waited for bytes."""
        if self._command is None:
            self.bank.begin_cycle(cycle)
            self._command_from = self.commands.cycle = cycle
            if self._received and self._received[0][0] <= cycle:
                _, byte = self._received.popleft()
                if byte == wire.START:
                    self._command = self.commands.obey()
                    self._patient = next(self._command)
        self._feed(cycle)
        if self._command is not None:
            return
        self._lost += cycle - self._command_from
        self._last = cycle
        self.bank.play(cycle - self._lost, self._lines, cycle)
        if self.commands.crashed:
            self.health = Health.CRASHED
        elif self.commands.timed_out:
            self.health = Health.COMMUNICATION_FAILURE
            self.commands.screen = (b"COMM. FAILURE!", b"Click joystick->")

    def _feed(self, cycle: int) -> None:
        """Hand the command the bytes it waits for."""
        while self._command is not None:
            if self._received and self._received[0][0] <= cycle:
                _, byte = self._received.popleft()
            elif self._patient and cycle >= self.commands.cycle + READ_TIMEOUT:
                self.commands.timed_out, byte = True, 0
            else:
                return
            self.commands.cycle = cycle
            try:
                self._patient = self._command.send(byte)
            except StopIteration:
                self._command = None

    def _answer(self, data: bytes) -> None:
        self._answers.append((self.commands.cycle, data))

    def _stand_still(self, until: int) -> None:
        self._lost += until - self._last
        self._last = until
