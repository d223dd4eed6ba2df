"""The assertions that conformance checks share."""

from pydantic import BaseModel, ValidationError


def require(holds: bool, otherwise: str) -> None:
    """Fail with a message. Not ``assert``, which ``python -O`` leaves out."""
    if not holds:
        raise AssertionError(otherwise)


def require_strict_settings(part: object) -> None:
    """Fail unless its ``Settings`` are a frozen pydantic model that refuses unknown keys."""
    settings = getattr(part, "Settings", None)
    if not (isinstance(settings, type) and issubclass(settings, BaseModel)):
        raise AssertionError(f"Settings is no pydantic model, but {settings!r}")
    # A mistyped key must be an error, not a default that nobody asked for.
    try:
        settings.model_validate({"no_such_key": 1})
    except ValidationError as error:
        unknown = [e for e in error.errors() if e["loc"] == ("no_such_key",)]
        require(bool(unknown), "Settings lets an unknown key pass: set extra='forbid'")
    else:
        raise AssertionError("Settings lets an unknown key pass: set extra='forbid'")
    # What the session wrote down is what runs.
    require(settings.model_config.get("frozen") is True, "Settings can be changed: set frozen=True")
