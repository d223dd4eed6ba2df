"""Detectors whose work is one nopython kernel.

The live loop calls the kernel without the interpreter, straight after the
pull; replay, simulation and tests call the same kernel through `update`. All
kernels share one signature (`bci_core.jit.KERNEL`)::

    kernel(samples, times_s, settings, state, out) -> number of detections

``samples`` (n, n_channels) float32 in microvolts; ``times_s`` (n,); ``settings``
never change; ``state`` is everything the kernel remembers, flat, so that it can
be saved and compared; each detection is a row of ``out``: `OUT_ROW`,
`OUT_TARGET_S`, `OUT_VALUE`. A kernel walks sample by sample and keeps nothing
between calls but ``state``, which is what makes chunking irrelevant (law 7).
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bci_core.chunk import Chunk
from bci_core.events import Detection

OUT_ROW = 0
OUT_TARGET_S = 1
OUT_VALUE = 2
OUT_COLUMNS = 3

MAX_ROWS = 1024
"""Most samples handed to a kernel at once; a detection needs a sample, so `out` never overflows."""


class CompiledDetector:
    """What every detector with a kernel shares.

    Parameters
    ----------
    kernel : callable
        Compiled for `bci_core.jit.KERNEL`.
    settings : ndarray, float64
        Handed to the kernel as they are.
    state : ndarray, float64
        The state to begin with.
    channels : tuple of int
        Columns the kernel reads; the monitor watches these.
    """

    def __init__(
        self,
        kernel: Callable[..., Any],
        settings: NDArray[np.float64],
        state: NDArray[np.float64],
        channels: tuple[int, ...],
    ) -> None:
        self.kernel = kernel
        self.settings = np.ascontiguousarray(settings, dtype=np.float64)
        self.state = np.array(state, dtype=np.float64)
        self.channels = channels
        self.out = np.zeros((MAX_ROWS, OUT_COLUMNS))
        self._seen = 0

    def update(self, chunk: Chunk) -> list[Detection]:
        found: list[Detection] = []
        for start in range(0, len(chunk), MAX_ROWS):
            samples = chunk.samples[start : start + MAX_ROWS]
            times_s = chunk.times_s[start : start + MAX_ROWS]
            n_found = self.kernel(samples, times_s, self.settings, self.state, self.out)
            found += self.collect(n_found, times_s)
        return found

    def collect(
        self,
        n_found: int,
        times_s: NDArray[np.float64],
        veto: Callable[[int], str] = lambda _row: "",
    ) -> list[Detection]:
        """Turn the first rows of `out` into detections, after the kernel ran on `times_s`.

        Parameters
        ----------
        n_found : int
        times_s : ndarray, (n_samples,)
        veto : callable (row)
            Veto of the sample in that row.
        """
        found = []
        for i in range(n_found):
            row = int(self.out[i, OUT_ROW])
            found.append(
                Detection(
                    self._seen + row,
                    float(times_s[row]),
                    float(self.out[i, OUT_TARGET_S]),
                    float(self.out[i, OUT_VALUE]),
                    veto(row),
                )
            )
        self._seen += len(times_s)
        return found

    def skip(self, n_samples: int) -> None:
        """Count samples the kernel has been through without a call of `collect`."""
        self._seen += n_samples
