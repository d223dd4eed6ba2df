"""Frames: what is packed comes back, and what is not a frame is an error that says so."""

from collections.abc import Callable
from dataclasses import astuple, replace
from math import nan
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bci_core.errors import LinkError
from bci_core.events import Acceptance, Delivery, Outcome, Refusal, Trigger
from streams.command_frames import (
    Kind,
    acceptance_frame,
    acceptance_from,
    delivery_frame,
    delivery_from,
    json_frame,
    pack_trigger,
    ping_frame,
    reply_from,
    state_frame,
    state_from,
    token_from,
    trigger_buffer,
    trigger_from,
)
from streams.command_requests import Arm, Disarm, FrameError, Load, request_from

INT64 = st.integers(-(2**63), 2**63 - 1)
INT32 = st.integers(-(2**31), 2**31 - 1)
TEXT = st.text(max_size=50)


@settings(deadline=None, derandomize=True)
@given(seq=INT64, program_id=INT32, at_s=st.floats(), deadline_s=st.floats(), sham=st.booleans())
def test_triggers_come_back(
    seq: int, program_id: int, at_s: float, deadline_s: float, sham: bool
) -> None:
    trigger = Trigger(seq, program_id, at_s, deadline_s, sham)
    buffer = trigger_buffer()
    pack_trigger(buffer, Trigger(-1, -1, 1.0, 1.0, sham=True))
    pack_trigger(buffer, trigger)
    assert repr(trigger_from(bytes(buffer))) == repr(trigger)


def test_a_trigger_that_does_not_fit_its_frame_is_an_error() -> None:
    with pytest.raises(LinkError, match="cannot be sent"):
        pack_trigger(trigger_buffer(), Trigger(2**63, 1, 0.0, 0.0))


@settings(deadline=None, derandomize=True)
@given(seq=INT64, accepted_s=st.floats(), value=st.floats(), bound=st.floats(), where=TEXT)
def test_acceptances_come_back(
    seq: int, accepted_s: float, value: float, bound: float, where: str
) -> None:
    for refusal in (None, Refusal("lockout", value, bound, "µs", where)):
        acceptance = Acceptance(seq, accepted_s, refusal)
        assert repr(acceptance_from(acceptance_frame(acceptance))) == repr(acceptance)


@settings(deadline=None, derandomize=True)
@given(seq=INT64, outcome=st.sampled_from(Outcome), onset_s=st.floats(), reason=TEXT)
def test_deliveries_come_back(seq: int, outcome: Outcome, onset_s: float, reason: str) -> None:
    delivery = Delivery(seq, outcome, onset_s, nan, 255, 0.004, 0.0021, reason)
    assert repr(delivery_from(delivery_frame(delivery))) == repr(delivery)


@settings(deadline=None, derandomize=True)
@given(token=INT64, state=TEXT)
def test_pings_and_states_come_back(token: int, state: str) -> None:
    assert token_from(ping_frame(Kind.PING, token)) == token
    assert state_from(state_frame(state)) == state


@pytest.mark.parametrize(
    "read", [trigger_from, token_from, acceptance_from, delivery_from, state_from, reply_from]
)
@settings(deadline=None, derandomize=True)
@given(raw=st.binary(max_size=120))
def test_rubbish_is_a_frame_error_or_a_value_but_nothing_else(
    read: Callable[[bytes], Any], raw: bytes
) -> None:
    try:
        value = read(raw)
    except FrameError as error:
        assert str(error)  # noqa: PT017 - either way out is right, only this error is
    else:
        assert value is not None


def test_every_odd_byte_of_a_trigger_is_noticed() -> None:
    buffer = trigger_buffer()
    pack_trigger(buffer, Trigger(7, 1, 1.0, 2.0))
    for wrong in (buffer[:-1], buffer + b"\0", b"\x01\x02" + buffer[2:], b"\x01\0\1" + buffer[3:]):
        with pytest.raises(FrameError):
            trigger_from(bytes(wrong))


ARM = json_frame(Arm(id=1, lease_s=1.0))[1:]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (b"", "Invalid JSON"),
        (b"[1]", "an object"),
        (b"{" * 5000, "Invalid JSON"),
        (ARM.replace(b"arm", b"fire"), "does not match any"),
        (ARM.replace(b"1.0", b'"1.0"'), "arm.lease_s: Input should be a valid number"),
        (ARM.replace(b"1.0", b"NaN"), "finite"),
        (ARM.replace(b"1.0", b"1e999"), "finite"),
        (ARM.replace(b'"id":1', b'"id":true'), "arm.id"),
        (ARM.replace(b'"id":1,', b""), "arm.id: Field required"),
        (ARM.replace(b'"id":1', b'"id":1,"force":true'), "arm.force: Extra inputs"),
    ],
)
def test_a_request_that_is_not_exactly_right_is_an_error(text: bytes, complaint: str) -> None:
    with pytest.raises(FrameError, match=complaint):
        request_from(text)


def test_an_unknown_key_deep_in_a_program_is_an_error() -> None:
    from bci_core.stimulus import BiphasicPulse, PulseTrain, StimProgram

    program = StimProgram(1, "p", PulseTrain(BiphasicPulse(20.0, 200.0), 100.0), (1,))
    load = Load(id=3, programs=(program, replace(program, program_id=2)))
    text = json_frame(load)[1:]
    assert astuple(request_from(text).programs[1]) == astuple(load.programs[1])  # type: ignore[union-attr]
    with pytest.raises(FrameError, match=r"pulse\.shape"):
        request_from(text.replace(b'"amplitude_ua"', b'"shape":"sine","amplitude_ua"', 1))


def test_a_disarm_reason_has_a_limit() -> None:
    with pytest.raises(FrameError, match="reason"):
        request_from(b'{"op":"disarm","id":1,"reason":"' + b"x" * 1001 + b'"}')
    assert request_from(json_frame(Disarm(id=1, reason="x" * 1000))[1:]).id == 1
