"""Which values of which settings are tried."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import inf, isfinite, prod
from typing import Any

import numpy as np
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from bci_core.config.problems import unknown_key
from bci_core.errors import ConfigError, InputError, Problem

MOST_SETTINGS = 2000
"""Combinations in one sweep."""

THRESHOLD_STEPS = (0.4, 0.5, 0.63, 0.8, 1.0, 1.25, 1.6, 2.0, 2.5)
OTHER_STEPS = (0.25, 0.5, 1.0, 2.0)
"""What a default is multiplied by, where a sweep is not given."""

SHARE_THRESHOLDS = tuple(round(0.1 * i, 1) for i in range(1, 10))
"""Values of a threshold that is a share: its bounds are 0 and 1."""

KEYS_OF: Mapping[str, tuple[str, ...]] = {
    "spikes": ("threshold_noise_sd", "threshold_sd"),
    "spindle": ("envelope_sd", "relative_power"),
}
"""Keys that are swept by default, for detectors whose names of keys do not tell."""

THRESHOLD_WORDS = ("threshold", "above_trend", "min_strength", "min_probability", "min_amplitude")
OTHER_WORDS = ("min_duration", "duration", "smoothing")
"""What the names of other detectors' keys hold that are worth sweeping; the first comes first."""


@dataclass(frozen=True, slots=True)
class Axis:
    """A setting and the values to try."""

    key: str
    values: tuple[Any, ...]

    def __str__(self) -> str:
        return f"{self.key} = {', '.join(map(_shown, self.values))}"


def combinations(axes: Sequence[Axis]) -> list[dict[str, Any]]:
    """Every combination of values, the last axis changing fastest.

    Raises
    ------
    InputError
        There are too many.
    """
    n = prod(len(axis.values) for axis in axes)
    if n > MOST_SETTINGS:
        sizes = " x ".join(f"{len(axis.values)} {axis.key}" for axis in axes)
        raise InputError(
            f"--sweep: {n} settings ({sizes}); at most {MOST_SETTINGS} are tried: give fewer values"
        )
    keys = [axis.key for axis in axes]
    return [dict(zip(keys, values, strict=True)) for values in product(*(a.values for a in axes))]


def parse_axes(texts: Sequence[str], model: type[BaseModel]) -> list[Axis]:
    """Read ``key=first:last:count`` or ``key=value,value,…``, one a text.

    Parameters
    ----------
    texts : sequence of str
    model : type
        The detector's settings, whose keys these are.

    Raises
    ------
    ConfigError
        With every mistake.
    """
    axes: list[Axis] = []
    problems: list[Problem] = []
    for text in texts:
        key, _, rest = (part.strip() for part in text.partition("="))
        try:
            if key not in model.model_fields:
                raise ValueError(unknown_key(key, model.model_fields))
            if key in (axis.key for axis in axes):
                raise ValueError("is swept twice; join its values with commas")
            axes.append(Axis(key, _values(rest, model.model_fields[key])))
        except ValueError as error:
            problems.append(Problem(text, str(error)))
    if problems:
        raise ConfigError("--sweep", problems)
    return axes


def default_axes(kind: str, model: type[BaseModel], taken: Collection[str]) -> list[Axis]:
    """A threshold and one more of the detector's own settings, around their defaults.

    Parameters
    ----------
    kind : str
        Registered name of the detector.
    model : type
        Its settings.
    taken : collection of str
        Keys that have been given a value, which is not touched.

    Raises
    ------
    InputError
        No bounded number among the settings has a name that tells what it is.
    """
    numbers = _bounded_numbers(model, taken)
    named = (_named(numbers, THRESHOLD_WORDS), _named(numbers, OTHER_WORDS))
    keys = [key for key in KEYS_OF.get(kind, named) if key in numbers]
    if not keys:
        raise InputError(
            f"--sweep: nothing to sweep by default in detector {kind}; name it, as "
            f"--sweep key=first:last:count (its settings: {', '.join(model.model_fields)})"
        )
    steps = [THRESHOLD_STEPS, *[OTHER_STEPS] * (len(keys) - 1)]
    return [
        Axis(key, _around(numbers[key], numbers[key].default, step))
        for key, step in zip(keys, steps, strict=True)
    ]


def threshold_of(kind: str, model: type[BaseModel]) -> str | None:
    """The key that `default_axes` sweeps first; None where there is none."""
    numbers = _bounded_numbers(model, ())
    keys = KEYS_OF.get(kind, (_named(numbers, THRESHOLD_WORDS),))
    return next((key for key in keys if key in numbers), None)


def values_around(model: type[BaseModel], key: str, value: float) -> tuple[Any, ...]:
    """Values of a threshold below and above one, that one included, within its bounds."""
    values = _around(model.model_fields[key], value, THRESHOLD_STEPS)
    return tuple(sorted({*values, value}))


def _values(text: str, field: FieldInfo) -> tuple[Any, ...]:
    if not text:
        raise ValueError("write key=first:last:count, or key=value,value")
    if ":" not in text:
        return tuple(_read(part.strip(), field) for part in text.split(","))
    parts = text.split(":")
    if len(parts) != 3:
        raise ValueError(f"{text!r} is no range; write first:last:count, such as 2:6:9")
    first, last = _number(parts[0]), _number(parts[1])
    if not parts[2].strip().isdigit() or int(parts[2]) < 2:
        raise ValueError(f"{parts[2]!r} is no count; give 2 or more")
    steps = np.linspace(first, last, int(parts[2]))
    if field.annotation is int:
        return tuple(dict.fromkeys(round(step) for step in steps.tolist()))
    # Decimals that nobody asked for would only be in the way of reading.
    return tuple(float(f"{step:.6g}") for step in steps.tolist())


def _read(text: str, field: FieldInfo) -> Any:
    if field.annotation is str:
        return text
    if text in ("true", "false"):
        return text == "true"
    return int(text) if field.annotation is int else _number(text)


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not isfinite(value):
        raise ValueError(f"{text.strip()!r} is no number")
    return value


def _named(numbers: Mapping[str, FieldInfo], words: Sequence[str]) -> str | None:
    return next((key for word in words for key in numbers if word in key), None)


def _bounded_numbers(model: type[BaseModel], taken: Collection[str]) -> dict[str, FieldInfo]:
    return {
        key: field
        for key, field in model.model_fields.items()
        if key not in taken
        and isinstance(field.default, int | float)
        and not isinstance(field.default, bool)
        and field.default > 0
        and _bounds(field) is not None
    }


def _bounds(field: FieldInfo) -> tuple[float, float] | None:
    """Lower and upper bound; None where one is missing."""
    told: dict[str, float] = {}
    for item in field.metadata:
        told |= {
            k: v for k in ("ge", "gt", "le", "lt") if (v := getattr(item, k, None)) is not None
        }
    low, high = told.get("ge", told.get("gt")), told.get("le", told.get("lt"))
    return None if low is None or high is None else (low, high)


def _around(field: FieldInfo, centre: float, steps: Sequence[float]) -> tuple[Any, ...]:
    low, high = _bounds(field) or (-inf, inf)
    if (low, high) == (0.0, 1.0) and steps is THRESHOLD_STEPS:
        return SHARE_THRESHOLDS
    if isinstance(centre, int):
        values: list[float] = [max(1, round(centre * step)) for step in steps]
    else:
        values = [float(f"{centre * step:.3g}") for step in steps]
    # Strictly inside, whichever way the bounds are meant; the centre itself is allowed.
    return tuple(dict.fromkeys(v for v in values if low < v < high or v == centre))


def _shown(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
