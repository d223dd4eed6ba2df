"""Refusing with every reason at once, and telling one person from another."""

from collections.abc import Sequence

from bci_core.errors import SafetyError


def refuse(what: str, reasons: Sequence[str]) -> None:
    """Refuse where there are reasons to.

    Raises
    ------
    SafetyError
        With every one of them.
    """
    if reasons:
        raise SafetyError(f"{what}:\n" + "\n".join(f"  {reason}" for reason in reasons))


def same_name(one: str, other: str) -> bool:
    """Whether two names are the same but for case and spaces; nobody is never the same."""
    return one.strip().casefold() == other.strip().casefold() != ""
