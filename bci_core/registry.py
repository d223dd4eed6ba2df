"""Finds parts by name among the installed packages' entry points.

Nothing is imported until it is asked for by name, so a driver whose vendor
library is missing costs nothing until it is used.
"""

from collections.abc import Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from bci_core.errors import UnknownNameError

GROUPS: Mapping[str, str] = {
    "amplifier": "bci_core.amplifiers",
    "detector": "bci_core.detectors",
    "protocol": "bci_core.protocols",
    "stimulator": "bci_core.stimulators",
    "transport": "bci_core.transports",
}
"""Kind of part, and the entry-point group that registers it."""


def names(kind: str) -> list[str]:
    """Registered names of a kind, sorted."""
    return sorted(_entries(kind))


def load(kind: str, name: str) -> Any:
    """The class registered under a name.

    Raises
    ------
    UnknownNameError
        Nobody registers it, or the package that does lacks a dependency.
    """
    entries = _entries(kind)
    if name not in entries:
        known = ", ".join(sorted(entries)) or "none"
        raise UnknownNameError(
            f"no {kind} is called {name!r}; installed: {known}. "
            f"A package registers one under the entry point {GROUPS[kind]!r}."
        )
    try:
        return entries[name].load()
    except ImportError as error:
        raise UnknownNameError(
            f"{kind} {name!r} needs {error.name or 'a package'} that cannot be imported "
            f"({error}); install it with pip"
        ) from error


def origin(kind: str, name: str) -> str:
    """Distribution and version that registers a name, for provenance and ``bci list``."""
    distribution = _entries(kind)[name].dist
    return f"{distribution.name} {distribution.version}" if distribution else "unknown"


@cache
def _entries(kind: str) -> Mapping[str, EntryPoint]:
    return {entry.name: entry for entry in _installed().select(group=GROUPS[kind])}


@cache
def _installed() -> Any:  # EntryPoints; before Python 3.12 what selects from them as they do
    """Once a process: to look through what is installed takes longer than to read a rig."""
    return entry_points()
