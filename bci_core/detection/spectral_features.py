"""Logarithms of causal Morlet power, the features a state is told from."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel, ConfigDict, Field

from bci_core.chunk import Chunk, StreamInfo
from bci_core.detection import morlet
from bci_core.detection.requirements import channel_problems
from bci_core.errors import ConfigError, InputError, Problem
from bci_core.jit import compiled

LEAST_SD = 0.01
"""A feature's standard deviation is never taken to be less, in decades of power."""

EZZYAT_HZ = tuple(float(f) for f in np.round(np.geomspace(3.0, 180.0, 8), 2))
"""Eight frequencies from 3 to 180 Hz, evenly spaced in their logarithm."""


class SpectralFeatures(BaseModel):
    """What the model looks at: log10 power, each frequency on each channel.

    Attributes
    ----------
    channels : tuple of str
    frequencies_hz : tuple of float
    cycles : float
        Of each wavelet; see `bci_core.detection.morlet`.
    averaging_s : float
        Time constant over which power is averaged before its logarithm is taken.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    channels: tuple[str, ...] = Field(min_length=1)
    frequencies_hz: tuple[float, ...] = Field(default=EZZYAT_HZ, min_length=1)
    cycles: float = Field(default=5.0, ge=1.0, le=100.0)
    averaging_s: float = Field(default=0.5, ge=0.0, le=60.0)

    def __len__(self) -> int:
        return len(self.channels) * len(self.frequencies_hz)

    def problems(self, info: StreamInfo) -> list[Problem]:
        """What a stream lacks for these features."""
        return [
            *(p for channel in self.channels for p in channel_problems(channel, info, "channels")),
            *morlet.frequency_problems(self.frequencies_hz, info),
        ]

    def bank(self, info: StreamInfo) -> NDArray[np.float64]:
        """Settings of the wavelets, for `bci_core.detection.morlet`."""
        columns = [info.index_of(channel) for channel in self.channels]
        return morlet.wavelets(
            self.frequencies_hz, self.cycles, self.averaging_s, columns, info.rate_hz
        )

    def state(self) -> NDArray[np.float64]:
        """The wavelets' state before the first sample."""
        return np.zeros(morlet.state_size(len(self.frequencies_hz), len(self.channels)))

    def settled_s(self, info: StreamInfo) -> float:
        """How long after the first sample the power is within a hundredth of its own."""
        slowest_s = max(morlet.delays_s(self.frequencies_hz, self.cycles, info.rate_hz))
        return 2.0 * slowest_s + 5.0 * self.averaging_s

    def measured(self, chunk: Chunk, info: StreamInfo, at_s: ArrayLike) -> NDArray[np.float64]:
        """The features as the detector would have seen them at each of some times.

        Parameters
        ----------
        chunk : Chunk
            A whole recording, in microvolts. Where it has flags, what is flagged
            does not enter the power, as in the detector.
        info : StreamInfo
        at_s : array-like, (n_times,)
            On the clock of the chunk, ascending. The last sample at or before each
            is the last that counts.

        Returns
        -------
        ndarray, (n_times, n_features)
            log10 of microvolts squared: all channels at the first frequency, then the next.

        Raises
        ------
        ConfigError
            The stream lacks a channel, or has too low a rate.
        InputError
            A time lies outside of the chunk, or they do not ascend.
        """
        problems = self.problems(info)
        if problems:
            raise ConfigError("spectral features", problems)
        times_s = np.asarray(at_s, dtype=np.float64)
        rows = np.searchsorted(chunk.times_s, times_s, side="right") - 1
        if len(rows) and (rows[0] < 0 or times_s[-1] > chunk.times_s[-1]):
            raise InputError(
                f"events from {times_s[0]:g} s to {times_s[-1]:g} s do not lie within the "
                f"samples, {chunk.times_s[0]:g} s to {chunk.times_s[-1]:g} s"
            )
        if (np.diff(times_s) < 0.0).any():
            raise InputError("times of events do not ascend; sort them, and the labels with them")
        flags = np.zeros(len(chunk), dtype=np.uint8) if chunk.flags is None else chunk.flags
        out = np.zeros((len(rows), len(self)))
        _measure(self.bank(info), self.state(), chunk.samples, flags, rows.astype(np.int64), out)
        return out


@compiled(
    "void(float64[::1], float64[::1], float32[:, ::1], uint8[::1], int64[::1], float64[:, ::1])"
)
def _measure(
    bank: NDArray[np.float64],
    state: NDArray[np.float64],
    samples: NDArray[np.float32],
    flags: NDArray[np.uint8],
    rows: NDArray[np.int64],
    out: NDArray[np.float64],
) -> None:
    i = 0
    for k in range(rows.shape[0]):
        while i <= rows[k]:
            morlet.advance(bank, state, samples[i], flags[i] == 0)
            i += 1
        morlet.log_powers(state, out[k])
