"""How a row of the ledger is written: one line of JSON, and the hash over its content.

The hash is SHA-256 of the canonical JSON (sorted keys, no spaces, floats by repr,
ASCII) of the row without its ``hash``. The line has the row's own fields in
reading order, and is the only way to write that row.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import isfinite
from typing import Any


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """One thing that happened.

    Attributes
    ----------
    seq : int
        Number of the row, from 1: also its line in the file.
    lsl_s : float
        When the row was written, on the LSL clock. `data` has the times of the thing itself.
    utc : str
        The same moment, ISO 8601, for people.
    actor : str
        Who: ``supervisor``, ``loop``, ``stimulator``, ``operator``.
    event : str
        What: ``armed``, ``decision``, …
    data : dict
        The particulars. A time that never came is None.
    prev, hash : str
        SHA-256, in hexadecimal, of the row before and of this one without `hash`.
    """

    seq: int
    lsl_s: float
    utc: str
    actor: str
    event: str
    data: dict[str, Any]
    prev: str
    hash: str


_TYPES: dict[str, type] = {
    "seq": int,
    "lsl_s": float,
    "utc": str,
    "actor": str,
    "event": str,
    "data": dict,
    "prev": str,
    "hash": str,
}


def to_line(content: Mapping[str, Any]) -> tuple[bytes, str]:
    """Line, without its end, and hash of a row that has every field but `hash`.

    Raises
    ------
    ValueError
        A number is NaN or infinite.
    """
    digest = hashlib.sha256(_json(content)).hexdigest()
    row = {**content, "hash": digest}
    fields = (f'"{name}":'.encode() + _json(row[name]) for name in _TYPES)
    return b"{" + b",".join(fields) + b"}", digest


def from_line(line: bytes) -> LedgerRow:
    """The row a line holds; its hash is not checked.

    Raises
    ------
    ValueError
        Saying what the line does not have that a row has.
    """
    try:
        fields = json.loads(line, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"is not JSON ({error})") from error
    if not isinstance(fields, dict) or list(fields) != list(_TYPES):
        raise ValueError(f"does not have the fields {', '.join(_TYPES)}")
    for name, wanted in _TYPES.items():
        if type(fields[name]) is not wanted:
            raise ValueError(f"has {fields[name]!r:.40} as its {name!r}")
    return LedgerRow(**fields)


def is_intact(row: LedgerRow, line: bytes) -> bool:
    """Whether the content gives the hash, and the line is how that content is written."""
    content = asdict(row)
    claimed = content.pop("hash")
    try:
        return (line, claimed) == to_line(content)
    except ValueError:  # a number that JSON can spell and a float cannot hold
        return False


def _json(value: Any) -> bytes:
    """Sorted keys and no spaces; floats by repr, so that they read back to the bit."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def plain(value: Any, where: str) -> Any:
    """The same value in JSON's own types; NaN and infinity become null."""
    if hasattr(value, "tolist"):
        value = value.tolist()  # of numpy
    if isinstance(value, Mapping):
        return {str(key): plain(part, f"{where}.{key}") for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(part, f"{where}[{i}]") for i, part in enumerate(value)]
    if isinstance(value, float):
        return value if isfinite(value) else None
    if value is None or isinstance(value, (bool, int, str)):
        return value
    raise TypeError(f"{where}: a ledger cannot hold {type(value).__name__}")


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")
