"""A box that is simulated, at the far end of a pseudo-terminal in this process.

The bytes go through the kernel and pyserial as those of a real box do. Time is handed in
and drives the box, so that the same driver runs live and on a virtual clock.
"""

import os
import select
from collections import deque
from dataclasses import replace
from math import inf
from weakref import finalize

from bci_core.errors import DeviceError
from bci_core.events import Emission
from bci_core.stimulator.faults import LATE_ACK_S, OPEN_FACTOR, WATCHDOG_S, FaultKind, Faults
from bci_core.stimulator.ticks import Ticks
from drivers.stimulators import pulse_generator_bytes as wire
from drivers.stimulators.device_clock import DeviceClock
from drivers.stimulators.electrode import Electrode
from drivers.stimulators.pulse_generator_bank import Spell
from drivers.stimulators.pulse_generator_box import PulseGeneratorBox
from drivers.stimulators.pulse_generator_bytes import Op
from drivers.stimulators.pulse_generator_port import LET_GO, SerialPort
from drivers.stimulators.pulse_generator_settings import PulseGeneratorSettings

BEFORE_ANY_TIME_S = -1e9
KERNEL_S = 5.0
"""Longest wait for bytes that are known to be on their way through the pseudo-terminal."""

HELD_CYCLES = 100
"""An output away from 0 V for longer is told while it lasts; phases are told whole."""


class SimulatedPort:
    """Both ends of the line, the box, its isolators and its electrodes.

    Parameters
    ----------
    settings : PulseGeneratorSettings
    faults : Faults

    Attributes
    ----------
    box : PulseGeneratorBox
    """

    def __init__(self, settings: PulseGeneratorSettings, faults: Faults) -> None:
        self._settings = settings
        self._faults = faults
        self._ticks = Ticks(wire.CYCLE_US)
        self._clock = DeviceClock()
        self._now_s = BEFORE_ANY_TIME_S
        self._ran_to = self._ticks.at(BEFORE_ANY_TIME_S)
        self.box = PulseGeneratorBox(now=self._ran_to)
        odd = {each.number: each for each in settings.odd_electrodes}
        self._electrodes = {
            number: Electrode(odd.get(number, settings.electrode))
            for number in range(1, wire.N_OUTPUTS + 1)
        }
        self._line: SerialPort | None = None
        self._box_end = -1
        self._cut: finalize[[int], SimulatedPort] | None = None
        self._answers: deque[tuple[float, bytes]] = deque()  # from when they can be had
        self._underway = 0  # bytes in the kernel, on their way to the host
        self._emissions: list[Emission] = []

    def open(self, at_s: float) -> None:
        self.close()
        self.run(at_s)
        self.box.bank.held_from = None
        for kind in (FaultKind.DISCONNECT, FaultKind.STUCK_ON):
            if self._has(kind):
                raise DeviceError(f"the simulated pulse generator still has a fault: {kind}")
        self._box_end, host_end = os.openpty()
        self._cut = finalize(self, os.close, self._box_end)
        # What is slow here is the machine, not a cable.
        self._line = SerialPort(os.ttyname(host_end), write_timeout_s=10.0)
        self._line.open(at_s)
        os.close(host_end)

    def send(self, data: bytes, at_s: float) -> None:
        self.run(at_s)
        line = self._opened()
        line.send(data, at_s)
        received = b""
        while len(received) < len(data):
            received += self._from_host(len(data) - len(received))
        if self._has(FaultKind.LOCKED):
            received = wire.packet(Op.ABORT) * received.count(wire.packet(Op.ABORT))
        self._deliver(received, at_s)

    def read(self, size: int, timeout_s: float) -> bytes:
        self._forward(self._now_s + timeout_s)
        # No more than what is underway: time stands still while the driver waits.
        taken = self._opened().read(min(size, self._underway), KERNEL_S)
        self._underway -= len(taken)
        return taken

    def waiting(self, at_s: float) -> int:
        self.run(at_s)
        self._opened().waiting(at_s)  # the kernel says when the other end is gone
        self._forward(at_s)
        return self._underway

    def drain(self) -> None:
        self.read(self._underway, 0.0)

    def sent_s(self, due_s: float, now_s: float) -> float:  # noqa: ARG002
        """Its time is handed in, so nothing of it is ever late."""
        return due_s

    def not_before_s(self) -> float:
        late_s = LATE_ACK_S if self._has(FaultKind.LATE_ACK) else 0.0
        return max(self._host_s(self._ran_to + 1), self._now_s + late_s)

    def untaken(self) -> int:
        return self._opened().untaken() + self._has(FaultKind.LOCKED)

    def tripped(self) -> str:
        """Simulated isolators do tell; see `_collect`."""
        return "" if self.box.bank.held_from is None else "an output has stayed on"

    def own_s(self, now_s: float) -> float:
        """The simulated box's time can be read, so that a drift of it shows."""
        self.run(now_s)
        return self._clock.own_s(now_s)

    def emissions(self, now_s: float) -> list[Emission]:
        self.run(now_s)
        self._collect(self.box.bank.spells(self._ran_to, HELD_CYCLES))
        emitted, self._emissions = self._emissions, []
        return emitted

    def close(self) -> None:
        if self._line is not None:
            self._line.close()
            self._hear_last_words()
        self._disconnect()
        self._line = None
        self._answers.clear()
        self._underway = 0

    def run(self, now_s: float) -> None:
        """Let the box run on, and faults come and go on their way."""
        for change_s in (*self._faults.changes(self._now_s, now_s), now_s):
            # Those that have begun before: what is sent as one begins, it can read in that one.
            self._run_box(self._ticks.after(self._clock.own_s(change_s)) - 1)
            self._now_s = max(self._now_s, change_s)
            self._apply_faults()

    def babble(self, data: bytes, at_s: float) -> None:
        """The box sends what nobody has asked for."""
        self._answers.append((at_s, data))

    def _apply_faults(self) -> None:
        loose = self._has(FaultKind.SILENT_CLIP)
        for electrode in self._electrodes.values():
            factor = OPEN_FACTOR if loose else 1.0
            if electrode.access_factor != factor:
                self._collect(self.box.bank.spells(self._ran_to, 0))
                electrode.access_factor = factor
        self.box.bank.stuck = self._has(FaultKind.STUCK_ON)
        self._clock.drift(self._has(FaultKind.CLOCK_DRIFT), self._now_s)
        if self._has(FaultKind.DISCONNECT):
            self._disconnect()

    def _disconnect(self) -> None:
        """Pull the cable. The box does not notice."""
        if self._cut is not None:
            self._cut()
        self._cut = None

    def _hear_last_words(self) -> None:
        """What the host has sent while closing, if the cable was in."""
        if self._cut is not None:
            words = b""
            while len(words) < len(LET_GO):
                words += self._from_host(len(LET_GO) - len(words))
            self._deliver(words, self._now_s)

    def _deliver(self, received: bytes, at_s: float) -> None:
        at = max(self._ticks.after(self._clock.own_s(at_s)), self._ran_to + 1)
        self.box.receive(received, at)
        self._run_box(at)
        # It takes one command a cycle, and what it answers is here before the next is sent.
        while self.box.has_unread:
            self._run_box(self._ran_to + 1)
        if self._has(FaultKind.ECHO_ERROR) and received[1:2] == bytes((Op.PROGRAM_ALL,)):
            output = self.box.bank.outputs[0]
            output.parameters = replace(output.parameters, phase2=output.parameters.phase2 + 1)

    def _run_box(self, cycle: int) -> None:
        self._ran_to = max(self._ran_to, cycle)
        self.box.run(self._ran_to)
        self._collect(self.box.bank.spells(self._ran_to, inf))
        for at, data in self.box.answers():
            late_s = LATE_ACK_S if self._has(FaultKind.LATE_ACK) else 0.0
            if not self._has(FaultKind.DROP_ACK):
                self._answers.append((self._host_s(at) + late_s, data))

    def _collect(self, spells: list[Spell]) -> None:
        held, watchdog = self.box.bank.held_from, self._ticks.after(WATCHDOG_S)
        opens = inf if held is None else held + watchdog  # the isolators', of all outputs
        for spell in spells:
            if spell.onset >= opens:
                continue
            onset_s, offset_s = self._host_s(spell.onset), self._host_s(min(spell.offset, opens))
            volts = (spell.code - wire.ZERO) * wire.VOLTS_A_CODE
            current_ua = volts * self._settings.isolator_ua_per_v
            lasted_us = (offset_s - onset_s) * 1e6
            phase = self._electrodes[spell.output].drive(
                current_ua, lasted_us, self._settings.isolator_compliance_v, onset_s
            )
            mean_ua = phase.charge_uc / (lasted_us * 1e-6)
            signed_ua = mean_ua if current_ua > 0.0 else -mean_ua
            self._emissions.append(Emission(onset_s, offset_s, spell.output, signed_ua))

    def _host_s(self, cycle: float) -> float:
        return self._clock.host_s(self._ticks.seconds(int(cycle)))

    def _forward(self, until_s: float) -> None:
        """Put on the line what the box has sent by a time."""
        while self._cut is not None and self._answers and self._answers[0][0] <= until_s:
            _, data = self._answers.popleft()
            os.write(self._box_end, data)
            self._underway += len(data)

    def _from_host(self, size: int) -> bytes:
        if not select.select([self._box_end], [], [], KERNEL_S)[0]:
            raise DeviceError("the pseudo-terminal of the simulated pulse generator is stuck")
        return os.read(self._box_end, size)

    def _opened(self) -> SerialPort:
        if self._line is None:
            raise DeviceError("the pulse generator's port is not open; load programs first")
        return self._line

    def _has(self, kind: FaultKind) -> bool:
        return self._faults.active(kind, self._now_s)
