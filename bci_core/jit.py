"""The one way kernels are compiled here.

Eager, for an explicit signature, so that nothing compiles after arming;
cached on disk, so that only the first run pays; without the interpreter lock;
and without fastmath, which would let a result depend on how samples were cut
into chunks (law 7).
"""

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
from numba import njit, types

F = TypeVar("F", bound=Callable[..., Any])

_ROOT = Path(__file__).parent


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


def cache_folder() -> Path:
    """Where compiled kernels are kept: one folder for each state of the sources.

    Numba renews a cached function when its own file changes, but not when a function
    that was inlined into it does; that one may stand in another file.
    """
    sources = sorted([*_ROOT.glob("*.py"), *(_ROOT / "detection").glob("*.py")])
    sources += sorted((_ROOT.parent / "streams").glob("*.py"))
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()
    return _ROOT / "__pycache__" / f"kernels-{digest[:16]}"


def _use_cache_folder() -> None:
    if os.environ.get("NUMBA_CACHE_DIR"):
        return  # somebody has chosen
    folder = cache_folder()
    if not folder.is_dir():
        for old in folder.parent.glob("kernels-*"):
            shutil.rmtree(old, ignore_errors=True)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            return  # not writable: numba finds a place of its own
    numba.config.CACHE_DIR = str(folder)  # type: ignore[attr-defined] # made at import


_use_cache_folder()

KERNEL = types.int64(
    types.float32[:, ::1],
    types.float64[::1],
    types.uint8[::1],
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
