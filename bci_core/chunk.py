"""Samples and what they are samples of."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class StreamInfo:
    """What a stream of samples carries.

    Attributes
    ----------
    name : str
        Name of the stream, as other LSL programs will see it.
    rate_hz : float
        Nominal sampling rate, in Hz.
    channels : tuple of str
        Labels, in the order of the columns.
    source_id : str
        Stays the same when the same device is opened again.
    manufacturer : str
        Of the device, for the recording's metadata.
    kind : str
        LSL content type, such as ``"EEG"``.
    unit : str
        Unit of every channel. Drivers convert; everything inside is microvolts.
    """

    name: str
    rate_hz: float
    channels: tuple[str, ...]
    source_id: str
    manufacturer: str = "unknown"
    kind: str = "EEG"
    unit: str = "microvolts"

    def index_of(self, channel: str) -> int:
        """Column of a channel.

        Raises
        ------
        KeyError
            No channel has that label.
        """
        try:
            return self.channels.index(channel)
        except ValueError:
            raise KeyError(channel) from None


@dataclass(frozen=True, slots=True)
class Chunk:
    """A block of consecutive samples and their times.

    Attributes
    ----------
    samples : ndarray, (n_samples, n_channels), float32, C-contiguous
        Microvolts.
    times_s : ndarray, (n_samples,), float64
        Time of each sample on the LSL clock, in seconds. Where the device lost
        samples, the times skip; nothing is filled in.
    flags : ndarray, (n_samples,), uint8, or None
        What the sample monitor thinks of each sample: 0 is good; the bits are its
        ``FLAG_…``. None where it has not looked, such as on the way from an amplifier.
    """

    samples: NDArray[np.float32]
    times_s: NDArray[np.float64]
    flags: NDArray[np.uint8] | None = None

    def __post_init__(self) -> None:
        if self.samples.ndim != 2 or len(self.samples) != len(self.times_s):
            raise ValueError(
                f"samples {self.samples.shape} and times_s {self.times_s.shape} do not match: "
                "want (n_samples, n_channels) and (n_samples,)"
            )
        if self.flags is not None and len(self.flags) != len(self.times_s):
            raise ValueError(f"{len(self.flags)} flags for {len(self.times_s)} samples")

    def __len__(self) -> int:
        return len(self.times_s)
