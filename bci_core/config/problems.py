"""From pydantic's findings to messages a lab operator can act on."""

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from bci_core.errors import Problem

UNITS = {
    "s": "seconds",
    "ms": "milliseconds",
    "us": "microseconds",
    "hz": "hertz",
    "uv": "microvolts",
    "ua": "microamperes",
    "uc": "microcoulombs",
    "na": "nanoamperes",
    "cm2": "square centimetres",
    "deg": "degrees",
    "kohm": "kilohms",
    "mb": "megabytes",
    "sd": "standard deviations",
}
"""Unit suffixes of keys, spelled out."""


def problems_of(
    section: str, error: ValidationError, model: type[BaseModel], lines: Mapping[str, int]
) -> list[Problem]:
    """One `Problem` for each mistake pydantic found in a section."""
    found = []
    for item in error.errors(include_url=False):
        *above, key = [str(part) for part in item["loc"]] or [""]
        where = ".".join([section, *above, *([key] if key else [])])
        first = above[0] if above else key
        line = lines.get(where, lines.get(f"{section}.{first}", lines.get(section)))
        table = _table(model, above)
        if table is None:  # within the value of a key
            found.append(Problem(where, _message(item, first, model), line))
        else:
            found.append(Problem(where, _message(item, key, table), line))
    return found


def _table(model: type[BaseModel], above: Iterable[str]) -> type[BaseModel] | None:
    """The model of a table below a section; None where there is no such table."""
    for name in above:
        field = model.model_fields.get(name)
        below = [m for m in get_args(field.annotation if field else None) if isinstance(m, type)]
        tables = [each for each in below if issubclass(each, BaseModel)]
        if not tables:
            return None
        model = tables[0]
    return model


def _message(item: Any, key: str, model: type[BaseModel]) -> str:
    kind = item["type"]
    if kind == "extra_forbidden":
        return unknown_key(key, model.model_fields)
    if kind == "missing":
        unit = unit_of(key)
        return f"missing{f'; give it in {unit}' if unit else ''}"
    text = str(item["msg"]).removeprefix("Value error, ")
    text = text[:1].lower() + text[1:]
    unit = unit_of(key)
    return f"{text}{f' {unit}' if unit and 'should be' in text else ''}, not {item['input']!r}"


def unknown_key(key: str, known: Iterable[str]) -> str:
    """What to write instead of a key that does not exist."""
    known = list(known)
    with_unit = [k for k in known if re.fullmatch(re.escape(key) + r"(_[a-z0-9]+){1,2}", k)]
    if with_unit:
        unit = unit_of(with_unit[0])
        return f"has no unit; write {with_unit[0]}{f' ({unit})' if unit else ''}"
    close = difflib.get_close_matches(key, known, n=1)
    hint = f"; did you mean {close[0]}?" if close else ""
    return f"unknown key{hint} (known: {', '.join(sorted(known))})"


def unit_of(key: str) -> str:
    """Unit that a key's suffix states, or ""."""
    return UNITS.get(key.rsplit("_", 1)[-1], "") if "_" in key else ""


def key_lines(text: str) -> dict[str, int]:
    """Line of each section and of each ``section.key`` of a TOML text.

    A plain scan, since the standard TOML reader reports no positions. A key inside a
    multi-line value is not a key; at worst a line is missing, never a mistake.
    """
    lines: dict[str, int] = {}
    section = ""
    for number, line in enumerate(text.splitlines(), start=1):
        header = re.match(r"\s*\[\s*([\w.-]+)\s*\]", line)
        key = re.match(r"\s*([\w-]+)\s*=", line)
        if header:
            section = header[1]
            lines.setdefault(section, number)
        elif key:
            lines.setdefault(f"{section}.{key[1]}" if section else key[1], number)
    return lines
