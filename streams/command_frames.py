"""What goes over the command path, byte by byte.

A frame begins with its `Kind`. What the hot path sends, and what answers it,
has a fixed little-endian layout; requests and replies are JSON
(`streams.command_requests`). No frame is a pickle.
"""

from enum import IntEnum
from struct import Struct, error
from typing import Any, Final, Literal

from pydantic import ConfigDict

from bci_core.events import Acceptance, Delivery, Outcome, Refusal, Trigger
from streams.command_requests import FrameError, Reply, Request, Strict, model_from

MAX_FRAME_BYTES: Final = 262_144
"""The transport cuts off who sends more. Fifteen programs of sixteen trains take a quarter."""


class Kind(IntEnum):
    """First byte of a frame. Below 64 from the loop, above from the device."""

    TRIGGER = 1
    RENEW = 2
    PING = 3
    REQUEST = 4
    ACCEPTANCE = 65
    DELIVERY = 66
    STATE = 67
    PONG = 68
    REPLY = 69


_TRIGGER = Struct("<BBxxiqdd")
"""kind, sham, program_id, seq, at_s, deadline_s"""

_PING = Struct("<Bxxxxxxxq")
"""kind, token"""

_ACCEPTANCE = Struct("<Bxxxxxxxqd")
"""kind, seq, accepted_s; a refusal follows as JSON"""

_DELIVERY = Struct("<BBxxiqddddddq")
"""kind, outcome, n_pulses, seq, onset_s, offset_s, charge_uc, device_latency_s, net_charge_uc,
output_v, given_id; the reason follows as UTF-8"""

_OUTCOMES = (
    Outcome.DELIVERED,
    Outcome.SHAM,
    Outcome.REFUSED,
    Outcome.ABORTED,
    Outcome.UNKNOWN,
)

RENEW_FRAME: Final = bytes([Kind.RENEW])


class _Refused(Strict):
    # What was refused may have been a NaN.
    model_config = ConfigDict(allow_inf_nan=True, ser_json_inf_nan="constants")

    refusal: Refusal


def trigger_buffer() -> bytearray:
    """Room for one trigger, made once and filled again and again."""
    return bytearray(_TRIGGER.size)


def pack_trigger(buffer: bytearray, trigger: Trigger) -> None:
    """Lay a trigger out in a buffer.

    Raises
    ------
    FrameError
        A number does not fit its field.
    """
    try:
        _TRIGGER.pack_into(
            buffer,
            0,
            Kind.TRIGGER,
            trigger.sham,
            trigger.program_id,
            trigger.seq,
            trigger.at_s,
            trigger.deadline_s,
        )
    except error as wrong:
        raise FrameError(f"{trigger} cannot be sent: {wrong}") from None


def trigger_from(frame: bytes) -> Trigger:
    """Read a trigger, or raise `FrameError`."""
    _, sham, program_id, seq, at_s, deadline_s = _unpack(_TRIGGER, frame)
    if sham > 1 or frame[2:4] != b"\0\0":
        raise FrameError(f"a trigger that begins with {frame[:4].hex()}")
    return Trigger(seq, program_id, at_s, deadline_s, sham=bool(sham))


def ping_frame(kind: Literal[Kind.PING, Kind.PONG], token: int) -> bytes:
    """A ping, or the pong that answers it."""
    return _PING.pack(kind, token)


def token_from(frame: bytes) -> int:
    """Read a ping or a pong, or raise `FrameError`."""
    return int(_unpack(_PING, frame)[1])


def acceptance_frame(acceptance: Acceptance) -> bytes:
    """Lay an acceptance out."""
    head = _ACCEPTANCE.pack(Kind.ACCEPTANCE, acceptance.seq, acceptance.accepted_s)
    if acceptance.refusal is None:
        return head
    return head + _Refused(refusal=acceptance.refusal).model_dump_json().encode()


def acceptance_from(frame: bytes) -> Acceptance:
    """Read an acceptance, or raise `FrameError`."""
    head, tail = frame[: _ACCEPTANCE.size], frame[_ACCEPTANCE.size :]
    _, seq, accepted_s = _unpack(_ACCEPTANCE, head)
    return Acceptance(seq, accepted_s, model_from(_Refused, tail).refusal if tail else None)


def delivery_frame(delivery: Delivery) -> bytes:
    """Lay a delivery out."""
    head = _DELIVERY.pack(
        Kind.DELIVERY,
        _OUTCOMES.index(delivery.outcome),
        delivery.n_pulses,
        delivery.seq,
        delivery.onset_s,
        delivery.offset_s,
        delivery.charge_uc,
        delivery.device_latency_s,
        delivery.net_charge_uc,
        delivery.output_v,
        delivery.given_id,
    )
    return head + delivery.reason.encode()


def delivery_from(frame: bytes) -> Delivery:
    """Read a delivery, or raise `FrameError`."""
    head, tail = frame[: _DELIVERY.size], frame[_DELIVERY.size :]
    _, outcome, n_pulses, seq, *numbers, given_id = _unpack(_DELIVERY, head)
    onset_s, offset_s, charge_uc, latency_s, net_charge_uc, output_v = numbers
    if outcome >= len(_OUTCOMES):
        raise FrameError(f"a delivery with outcome {outcome}")
    return Delivery(
        seq,
        _OUTCOMES[outcome],
        onset_s=onset_s,
        offset_s=offset_s,
        n_pulses=n_pulses,
        charge_uc=charge_uc,
        device_latency_s=latency_s,
        reason=_text(tail),
        net_charge_uc=net_charge_uc,
        output_v=output_v,
        given_id=given_id,
    )


def state_frame(disarmed: str) -> bytes:
    """Why the device is not armed, or "" when it is."""
    return bytes([Kind.STATE]) + disarmed.encode()


def state_from(frame: bytes) -> str:
    """Read a state, or raise `FrameError`."""
    return _text(frame[1:])


def json_frame(content: Request | Reply) -> bytes:
    """Lay a request or a reply out."""
    kind = Kind.REPLY if isinstance(content, Reply) else Kind.REQUEST
    return bytes([kind]) + content.model_dump_json().encode()


def reply_from(frame: bytes) -> Reply:
    """Read a reply, or raise `FrameError`."""
    return model_from(Reply, frame[1:])


def _unpack(layout: Struct, frame: bytes) -> tuple[Any, ...]:
    if len(frame) != layout.size:
        raise FrameError(f"a frame of {len(frame)} bytes where {layout.size} were due")
    return layout.unpack(frame)


def _text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise FrameError("a text that is not UTF-8") from None
