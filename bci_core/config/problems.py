"""From pydantic's findings to messages a lab operator can act on."""

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
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
        key = ".".join(str(part) for part in item["loc"])
        where = f"{section}.{key}" if key else section
        first, last = (str(item["loc"][i]) if item["loc"] else "" for i in (0, -1))
        line = lines.get(where, lines.get(f"{section}.{first}", lines.get(section)))
        found.append(Problem(where, _message(item, last, _holder(model, item["loc"])), line))
    return found


def _holder(model: type[BaseModel], loc: Sequence[int | str]) -> type[BaseModel]:
    """The model of the table that a key stands in, where a section has tables of its own."""
    for key in loc[:-1]:
        field = model.model_fields.get(str(key))
        inner = _models(field.annotation) if field else []
        model = inner[0] if inner else model
    return model


def _models(annotation: Any) -> list[type[BaseModel]]:
    """Models that an annotation such as ``tuple[Model, ...]`` is made of."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models(part)]


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
        header = re.match(r"\s*\[{1,2}\s*([\w.-]+)\s*\]", line)
        key = re.match(r"\s*([\w-]+)\s*=", line)
        if header:
            section = header[1]
            lines.setdefault(section, number)
        elif key:
            lines.setdefault(f"{section}.{key[1]}" if section else key[1], number)
    return lines
