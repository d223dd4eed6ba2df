"""The device's end of the path without a socket: nothing a client says can do harm."""

from collections.abc import Sequence
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from bci_core.clock import VirtualClock
from bci_core.errors import DeviceError
from bci_core.events import Acceptance, Delivery, Outcome, Trigger
from bci_core.stimulus import BiphasicPulse, PulseTrain, StimProgram
from drivers.stimulators.microstim import Microstim
from drivers.stimulators.microstim_settings import MicrostimSettings
from streams.command_frames import (
    RENEW_FRAME,
    Kind,
    acceptance_from,
    delivery_from,
    json_frame,
    pack_trigger,
    reply_from,
    state_from,
    trigger_buffer,
)
from streams.command_handler import HOST_LOST, CommandHandler
from streams.command_requests import VERSION, Arm, Disarm, Hello, Load, Request

PROGRAM = StimProgram(1, "one", PulseTrain(BiphasicPulse(20.0, 200.0, 60.0), 100.0, 3), (1,))


class Desk:
    """A handler, its device and what it reported."""

    def __init__(self, device: Microstim | None = None) -> None:
        self.device = device or Microstim(MicrostimSettings())
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.clock = VirtualClock(start_s=50.0)
        self.handler = CommandHandler(
            self.device, self.clock, lambda name, data: self.events.append((name, data))
        )

    def ask(self, request: Request, now_s: float = 10.0) -> str:
        answer = self.handler.answer(json_frame(request), now_s)
        assert answer is not None
        reply = reply_from(answer)
        assert reply.id == request.id
        assert reply.disarmed == self.device.disarmed_reason()
        return f"{reply.error} {reply.message}".strip()

    def arm(self) -> None:
        assert self.ask(Load(id=1, programs=(PROGRAM,))) == ""
        assert self.ask(Arm(id=2, lease_s=1.0)) == ""

    def trigger(self, trigger: Trigger, now_s: float) -> Acceptance:
        answer = self.handler.answer(frame_of(trigger), now_s)
        assert answer is not None
        return acceptance_from(answer)

    def names(self) -> list[str]:
        return [name for name, _ in self.events]


def frame_of(trigger: Trigger) -> bytes:
    buffer = trigger_buffer()
    pack_trigger(buffer, trigger)
    return bytes(buffer)


def test_the_way_of_a_trigger() -> None:
    desk = Desk()
    desk.arm()
    assert [state_from(frame) for frame in desk.handler.news(10.0)] == [""]
    assert desk.trigger(Trigger(1, 1, 10.1, 10.2), 10.0).refusal is None
    assert desk.handler.news(10.05) == []
    assert desk.handler.next_event_s() < 10.2
    (frame,) = desk.handler.news(10.2)
    assert delivery_from(frame).outcome is Outcome.DELIVERED
    assert desk.names() == ["loaded", "device_armed", "delivery"]


def test_accepted_is_when_the_device_has_checked() -> None:
    desk = Desk()
    desk.arm()
    admit = desk.device.trigger

    def slow(trigger: Trigger, now_s: float) -> Acceptance:
        desk.clock.sleep_until(50.003)
        return admit(trigger, now_s)

    desk.device.trigger = slow  # type: ignore[method-assign] # a device that takes its time
    accepted = desk.trigger(Trigger(1, 1, 10.1, 10.2), 10.0)
    assert accepted.refusal is None
    assert accepted.accepted_s == 50.003
    refused = desk.trigger(Trigger(1, 1, 10.1, 10.2), 10.0)
    assert refused.refusal is not None
    assert refused.accepted_s == 50.003


def test_times_that_never_came_are_null_in_events() -> None:
    desk = Desk()
    desk.trigger(Trigger(1, 1, 10.1, 10.2), 10.0)
    desk.handler.news(10.0)
    (told,) = [data for name, data in desk.events if name == "delivery"]
    assert told["onset_s"] is None
    assert told["reason"].startswith("disarmed")


def test_losing_the_client_stops_the_current_before_anything_else() -> None:
    desk = Desk()
    desk.arm()
    desk.trigger(Trigger(1, 1, 10.0, 10.2), 10.0)
    desk.handler.lose_client(10.015)
    delivery = delivery_from(desk.handler.news(10.015)[0])
    assert delivery.outcome is Outcome.ABORTED
    assert delivery.offset_s <= 10.015
    assert desk.device.disarmed_reason() == HOST_LOST
    assert desk.names()[-3:] == ["client_lost", "delivery", "device_disarmed"]


def test_versions_must_agree() -> None:
    desk = Desk()
    assert desk.ask(Hello(id=1)) == ""
    assert f"version {VERSION + 1}" in desk.ask(Hello(id=2, version=VERSION + 1))


def test_a_heartbeat_and_a_disarm() -> None:
    desk = Desk()
    desk.arm()
    assert desk.handler.answer(RENEW_FRAME, 10.9) is None
    desk.handler.news(11.5)
    assert desk.device.disarmed_reason() == ""
    assert desk.ask(Disarm(id=3, reason="operator"), 11.5) == ""
    assert desk.device.disarmed_reason() == "operator"
    assert desk.events[-1] == ("device_armed", {})
    desk.handler.news(11.5)
    assert desk.events[-1] == ("device_disarmed", {"reason": "operator", "at_s": 11.5})


class Failing(Microstim):
    """Works until it is armed."""

    def trigger(self, trigger: Trigger, now_s: float) -> Acceptance:
        raise DeviceError("no answer on the bus (-6)")


class FailingLater(Microstim):
    def advance(self, now_s: float) -> list[Delivery]:
        if now_s > 10.5:
            raise DeviceError("disconnected (-9)")
        return super().advance(now_s)


def test_a_device_that_fails_is_disarmed_and_reported() -> None:
    desk = Desk(Failing(MicrostimSettings()))
    desk.arm()
    assert desk.handler.answer(frame_of(Trigger(1, 1, 10.0, 10.1)), 10.0) is None
    assert desk.device.disarmed_reason() == "device failed: no answer on the bus (-6)"
    assert desk.names() == ["loaded", "device_failed"]
    later = Desk(FailingLater(MicrostimSettings()))
    later.arm()
    later.handler.news(10.0)
    assert [state_from(frame) for frame in later.handler.news(10.6)] == [
        "device failed: disconnected (-9)"
    ]


VALID = st.sampled_from(
    [
        json_frame(Hello(id=1)),
        json_frame(Load(id=1, programs=(PROGRAM,))),
        json_frame(Arm(id=1, lease_s=1.0)),
        json_frame(Disarm(id=1, reason="x")),
        frame_of(Trigger(1, 1, 0.0, 1e9)),
        RENEW_FRAME,
    ]
)


@st.composite
def nearly_valid(draw: st.DrawFn) -> bytes:
    """A right frame with bytes changed, cut off or added."""
    frame = bytearray(draw(VALID))
    for _ in range(draw(st.integers(1, 3))):
        where = draw(st.integers(0, len(frame) - 1))
        frame[where] = draw(st.integers(0, 255))
    return bytes(frame[: draw(st.integers(0, len(frame)))]) + draw(st.binary(max_size=3))


@settings(max_examples=300, deadline=None, derandomize=True)
@given(frames=st.lists(st.one_of(st.binary(max_size=64), nearly_valid()), max_size=8))
def test_no_rubbish_raises_or_stimulates_a_disarmed_device(frames: Sequence[bytes]) -> None:
    desk = Desk()
    desk.ask(Load(id=1, programs=(PROGRAM,)))
    now_s = 10.0
    for frame in frames:
        if frame[:1] == bytes([Kind.REQUEST]) and b'"arm"' in frame:
            continue  # What still is a request to arm may arm.
        desk.handler.answer(frame, now_s)
        desk.handler.news(now_s := now_s + 0.5)
    desk.handler.news(now_s + 100.0)
    assert desk.device.disarmed_reason() != ""
    for name, data in desk.events:
        if name == "delivery":
            assert (data["outcome"], data["charge_uc"]) == ("refused", 0.0)
