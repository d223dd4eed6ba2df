"""The keys of a rig file as a document, made from the models themselves."""

import inspect
import re
from collections.abc import Collection
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from bci_core import registry
from bci_core.config.rig import OPTIONAL, ORDER, PARTS, SECTIONS, part_kind


def rig_reference() -> str:
    """Every section and key of a rig, with defaults and meanings, as Markdown.

    Parts that other packages register are included, as far as they are installed.
    """
    blocks = []
    for section in ORDER:
        if section not in PARTS:
            blocks += _section(section, SECTIONS[section])
            continue
        key = PARTS[section]
        if section in OPTIONAL:
            blocks.append(_optional(section, key))
            continue
        blocks += [
            _block(f'[{section}] with {key} = "{name}"', registry.load(section, name).Settings)
            for name in registry.names(section)
        ]
    return "\n".join(blocks)


def _section(section: str, model: type[BaseModel]) -> list[str]:
    """A section and the tables below it."""
    tables = {key: each for key, field in model.model_fields.items() if (each := _table(field))}
    below = [_block(f"[{section}.{key}]", each) for key, each in tables.items()]
    text = f"May be left out: {OPTIONAL[section]}.\n\n" if section in OPTIONAL else ""
    return [_block(f"[{section}]", model, text, tuple(tables)), *below]


def _table(field: FieldInfo) -> type[BaseModel] | None:
    """The model of an optional table; None for a plain value."""
    models = [m for m in get_args(field.annotation) if isinstance(m, type)]
    return next((m for m in models if issubclass(m, BaseModel)), None)


def _optional(section: str, key: str) -> str:
    kind = part_kind(section)
    text = f"May be left out: {OPTIONAL[section]}. `{key}` and its keys are those of `[{kind}]`."
    return "\n".join([f"## `[{section}]`", "", text, ""])


def _block(
    heading: str, model: type[BaseModel], text: str = "", without: Collection[str] = ()
) -> str:
    meanings = _meanings(model)
    rows = [
        f"| `{key}` | {_default(field)} | {meanings.get(key, '')} |"
        for key, field in model.model_fields.items()
        if key not in without
    ]
    return "\n".join(
        [f"## `{heading}`", "", f"{text}| key | default | meaning |", "|---|---|---|", *rows, ""]
    )


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value: Any = field.get_default(call_default_factory=True)
    return "not set" if value is None else f"`{value!r}`".replace("'", '"')


def _meanings(model: type[BaseModel]) -> dict[str, str]:
    """Descriptions from the numpydoc ``Attributes`` section of a model and those it extends."""
    found: dict[str, str] = {}
    for each in reversed(model.__mro__):
        found |= _own_meanings(each.__dict__.get("__doc__") or "")
    return found


def _own_meanings(docstring: str) -> dict[str, str]:
    text = inspect.cleandoc(docstring)
    _, _, attributes = text.partition("Attributes\n----------\n")
    found: dict[str, str] = {}
    names: list[str] = []
    for line in attributes.splitlines():
        entry = re.match(r"([a-z]\w*(?:, [a-z]\w*)*)(?: : .*)?$", line)
        if entry:
            names = entry[1].split(", ")
        elif not line.startswith("    ") and line:
            names = []  # a paragraph about several keys, not about the last one
        else:
            for name in names:
                found[name] = f"{found.get(name, '')} {line.strip()}".strip()
    return {name: meaning.replace("|", "\\|").replace("``", "`") for name, meaning in found.items()}
