"""Detectors whose work is one nopython kernel.

The live loop calls the kernel without the interpreter, straight after the
pull; replay, simulation and tests call the same kernel through `update`. All
kernels share one signature (`bci_core.jit.KERNEL`)::

    kernel(samples, times_s, flags, settings, state, out) -> number of detections

``samples`` (n, n_channels) float32 in microvolts; ``times_s`` (n,); ``flags`` (n,)
of the sample monitor, where anything but 0 is a sample that filters may pass but
nothing may be learnt from: no baseline, threshold or noise estimate moves on it;
``settings`` never change; ``state`` is everything the kernel remembers, flat, so
that it can be saved and compared; each detection is a row of ``out``, written with
`announce`. A kernel walks sample by sample and keeps nothing between calls but
``state``, which is what makes chunking irrelevant (law 7).
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bci_core.chunk import Chunk
from bci_core.events import Detection, EventKind
from bci_core.jit import KERNEL, compiled

# columns of `out`
OUT_ROW, OUT_TARGET_S, OUT_VALUE, OUT_KIND, OUT_CHANNEL, OUT_SPREAD_S = range(6)
OUT_COLUMNS = 6

KINDS = (EventKind.ONSET, EventKind.END)
ONSET, END = range(2)
"""What `OUT_KIND` may hold: indices of `KINDS`."""

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
    outputs : tuple of str
        Labels, with their units, of what the kernel knows at every sample beside its
        detections (an envelope, a rate, a strength). Published and recorded.
    outputs_at : int
        Where the first of them stands in `state`; the others follow.
    """

    def __init__(
        self,
        kernel: Callable[..., Any],
        settings: NDArray[np.float64],
        state: NDArray[np.float64],
        channels: tuple[int, ...],
        outputs: tuple[str, ...] = (),
        outputs_at: int = 0,
    ) -> None:
        self.kernel = kernel
        self.settings = np.ascontiguousarray(settings, dtype=np.float64)
        self.state = np.array(state, dtype=np.float64)
        self.channels = channels
        self.outputs = outputs
        self._outputs_at = outputs_at
        self.out = np.zeros((MAX_ROWS, OUT_COLUMNS))
        self._unflagged = np.zeros(MAX_ROWS, dtype=np.uint8)
        self._seen = 0

    def update(self, chunk: Chunk) -> list[Detection]:
        found: list[Detection] = []
        for start in range(0, len(chunk), MAX_ROWS):
            samples = chunk.samples[start : start + MAX_ROWS]
            times_s = chunk.times_s[start : start + MAX_ROWS]
            flags = (
                self._unflagged if chunk.flags is None else chunk.flags[start : start + MAX_ROWS]
            )
            n_found = self.kernel(
                samples, times_s, flags[: len(times_s)], self.settings, self.state, self.out
            )
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
                    KINDS[int(self.out[i, OUT_KIND])],
                    int(self.out[i, OUT_CHANNEL]),
                    float(self.out[i, OUT_SPREAD_S]),
                )
            )
        self._seen += len(times_s)
        return found

    def skip(self, n_samples: int) -> None:
        """Count samples the kernel has been through without a call of `collect`."""
        self._seen += n_samples

    def output(self) -> NDArray[np.float64]:
        """Values of `outputs` after the last sample, (n_outputs,)."""
        return self.state[self._outputs_at : self._outputs_at + len(self.outputs)].copy()

    def trace(self, chunk: Chunk) -> NDArray[np.float64]:
        """Values of `outputs` after each sample, (n_samples, n_outputs). For looking, not live."""
        values = np.zeros((len(chunk), len(self.outputs)))
        for i in range(len(chunk)):
            flags = None if chunk.flags is None else chunk.flags[i : i + 1]
            self.update(Chunk(chunk.samples[i : i + 1], chunk.times_s[i : i + 1], flags))
            values[i] = self.output()
        return values


class NoDetector(CompiledDetector):
    """Finds nothing: stands where a rig has no guard, so that one compiled wait serves both."""

    def __init__(self) -> None:
        nothing = np.zeros(0)
        super().__init__(no_kernel, nothing, nothing, ())


@compiled(KERNEL)
def no_kernel(
    samples: NDArray[np.float32],  # noqa: ARG001 - the signature of every kernel
    times_s: NDArray[np.float64],  # noqa: ARG001
    flags: NDArray[np.uint8],  # noqa: ARG001
    settings: NDArray[np.float64],  # noqa: ARG001
    state: NDArray[np.float64],  # noqa: ARG001
    out: NDArray[np.float64],  # noqa: ARG001
) -> int:
    """See `NoDetector`."""
    return 0


@compiled("int64(float64[:, ::1], int64, int64, float64, float64)")
def announce(
    out: NDArray[np.float64], n_found: int, row: int, target_s: float, value: float
) -> int:
    """Write an onset into row `n_found` of `out`; how many there are then.

    What else is known (`OUT_KIND`, `OUT_CHANNEL`, `OUT_SPREAD_S`) is overwritten afterwards.
    """
    out[n_found, OUT_ROW] = row
    out[n_found, OUT_TARGET_S] = target_s
    out[n_found, OUT_VALUE] = value
    out[n_found, OUT_KIND] = ONSET
    out[n_found, OUT_CHANNEL] = -1.0
    out[n_found, OUT_SPREAD_S] = 0.0
    return n_found + 1
