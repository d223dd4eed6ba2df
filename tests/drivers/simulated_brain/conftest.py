"""A model that is advanced without a clock, and what stimulates it."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from bci_core.events import Emission
from drivers.amplifiers.simulated_brain.model import MAX_BLOCK, Model
from drivers.amplifiers.simulated_brain.settings import SimulatedBrainSettings
from drivers.amplifiers.simulated_brain.truth import LABELS, Event

Advanced = Callable[..., tuple[np.ndarray, "Truth", Model]]


class Truth:
    """Rows of the truth, by event and column."""

    def __init__(self, rows: np.ndarray) -> None:
        self.rows = rows

    def of(self, event: Event, column: str) -> np.ndarray:
        rows = self.rows[self.rows[:, 0] == event]
        return rows[:, LABELS.index(column)]

    def lengths_s(self, event: Event) -> np.ndarray:
        return self.of(event, "offset_s") - self.of(event, "onset_s")


@pytest.fixture
def advanced() -> Advanced:
    """Advance a brain by so many seconds, with emissions at times counted from its start."""

    def advance(
        seconds: float, emissions: Sequence[Emission] = (), **changed: object
    ) -> tuple[np.ndarray, Truth, Model]:
        asked = {"n_channels": 2, "rate_hz": 500.0, "feel_delay_s": 0.0, "line_uv": 0.0, **changed}
        settings = SimulatedBrainSettings.model_validate(asked)
        model = Model(settings)
        model.feel(emissions, 0.0)
        left = round(seconds * settings.rate_hz)
        samples = []
        while left > 0:
            samples.append(model.advance(min(left, MAX_BLOCK), 0.0))
            left -= len(samples[-1])
        return np.concatenate(samples), Truth(model.truth.drain()), model

    return advance


@pytest.fixture
def pulse() -> Callable[..., list[Emission]]:
    """Cathodic phases, all of 200 us, on one or several electrodes."""

    def make(
        onsets_s: Sequence[float], electrodes: Sequence[int] = (1,), amplitude_ua: float = 20.0
    ) -> list[Emission]:
        return [
            Emission(onset_s, onset_s + 200e-6, electrode, -amplitude_ua)
            for onset_s in onsets_s
            for electrode in electrodes
        ]

    return make


@pytest.fixture
def click() -> Callable[..., list[Emission]]:
    """Clicks of 50 ms."""

    def make(onsets_s: Sequence[float], level_db: float = 60.0) -> list[Emission]:
        return [Emission(at_s, at_s + 0.05, 1, level_db, "dB SPL") for at_s in onsets_s]

    return make
