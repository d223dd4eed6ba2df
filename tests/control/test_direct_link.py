"""The link without a wire: the same answers, on the clock it was given."""

import pytest

from bci_core.clock import VirtualClock
from bci_core.control.direct_link import DirectLink
from bci_core.errors import SafetyError
from bci_core.events import Acceptance, Delivery, Outcome, Trigger
from bci_core.stimulus import BiphasicPulse, PulseTrain, StimProgram
from drivers.stimulators.microstim import Microstim
from drivers.stimulators.microstim_settings import MicrostimSettings

PROGRAM = StimProgram(1, "one", PulseTrain(BiphasicPulse(20.0, 200.0, 60.0), 100.0), (1,))


def linked() -> tuple[DirectLink, VirtualClock]:
    clock = VirtualClock(start_s=50.0)
    link = DirectLink(Microstim(MicrostimSettings()), clock)
    assert link.load([PROGRAM]).simulated
    return link, clock


def test_the_device_runs_on_the_clock() -> None:
    link, clock = linked()
    link.arm(1.0)
    assert link.send(Trigger(1, 1, 50.5, 50.6)) == 50.0
    assert link.poll() == [Acceptance(1, 50.0)]
    clock.sleep_until(50.5004)
    assert link.poll() == []
    clock.sleep_until(50.6)
    (delivery,) = link.poll()
    assert isinstance(delivery, Delivery)
    assert (delivery.outcome, delivery.onset_s) == (Outcome.DELIVERED, 50.5)
    assert link.poll() == []


def test_an_acceptance_comes_before_its_delivery() -> None:
    link, clock = linked()
    link.arm(1.0)
    link.send(Trigger(1, 1, 50.0, 50.1))
    clock.sleep_until(51.0)
    assert [type(answer) for answer in link.poll()] == [Acceptance, Delivery]


def test_the_lease_needs_heartbeats_here_as_well() -> None:
    link, clock = linked()
    with pytest.raises(SafetyError, match="lease: 60 s"):
        link.arm(60.0)
    link.arm(1.0)
    clock.sleep_until(50.9)
    link.renew()
    clock.sleep_until(51.5)
    link.poll()
    assert link.disarmed_reason() == ""
    clock.sleep_until(52.0)
    link.poll()
    assert link.disarmed_reason() == "lease expired"


def test_closing_disarms() -> None:
    link, _ = linked()
    link.arm(1.0)
    link.disarm("operator")
    assert link.disarmed_reason() == "operator"
    link.arm(1.0)
    link.close()
    link.close()
    assert link.disarmed_reason() == "link closed"
