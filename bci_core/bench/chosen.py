"""Some of a bench's cases, by their names."""

from collections.abc import Sequence
from typing import Protocol, TypeVar

from bci_core.errors import InputError


class Named(Protocol):
    """What has a name."""

    @property
    def name(self) -> str: ...


C = TypeVar("C", bound=Named)


def chosen(cases: Sequence[C], only: Sequence[str], what: str) -> list[C]:
    """The cases of these names; all when none is given.

    Raises
    ------
    InputError
        No case, which is a `what`, has one of the names.
    """
    names = [case.name for case in cases]
    unknown = sorted(set(only) - set(names))
    if unknown:
        raise InputError(f"no {what} is called {unknown[0]!r} here; there are {', '.join(names)}")
    return [case for case in cases if not only or case.name in only]
