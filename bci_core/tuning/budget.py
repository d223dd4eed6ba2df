"""What a detector may cost: bounds on its figures, as the operator writes them.

::

    false_per_min<=2, latency_ms_p50<=50, precision>=0.9
"""

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import inf, isfinite

from bci_core.errors import ConfigError, Problem
from bci_core.scoring.score import Score

Figures = Mapping[str, float | None]
"""By the names of `FIGURES`; None where there was nothing to measure."""

FIGURES: Mapping[str, Callable[[Score], float | None]] = {
    "tp": lambda score: score.tp,
    "fp": lambda score: score.fp,
    "fn": lambda score: score.fn,
    "precision": lambda score: score.precision,
    "recall": lambda score: score.recall,
    "f1": lambda score: score.f1,
    "false_per_min": lambda score: score.false_per_min,
    "latency_ms_p10": lambda score: score.latency_ms.p10,
    "latency_ms_p50": lambda score: score.latency_ms.p50,
    "latency_ms_p90": lambda score: score.latency_ms.p90,
}
"""What can be bounded, and where it stands in a score."""

MORE_IS_BETTER = ("tp", "precision", "recall", "f1")
SHARES = ("precision", "recall", "f1")
OF_FALSE_ALARMS = ("fp", "false_per_min", "precision", "f1")
"""A bound on one of these keeps a detector from firing all the time."""

_BOUND = re.compile(r"\s*([A-Za-z_]\w*)\s*(<=|>=|<|>|==?|)\s*(.*?)\s*")


@dataclass(frozen=True, slots=True)
class Bound:
    """One figure and how far it may go.

    Attributes
    ----------
    figure : str
        Of `FIGURES`.
    limit : float
        At least or at most, as `MORE_IS_BETTER` says.
    """

    figure: str
    limit: float

    def __str__(self) -> str:
        return f"{self.figure}{'>=' if self.figure in MORE_IS_BETTER else '<='}{self.limit:g}"

    def excess(self, figures: Figures) -> float:
        """How far over the bound, as a share of it; 0 within, infinity without a figure."""
        value = figures[self.figure]
        if value is None:
            return inf
        over = self.limit - value if self.figure in MORE_IS_BETTER else value - self.limit
        return max(0.0, over) / (self.limit or 1.0)


@dataclass(frozen=True, slots=True)
class Budget:
    """All bounds together."""

    bounds: tuple[Bound, ...]

    def __str__(self) -> str:
        return ", ".join(map(str, self.bounds))

    @property
    def bounds_false_alarms(self) -> bool:
        return any(bound.figure in OF_FALSE_ALARMS for bound in self.bounds)

    def excess(self, figures: Figures) -> float:
        """Sum over the bounds; 0 where all are kept."""
        return sum(bound.excess(figures) for bound in self.bounds)

    def kept(self, figures: Figures) -> bool:
        return self.excess(figures) == 0.0


def figures_of(score: Score) -> dict[str, float | None]:
    """What a budget can be held against."""
    return {name: read(score) for name, read in FIGURES.items()}


def parse_budget(text: str) -> Budget:
    """Read a budget.

    Parameters
    ----------
    text : str
        Bounds joined by commas, each a figure, ``<=`` or ``>=``, and a number.

    Raises
    ------
    ConfigError
        With every mistake.
    """
    bounds: list[Bound] = []
    problems: list[Problem] = []
    for part in text.split(","):
        where = part.strip() or "(empty)"
        read = _BOUND.fullmatch(part)
        mistake = _mistake(*read.groups()) if read else "write figure<=number or figure>=number"
        if mistake or read is None:
            problems.append(Problem(where, mistake))
        elif read[1] in (bound.figure for bound in bounds):
            problems.append(Problem(where, f"{read[1]} is bounded twice; leave one out"))
        else:
            bounds.append(Bound(read[1], float(read[3])))
    if problems:
        raise ConfigError(f"--budget {text!r}", problems)
    return Budget(tuple(bounds))


def _mistake(figure: str, sign: str, number: str) -> str:
    if figure not in FIGURES:
        close = difflib.get_close_matches(figure, FIGURES, n=1)
        hint = f"; did you mean {close[0]}?" if close else ""
        return f"no figure is called {figure!r}{hint} (known: {', '.join(FIGURES)})"
    right, better = (">=", "more") if figure in MORE_IS_BETTER else ("<=", "less")
    if sign != right:
        said = f"not {sign!r}" if sign else "then a number"
        return f"of {figure} {better} is better: write {figure}{right}, {said}"
    try:
        limit = float(number)
    except ValueError:
        return f"{number!r} is no number" if number else f"a number is missing after {sign}"
    if not isfinite(limit) or limit < 0.0:
        return f"{number} is no bound; give a number of 0 or more"
    if figure in SHARES and limit > 1.0:
        return f"{figure} is a share, from 0 to 1, not {number}"
    return ""
