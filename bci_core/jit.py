"""The one way kernels are compiled here.

Eager, for an explicit signature, so that nothing compiles after arming;
cached on disk, so that only the first run pays; without the interpreter lock;
and without fastmath, which would let a result depend on how samples were cut
into chunks (law 7).
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit, types

F = TypeVar("F", bound=Callable[..., Any])


def compiled(signature: Any) -> Callable[[F], F]:
    """Compile a function in nopython mode for one signature.

    Parameters
    ----------
    signature : numba signature
        Such as ``KERNEL`` below.

    Returns
    -------
    callable
        A decorator that keeps the function's Python type.
    """
    return cast(
        "Callable[[F], F]",
        njit(signature, nogil=True, cache=True, fastmath=False, error_model="numpy"),
    )


KERNEL = types.int64(
    types.float32[:, ::1],
    types.float64[::1],
    types.float64[::1],
    types.float64[::1],
    types.float64[:, ::1],
)
"""Signature of every detector kernel; see `bci_core.detection.compiled`."""

MONITOR = types.void(
    types.float32[:, ::1],
    types.float64[::1],
    types.float64[::1],
    types.float64[::1],
    types.uint8[::1],
)
"""Signature of the sample monitor's kernel; see `bci_core.detection.monitor`."""
