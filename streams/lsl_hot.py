"""Waiting for samples and detecting on them without the interpreter.

liblsl's C entry points are called by name from compiled code, so the code can
be cached on disk although the library is loaded at another address each time.
The detector's kernel arrives as a function pointer of the one signature all
kernels share, so this compiles once for all detectors.
"""

from typing import Any

import numpy as np
import pylsl.lib
from llvmlite import binding
from numba import types
from numba.core import sigutils
from numpy.typing import NDArray

from bci_core.jit import KERNEL, MONITOR, compiled

# Makes the symbols below known to the linker of compiled code.
binding.load_library_permanently(pylsl.lib.lib._name)


def _signature(text: str) -> Any:
    normalize: Any = sigutils.normalize_signature
    arguments, result = normalize(text)
    return result(*arguments)


_pointer: Any = types.CPointer
_pull_sample: Any = types.ExternalFunction(
    "lsl_pull_sample_f",
    types.float64(
        types.uintp,
        _pointer(types.float32),
        types.int32,
        types.float64,
        _pointer(types.int32),
    ),
)
_pull_chunk: Any = types.ExternalFunction(
    "lsl_pull_chunk_f",
    types.uintp(
        types.uintp,
        _pointer(types.float32),
        _pointer(types.float64),
        types.uintp,
        types.uintp,
        types.float64,
        _pointer(types.int32),
    ),
)
_local_clock: Any = types.ExternalFunction("lsl_local_clock", types.float64())

# What a wait reports, as slots of one array.
WAKE_FOUND, WAKE_ALARMS, WAKE_ROWS, WAKE_BEFORE, WAKE_ERROR = range(5)
WAKE_FIRST_S, WAKE_LAST_S, WAKE_RECEIVED_S, WAKE_DETECTED_S = range(5, 9)
WAKE_SLOTS = 9


@compiled(
    types.int64(
        types.uintp, types.float32[:, ::1], types.float64[::1], types.float64, types.float64[::1]
    )
)
def pull_block(
    inlet: int,
    samples: NDArray[np.float32],
    times_s: NDArray[np.float64],
    wait_s: float,
    wake: NDArray[np.float64],
) -> int:
    """Wait for one sample, then take all that are there; how many, 0 for none.

    `lsl_pull_chunk` with a timeout waits to fill its buffer, so it is only used to
    empty the queue after `lsl_pull_sample` has waited.
    """
    error = np.zeros(1, dtype=np.int32)
    first_s = _pull_sample(inlet, samples.ctypes, samples.shape[1], wait_s, error.ctypes)
    if first_s == 0.0:
        wake[WAKE_ERROR] = error[0]
        return 0
    times_s[0] = first_s
    rest = samples[1:]
    rest_s = times_s[1:]
    got = _pull_chunk(inlet, rest.ctypes, rest_s.ctypes, rest.size, rest_s.size, 0.0, error.ctypes)
    wake[WAKE_RECEIVED_S] = _local_clock()
    wake[WAKE_ERROR] = error[0]
    return int(1 + int(got) // samples.shape[1])


@compiled(
    types.void(
        types.uintp,
        types.float32[:, ::1],
        types.float64[::1],
        types.FunctionType(_signature(MONITOR)),
        types.float64[::1],
        types.float64[::1],
        types.uint8[::1],
        types.FunctionType(_signature(KERNEL)),
        types.float64[::1],
        types.float64[::1],
        types.float64[:, ::1],
        types.FunctionType(_signature(KERNEL)),
        types.float64[::1],
        types.float64[::1],
        types.float64[:, ::1],
        types.float64,
        types.float64[::1],
    )
)
def wait_and_detect(
    inlet: int,
    samples: NDArray[np.float32],
    times_s: NDArray[np.float64],
    monitor: Any,
    monitor_settings: NDArray[np.float64],
    monitor_state: NDArray[np.float64],
    flags: NDArray[np.uint8],
    kernel: Any,
    settings: NDArray[np.float64],
    state: NDArray[np.float64],
    out: NDArray[np.float64],
    guard: Any,
    guard_settings: NDArray[np.float64],
    guard_state: NDArray[np.float64],
    guard_out: NDArray[np.float64],
    until_s: float,
    wake: NDArray[np.float64],
) -> None:
    """Pull, monitor, detect and guard until something is found, an error, or `until_s`.

    Leaves the last block in `samples` and `times_s`, and fills `wake`.
    """
    wake[:] = 0.0
    wake[WAKE_FIRST_S:] = np.nan
    while True:
        wait_s = until_s - _local_clock()
        if wait_s <= 0.0:
            return
        # Nothing was found in the block before.
        wake[WAKE_BEFORE] += wake[WAKE_ROWS]
        wake[WAKE_ROWS] = 0.0
        n = pull_block(inlet, samples, times_s, wait_s, wake)
        if n > 0:
            block = samples[:n]
            block_s = times_s[:n]
            if wake[WAKE_BEFORE] == 0.0:
                wake[WAKE_FIRST_S] = block_s[0]
            wake[WAKE_LAST_S] = block_s[n - 1]
            monitor(block, block_s, monitor_settings, monitor_state, flags)
            wake[WAKE_ROWS] = n
            wake[WAKE_FOUND] = kernel(block, block_s, flags[:n], settings, state, out)
            wake[WAKE_ALARMS] = guard(
                block, block_s, flags[:n], guard_settings, guard_state, guard_out
            )
            wake[WAKE_DETECTED_S] = _local_clock()
        if wake[WAKE_FOUND] + wake[WAKE_ALARMS] > 0.0 or wake[WAKE_ERROR] != 0.0:
            return
