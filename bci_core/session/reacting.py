"""An amplifier that answers to stimulation, in a process of its own: what it feels and tells."""

from typing import Any

from bci_core import registry
from bci_core.config.rig import Rig
from bci_core.control.emissions import emissions_of
from bci_core.session.truth import tells_truth


class Reacting:
    """Hands an amplifier what has left the stimulator, and publishes its truth.

    For an amplifier that has neither ``feel`` nor ``truth`` it does nothing.

    Parameters
    ----------
    amplifier : Amplifier
    rig : Rig
    session_id : str
        For the streams ``NAME-current`` and ``NAME-truth``. A blind session has neither.

    Attributes
    ----------
    source_ids : list of str
        Of the streams it publishes.
    """

    def __init__(self, amplifier: Any, rig: Rig, session_id: str) -> None:
        self._amplifier = amplifier
        self._current: Any = None
        self._truth: Any = None
        self.source_ids: list[str] = []
        if hasattr(amplifier, "feel"):
            self._current = registry.load("transport", "row_inlet")(f"{session_id}-current")
        if tells_truth(amplifier, rig):
            self.source_ids.append(f"{session_id}-truth")
            labels, units = self._amplifier.truth_labels, self._amplifier.truth_units
            self._onset = labels.index("onset_s")
            self._truth = registry.load("transport", "row_outlet")(
                f"{rig.name}-truth", self.source_ids[-1], labels, units
            )

    def step(self) -> None:
        """After each read. Waits for nothing."""
        if self._current is not None:
            rows = self._current.pull()
            if len(rows):
                self._amplifier.feel(emissions_of(rows, self._current.units))
        if self._truth is not None:
            for row in self._amplifier.truth():
                self._truth.push(row, float(row[self._onset]))
