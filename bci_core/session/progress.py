"""What a session needs of whoever shows it to the operator."""

from collections.abc import Mapping
from typing import Any, Protocol


class Progress(Protocol):
    """Shows the operator how it goes."""

    def say(self, text: str) -> None:
        """One line about something that happened."""
        ...

    def show(self, state: Mapping[str, Any]) -> None:
        """Live figures; may be called often."""
        ...
