"""What is said over the command path before arming: JSON, checked strictly.

A request that is not exactly one of these is a `FrameError`; nothing is
executed, coerced or guessed at.
"""

from typing import Annotated, Final, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from bci_core.capabilities import Capabilities, SoundCapabilities
from bci_core.errors import LinkError
from bci_core.status import DeviceStatus, Impedance
from bci_core.stimulus import StimProgram

VERSION: Final = 3
"""Of requests and frames; both sides must speak the same."""


class FrameError(LinkError):
    """A frame is not what its layout says; nothing was done with it."""


class Strict(BaseModel):
    """Exact types, no unknown keys, no NaN; reaches into plain dataclasses as well."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Hello(Strict):
    """The first request of a client."""

    op: Literal["hello"] = "hello"
    id: int
    version: int = VERSION


class Load(Strict):
    """Replace what the device holds."""

    op: Literal["load"] = "load"
    id: int
    programs: tuple[StimProgram, ...]


class Arm(Strict):
    """Accept triggers for as long as the lease lasts."""

    op: Literal["arm"] = "arm"
    id: int
    lease_s: float


class Disarm(Strict):
    """Stop at once."""

    op: Literal["disarm"] = "disarm"
    id: int
    reason: str = Field(max_length=1000)


class ReadBack(Strict):
    """Tell what the device holds."""

    op: Literal["read_back"] = "read_back"
    id: int


class Reset(Strict):
    """Clear a fault the device has latched."""

    op: Literal["reset"] = "reset"
    id: int


class Status(Strict):
    """Tell how the device is."""

    op: Literal["status"] = "status"
    id: int


class Measure(Strict):
    """Measure the impedance of electrodes."""

    op: Literal["measure"] = "measure"
    id: int
    electrodes: tuple[int, ...]


Request = Hello | Load | Arm | Disarm | ReadBack | Reset | Status | Measure
_REQUEST: TypeAdapter[Request] = TypeAdapter(Annotated[Request, Field(discriminator="op")])


class Reply(Strict):
    """The answer to a request.

    Attributes
    ----------
    id : int
        Of the request.
    error : str
        Which error it met, or "": ``safety``, ``device`` or ``link``.
    message : str
        Of that error.
    disarmed : str
        Why the device is not armed, or "" when it is.
    capabilities : Capabilities or SoundCapabilities
    programs : tuple of StimProgram
        To `ReadBack`.
    status : DeviceStatus or None
        To `Status`.
    impedances : tuple of Impedance
        To `Measure`.
    """

    id: int
    error: Literal["", "safety", "device", "link"] = ""
    message: str = ""
    disarmed: str
    capabilities: Capabilities | SoundCapabilities
    programs: tuple[StimProgram, ...] = ()
    status: DeviceStatus | None = None
    impedances: tuple[Impedance, ...] = ()


Model = TypeVar("Model", bound=BaseModel)


def request_from(text: bytes) -> Request:
    """Read a request, or raise `FrameError`."""
    try:
        return _REQUEST.validate_json(text)
    except ValidationError as wrong:
        raise FrameError(f"a request that is none: {_brief(wrong)}") from None


def model_from(model: type[Model], text: bytes) -> Model:
    """Read one model, or raise `FrameError`."""
    try:
        return model.model_validate_json(text)
    except ValidationError as wrong:
        raise FrameError(f"a {model.__name__.lower()} that is none: {_brief(wrong)}") from None


def _brief(wrong: ValidationError) -> str:
    """The first mistakes, short enough for a log."""
    return "; ".join(
        f"{'.'.join(str(part) for part in mistake['loc'])}: {mistake['msg']}".lstrip(": ")
        for mistake in wrong.errors(include_url=False, include_input=False)[:5]
    )[:500]
