"""Options of a command line as checked settings."""

from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from pydantic import BaseModel

Model = TypeVar("Model", bound="BaseModel")


def checked(command: str, model: type[Model], /, **values: Any) -> Model:
    """Settings from options, which have the names of their keys.

    Raises
    ------
    ConfigError
        With every mistake.
    """
    from pydantic import ValidationError

    from bci_core.errors import ConfigError, Problem

    try:
        return model(**values)
    except ValidationError as error:
        problems = [
            Problem(".".join(map(str, e["loc"])), f"{e['msg']} (not {e['input']!r})")
            for e in error.errors()
        ]
        raise ConfigError(command, problems) from error
