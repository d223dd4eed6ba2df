"""Acausal references: what a detector that sees the whole recording at once finds.

A reference is a convention, no truth: it looks for the same kind of event as the
online detector, by a rule of the literature, with zero-phase filters and statistics of
the whole stretch. Each module holds one rule, as
``find(settings, run) -> Truth | None``, None where the stretch is too short.
"""

from importlib import import_module
from typing import Any

from bci_core.scoring.run import Run
from bci_core.scoring.score import Truth

REFERENCES = {
    "band_power": "bci_core.scoring.reference_band_power",
    "phase": "bci_core.scoring.reference_phase",
    "ripple": "bci_core.scoring.reference_ripple",
    "slow_oscillation": "bci_core.scoring.reference_slow_oscillation",
    "spindle": "bci_core.scoring.reference_spindle",
}
"""Kind of detector, and the module with its reference."""


def has_reference(kind: str) -> bool:
    """Whether there is an acausal reference for a kind of detector."""
    return kind in REFERENCES


def why_none(kind: str) -> str:
    """What to tell where there is no reference."""
    there = ", ".join(sorted(REFERENCES))
    return f"there is no acausal reference for a detector of kind {kind!r}; there is for {there}"


def reference(kind: str, settings: Any, run: Run) -> Truth | None:
    """What the acausal reference of a kind finds in the stretch of a run.

    Parameters
    ----------
    kind : str
        For which `has_reference`.
    settings : pydantic model
        Of the online detector: band, durations and the like are taken from it.
    run : Run

    Returns
    -------
    Truth or None
        None where the stretch is too short for the reference's filters.
    """
    found: Truth | None = import_module(REFERENCES[kind]).find(settings, run)
    return found
