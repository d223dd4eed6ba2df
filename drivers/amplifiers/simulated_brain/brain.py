"""The simulated brain as an amplifier: it is recorded from, and feels what stimulates it."""

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from bci_core.chunk import Chunk, StreamInfo
from bci_core.clock import Clock
from bci_core.contracts import AmplifierCounters
from bci_core.errors import DeviceError
from bci_core.events import Emission
from drivers.amplifiers.simulated_brain import geometry
from drivers.amplifiers.simulated_brain.settings import SimulatedBrainSettings
from drivers.amplifiers.simulated_brain.truth import LABELS, UNITS, Event

MAX_CHUNK = 1024
"""Most samples of one `read`; what is due beyond that comes with the next."""
ROUNDING_S = 1e-6
"""A block that is due this little after the end of a wait is waited for."""


class SimulatedBrain:
    """Releases sample *k* at *t0* + *k* / rate, on real or virtual time.

    Samples depend on the settings, and on what `feel` is handed; not on how they are read.
    """

    Settings: ClassVar[type[BaseModel]] = SimulatedBrainSettings
    publishes_itself: ClassVar[bool] = False
    any_clock: ClassVar[bool] = True
    truth_labels: ClassVar[tuple[str, ...]] = LABELS
    truth_units: ClassVar[tuple[str, ...]] = UNITS
    truth_events: ClassVar[dict[int, str]] = {int(e): e.name.lower() for e in Event}

    def __init__(self, settings: Any, clock: Clock) -> None:
        self._settings: SimulatedBrainSettings = settings
        self._clock = clock
        self._model: Any = None
        self._t0_s = 0.0
        self._index = np.arange(MAX_CHUNK)
        self._block = max(1, round(settings.block_s * settings.rate_hz))
        self.counters = AmplifierCounters()
        self.exhausted = False

    def describe(self) -> StreamInfo:
        s = self._settings
        return StreamInfo(
            name="simulated_brain",
            rate_hz=s.rate_hz,
            channels=geometry.labels(s.n_channels, s.n_units if s.unit_channels else 0),
            source_id=f"simulated-brain-{s.seed}",
            manufacturer="simulated",
        )

    def open(self) -> StreamInfo:
        # Compiled code takes long to import, and to describe oneself needs none.
        from drivers.amplifiers.simulated_brain.model import Model

        self._model = Model(self._settings)
        self._t0_s = self._clock.now_s()
        self.counters = AmplifierCounters()
        return self.describe()

    def read(self, wait_s: float) -> Chunk | None:
        model = self._opened()
        rate_hz, given = self._settings.rate_hz, self.counters.samples
        # A whole block, so that it is not woken for each sample.
        due_s = self._t0_s + (given + self._block - 1 if given else 0) / rate_hz
        until_s = self._clock.now_s() + wait_s
        self._clock.sleep_until(due_s if due_s <= until_s + ROUNDING_S else until_s)
        if due_s > until_s + ROUNDING_S:
            return None
        elapsed_s = self._clock.now_s() - self._t0_s
        # What has been waited for is due, even where the clock rounds to just before it.
        least = self._block if given else 1
        due = max(least, int(elapsed_s * rate_hz) + 1 - given)
        n = min(due, MAX_CHUNK)
        samples = model.advance(n, self._t0_s)
        self.counters.samples += n
        return Chunk(samples, self._t0_s + (given + self._index[:n]) / rate_hz)

    def feel(self, emissions: Sequence[Emission]) -> None:
        """Take what has left a stimulator; it takes effect `feel_delay_s` after that.

        Raises
        ------
        DeviceError
            It is not open.
        """
        self._opened().feel(emissions, self._t0_s)

    @property
    def feeling_read_s(self) -> float:
        """Longest wait of a `read` after which nothing that is felt comes too late."""
        return self._settings.feel_delay_s / 2.0

    def truth(self) -> NDArray[np.float64]:
        """What has really happened since the last call, (n_events, 7), as `truth_labels`.

        An event comes once it is over. The first column is a code of `truth_events`.
        """
        rows: NDArray[np.float64] = self._opened().truth.drain()
        return rows

    @property
    def model(self) -> Any:
        """What is inside: a `Model`, for whoever judges by it."""
        return self._opened()

    def close(self) -> None:
        self._model = None

    def _opened(self) -> Any:
        if self._model is None:
            raise DeviceError("the simulated brain is not open; open it first")
        return self._model
