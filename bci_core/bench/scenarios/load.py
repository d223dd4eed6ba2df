"""Reads scenarios: every mistake of a file at once, with its line."""

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import tomli_w
from pydantic import BaseModel, ValidationError

from bci_core.bench.scenarios.applicable import require_switches
from bci_core.bench.scenarios.fit import fit
from bci_core.bench.scenarios.scenario import Expectation, Fault, PhaseExpectation, Scenario
from bci_core.config.load import parse_rig, presets
from bci_core.config.problems import unknown_key
from bci_core.config.rig import Rig
from bci_core.errors import ConfigError, InputError, Problem

_MODELS: Mapping[str, type[BaseModel]] = {
    "faults": Fault,
    "expect": Expectation,
    "phase": PhaseExpectation,
}


@dataclass(frozen=True, slots=True)
class Named:
    """A scenario and what it is called: its file's name."""

    name: str
    scenario: Scenario


def shipped(live: bool = False) -> list[Named]:
    """The scenarios that come with the package, by name."""
    folder = files("bci_core.bench.scenarios") / ("live" if live else "catalogue")
    found = sorted(folder.iterdir(), key=lambda each: each.name)
    return [
        Named(each.name[:-5], parse_scenario(each.read_text("utf-8"), each.name))
        for each in found
        if each.name.endswith(".toml")
    ]


def load_scenarios(sources: Sequence[str], live: bool = False) -> list[Named]:
    """Scenarios by name, file or folder; all that ship when none is named.

    Parameters
    ----------
    sources : sequence of str
    live : bool
        Whether they must be for live sessions, or must not.

    Raises
    ------
    InputError
        Nothing is called so, a folder has no scenario, or one is of the other sort.
    ConfigError
        A file has mistakes; all of them are listed.
    """
    if not sources:
        return shipped(live)
    by_name = {each.name: each for each in (*shipped(not live), *shipped(live))}
    found: list[Named] = []
    for source in sources:
        path = Path(source)
        if source in by_name:
            found.append(by_name[source])
        elif path.is_dir():
            inside = sorted(path.glob("*.toml"))
            if not inside:
                raise InputError(f"{source}: has no scenario (*.toml)")
            found += [_read(each) for each in inside]
        elif path.is_file():
            found.append(_read(path))
        else:
            raise InputError(
                f"{source!r} is neither a scenario, a file nor a folder; see `bci bench run --list`"
            )
    for each in found:
        if each.scenario.live is not live:
            how = "live; run it with" if each.scenario.live else "on the virtual clock; leave out"
            raise InputError(f"scenario {each.name!r} runs {how} --live")
    return found


def parse_scenario(text: str, source: str) -> Scenario:
    """A scenario from TOML text.

    Raises
    ------
    ConfigError
        With every mistake, and the lines of those that stand on one.
    """
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(source, [Problem("file", f"is not TOML: {error}")]) from error
    try:
        return Scenario.model_validate(tree)
    except ValidationError as error:
        problems = [_problem(item, text) for item in error.errors(include_url=False)]
        raise ConfigError(source, sorted(problems, key=lambda p: p.line or 0)) from error


def rig_of(scenario: Scenario, stimulator: str | None = None) -> Rig:
    """The scenario's rig with its overrides and seed, and with another stimulator if asked.

    Raises
    ------
    ConfigError
        The overrides do not fit the rig.
    InputError
        There is no such rig.
    NotApplicable
        The scenario says nothing about the other stimulator.
    """
    tree = _rig_tree(scenario.rig)
    for section, keys in scenario.overrides.items():
        tree.setdefault(section, {}).update(keys)
    if stimulator is not None:
        require_switches(scenario, stimulator)
        own = scenario.overrides.get("stimulator", {})
        fit(tree, stimulator, beyond=bool(scenario.expect.refused_to_start and own))
    source = f"rig {scenario.rig} with the scenario's overrides"
    plain = parse_rig(tomli_w.dumps(tree), source)
    for section in ("amplifier", "stimulator"):
        if "seed" in type(getattr(plain, section).settings).model_fields:
            tree.setdefault(section, {})["seed"] = scenario.seed
    return parse_rig(tomli_w.dumps(tree), source)


def _rig_tree(source: str) -> dict[str, Any]:
    ours = files("bci_core.bench.scenarios") / "rigs"
    for folder in (ours, files("bci_core.config") / "presets"):
        named = folder / f"{source}.toml"
        if "/" not in source and named.is_file():
            return tomllib.loads(named.read_text("utf-8"))
    try:
        return tomllib.loads(Path(source).read_text("utf-8"))
    except FileNotFoundError:
        rigs = sorted(each.name[:-5] for each in ours.iterdir() if each.name[-5:] == ".toml")
        known = ", ".join([*rigs, *presets()])
        raise InputError(f"rig {source!r} is neither a file nor one of {known}") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"rig {source}: cannot be read ({error})") from error


def _read(path: Path) -> Named:
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read as a scenario ({error})") from error
    return Named(path.stem, parse_scenario(text, str(path)))


def _problem(item: Any, text: str) -> Problem:
    loc = [part for part in item["loc"] if part != "function-after[_fits_its_kind(), Fault]"]
    where = ".".join(str(part) for part in loc) or "scenario"
    message = str(item["msg"]).removeprefix("Value error, ")
    if item["type"] == "extra_forbidden":
        names = [part for part in loc[:-1] if isinstance(part, str)]
        holder = _MODELS[names[-1]] if names else Scenario
        message = unknown_key(str(loc[-1]), holder.model_fields)
    elif item["type"] == "missing":
        message = "missing"
    elif item["type"] != "value_error":
        message = f"{message[:1].lower()}{message[1:]}, not {item['input']!r}"
    return Problem(where, message, _line(loc, text))


def _line(loc: Sequence[str | int], text: str) -> int | None:
    """Line of a key, or of the header of the table that should have it."""
    lines = text.splitlines()
    start, table, found = 0, r"\s*\[", None
    if len(loc) > 1 and isinstance(loc[1], int):
        heads = [i for i, line in enumerate(lines) if re.match(rf"\s*\[\[{loc[0]}\]\]", line)]
        found = heads[loc[1]] if loc[1] < len(heads) else None
    elif loc and any(re.match(rf"\s*\[{loc[0]}\b", line) for line in lines):
        found = next(i for i, line in enumerate(lines) if re.match(rf"\s*\[{loc[0]}\b", line))
    start = 0 if found is None else found + 1
    for i in range(start, len(lines)):
        if re.match(table, lines[i]):
            break
        if loc and re.match(rf"\s*{re.escape(str(loc[-1]))}\s*=", lines[i]):
            return i + 1
    return None if found is None else found + 1
