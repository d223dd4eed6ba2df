"""A simulated amplifier: on each channel a sine, whole or in bursts, an offset and white noise.

By default like BrainFlow's synthetic board, whose first channel carries 5 Hz, the
second 10 Hz, and so on; but on the clock it is handed, so it also runs in
simulated time, and at any rate.
"""

from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from bci_core.chunk import Chunk, StreamInfo
from bci_core.clock import Clock
from bci_core.contracts import AmplifierCounters
from bci_core.errors import DeviceError
from drivers.amplifiers.schedule import wait_for_due


class SineSettings(BaseModel):
    """Section ``[amplifier]`` of a rig with ``driver = "sine"``.

    Attributes
    ----------
    rate_hz : float
    channels : tuple of str
        Labels.
    frequency_hz : float
        Of the first channel; channel *k* has *k* times as much.
    amplitude_uv, offset_uv, noise_uv : float
        Peak of the sine, mean, and standard deviation of the noise. The defaults were
        measured on BrainFlow's synthetic board, first channel.
    seed : int
        Of the noise.
    burst_s, every_s : float, optional
        The sine comes in bursts of this length, this far apart from start to start, each
        under a Hann window, the first after one interval. Not set: it never stops.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    rate_hz: float = Field(default=250.0, gt=0.0, le=100_000.0)
    channels: tuple[str, ...] = Field(default=("Fz", "C3", "Cz", "C4"), min_length=1)
    frequency_hz: float = Field(default=5.0, gt=0.0, le=10_000.0)
    amplitude_uv: float = Field(default=14.2, gt=0.0, le=1e6)
    offset_uv: float = Field(default=10.0, ge=-1e6, le=1e6)
    noise_uv: float = Field(default=0.3, ge=0.0, le=1e6)
    seed: int = Field(default=0, ge=0)
    burst_s: float | None = Field(default=None, gt=0.0, le=3600.0)
    every_s: float | None = Field(default=None, gt=0.0, le=3600.0)

    @model_validator(mode="after")
    def _bursts_are_apart(self) -> Self:
        if (self.burst_s is None) != (self.every_s is None):
            raise ValueError("burst_s and every_s belong together; give both, or neither")
        if self.burst_s and self.every_s and self.burst_s > self.every_s:
            raise ValueError(
                f"burst_s is {self.burst_s:g} s, limit: the {self.every_s:g} s of every_s"
            )
        return self


class SineGenerator:
    """Releases sample *k* at *t0* + *k* / rate, on real or virtual time."""

    Settings: ClassVar[type[BaseModel]] = SineSettings
    publishes_itself: ClassVar[bool] = False
    any_clock: ClassVar[bool] = True

    def __init__(self, settings: Any, clock: Clock) -> None:
        self._settings: SineSettings = settings
        self._clock = clock
        self._random = np.random.default_rng(settings.seed)
        harmonics = np.arange(1, len(settings.channels) + 1)
        self._radians_per_sample = (
            2.0 * np.pi * settings.frequency_hz * harmonics / settings.rate_hz
        )
        self._t0_s: float | None = None
        self.counters = AmplifierCounters()
        self.exhausted = False

    def describe(self) -> StreamInfo:
        return StreamInfo(
            name="sine",
            rate_hz=self._settings.rate_hz,
            channels=self._settings.channels,
            source_id=f"sine-{self._settings.seed}",
            manufacturer="simulated",
        )

    def open(self) -> StreamInfo:
        self._t0_s = self._clock.now_s()
        self.counters = AmplifierCounters()
        return self.describe()

    def read(self, wait_s: float) -> Chunk | None:
        if self._t0_s is None:
            raise DeviceError("the sine generator is not open; open it first")
        rate_hz, given = self._settings.rate_hz, self.counters.samples
        due = wait_for_due(self._clock, self._t0_s, rate_hz, given, wait_s)
        if not due:
            return None
        index = given + np.arange(due)
        self.counters.samples += len(index)
        return Chunk(self._samples(index), self._t0_s + index / self._settings.rate_hz)

    def close(self) -> None:
        self._t0_s = None

    def _samples(self, index: NDArray[np.int64]) -> NDArray[np.float32]:
        s = self._settings
        sines = s.amplitude_uv * np.sin(np.outer(index, self._radians_per_sample))
        if s.burst_s is not None and s.every_s is not None:
            sines *= _window(index / s.rate_hz, s.burst_s, s.every_s)[:, np.newaxis]
        noise = s.noise_uv * self._random.standard_normal(sines.shape)
        return np.ascontiguousarray(s.offset_uv + sines + noise, dtype=np.float32)


def _window(elapsed_s: NDArray[np.float64], burst_s: float, every_s: float) -> NDArray[np.float64]:
    """Hann windows of `burst_s`, one in each `every_s` but the first; 0 between them."""
    into_s = np.mod(elapsed_s, every_s)
    hann = np.sin(np.pi * np.minimum(into_s / burst_s, 1.0)) ** 2
    return np.where(elapsed_s < every_s, 0.0, hann)
