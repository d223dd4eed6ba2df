"""The rules of a conformance check, one by one, and what each found."""

import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class RuleVerdict:
    """What a rule found.

    Attributes
    ----------
    rule : str
        Its name.
    sentence : str
        What it asks for.
    problem : str
        What the part did instead, or "" when it keeps the rule.
    """

    rule: str
    sentence: str
    problem: str

    @property
    def kept(self) -> bool:
        return not self.problem


def verdicts(rules: Iterable[Callable[..., Any]], *arguments: Any) -> list[RuleVerdict]:
    """Ask every rule, whatever the others found."""
    return [verdict(rule, *arguments) for rule in rules]


def verdict(rule: Callable[..., Any], *arguments: Any) -> RuleVerdict:
    """Ask one rule."""
    return RuleVerdict(_name(rule), _sentence(rule), _ask(rule, arguments))


def require_all(what: str, found: list[RuleVerdict]) -> None:
    """Raise for the rules that are broken.

    Raises
    ------
    AssertionError
        Names each of them, and what was done instead.
    """
    broken = [f"{each.rule}: {each.problem}" for each in found if not each.kept]
    if broken:
        count = f"{len(broken)} of {len(found)} rules"
        raise AssertionError(f"the {what} breaks {count}:\n  " + "\n  ".join(broken))


def _ask(rule: Callable[..., Any], arguments: tuple[Any, ...]) -> str:
    try:
        rule(*arguments)
    except Exception as error:  # noqa: BLE001 - a crash is a broken rule too
        return f"{type(error).__name__}: {error}"
    return ""


def _name(rule: Callable[..., Any]) -> str:
    return str(getattr(rule, "__name__", repr(rule)))


def _sentence(rule: Callable[..., Any]) -> str:
    return (inspect.getdoc(rule) or "").split("\n\n", 1)[0].replace("\n", " ")
