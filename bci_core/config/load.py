"""Reads a rig: every mistake of the file at once, before anything starts."""

import tomllib
from collections.abc import Collection, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import tomli_w
from pydantic import BaseModel, ValidationError

from bci_core import registry
from bci_core.config.problems import key_lines, problems_of, unknown_key
from bci_core.config.rig import OPTIONAL, ORDER, PARTS, SECTIONS, Part, Rig, part_kind
from bci_core.errors import ConfigError, InputError, Problem, UnknownNameError


def presets() -> list[str]:
    """Names of the rigs that come with the package."""
    folder = files("bci_core.config") / "presets"
    return sorted(p.name.removesuffix(".toml") for p in folder.iterdir() if p.name[-5:] == ".toml")


def load_rig(source: str, parts: Collection[str] = tuple(PARTS)) -> Rig:
    """Read a rig from a file, or from a preset by name.

    Parameters
    ----------
    source : str
        Path of a TOML file, or a name from `presets`.
    parts : collection of str
        Parts to import and check; the others keep their names only. A node reads a rig
        that has been checked, and has no use for the other nodes' libraries.

    Raises
    ------
    UnknownNameError
        Neither a file nor a preset.
    ConfigError
        The file has mistakes; all are listed with their lines.
    """
    path = Path(source)
    try:
        if source in presets():
            text = (files("bci_core.config") / "presets" / f"{source}.toml").read_text("utf-8")
        else:
            text = path.read_text("utf-8")
    except FileNotFoundError:
        raise UnknownNameError(
            f"{source!r} is neither a file nor a preset; presets: {', '.join(presets())}"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{source}: cannot be read as a rig file ({error})") from error
    return parse_rig(text, source, parts)


def parse_rig(text: str, source: str = "rig", parts: Collection[str] = tuple(PARTS)) -> Rig:
    """Read a rig from TOML text; as `load_rig`.

    Raises
    ------
    ConfigError
        See `load_rig`.
    """
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(source, [Problem("file", f"is not TOML: {error}")]) from error
    lines = key_lines(text)
    problems = [
        Problem(name, unknown_key(name, ORDER), lines.get(name))
        for name in tree
        if name not in ORDER
    ]
    sections: dict[str, Any] = {}
    for name in ORDER:
        table = tree.get(name, {})
        if not isinstance(table, dict):
            problems.append(Problem(name, f"is a section, [{name}], not a value", lines.get(name)))
        elif name in OPTIONAL and name not in tree:
            sections[name] = None
        elif name in PARTS and name not in parts:
            sections[name] = Part(str(table.get(PARTS[name])), None)
        elif name in PARTS:
            sections[name] = _part(name, table, lines, problems)
        else:
            sections[name] = _settings(name, SECTIONS[name], table, lines, problems)
    if problems:
        raise ConfigError(source, sorted(problems, key=lambda p: (p.line or 0, p.where)))
    return Rig(**sections)


def _part(
    section: str, table: dict[str, Any], lines: Mapping[str, int], problems: list[Problem]
) -> Part | None:
    key = PARTS[section]
    name = table.get(key)
    if not isinstance(name, str):
        known = ", ".join(registry.names(part_kind(section)))
        message = f"missing; name one of: {known}"
        problems.append(Problem(f"{section}.{key}", message, lines.get(section)))
        return None
    try:
        part = registry.load(part_kind(section), name)
    except UnknownNameError as error:
        where = f"{section}.{key}"
        problems.append(Problem(where, str(error), lines.get(where)))
        return None
    rest = {k: v for k, v in table.items() if k != key}
    settings = _settings(section, part.Settings, rest, lines, problems)
    return Part(name, settings)


def _settings(
    section: str,
    model: type[BaseModel],
    table: dict[str, Any],
    lines: Mapping[str, int],
    problems: list[Problem],
) -> BaseModel | None:
    try:
        return model.model_validate(table)
    except ValidationError as error:
        problems += problems_of(section, error, model, lines)
        return None


def dump_rig(rig: Rig) -> str:
    """The rig as TOML with every default written out; `parse_rig` reads it back."""
    tree: dict[str, dict[str, Any]] = {}
    for section in ORDER:
        value = getattr(rig, section)
        if value is None:
            continue
        if isinstance(value, Part):
            own = value.settings.model_dump(mode="json", exclude_none=True)
            tree[section] = {PARTS[section]: value.name} | own
        else:
            tree[section] = value.model_dump(mode="json", exclude_none=True)
    return tomli_w.dumps(tree)
