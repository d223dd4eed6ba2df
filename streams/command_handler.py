"""The stimulator's end of the command path, without a socket: frames in, frames out."""

from collections.abc import Callable, Mapping
from math import isfinite
from types import MappingProxyType
from typing import Any, Final

from bci_core.clock import Clock
from bci_core.contracts import Stimulator
from bci_core.control.plain import plain
from bci_core.errors import DeviceError, SafetyError
from bci_core.events import Acceptance
from streams.command_frames import (
    Kind,
    acceptance_frame,
    delivery_frame,
    json_frame,
    ping_frame,
    state_frame,
    token_from,
    trigger_from,
)
from streams.command_requests import (
    VERSION,
    Arm,
    Disarm,
    FrameError,
    Hello,
    Load,
    Measure,
    ReadBack,
    Reply,
    Request,
    Reset,
    Status,
    request_from,
)

OnEvent = Callable[[str, dict[str, Any]], None]
"""Takes the name of an event and its data, fit for JSON."""

HOST_LOST: Final = "host lost"
"""Why a device whose host has gone is not armed."""


class CommandHandler:
    """Drives one stimulator by the frames of one client.

    Parameters
    ----------
    stimulator : Stimulator
    clock : Clock
        For the stamp of an acceptance, read when the device has checked the trigger.
    on_event : callable (str, dict)
        Is told ``loaded``, ``device_armed``, ``device_disarmed``, ``delivery``,
        ``device_reset``, ``device_failed``, ``malformed`` and ``client_lost``, after the fact.
    """

    def __init__(self, stimulator: Stimulator, clock: Clock, on_event: OnEvent) -> None:
        self._stimulator = stimulator
        self._clock = clock
        self._on_event = on_event
        self._told = stimulator.disarmed_reason()

    def answer(self, frame: bytes, now_s: float) -> bytes | None:
        """Do what a frame says; the frame to send back before anything else is done.

        A frame that is not exactly right does nothing but be reported.
        """
        try:
            match frame[0] if frame else 0:
                case Kind.TRIGGER:
                    return self._checked(self._stimulator.trigger(trigger_from(frame), now_s))
                case Kind.RENEW if len(frame) == 1:
                    self._stimulator.renew(now_s)
                    return None
                case Kind.PING:
                    return ping_frame(Kind.PONG, token_from(frame))
                case Kind.REQUEST:
                    return json_frame(self._serve(request_from(frame[1:]), now_s))
                case kind:
                    raise FrameError(f"{len(frame)} bytes of kind {kind}")
        except FrameError as wrong:
            self._on_event("malformed", {"why": str(wrong)})
        except DeviceError as failure:
            self._fail(failure, now_s)
        return None

    def news(self, now_s: float) -> list[bytes]:
        """Let the device run on to now; what there is to tell the client."""
        frames: list[bytes] = []
        try:
            for delivery in self._stimulator.advance(now_s):
                frames.append(delivery_frame(delivery))
                told = {k: _finite(v) for k, v in plain(delivery).items()}
                self._on_event("delivery", told)
        except DeviceError as failure:
            self._fail(failure, now_s)
        disarmed = self._stimulator.disarmed_reason()
        if disarmed != self._told:
            self._told = disarmed
            frames.append(state_frame(disarmed))
            if disarmed:
                self._on_event("device_disarmed", {"reason": disarmed, "at_s": now_s})
            else:
                self._on_event("device_armed", {})
        return frames

    def stop(self, reason: str, now_s: float) -> None:
        """Disarm the device, whoever asks."""
        self._stimulator.disarm(reason, now_s)

    def lose_client(self, now_s: float) -> None:
        """The client has gone: no current without a host."""
        self.stop(HOST_LOST, now_s)
        self._on_event("client_lost", {"at_s": now_s})

    def next_event_s(self) -> float:
        """When `news` will next have something to tell."""
        return self._stimulator.next_event_s()

    def _checked(self, checked: Acceptance | None) -> bytes | None:
        """The answer to a trigger; None when the device's own was lost."""
        if checked is None:
            return None
        # The device works in the time it was handed; checking has taken some.
        accepted_s = max(self._clock.now_s(), checked.accepted_s)
        return acceptance_frame(Acceptance(checked.seq, accepted_s, checked.refusal))

    def _serve(self, request: Request, now_s: float) -> Reply:
        more: dict[str, Any] = {}
        try:
            match request:
                case Hello(version=version) if version != VERSION:
                    return self._reply(
                        request,
                        "link",
                        f"the client speaks version {version} of the command path, this "
                        f"stimulator version {VERSION}; install the same version on both sides",
                    )
                case Load(programs=programs):
                    self._stimulator.load(programs)
                    self._on_event("loaded", {"programs": [p.name for p in programs]})
                case Arm(lease_s=lease_s):
                    self._stimulator.arm(lease_s, now_s)
                case Disarm(reason=reason):
                    self.stop(reason, now_s)
                case ReadBack():
                    more["programs"] = self._stimulator.read_back()
                case Reset():
                    self._stimulator.reset(now_s)
                    self._on_event("device_reset", {"at_s": now_s})
                case Status():
                    more["status"] = self._stimulator.status(now_s)
                case Measure(electrodes=electrodes):
                    more["impedances"] = self._stimulator.impedance(electrodes, now_s)
        except SafetyError as refusal:
            return self._reply(request, "safety", str(refusal))
        except DeviceError as failure:
            return self._reply(request, "device", str(failure))
        return self._reply(request, more=more)

    def _reply(
        self,
        request: Request,
        error: str = "",
        message: str = "",
        more: Mapping[str, Any] = MappingProxyType({}),
    ) -> Reply:
        return Reply.model_validate(
            {
                **more,
                "id": request.id,
                "error": error,
                "message": message,
                "disarmed": self._stimulator.disarmed_reason(),
                "capabilities": self._stimulator.capabilities,
            }
        )

    def _fail(self, failure: DeviceError, now_s: float) -> None:
        self._on_event("device_failed", {"why": str(failure)})
        self.stop(f"device failed: {failure}", now_s)


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not isfinite(value) else value
