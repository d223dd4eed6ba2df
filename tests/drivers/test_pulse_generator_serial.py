"""The driver on a serial port like a real box's: a box runs by itself at the far end of a pty."""

import os
import select
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from bci_core.clock import LslClock
from bci_core.errors import DeviceError
from bci_core.events import Outcome, Trigger
from bci_core.status import ArmingState
from bci_core.stimulus import BiphasicPulse, PulseTrain, StimProgram
from drivers.stimulators import pulse_generator_bytes as wire
from drivers.stimulators.pulse_generator import PulseGenerator
from drivers.stimulators.pulse_generator_box import PulseGeneratorBox
from drivers.stimulators.pulse_generator_port import SerialPort
from drivers.stimulators.pulse_generator_settings import PulseGeneratorSettings

GAIN = 16.384
PROGRAM = StimProgram(1, "pulses", PulseTrain(BiphasicPulse(20.0, 200.0, 100.0), 100.0, 3), (1,))
CLOCK = LslClock()


class FarEnd:
    """A box that lives by the machine's clock, until its cable is pulled."""

    def __init__(self) -> None:
        self.master, slave = os.openpty()
        self.path = os.ttyname(slave)
        self._slave = slave
        self.box = PulseGeneratorBox(now=self._cycle())
        self.mute = False
        self.ended = False
        self._thread = threading.Thread(target=self._live)
        self._thread.start()

    def _cycle(self) -> int:
        return int(CLOCK.now_s() * 20_000)

    def _live(self) -> None:
        while not self.ended:
            if select.select([self.master], [], [], 0.0005)[0]:
                with suppress(OSError):
                    self.box.receive(os.read(self.master, 4096), self._cycle())
            self.box.run(self._cycle())
            for _, data in self.box.answers():
                if not self.mute:
                    os.write(self.master, data)

    def pull(self) -> None:
        if not self.ended:
            self.ended = True
            self._thread.join()
            os.close(self._slave)
            os.close(self.master)


@contextmanager
def far_end() -> Iterator[FarEnd]:
    end = FarEnd()
    try:
        yield end
    finally:
        end.pull()


def driver(path: str, timeout_ms: float = 200.0) -> PulseGenerator:
    return PulseGenerator(
        PulseGeneratorSettings(
            port=path,
            isolator_ua_per_v=GAIN,
            isolator_compliance_v=40.0,
            usb_latency_ms=5.0,
            answer_timeout_ms=timeout_ms,
            min_lockout_s=0.05,
        )
    )


def test_a_session_with_a_box_that_runs_by_itself() -> None:
    with far_end() as end:
        made = driver(end.path)
        assert not made.capabilities.simulated
        assert made.faults is None
        made.load([PROGRAM])
        assert made.read_back() == (PROGRAM,)
        now_s = CLOCK.now_s()
        made.arm(2.0, now_s)
        made.trigger(Trigger(1, 1, now_s + 0.02, now_s + 1.0), now_s)
        made.trigger(Trigger(2, 1, now_s + 0.2, now_s + 1.0), CLOCK.now_s())
        ended = []
        while len(ended) < 2 and CLOCK.now_s() < now_s + 2.0:
            CLOCK.sleep_until(min(made.next_event_s(), CLOCK.now_s() + 0.01))
            ended += made.advance(CLOCK.now_s())
        assert [d.outcome for d in ended] == [Outcome.DELIVERED] * 2
        assert made.status(CLOCK.now_s()).state is not ArmingState.FAULT_LATCHED
        spells = end.box.bank.spells(0, 1e18)
        assert len(spells) == 12
        # Its own cycles: exact within the train, whenever that began.
        first = spells[0].onset
        assert [s.onset - first for s in spells[:6]] == [0, 6, 200, 206, 400, 406]
        assert first / 20_000 >= now_s + 0.02 - 1e-4
        assert made.emissions() == []
        # Stopped in the midst of a train.
        now_s = CLOCK.now_s()
        made.trigger(Trigger(3, 1, now_s, now_s + 1.0), now_s)
        made.disarm("asked to", CLOCK.now_s())
        assert not end.box.bank.busy
        made.close()
        CLOCK.sleep_until(CLOCK.now_s() + 0.05)
        assert not end.box.commands.connected


def test_a_driver_that_is_called_too_late_drops_what_it_cannot_begin_in_time() -> None:
    with far_end() as end:
        made = driver(end.path)
        made.load([PROGRAM])
        now_s = CLOCK.now_s()
        made.arm(2.0, now_s)
        made.trigger(Trigger(1, 1, now_s + 0.1, now_s + 0.12), now_s)
        dropped = made.advance(now_s + 0.15)
        assert [(d.seq, d.outcome) for d in dropped] == [(1, Outcome.ABORTED)]
        assert "deadline" in dropped[0].reason
        # One that is late but in time pushes the next one into its lockout.
        made.renew(now_s + 0.2)
        made.trigger(Trigger(2, 1, now_s + 0.3, now_s + 9.0), now_s + 0.2)
        made.trigger(Trigger(3, 1, now_s + 0.4, now_s + 9.0), now_s + 0.2)
        late = made.advance(now_s + 0.36)
        # It is seen off after its end, by USB, a cycle and the error of a crystal.
        assert 0.3856 < made.next_event_s() - now_s < 0.386
        late += made.advance(now_s + 0.39)
        late += made.advance(now_s + 0.405)
        assert [(d.seq, d.outcome) for d in late] == [(2, Outcome.DELIVERED), (3, Outcome.ABORTED)]
        assert "lockout" in late[1].reason
        made.close()


def test_a_box_that_falls_silent_latches_and_so_does_a_pulled_cable() -> None:
    with far_end() as end:
        made = driver(end.path, timeout_ms=30.0)
        made.load([PROGRAM])
        now_s = CLOCK.now_s()
        end.mute = True
        with pytest.raises(DeviceError, match="answered 0 of 5 bytes in time to op code 72"):
            made.arm(2.0, now_s)
        end.mute = False
        made.reset(now_s)
        made.arm(2.0, now_s)
        made.trigger(Trigger(1, 1, now_s, now_s + 1.0), now_s)
        end.pull()
        ended = made.advance(now_s + 0.001)
        assert [d.outcome for d in ended] == [Outcome.UNKNOWN]
        assert "cable is out" in made.disarmed_reason()
        with pytest.raises(DeviceError, match="cannot be opened"):
            made.reset(now_s + 1.0)
        made.close()


def test_a_port_that_is_not_there() -> None:
    made = driver("/dev/there-is-no-such-port")
    with pytest.raises(DeviceError, match=r"cannot be opened.*is the box connected"):
        made.load([PROGRAM])


def test_every_call_on_a_port_whose_cable_is_out_says_so() -> None:
    with far_end() as end:
        port = SerialPort(end.path)
        with pytest.raises(DeviceError, match="not open"):
            port.drain()
        port.open(0.0)
        port.send(wire.packet(wire.Op.HANDSHAKE), 0.0)
        assert port.read(5, 1.0) == wire.hello(21)
        assert port.waiting(0.0) == port.untaken() == 0
        end.pull()
        for call in (
            lambda: port.send(b"\0", 0.0),
            lambda: port.read(1, 0.1),
            lambda: port.waiting(0.0),
            port.drain,
            port.untaken,
        ):
            with pytest.raises(DeviceError, match="failed"):
                call()
        port.close()
        port.close()
