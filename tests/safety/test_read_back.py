"""What the device says it holds is compared with what was loaded, before anything is armed."""

from dataclasses import replace

import pytest

from bci_core.clock import VirtualClock
from bci_core.control.direct_link import DirectLink
from bci_core.errors import SafetyError
from bci_core.safety.read_back import require_same
from bci_core.stimulator.faults import FaultKind
from bci_core.stimulus import BiphasicPulse, PulseTrain, StimProgram
from drivers.stimulators.microstim import Microstim

ONE = StimProgram(1, "one", PulseTrain(BiphasicPulse(10.0, 200.0, 60.0), 100.0, 2), (1,))
TWO = replace(ONE, program_id=2, name="two")


def test_a_device_that_holds_something_else_is_refused() -> None:
    device = Microstim(Microstim.Settings())
    link = DirectLink(device, VirtualClock(10.0))
    link.load([ONE])
    device.faults.switch(FaultKind.ECHO_ERROR, True)
    with pytest.raises(SafetyError):
        link.load([ONE])


@pytest.mark.parametrize(
    "held", [(), (TWO,), (ONE, TWO), (replace(ONE, electrodes=(2,)),)], ids=len
)
def test_every_difference_counts(held: tuple[StimProgram, ...]) -> None:
    with pytest.raises(SafetyError):
        require_same([ONE], held)


def test_the_order_of_the_slots_does_not() -> None:
    require_same([ONE, TWO], (TWO, ONE))
