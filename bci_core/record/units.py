"""Spellings of voltage units, as files and streams write them."""

import re

_SPELLINGS = {
    1.0: ("uv", "µv", "μv", "microvolt", "microvolts"),
    1e3: ("mv", "millivolt", "millivolts"),
    1e6: ("v", "volt", "volts"),
    1e-3: ("nv", "nanovolt", "nanovolts"),
}
_MICROVOLTS = {spelling: factor for factor, names in _SPELLINGS.items() for spelling in names}

# A unit may carry a remark, as in "uV (large DC)"; it is no part of the unit.
_REMARK = re.compile(r"\s*[(\[].*$")

KNOWN_UNITS = "uV, mV, V, nV"
"""What a message offers."""


def microvolts_in(unit: str) -> float | None:
    """Microvolts in one of this unit; None when it is not a voltage that is known.

    Parameters
    ----------
    unit : str
        Such as ``"mV"``, ``"microvolts"`` or ``"uV (as stored)"``. Case does not
        matter, except that megavolts are not a unit of this field: ``"MV"`` is millivolts.
    """
    return _MICROVOLTS.get(_REMARK.sub("", unit).strip().lower())


def is_counts(unit: str) -> bool:
    """Whether the unit says that these are steps of a converter, not volts."""
    words = _REMARK.sub("", unit).lower().split()
    return bool(words) and words[-1] in {"count", "counts", "adu", "lsb"}
