"""One measured figure of a detector, with what was asked and what it was counted on."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

Say = Callable[[str], None]
"""Takes a line of progress."""

Measure = Callable[[Path, Say], "list[Figure]"]
"""What each module here offers as ``measure(recordings, say)``.

`recordings` is the folder of real recordings; a figure whose recording is not there
is left out, and said.
"""


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure.

    Attributes
    ----------
    detector : str
        Registered name.
    on : str
        Recording, and what was done to it: ``"rat_ca1_ec3_theta_60s, ripples at 5 SD"``.
    what : str
        Such as ``"F1"`` or ``"median latency"``.
    value : float
    unit : str
        ``""`` for a ratio.
    asked : float or None
        The bound, where one was set before the measurement.
    at_least : bool
        Whether `value` should be at least, rather than at most, `asked`.
    counts : dict of int
        What the figure was counted on: ``{"tp": 57, "fp": 3, "fn": 1}``.
    reference : float or None
        The same figure by an offline reference package on the same samples.
    reference_name : str
        Which, with its version; or why there is none.
    """

    detector: str
    on: str
    what: str
    value: float
    unit: str = ""
    asked: float | None = None
    at_least: bool = True
    counts: dict[str, int] = field(default_factory=dict)
    reference: float | None = None
    reference_name: str = ""

    @property
    def reached(self) -> bool | None:
        """Whether the value keeps what was asked; None where nothing was."""
        if self.asked is None:
            return None
        return self.value >= self.asked if self.at_least else self.value <= self.asked

    def to_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        return asdict(self) | {"reached": self.reached}
